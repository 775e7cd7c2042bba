//! What a file may say: TOML with lines, read key by key, every fault collected.
//!
//! A derived `Deserialize` stops at the first wrong type; this goes on, so that a person mends a
//! file once. Each [`Section`] remembers the keys it was asked for, so that [`Section::close`] can
//! name every key that nobody knows.

use super::fault::{Fault, likely};
use std::cell::RefCell;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The longest value that a fault repeats, in characters.
const GIVEN_CHARS_MAX: usize = 80;

/// Where faults are collected, and the text that their lines are counted in.
pub struct Findings<'t> {
    text: &'t str,
    faults: RefCell<Vec<Fault>>,
}

impl<'t> Findings<'t> {
    /// The root of `text`. Each place that is not TOML becomes a fault.
    pub fn parse(text: &'t str) -> (Findings<'t>, Spanned<DeTable<'t>>) {
        let findings = Findings { text, faults: RefCell::default() };
        let (root, errors) = DeTable::parse_recoverable(text);
        // what follows the first error in the text may well be its consequence
        if let Some(error) = errors.into_iter().min_by_key(|error| error.span().map(|span| span.start)) {
            // The message alone: the error's own Display repeats the line, which may hold a secret.
            let rule = format!("not TOML: {}", error.message().replace('\n', ", "));
            let line = error.span().map(|span| findings.line_at(span.start));
            findings.push(Fault { line, path: String::new(), given: None, rule });
        }
        (findings, root)
    }

    pub fn push(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    pub fn is_empty(&self) -> bool {
        self.faults.borrow().is_empty()
    }

    /// All faults in the order of their lines.
    pub fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| fault.line);
        faults
    }

    fn line_at(&self, offset: usize) -> usize {
        1 + self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
    }
}

/// One table of the file, or one that the file leaves out.
pub struct Section<'f> {
    findings: &'f Findings<'f>,
    path: String,
    line: Option<usize>,
    table: Option<&'f DeTable<'f>>,
    known: Vec<&'static str>,
    /// Known too, and never suggested.
    unlisted: Vec<&'static str>,
    /// Not a table at all, which is one fault; that keys are missing from it is not another.
    muted: bool,
}

