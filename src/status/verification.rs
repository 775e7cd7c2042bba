//! What a run shows of the comparisons that it makes by itself.

use super::figures::{count, moment, seconds};
use serde::{Deserialize, Serialize};

/// Of comparisons that a run makes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VerifyStatus {
    /// `None`: the configuration has none (`verify.continuous`), or the run does not tail.
    pub continuous: Option<ContinuousStatus>,
}

/// The continuous verification.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContinuousStatus {
    /// Why nothing is compared now, behind "waits for"; `None`: it compares.
    pub waits_for: Option<String>,
    /// The bound.
    pub rows_per_second: u32,
    /// Addresses that were compared since the start of the process.
    pub checked: CheckedTotals,
    /// Those that changed faster than they could be compared.
    pub unsettled: u64,
    /// Differences that were found since the start of the process.
    pub found: u64,
    /// Differences that stand: no later comparison has found them equal. Over restarts; the newest 1,000 are known.
    pub findings: u64,
    /// The newest of them, ten at most, newest first.
    pub newest: Vec<FindingShown>,
    /// Walks that ended since the start of the process.
    pub walks: u64,
    /// The present walk; `None`: no target can be compared yet.
    pub walk: Option<WalkShown>,
    /// The last walk that ended in this process.
    pub last_walk: Option<LastWalk>,
}

/// Compared addresses, by what led to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedTotals {
    /// A recent change, drawn at random.
    pub recent: u64,
    /// The walk over everything, on both sides.
    pub walk: u64,
    /// A finding that is compared again.
    pub findings: u64,
}

/// A difference. Its key is in the history of verdicts alone, which asks for the token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingShown {
    /// When it was found first, milliseconds since 1970.
    pub found_at_ms: u64,
    pub mapping: String,
    pub table: String,
    pub family: String,
    /// `missing`, `extra` or `different`.
    pub kind: String,
    /// What differs.
    pub what: Vec<String>,
}

/// How far the present walk is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WalkShown {
    /// Milliseconds since 1970.
    pub began_at_ms: u64,
    /// The target that it is in.
    pub mapping: String,
    pub table: String,
    pub family: String,
    /// `mysql` or `hbase`: whose rows are looked up on the other side.
    pub side: String,
    /// Rows and items that it has passed, and about how many there are.
    pub rows: u64,
    pub rows_estimated: u64,
    /// At the bound, about; `None`: not known.
    pub eta_seconds: Option<u64>,
}

/// A walk that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LastWalk {
    /// Milliseconds since 1970.
    pub ended_at_ms: u64,
    pub seconds: u64,
    /// Rows and items.
    pub rows: u64,
    /// Differences, and items that changed faster than they could be compared.
    pub found: u64,
    pub unsettled: u64,
}

impl CheckedTotals {
    /// With their names, as metrics have them.
    pub fn named(&self) -> [(&'static str, u64); 3] {
        [("recent", self.recent), ("walk", self.walk), ("finding", self.findings)]
    }
}

impl ContinuousStatus {
    /// Lines for a person.
    pub fn lines(&self) -> Vec<String> {
        let [recent, walk, again] = self.checked.named().map(|(_, rows)| count(rows));
        let mut lines = vec![format!(
            "{} findings, {} unsettled; compared {recent} recent changes, {walk} rows of the walk, {again} findings \
             again (at most {} rows a second)",
            count(self.findings),
            count(self.unsettled),
            count(u64::from(self.rows_per_second)),
        )];
        if let Some(reason) = &self.waits_for {
            lines.push(format!("waits for {reason}"));
        }
        lines.extend(self.walk.as_ref().map(WalkShown::line));
        lines.extend(self.last_walk.as_ref().map(LastWalk::line));
        lines.extend(self.newest.iter().map(FindingShown::line));
        let more = self.findings.saturating_sub(self.newest.len() as u64);
        if more > 0 {
            lines.push(format!("and {} more findings", count(more)));
        }
        lines
    }
}

impl WalkShown {
    fn line(&self) -> String {
        let share = self.rows.saturating_mul(100).checked_div(self.rows_estimated).unwrap_or(0).min(100);
        let left = self.eta_seconds.map(|left| format!(", about {} left", seconds(left))).unwrap_or_default();
        let side = if self.side == "hbase" { "HBase" } else { "MySQL" };
        format!(
            "walk: about {share} % ({} of {} rows of both sides){left}; in {} -> {}, rows of {side}",
            count(self.rows),
            count(self.rows_estimated),
            self.mapping,
            self.table
        )
    }
}

impl LastWalk {
    fn line(&self) -> String {
        format!(
            "last walk: {} rows in {}, {} different, {} unsettled; ended {}",
            count(self.rows),
            seconds(self.seconds),
            count(self.found),
            count(self.unsettled),
            moment(self.ended_at_ms)
        )
    }
}

impl FindingShown {
    fn line(&self) -> String {
        let FindingShown { mapping, table, kind, what, .. } = self;
        let what = if what.is_empty() { String::new() } else { format!(": {}", what.join(", ")) };
        format!("{mapping} -> {table}: {kind}{what} (since {})", moment(self.found_at_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_stands_what_it_waits_for_and_how_far_the_walk_is() {
        let text = |text: &str| text.to_owned();
        let finding = FindingShown {
            found_at_ms: 1_706_695_200_000,
            mapping: text("followers"),
            table: text("follows"),
            family: text("f"),
            kind: text("different"),
            what: vec![text("note")],
        };
        let walk = WalkShown {
            mapping: text("followers"),
            table: text("follows"),
            side: text("hbase"),
            rows: 1_200,
            rows_estimated: 10_000,
            eta_seconds: Some(176),
            ..WalkShown::default()
        };
        let last =
            LastWalk { ended_at_ms: 1_706_695_200_000, seconds: 190, rows: 9_000, found: 1, unsettled: 0 };
        let status = ContinuousStatus {
            waits_for: Some(text("the tail, which is paused")),
            rows_per_second: 50,
            checked: CheckedTotals { recent: 12, walk: 10_200, findings: 3 },
            findings: 2,
            newest: vec![finding],
            walk: Some(walk),
            last_walk: Some(last),
            ..ContinuousStatus::default()
        };
        assert_eq!(
            status.lines(),
            [
                "2 findings, 0 unsettled; compared 12 recent changes, 10,200 rows of the walk, 3 findings again (at most \
                 50 rows a second)",
                "waits for the tail, which is paused",
                "walk: about 12 % (1,200 of 10,000 rows of both sides), about 2m 56s left; in followers -> follows, rows of \
                 HBase",
                "last walk: 9,000 rows in 3m 10s, 1 different, 0 unsettled; ended 2024-01-31 10:00:00 UTC",
                "followers -> follows: different: note (since 2024-01-31 10:00:00 UTC)",
                "and 1 more findings",
            ]
        );
    }
}
