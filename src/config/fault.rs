//! What is wrong with a configuration.

pub use crate::model::spelling::likely;
use std::fmt;

/// One fault: where, what was given, and the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line in the file, from 1; `None` when the fault is of no line.
    pub line: Option<usize>,
    /// The dotted path, `mapping[0].target[1].salt_buckets`; empty when the text is not TOML.
    pub path: String,
    /// The value as it stands in the file, shortened; `None` when it is missing, long, or could be
    /// a secret.
    pub given: Option<String>,
    /// What it must be, or what to do: the end of a sentence that begins with the path.
    pub rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.path)?;
        if let Some(given) = &self.given {
            write!(f, " = {given}")?;
        }
        let separator = if self.path.is_empty() { "" } else { ": " };
        write!(f, "{separator}{}", self.rule)
    }
}

/// All faults of a configuration, at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// `1 fault`, `3 faults`.
    pub fn headline(&self) -> String {
        match self.0.len() {
            1 => "1 fault".to_owned(),
            count => format!("{count} faults"),
        }
    }
}

/// One fault a line.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Fault::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}
