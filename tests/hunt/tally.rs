//! How often each kind of step, session and charset came, those that never came included.

use std::collections::BTreeMap;

/// Kinds that a long hunt has to have had.
pub const KINDS: [&str; 58] = [
    "rows: INSERT",
    "rows: REPLACE",
    "rows: ON DUPLICATE KEY UPDATE",
    "rows: UPDATE of values",
    "rows: UPDATE of addresses",
    "rows: DELETE",
    "transaction: several statements",
    "transaction: rolled back",
    "transaction: XA",
    "statement format: a table that is not mapped",
    "statement format: a mapped table",
    "statement format: a view of a mapped table",
    "statement format: a trigger",
    "statement format: a stored function",
    "alter: ADD COLUMN",
    "alter: DROP COLUMN",
    "alter: DROP one, ADD another",
    "alter: RENAME COLUMN",
    "alter: column moved",
    "alter: type widened",
    "alter: type changed",
    "alter: labels appended",
    "alter: labels reordered",
    "alter: charset of a column",
    "alter: CONVERT TO CHARACTER SET",
    "alter: fraction there and back",
    "alter: nullability",
    "alter: generated expression",
    "alter: index added",
    "alter: index dropped",
    "alter: comment or rebuild",
    "alter: two columns exchange their names",
    "table: renamed away and back",
    "table: gone for a while",
    "table: TRUNCATE",
    "table: dropped and created again",
    "table: swapped with a copy",
    "unrelated statement",
    "binlog: rotated",
    "binlog: row metadata changed",
    "run: dump connection killed",
    "run: kill -9",
    "run: TERM",
    "run: stopped for a while",
    "run: statements while it is away",
    "end: equal",
    "end: parked",
    "end: equal after recopy",
    "recopy: beside a run",
    "row metadata: MINIMAL",
    "row metadata: FULL",
    "target: tall",
    "target: wide",
    "target: segments",
    "target: counted",
    "target: columns not named",
    "sql_mode: ANSI_QUOTES",
    "sql_mode: NO_BACKSLASH_ESCAPES",
];

#[derive(Default)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    pub fn new() -> Tally {
        Tally(KINDS.iter().map(|kind| ((*kind).to_owned(), 0)).collect())
    }

    pub fn add(&mut self, kind: &str) {
        *self.0.entry(kind.to_owned()).or_default() += 1;
    }

    pub fn count(&self, kind: &str) -> u64 {
        self.0.get(kind).copied().unwrap_or_default()
    }

    pub fn never(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, count)| **count == 0).map(|(kind, _)| kind.as_str()).collect()
    }

    pub fn print(&self) {
        for (kind, count) in &self.0 {
            println!("  {count:>7} {kind}");
        }
    }
}
