//! What a comparison found, for people and for scripts.

use super::compare::{CellDifference, Difference, How};
use super::confirm::Candidate;
use super::show::{key_text, printable};
use crate::error::Exit;
use crate::model::{Mapping, Value};
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// List and item key of an item.
pub type ItemKey = (Vec<Value>, Vec<Value>);

/// Examples that are kept for each target.
const EXAMPLES_MAX: usize = 20;

/// The result. As JSON one object whose plain numbers come first, sums over all targets, so that scripts can
/// read them without a parser. A field may be added, none changes its meaning.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Items of MySQL, counted once for each target.
    pub items_compared: u64,
    pub missing: u64,
    pub extra: u64,
    pub different: u64,
    /// Items that changed faster than they could be compared.
    pub unsettled: u64,
    pub seconds: f64,
    /// Whether the counts mean something; else `cannot_judge` says why not.
    pub judged: bool,
    pub equal: bool,
    pub cannot_judge: Option<String>,
    pub notes: Vec<String>,
    pub targets: Vec<TargetReport>,
}

/// The result for one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TargetReport {
    pub mapping: String,
    pub table: String,
    pub family: String,
    pub items_compared: u64,
    pub missing: u64,
    pub extra: u64,
    pub different: u64,
    pub unsettled: u64,
    /// The first ones that were found, [`EXAMPLES_MAX`] at most.
    pub examples: Vec<Example>,
}

/// One difference. Keys are named, values never.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// `missing`, `extra` or `different`.
    pub kind: &'static str,
    /// The key columns and their values, or a row key in hexadecimal that is none of the mapping.
    pub item: String,
    /// What differs: columns, or why an extra row does not belong.
    pub what: Vec<String>,
}

impl Report {
    /// One entry for each target, in the order of the configuration.
    pub fn new(mappings: &[Mapping]) -> Report {
        let targets = mappings.iter().flat_map(|mapping| {
            mapping.targets.iter().map(|target| TargetReport {
                mapping: mapping.name.clone(),
                table: target.table.clone(),
                family: target.family.clone(),
                ..TargetReport::default()
            })
        });
        Report { targets: targets.collect(), ..Report::default() }
    }

    /// How a command that printed this ends.
    pub fn exit(&self) -> Exit {
        match (self.judged, self.equal) {
            (false, _) => Exit::Refused,
            (true, true) => Exit::Done,
            (true, false) => Exit::Differences,
        }
    }

    /// Sums up, and judges.
    pub fn finish(&mut self, cannot_judge: Option<String>, took: Duration) {
        let sum = |count: fn(&TargetReport) -> u64| self.targets.iter().map(count).sum::<u64>();
        self.items_compared = sum(|target| target.items_compared);
        self.missing = sum(|target| target.missing);
        self.extra = sum(|target| target.extra);
        self.different = sum(|target| target.different);
        self.unsettled = sum(|target| target.unsettled);
        self.seconds = (took.as_secs_f64() * 1_000.0).round() / 1_000.0;
        let differences = self.missing + self.extra + self.different;
        self.cannot_judge = cannot_judge.or_else(|| {
            (self.unsettled > 0 && differences == 0).then(|| {
                format!(
                    "{} items changed faster than they could be compared; nothing else differs; verify again",
                    self.unsettled
                )
            })
        });
        self.judged = self.cannot_judge.is_none();
        self.equal = self.judged && differences == 0;
    }
}

impl TargetReport {
    pub fn is_equal(&self) -> bool {
        self.missing + self.extra + self.different + self.unsettled == 0
    }

    /// Counts a confirmed difference. `elsewhere`: MySQL has the item, under another row key.
    pub(super) fn count(
        &mut self,
        mapping: &Mapping,
        candidate: &Candidate,
        difference: &Difference,
        elsewhere: bool,
    ) {
        let (counter, kind, what) = match difference {
            Difference::Missing => (&mut self.missing, "missing", Vec::new()),
            Difference::Extra => (&mut self.extra, "extra", why_extra(mapping, candidate, elsewhere)),
            Difference::Different(cells) => {
                (&mut self.different, "different", cells.iter().map(cell_text).collect())
            }
        };
        *counter += 1;
        if self.examples.len() < EXAMPLES_MAX {
            let item = match &candidate.key {
                Some((key, item)) => key_text(mapping, key, item),
                None => format!("row {}", hex::encode(&candidate.row[..candidate.row.len().min(64)])),
            };
            self.examples.push(Example { kind, item, what });
        }
    }
}

fn why_extra(mapping: &Mapping, candidate: &Candidate, elsewhere: bool) -> Vec<String> {
    let why = match (&candidate.key, elsewhere, mapping.order) {
        (None, ..) => "not a row key of this mapping".to_owned(),
        (_, true, Some(order)) => format!("MySQL has it with another {}", column_name(mapping, order.column)),
        (_, true, None) | (_, false, _) => return Vec::new(),
    };
    vec![why]
}

fn column_name(mapping: &Mapping, column: usize) -> &str {
    mapping.schema.columns.get(column).map_or("order", |column| column.name.as_str())
}

fn cell_text(cell: &CellDifference) -> String {
    let name = match &cell.qualifier[..] {
        [] => "the placeholder cell".to_owned(),
        name => printable(&String::from_utf8_lossy(name)),
    };
    match cell.how {
        How::Changed => name,
        How::Absent => format!("{name} (only in MySQL)"),
        How::Unexpected => format!("{name} (only in HBase)"),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for target in &self.targets {
            target.fmt(f)?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let rate = self.items_compared as f64 / self.seconds.max(0.001);
        let took = format!("{} items in {:.1} s ({rate:.0} items/s)", self.items_compared, self.seconds);
        match (&self.cannot_judge, self.equal) {
            (Some(reason), _) => writeln!(f, "not judged: {reason} ({took})"),
            (None, true) => writeln!(f, "equal: {took}"),
            (None, false) => writeln!(
                f,
                "NOT equal: {} missing, {} extra, {} different; {took}",
                self.missing, self.extra, self.different
            ),
        }
    }
}

impl fmt::Display for TargetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TargetReport { mapping, table, family, .. } = self;
        write!(f, "{mapping} -> {table}, family {family}: {} items compared, ", self.items_compared)?;
        write!(f, "{} missing, {} extra, {} different", self.missing, self.extra, self.different)?;
        if self.unsettled > 0 {
            write!(f, ", {} unsettled", self.unsettled)?;
        }
        writeln!(f)?;
        for Example { kind, item, what } in &self.examples {
            let what = if what.is_empty() { String::new() } else { format!(": {}", what.join(", ")) };
            writeln!(f, "  {kind:<9}  {item}{what}")?;
        }
        let counted = self.missing + self.extra + self.different;
        let rest = counted.saturating_sub(self.examples.len() as u64);
        if rest > 0 {
            writeln!(f, "  and {rest} more")?;
        }
        Ok(())
    }
}
