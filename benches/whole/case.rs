//! What can be measured.

use clap::ValueEnum;
use std::collections::BTreeSet;

/// A case, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Case {
    /// The binlog, read and dropped, on one core; and through everything but a sink
    Decode,
    /// SELECTs by chunk, read and dropped, on one core; and through everything but a sink
    Snapshot,
    /// Bare putMultiple of rows that lie ready, in order of arrival, by the same client
    Gateway,
    /// The same rows sorted by key within windows of 16 batches: the limit
    GatewayOrdered,
    /// The backlog of the binlog to HBase, end to end
    Tail,
    /// The whole table to HBase, end to end
    Backfill,
    /// Pairs of acquire and release a second, and their share of a run
    Lease,
    /// Durable commits, and their share of a run
    Journal,
    /// A run that has nothing to do
    Idle,
    /// Commit in MySQL to readable in HBase, at a steady load
    Lag,
    /// The backfill beside a steady load
    Both,
    /// kill -9 to the first new row
    Restart,
    /// One transaction that is larger than anything that may be held in memory
    Huge,
    /// What a row costs HBase by order, regions, salt and age of the table (only when asked for)
    Hbase,
    /// Tail and backfill into each layout (only when asked for)
    Layouts,
    /// Tail and copy of wide rows with and without counts (only when asked for; --rows 60000 is enough)
    Counted,
    /// Tail and backfill of this build and of that of --beside (only when asked for)
    Beside,
    /// Tail and backfill by `hbase.connections`, on gateways near and far (only when asked for)
    Connections,
    /// Both sides compared, and each of them scanned bare (only when asked for)
    Verify,
    /// What a copy costs the application, with and without a throttle (only when asked for)
    Throttle,
    /// A table that is nearly one list, copied into each layout while that list changes (only when asked for)
    Giant,
}

impl Case {
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What runs when nothing is asked for.
    fn usual() -> impl Iterator<Item = Case> {
        let asked_for = [
            Case::Hbase,
            Case::Layouts,
            Case::Counted,
            Case::Beside,
            Case::Connections,
            Case::Verify,
            Case::Throttle,
            Case::Giant,
        ];
        Case::value_variants().iter().copied().filter(move |case| !asked_for.contains(case))
    }

    /// The cases of the same run that this one is compared with.
    fn needs(self) -> &'static [Case] {
        match self {
            Case::Gateway => &[Case::GatewayOrdered],
            Case::Tail | Case::Backfill => &[Case::Gateway, Case::GatewayOrdered],
            Case::Lease | Case::Journal => &[Case::Tail, Case::Backfill],
            Case::Both => &[Case::Backfill],
            _ => &[],
        }
    }

    /// Those of `asked` (all if empty) and all that they need.
    pub fn closure(asked: &[Case]) -> BTreeSet<Case> {
        let mut open: Vec<Case> = if asked.is_empty() { Case::usual().collect() } else { asked.to_vec() };
        let mut cases = BTreeSet::new();
        while let Some(case) = open.pop() {
            if cases.insert(case) {
                open.extend(case.needs());
            }
        }
        cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_brings_along_what_it_is_compared_with() {
        let cases: Vec<String> = Case::closure(&[Case::Both]).into_iter().map(Case::name).collect();
        assert_eq!(cases, ["gateway", "gateway-ordered", "backfill", "both"]);
        assert_eq!(Case::closure(&[]).len(), 13);
    }
}
