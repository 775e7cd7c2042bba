//! The history of verdicts: what `verify` compared, when, and what it found.

use crate::model::{DateTime, Position, Share};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictMode {
    /// Every item, cell and count.
    #[default]
    Full,
    /// Items that were drawn at random.
    Sample,
    /// The answers to the application's queries.
    Business,
    /// Every item and cell by a walk of the run itself, which takes its time (docs/verify.md, "Continuously").
    Continuous,
}

impl VerdictMode {
    /// As JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            VerdictMode::Full => "full",
            VerdictMode::Sample => "sample",
            VerdictMode::Business => "business",
            VerdictMode::Continuous => "continuous",
        }
    }
}

/// Whose lists were compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictScope {
    /// All lists of the mappings.
    #[default]
    All,
    /// Those of a pilot.
    Pilot,
}

/// A comparison that has ended. Key, in the history space: `verdict`, a zero byte, and [`VerdictRecord::at_ms`] as 8 bytes
/// big-endian.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// When it ended, milliseconds since 1970.
    pub at_ms: u64,
    /// How long it took.
    pub seconds: f64,
    /// When its first items were compared, milliseconds since 1970; only where it was interrupted, and resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_ms: Option<u64>,
    /// What was compared.
    pub mode: VerdictMode,
    /// The account that ran the command.
    pub by: String,
    /// Whose lists were compared.
    pub scope: VerdictScope,
    /// The lists of a pilot, in words.
    pub lists: Option<String>,
    /// The name of the cohort, as the keys of copies have it.
    pub cohort: String,
    /// Lists that differed were copied again just before.
    pub repaired: bool,
    /// Whether the numbers mean something; else `cannot_judge` says why not.
    pub judged: bool,
    /// Judged, and without a difference.
    pub equal: bool,
    /// Why nothing could be judged.
    pub cannot_judge: Option<String>,
    /// Items, once for each target; or answers.
    pub compared: u64,
    /// Confirmed differences among them.
    pub confirmed: u64,
    /// Those that changed faster than they could be compared.
    pub unsettled: u64,
    /// Of storage; empty where answers were compared.
    pub targets: Vec<VerdictTarget>,
    /// Of answers; empty where storage was compared.
    pub mappings: Vec<VerdictMapping>,
    /// The first differences, [`FINDINGS_MAX`] at most.
    pub findings: Vec<VerdictFinding>,
    /// Where the tail stood when this was kept: its checkpoint. `None`: nothing was tailed yet.
    pub position: Option<Position>,
}

/// What was found in one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VerdictTarget {
    /// The mapping's name.
    pub mapping: String,
    /// The HBase table.
    pub table: String,
    /// The column family.
    pub family: String,
    /// Items of MySQL.
    pub compared: u64,
    /// Items that only MySQL has.
    pub missing: u64,
    /// Items that only HBase has.
    pub extra: u64,
    /// Items with other cells.
    pub different: u64,
    /// Rows of MySQL beyond the first at one address.
    pub repeated: u64,
    /// Rows of counted targets that say how many items they have.
    pub counts_compared: u64,
    /// Those with another number than MySQL's.
    pub miscounted: u64,
    /// Whether everything was compared and nothing differs.
    pub equal: bool,
    /// The share of items that differ, over those of both sides.
    pub share: Share,
}

/// What was found in the answers about one mapping.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VerdictMapping {
    /// The mapping's name.
    pub mapping: String,
    /// Lists by the group that they were chosen for.
    pub lists: BTreeMap<String, u64>,
    /// The share of lists with a wrong answer, from those that were drawn at random.
    pub random: Share,
    /// In the order of the configuration.
    pub queries: Vec<VerdictQuery>,
}

/// What was found in the answers to one query.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VerdictQuery {
    /// The query's name.
    pub query: String,
    /// The query's kind.
    pub kind: String,
    /// Answers that were compared.
    pub answers: u64,
    /// Those with a confirmed difference.
    pub different: u64,
    /// Those about lists that changed faster than they could be compared.
    pub unsettled: u64,
    /// The median time of an answer of MySQL, milliseconds.
    pub mysql_p50_ms: f64,
    /// Its 99th percentile.
    pub mysql_p99_ms: f64,
    /// The median time of an answer of HBase, milliseconds.
    pub hbase_p50_ms: f64,
    /// Its 99th percentile.
    pub hbase_p99_ms: f64,
}

/// A difference. Keys are named, values never.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictFinding {
    /// The mapping, and the target or the query.
    pub place: String,
    /// The key columns and their values.
    pub key: String,
    /// What differs: a kind, and the columns, items or counts.
    pub what: String,
}

/// Findings that a record has.
pub const FINDINGS_MAX: usize = 20;
/// The longest text of a record, characters.
const TEXT_MAX: usize = 400;