impl<'f> Section<'f> {
    pub fn root(findings: &'f Findings<'f>, table: &'f DeTable<'f>) -> Section<'f> {
        Section::new(findings, String::new(), None, Some(table))
    }

    fn new(
        findings: &'f Findings<'f>,
        path: String,
        line: Option<usize>,
        table: Option<&'f DeTable<'f>>,
    ) -> Section<'f> {
        Section { findings, path, line, table, known: Vec::new(), unlisted: Vec::new(), muted: false }
    }

    /// Whether the file has this table.
    pub fn is_given(&self) -> bool {
        self.table.is_some()
    }

    /// Whether the file has `key` in this table.
    pub fn has(&self, key: &str) -> bool {
        self.found(key).is_some()
    }

    /// The value of `key`, or `None` when it is not given or breaks the rule that `read` returns.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        self.known.push(key);
        let found = self.found(key)?;
        match read(found.get_ref()) {
            Ok(value) => Some(value),
            Err(rule) => {
                self.fault(key, rule);
                None
            }
        }
    }

    /// As [`optional`](Section::optional), of a key that has another name now: it is read, and not suggested.
    pub fn old_name<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.optional(key, read);
        self.unlisted.extend(self.known.pop());
        value
    }

    /// As [`optional`](Section::optional); a missing key is a fault, with `advice`.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        advice: &str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(key) {
            self.fault(key, format!("is missing: {advice}"));
        }
        self.optional(key, read)
    }

    /// The elements of the array `key`; `None` when it is not given, or not an array. An element
    /// that breaks its rule is a fault and left out.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        what: &str,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.known.push(key);
        let found = self.found(key)?;
        let DeValue::Array(elements) = found.get_ref() else {
            self.fault(key, format!("must be an array of {what}"));
            return None;
        };
        let mut values = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            match read(element.get_ref()) {
                Ok(value) => values.push(value),
                Err(rule) => self.fault_in(key, index, rule),
            }
        }
        Some(values)
    }

    /// As [`list`](Section::list); a missing or empty array is a fault, with `advice`.
    pub fn required_list<T>(
        &mut self,
        key: &'static str,
        what: &str,
        advice: &str,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        if !self.has(key) {
            self.fault(key, format!("is missing: {advice}"));
        } else if self.found(key).is_some_and(|f| matches!(f.get_ref(), DeValue::Array(a) if a.is_empty())) {
            self.fault(key, format!("must not be empty: {advice}"));
        }
        self.list(key, what, read).filter(|values| !values.is_empty())
    }

    /// The table `key`; one that is not given has no keys.
    pub fn section(&mut self, key: &'static str) -> Section<'f> {
        self.known.push(key);
        let path = self.path_of(key);
        let Some(found) = self.found(key) else {
            return Section::new(self.findings, path, self.line, None);
        };
        let line = self.line_of(found);
        match found.get_ref() {
            DeValue::Table(table) => Section::new(self.findings, path, line, Some(table)),
            _ => {
                self.fault(key, format!("must be a table: [{}]", plain(&path)));
                Section { muted: true, ..Section::new(self.findings, path, line, None) }
            }
        }
    }

    /// The tables `[[key]]`, in order.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'f>> {
        self.known.push(key);
        let Some(found) = self.found(key) else { return Vec::new() };
        let rule = format!("must be tables: [[{}]]", plain(&self.path_of(key)));
        let DeValue::Array(elements) = found.get_ref() else {
            self.fault(key, rule);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            let path = format!("{}[{index}]", self.path_of(key));
            match element.get_ref() {
                DeValue::Table(table) => {
                    let line = self.line_of(element);
                    sections.push(Section::new(self.findings, path, line, Some(table)));
                }
                _ => self.fault_in(key, index, rule.clone()),
            }
        }
        sections
    }

    /// Refuses a key that is known but may not be given. Its value is not repeated.
    pub fn refuse(&mut self, key: &'static str, rule: &str) {
        self.unlisted.push(key);
        if self.has(key) {
            self.fault_without_value(key, rule.to_owned());
        }
    }

    /// The dotted path of `key`.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A fault of `key`, with the value given.
    pub fn fault(&self, key: &str, rule: String) {
        let given = self.found(key).and_then(|found| given(found.get_ref()));
        self.push(key, given, rule);
    }

    /// A fault of `key` whose value may be a secret.
    pub fn fault_without_value(&self, key: &str, rule: String) {
        self.push(key, None, rule);
    }

    /// A fault of one element of the array `key`.
    pub fn fault_in(&self, key: &str, index: usize, rule: String) {
        let element = self.found(key).and_then(|found| found.get_ref().get(index));
        self.findings.push(Fault {
            line: element.and_then(|element| self.line_of(element)).or(self.line),
            path: format!("{}[{index}]", self.path_of(key)),
            given: element.and_then(|element| given(element.get_ref())),
            rule,
        });
    }

    /// Ends the reading of this table: every key that nobody asked for is a fault.
    pub fn close(self) {
        let Some(table) = self.table else { return };
        for key in table.keys().map(|key| key.get_ref().as_ref()) {
            if !self.known.iter().chain(&self.unlisted).any(|known| *known == key) {
                let rule = match likely(key, self.known.iter().copied()) {
                    Some(name) => format!("is not a key of {}; did you mean `{name}`?", self.name()),
                    None => format!("is not a key of {} (its keys: {})", self.name(), self.known.join(", ")),
                };
                self.fault_without_value(key, rule);
            }
        }
    }

    fn name(&self) -> String {
        match self.path.as_str() {
            "" => "the top of the file".to_owned(),
            path if path.ends_with(']') => format!("[[{}]]", plain(path)),
            path => format!("[{}]", plain(path)),
        }
    }

    fn push(&self, key: &str, given: Option<String>, rule: String) {
        if self.muted {
            return;
        }
        let line = self.found(key).and_then(|found| self.line_of(found)).or(self.line);
        self.findings.push(Fault { line, path: self.path_of(key), given, rule });
    }

    fn found(&self, key: &str) -> Option<&'f Spanned<DeValue<'f>>> {
        self.table?.get(key)
    }

    fn line_of(&self, value: &Spanned<DeValue<'_>>) -> Option<usize> {
        Some(self.findings.line_at(value.span().start))
    }
}

/// A path as a header has it: `mapping[0].target[1]` is one of the tables [[mapping.target]].
fn plain(path: &str) -> String {
    let digits = |c: char| c.is_ascii_digit() || c == ']';
    path.split('[').map(|part| part.trim_start_matches(digits)).collect()
}

/// A value as the file has it, when it is short and plain.
fn given(value: &DeValue<'_>) -> Option<String> {
    let text = match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(fact) => fact.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => return None,
    };
    if text.chars().count() <= GIVEN_CHARS_MAX {
        return Some(text);
    }
    Some(text.chars().take(GIVEN_CHARS_MAX).chain("...".chars()).collect())
}
