//! What the application did, counted.

use crate::plan::{Action, Kind};
use serde::Serialize;
use std::collections::BTreeMap;

/// Counts of one connection, or of all. Rows are those of committed transactions; an UPDATE that changes nothing has none.
#[derive(Default, Debug, Serialize)]
pub struct Tally {
    pub transactions: u64,
    pub rollbacks: u64,
    /// Transactions that met an edge that is there already, or another transaction's lock, and were rolled back.
    pub conflicts: u64,
    pub rows_inserted: u64,
    pub rows_updated: u64,
    pub rows_deleted: u64,
    #[serde(flatten)]
    pub actions: BTreeMap<Action, u64>,
}

/// The whole run, as one flat JSON object.
#[derive(Serialize)]
pub struct Summary {
    pub seed: u64,
    pub seconds: f64,
    pub transactions_per_second: f64,
    #[serde(flatten)]
    pub tally: Tally,
}

impl Tally {
    pub fn add_rows(&mut self, kind: Kind, rows: u64) {
        *match kind {
            Kind::Insert => &mut self.rows_inserted,
            Kind::Update => &mut self.rows_updated,
            Kind::Delete => &mut self.rows_deleted,
        } += rows;
    }

    pub fn add(&mut self, other: Tally) {
        self.transactions += other.transactions;
        self.rollbacks += other.rollbacks;
        self.conflicts += other.conflicts;
        self.rows_inserted += other.rows_inserted;
        self.rows_updated += other.rows_updated;
        self.rows_deleted += other.rows_deleted;
        for (action, times) in other.actions {
            *self.actions.entry(action).or_default() += times;
        }
    }

    pub fn over(self, seed: u64, seconds: f64) -> Summary {
        let round = |value: f64| (value * 10.0).round() / 10.0;
        Summary {
            seed,
            seconds: round(seconds),
            transactions_per_second: round(self.transactions as f64 / seconds),
            tally: self,
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Summary { seed, seconds, transactions_per_second, tally } = self;
        write!(
            f,
            "{} transactions in {seconds} s ({transactions_per_second} a second): {} rows inserted, {} updated, {} deleted; {} rolled back, {} conflicts; seed {seed}",
            tally.transactions,
            tally.rows_inserted,
            tally.rows_updated,
            tally.rows_deleted,
            tally.rollbacks,
            tally.conflicts,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_one_flat_object() {
        let mut all = Tally::default();
        let mut one = Tally { transactions: 3, ..Tally::default() };
        one.add_rows(Kind::Delete, 2);
        one.actions.insert(Action::RefollowLater, 3);
        all.add(one);
        assert_eq!(
            serde_json::to_string(&all.over(9, 2.0)).expect("numbers and names"),
            concat!(
                r#"{"seed":9,"seconds":2.0,"transactions_per_second":1.5,"transactions":3,"rollbacks":0,"#,
                r#""conflicts":0,"rows_inserted":0,"rows_updated":0,"rows_deleted":2,"refollow_later":3}"#
            )
        );
    }
}