impl VerdictRecord {
    /// Cuts off what is longer than a record may be.
    pub fn cut(&mut self) {
        self.findings.truncate(FINDINGS_MAX);
        let of_findings = self.findings.iter_mut().flat_map(|finding| [&mut finding.key, &mut finding.what]);
        let others = self.lists.iter_mut().chain(&mut self.cannot_judge).chain([&mut self.by]);
        for text in of_findings.chain(others) {
            if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
                text.truncate(end);
                text.push_str("...");
            }
        }
    }

    /// `equal`, `NOT equal` or `not judged`.
    pub fn verdict(&self) -> &'static str {
        match (self.judged, self.equal) {
            (false, _) => "not judged",
            (true, true) => "equal",
            (true, false) => "NOT equal",
        }
    }

    /// The share that is known worst, with its mapping or target.
    fn worst(&self) -> Option<(String, Share)> {
        let of_targets =
            self.targets.iter().map(|target| (place(&target.mapping, &target.table), target.share));
        let of_answers = self.mappings.iter().map(|mapping| (mapping.mapping.clone(), mapping.random));
        of_targets.chain(of_answers).max_by(|(_, one), (_, other)| one.bound.total_cmp(&other.bound))
    }

    fn fmt_found(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VerdictRecord { compared, confirmed, .. } = self;
        let things = if self.mode == VerdictMode::Business { "answers" } else { "items" };
        write!(f, "{compared} {things} compared, {confirmed} different")?;
        let miscounted: u64 = self.targets.iter().map(|target| target.miscounted).sum();
        if miscounted > 0 {
            write!(f, ", {miscounted} counts wrong")?;
        }
        let worst = self.worst().filter(|(_, share)| share.is_all || share.compared > 0);
        let Some((place, share)) = worst else { return Ok(()) };
        match self.mode {
            VerdictMode::Full | VerdictMode::Sample
                if self.targets.iter().all(|target| target.share.is_all) =>
            {
                f.write_str("; this is exact")
            }
            VerdictMode::Full | VerdictMode::Sample => {
                write!(f, "; {place}: {}", share.words("items", "different"))
            }
            VerdictMode::Continuous => Ok(()),
            VerdictMode::Business => write!(f, "; {place}: {}", share.words("lists", "with a wrong answer")),
        }
    }
}

/// A target in a sentence.
fn place(mapping: &str, table: &str) -> String {
    format!("{mapping} -> {table}")
}

/// One line, without the time.
impl fmt::Display for VerdictRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8}  {:<10}  ", self.mode.name(), self.verdict())?;
        match &self.cannot_judge {
            Some(reason) => f.write_str(reason)?,
            None => self.fmt_found(f)?,
        }
        write!(f, "; took {:.1} s", self.seconds)?;
        if let Some(ms) = self.began_ms {
            write!(f, "; resumed, begun at {}", DateTime::from_ms_since_epoch(ms).in_seconds())?;
        }
        if let Some(lists) = &self.lists {
            write!(f, "; only the lists of a pilot: {lists}")?;
        }
        if self.repaired {
            f.write_str("; after a repair")?;
        }
        if self.by.is_empty() { Ok(()) } else { write!(f, "; by {}", self.by) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::records::{decode, encode};

    fn full() -> VerdictRecord {
        let share = Share::of(400, 0, true);
        let target =
            VerdictTarget { mapping: "m".into(), table: "t".into(), share, ..VerdictTarget::default() };
        VerdictRecord {
            seconds: 3.94,
            by: "ann".into(),
            judged: true,
            equal: true,
            compared: 400,
            targets: vec![target],
            ..VerdictRecord::default()
        }
    }

    #[test]
    fn a_verdict_is_read_as_it_was_written_and_says_its_version() {
        let mapping = VerdictMapping { mapping: "m".into(), ..VerdictMapping::default() };
        let record = VerdictRecord { mappings: vec![mapping], ..full() };
        let bytes = encode(&record).expect("it encodes");
        assert!(bytes.starts_with(br#"{"v":2,"#));
        assert_eq!(decode::<VerdictRecord>(&bytes).expect("it decodes"), record);
    }

    #[test]
    fn a_line_says_what_was_compared_and_how_sure_that_is() {
        let equal =
            "full      equal       400 items compared, 0 different; this is exact; took 3.9 s; by ann";
        assert_eq!(full().to_string(), equal);
        let resumed = VerdictRecord { began_ms: Some(1_706_702_875_000), ..full() };
        assert!(
            resumed.to_string().ends_with("; took 3.9 s; resumed, begun at 2024-01-31 12:07:55 UTC; by ann"),
            "{resumed}"
        );
        let wrong = VerdictRecord { equal: false, confirmed: 3, repaired: true, ..full() };
        assert_eq!(
            wrong.to_string(),
            "full      NOT equal   400 items compared, 3 different; this is exact; took 3.9 s; after a repair; by ann"
        );
        let (cannot_judge, lists) = (Some("the tail has ended".into()), Some("m: 1 list".into()));
        let open = VerdictRecord { judged: false, equal: false, cannot_judge, lists, ..full() };
        assert_eq!(
            open.to_string(),
            "full      not judged  the tail has ended; took 3.9 s; only the lists of a pilot: m: 1 list; by ann"
        );
        let of = |name: &str, compared| VerdictMapping {
            mapping: name.into(),
            random: Share::of(compared, 0, false),
            ..VerdictMapping::default()
        };
        let (targets, mappings) = (Vec::new(), vec![of("a", 1_000), of("b", 10)]);
        let business = VerdictRecord { mode: VerdictMode::Business, targets, mappings, ..full() };
        let line = business.to_string();
        assert!(
            line.starts_with("business  equal       400 answers compared, 0 different; b: 10 lists at "),
            "{line}"
        );
    }

    #[test]
    fn a_record_has_a_largest_size() {
        let long = || "\u{e9}".repeat(1_000);
        let finding = VerdictFinding { place: "m -> t".into(), key: long(), what: long() };
        let mut record = VerdictRecord { findings: vec![finding; 50], lists: Some(long()), ..full() };
        record.cut();
        assert_eq!(record.findings.len(), FINDINGS_MAX);
        assert_eq!(record.lists.map(|lists| lists.chars().count()), Some(TEXT_MAX + 3));
        assert!(record.findings.iter().all(|found| found.what.ends_with("\u{e9}...")));
    }
}
