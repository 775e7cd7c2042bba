//! One thing that was looked at: what it must be, what it is, and what to do.

use crate::error::Exit;
use crate::failure::Failure;
use serde::Serialize;

/// Where a finding belongs; the order of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// State and settings of this program.
    Tailfill,
    Mysql,
    Mappings,
    Queries,
    Memcached,
    Hbase,
    Clocks,
}

impl Group {
    pub fn name(self) -> &'static str {
        match self {
            Group::Tailfill => "tailfill",
            Group::Mysql => "mysql",
            Group::Mappings => "mappings",
            Group::Queries => "queries",
            Group::Memcached => "memcached",
            Group::Hbase => "hbase",
            Group::Clocks => "clocks",
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// Good to know; nothing has to be done.
    Note,
    /// It works, and something is likely to go wrong later.
    Warning,
    /// A run could lose data, or cannot work.
    Refusal,
    /// It could not be looked at; a refusal when it must be known.
    Unknown,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Refusal => "refusal",
            Level::Unknown => "unknown",
        }
    }
}

/// One setting, grant or assumption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `group.name`, stable for programs that read the JSON.
    pub id: String,
    pub group: Group,
    pub level: Level,
    pub expected: String,
    pub actual: String,
    /// What to do; empty when it is as expected.
    pub advice: String,
    /// The exit code that it asks for; `None` when tailfill can start with it.
    #[serde(skip)]
    pub exit: Option<Exit>,
}

impl Finding {
    pub fn refuses(&self) -> bool {
        self.exit.is_some()
    }

    /// The same as a warning, where it would refuse.
    pub fn tolerated(self) -> Finding {
        match self.exit {
            Some(_) => Finding { level: Level::Warning, exit: None, ..self },
            None => self,
        }
    }

    /// The id without its group.
    pub fn name(&self) -> &str {
        self.id.strip_prefix(self.group.name()).and_then(|rest| rest.strip_prefix('.')).unwrap_or(&self.id)
    }
}

/// What something must be; its methods say what it is.
#[derive(Clone, Debug)]
pub struct Rule {
    group: Group,
    name: String,
    expected: String,
}

impl Rule {
    pub fn new(group: Group, name: impl Into<String>, expected: impl Into<String>) -> Rule {
        Rule { group, name: name.into(), expected: expected.into() }
    }

    pub fn ok(self, actual: impl Into<String>) -> Finding {
        self.finding(Level::Ok, actual, "", None)
    }

    pub fn note(self, actual: impl Into<String>, advice: impl Into<String>) -> Finding {
        self.finding(Level::Note, actual, advice, None)
    }

    pub fn warning(self, actual: impl Into<String>, advice: impl Into<String>) -> Finding {
        self.finding(Level::Warning, actual, advice, None)
    }

    pub fn refusal(self, actual: impl Into<String>, advice: impl Into<String>) -> Finding {
        self.finding(Level::Refusal, actual, advice, Some(Exit::Refused))
    }

    /// `ok` when it holds, else a refusal.
    pub fn must(self, holds: bool, actual: impl Into<String>, advice: impl Into<String>) -> Finding {
        if holds { self.ok(actual) } else { self.refusal(actual, advice) }
    }

    /// `ok` when it holds, else a warning.
    pub fn should(self, holds: bool, actual: impl Into<String>, advice: impl Into<String>) -> Finding {
        if holds { self.ok(actual) } else { self.warning(actual, advice) }
    }

    /// The thing itself failed: a server that is away, a login that was refused, a table that is missing.
    pub fn failed(self, error: impl Into<Failure>) -> Finding {
        let failure = error.into();
        let (actual, advice) = (failure.error.to_string(), failure.help.unwrap_or_default());
        self.finding(Level::Refusal, actual, advice, Some(failure_exit(failure.exit)))
    }

    /// It must be known, and could not be looked at.
    pub fn unknown(self, error: impl Into<Failure>) -> Finding {
        let failure = error.into();
        let (actual, advice) = (failure.error.to_string(), failure.help.unwrap_or_default());
        self.finding(Level::Unknown, actual, advice, Some(failure_exit(failure.exit)))
    }

    /// It could not be looked at, and a run does without.
    pub fn unknown_note(self, reason: impl Into<String>, advice: impl Into<String>) -> Finding {
        self.finding(Level::Unknown, reason, advice, None)
    }

    fn finding(
        self,
        level: Level,
        actual: impl Into<String>,
        advice: impl Into<String>,
        exit: Option<Exit>,
    ) -> Finding {
        let id = format!("{}.{}", self.group.name(), self.name);
        let (actual, advice) = (actual.into(), advice.into());
        Finding { id, group: self.group, level, expected: self.expected, actual, advice, exit }
    }
}

/// A check refuses, fails because a server is away, or finds that the source cannot be continued; nothing else comes of it.
fn failure_exit(exit: Exit) -> Exit {
    if matches!(exit, Exit::Failed | Exit::Position) { exit } else { Exit::Refused }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceError;

    fn rule() -> Rule {
        Rule::new(Group::Mysql, "binlog_format", "ROW")
    }

    #[test]
    fn a_finding_says_whether_it_refuses_and_with_which_code() {
        let exits = [
            rule().ok("ROW").exit,
            rule().warning("MIXED", "mend it").exit,
            rule().refusal("MIXED", "mend it").exit,
            rule().failed(SourceError::Unavailable { address: "h:1".into(), reason: "refused".into() }).exit,
            rule().unknown(SourceError::Refused { what: "it".into(), reason: "no".into() }).exit,
            rule().unknown_note("nobody knows", "").exit,
        ];
        let expected = [None, None, Some(Exit::Refused), Some(Exit::Failed), Some(Exit::Refused), None];
        assert_eq!(exits, expected);
    }

    #[test]
    fn an_id_is_the_group_and_a_name() {
        let finding = rule().ok("ROW");
        assert_eq!((finding.id.as_str(), finding.name()), ("mysql.binlog_format", "binlog_format"));
    }
}
