//! All findings, as a calm table, as JSON, or as the reason why a run is refused.

use super::finding::{Finding, Group, Level};
use crate::advice;
use crate::error::Exit;
use crate::failure::Failure;
use serde::Serialize;
use std::fmt;

/// Names and expectations longer than this do not widen their column.
const COLUMN_MAX: usize = 44;

/// What was found, group by group.
#[derive(Clone, Debug, Default)]
pub struct CheckReport {
    findings: Vec<Finding>,
}

impl CheckReport {
    /// Findings in the order of their groups, otherwise as given.
    pub fn new(mut findings: Vec<Finding>) -> CheckReport {
        findings.sort_by_key(|finding| finding.group);
        CheckReport { findings }
    }

    pub fn refused(&self) -> usize {
        self.findings.iter().filter(|finding| finding.refuses()).count()
    }

    pub fn warnings(&self) -> usize {
        self.at(Level::Warning).count()
    }

    fn at(&self, level: Level) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.level == level)
    }

    /// A rule that is broken weighs more than a position that is lost, and that more than a server that is away.
    pub fn exit(&self) -> Exit {
        let asked = |exit: &Exit| self.findings.iter().any(|finding| finding.exit == Some(*exit));
        [Exit::Refused, Exit::Position, Exit::Failed].into_iter().find(asked).unwrap_or(Exit::Done)
    }

    /// One JSON object: `refused`, `warnings`, `findings`.
    pub fn json(&self) -> Result<String, Failure> {
        #[derive(Serialize)]
        struct Document<'a> {
            refused: usize,
            warnings: usize,
            findings: &'a [Finding],
        }
        let document =
            Document { refused: self.refused(), warnings: self.warnings(), findings: &self.findings };
        let text = serde_json::to_string_pretty(&document);
        Ok(text.map_err(|error| Failure::new(Exit::Failed, error))? + "\n")
    }

    /// Logs each warning once; fails with every refusal when there is one. `command` is refused.
    pub fn pass(&self, command: &str) -> Result<(), Failure> {
        for finding in self.at(Level::Warning) {
            tracing::warn!(
                check = finding.id,
                expected = finding.expected,
                advice = finding.advice,
                "{}",
                finding.actual
            );
        }
        let refusals: Vec<&Finding> = self.findings.iter().filter(|finding| finding.refuses()).collect();
        if refusals.is_empty() {
            return Ok(());
        }
        let count = match refusals.len() {
            1 => "1 check refuses".to_owned(),
            count => format!("{count} checks refuse"),
        };
        let mut failure = Failure::new(self.exit(), format!("{count} this {command}"));
        failure.details = refusals.iter().map(|finding| refusal_line(finding)).collect();
        Err(failure.with_help(advice::see_check()))
    }

    fn summary(&self) -> String {
        let plural = |count: usize, one: &str, many: &str| match count {
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        };
        let checks = plural(self.findings.len(), "check", "checks");
        let warnings = plural(self.warnings(), "warning", "warnings");
        match self.refused() {
            0 => format!("{checks}: nothing is refused, {warnings}"),
            refused => {
                format!("{checks}: {refused} refused, {warnings}; fix what is refused, then check again")
            }
        }
    }
}

/// `mysql.binlog_format is MIXED, must be ROW: SET PERSIST ...`.
pub fn refusal_line(finding: &Finding) -> String {
    let mut line = format!("{}: {}", finding.id, finding.actual);
    if !finding.expected.is_empty() {
        line += &format!(" (expected: {})", finding.expected);
    }
    if !finding.advice.is_empty() {
        line += &format!("; {}", finding.advice);
    }
    line
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for findings in self.findings.chunk_by(|a, b| a.group == b.group) {
            if let Some(first) = findings.first() {
                fmt_group(f, first.group, findings)?;
            }
        }
        writeln!(f, "{}", self.summary())
    }
}

fn fmt_group(f: &mut fmt::Formatter<'_>, group: Group, findings: &[Finding]) -> fmt::Result {
    writeln!(f, "{}", group.name())?;
    let names = width(findings.iter().map(Finding::name));
    let expected = width(findings.iter().map(|finding| finding.expected.as_str()));
    for finding in findings {
        let line = format!(
            "  {:<8} {:<names$}  {:<expected$}  {}",
            finding.level.name(),
            finding.name(),
            finding.expected,
            finding.actual
        );
        writeln!(f, "{}", line.trim_end())?;
        if !finding.advice.is_empty() {
            writeln!(f, "           -> {}", finding.advice)?;
        }
    }
    writeln!(f)
}

fn width<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).filter(|width| *width <= COLUMN_MAX).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::check::finding::Rule;
    use crate::source::SourceError;

    fn away() -> Finding {
        let error = SourceError::Unavailable { address: "h:1".into(), reason: "refused".into() };
        Rule::new(Group::Hbase, "gateway", "answers").failed(error)
    }

    fn findings() -> Vec<Finding> {
        vec![
            Rule::new(Group::Clocks, "mysql", "within 1 s of ours").ok("3 ms"),
            Rule::new(Group::Mysql, "binlog_format", "ROW").refusal("MIXED", "SET PERSIST it"),
            Rule::new(Group::Mysql, "gtid_mode", "ON").ok("ON"),
            Rule::new(Group::Memcached, "evictions", "none").warning("12", "give it more memory"),
        ]
    }

    #[test]
    fn a_table_is_aligned_and_grouped_and_ends_in_a_sentence() {
        insta::assert_snapshot!(CheckReport::new(findings()).to_string(), @r"
        mysql
          refusal  binlog_format  ROW  MIXED
                   -> SET PERSIST it
          ok       gtid_mode      ON   ON

        memcached
          warning  evictions  none  12
                   -> give it more memory

        clocks
          ok       mysql  within 1 s of ours  3 ms

        4 checks: 1 refused, 1 warning; fix what is refused, then check again
        ");
    }

    #[test]
    fn a_broken_rule_exits_with_3_a_server_that_is_away_with_1_both_with_3() {
        assert_eq!(CheckReport::new(vec![]).exit(), Exit::Done);
        assert_eq!(CheckReport::new(vec![away()]).exit(), Exit::Failed);
        assert_eq!(CheckReport::new(findings()).exit(), Exit::Refused);
        let both = findings().into_iter().chain([away()]).collect();
        assert_eq!(CheckReport::new(both).exit(), Exit::Refused);
    }

    #[test]
    fn the_json_has_counts_and_every_finding() {
        let json = CheckReport::new(findings()).json().expect("it can be written");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!((json["refused"].as_u64(), json["warnings"].as_u64()), (Some(1), Some(1)));
        let first = &json["findings"][0];
        assert_eq!(first["id"], "mysql.binlog_format");
        assert_eq!(
            (&first["group"], &first["level"], &first["expected"], &first["actual"], &first["advice"]),
            (&"mysql".into(), &"refusal".into(), &"ROW".into(), &"MIXED".into(), &"SET PERSIST it".into())
        );
        assert!(first.get("exit").is_none());
    }

    #[test]
    fn a_refused_run_hears_every_refusal_and_what_to_do() {
        assert!(CheckReport::new(vec![]).pass("run").is_ok());
        let failure = CheckReport::new(findings()).pass("run").expect_err("one refuses");
        assert_eq!(failure.exit, Exit::Refused);
        assert_eq!(
            failure.render(),
            "error: 1 check refuses this run\n  mysql.binlog_format: MIXED (expected: ROW); SET PERSIST it\n\
             help: `tailfill check` shows every check\n"
        );
    }
}
