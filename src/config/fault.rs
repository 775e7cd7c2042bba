//! What is wrong with a configuration.

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

/// The one of `known` that `given` is likely meant to be: it begins with it (`desc`), or at most a
/// third of its letters, and one more, are wrong (Damerau-Levenshtein distance, so two swapped
/// letters are one fault).
pub fn likely<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let given = given.to_ascii_lowercase();
    let distance = |name: &str| {
        let name = name.to_ascii_lowercase();
        if given.len() >= 3 && name.starts_with(&given) {
            return Some(1);
        }
        let shorter = name.len().min(given.len());
        let distance = strsim::damerau_levenshtein(&given, &name);
        (distance <= shorter / 3 + 1 && distance < shorter).then_some(distance)
    };
    let scored = known.into_iter().filter_map(|name| Some((distance(name)?, name)));
    scored.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelling_is_recognised_and_a_stranger_is_not() {
        let known = ["chunk_rows", "workers"];
        assert_eq!(likely("chunkrows", known), Some("chunk_rows"));
        assert_eq!(likely("Wrokers", known), Some("workers"));
        assert_eq!(likely("chunk", known), Some("chunk_rows"));
        assert_eq!(likely("threads", known), None);
        assert_eq!(likely("ab", ["c"]), None);
    }
}
