//! What the two scans leave to be explained, partition by partition, whatever look-ups by key have said.
//!
//! The first reading counts rows of MySQL and items of HBase in each partition, and neither side by keys of its own: MySQL
//! is read in chunks, HBase from the first byte to the last. The look-ups that follow are by key, and a key that does not
//! come back as it went makes them blind: an item is looked for, not found on both sides, and called equal. So each
//! partition whose digests differ has to be *explained* in the end:
//! - by differences that were confirmed: as many more or fewer rows as they say, and one of them at least;
//! - or by changes under way: a transaction outside the set G0, which was executed before the first reading and which
//!   the tail had written by then, touches the partition. What no such transaction touches is the same in both scans as
//!   in G0: each of MySQL's chunks shows it once, and HBase shows it once. Each change of an item lets the scans
//!   see it at most once more or less often, and so may what is confirmed later: it explains two.
//!
//! What is left is `unexplained`: no difference that could be named, and no equality either.
//!
//! MySQL also counts the rows of the table itself, in one statement without bounds. The chunks have to show as many, but
//! for what changed meanwhile: a chunk whose bound does not come back as it went passes over rows.

use super::digest::{PARTITIONS, SetDigest, Suspects, partition_of};
use super::report::VerifyTargetReport;
use super::tail::Watch;
use super::under_way::{self, Feed};
use super::{Verification, VerifyError};
use crate::compare::Difference;
use crate::model::Mapping;
use crate::sink::layout::Address;
use crate::source::SourceError;

/// What each change of an item can explain at most, in rows more or fewer.
const EXPLAINED_BY_A_CHANGE: u64 = 2;
/// How often the binlog is read when the source goes away meanwhile.
const READINGS: u32 = 3;

/// The account of one target.
pub struct Account {
    suspects: Suspects,
    /// By partition: rows of MySQL less items of HBase, less what confirmed differences say.
    left: Box<[i64]>,
    /// Partitions with a confirmed difference.
    found: Box<[bool]>,
}

impl Account {
    pub fn of(expected: &SetDigest, stored: &SetDigest) -> Account {
        let found = vec![false; PARTITIONS].into_boxed_slice();
        Account { suspects: expected.differing(stored), left: expected.surplus(stored), found }
    }

    /// A confirmed difference of an item.
    pub fn differs(&mut self, address: &Address, difference: &Difference) {
        self.explain(
            address,
            match difference {
                Difference::Missing => 1,
                Difference::Extra => -1,
                Difference::Different(_) => 0,
            },
        );
    }

    /// This many rows of MySQL beyond the first have one address.
    pub fn repeats(&mut self, address: &Address, rows: u64) {
        self.explain(address, rows as i64);
    }

    fn explain(&mut self, address: &Address, rows: i64) {
        let at = partition_of(address);
        self.left[at] -= rows;
        self.found[at] = true;
    }

    fn is_closed(&self) -> bool {
        self.suspects.each().all(|at| self.left[at] == 0 && self.found[at])
    }

    /// How many rows and items nothing explains, where so many changes touched each partition meanwhile.
    fn unexplained(&self, changes: &[u64]) -> u64 {
        let of = |at: usize| {
            let explained = changes[at].saturating_mul(EXPLAINED_BY_A_CHANGE);
            let is_silent = changes[at] == 0 && !self.found[at];
            self.left[at].unsigned_abs().saturating_sub(explained).max(u64::from(is_silent))
        };
        self.suspects.each().map(of).sum()
    }
}

/// Settles the accounts of a mapping's targets into `reports`.
pub async fn settle(
    with: &Verification,
    watch: &Watch,
    mapping: &Mapping,
    accounts: &[Account],
    reports: &mut [VerifyTargetReport],
) -> Result<(), VerifyError> {
    let short = |report: &VerifyTargetReport| report.mysql_rows_counted.abs_diff(report.mysql_rows_shown);
    let is_whole = reports.iter().all(|report| short(report) == 0);
    if with.settings.failpoints.scans_not_counted() || (is_whole && accounts.iter().all(Account::is_closed)) {
        return Ok(());
    }
    let UnderWay { of_table, by_partition } = under_way(with, watch, mapping, accounts).await?;
    for ((account, report), changes) in accounts.iter().zip(reports).zip(&by_partition) {
        let explained = of_table.saturating_mul(EXPLAINED_BY_A_CHANGE);
        report.unexplained = account.unexplained(changes) + short(report).saturating_sub(explained);
    }
    Ok(())
}

/// Changes outside G0.
struct UnderWay {
    of_table: u64,
    /// For each target, how many touch an item of each suspect partition.
    by_partition: Vec<Vec<u64>>,
}

async fn under_way(
    with: &Verification,
    watch: &Watch,
    mapping: &Mapping,
    accounts: &[Account],
) -> Result<UnderWay, VerifyError> {
    let mut readings = 1;
    loop {
        match read_changes(with, watch, mapping, accounts).await {
            Err(VerifyError::Source(SourceError::Unavailable { address, reason })) if readings < READINGS => {
                tracing::warn!(%address, %reason, "the binlog could not be read");
                readings += 1;
            }
            Err(VerifyError::Source(SourceError::PositionLost { reason, .. })) => {
                return Err(VerifyError::CannotJudge {
                    reason: format!(
                        "the scans of both sides differ in number, and tailfill does not know the changes since: {reason}"
                    ),
                });
            }
            done => return done,
        }
    }
}

async fn read_changes(
    with: &Verification,
    watch: &Watch,
    mapping: &Mapping,
    accounts: &[Account],
) -> Result<UnderWay, VerifyError> {
    let mut changes =
        UnderWay { of_table: 0, by_partition: vec![vec![0; PARTITIONS]; mapping.targets.len()] };
    let mut feed = Feed::open(with, watch.since().clone()).await?;
    feed.read(|_, change| {
        if change.table != mapping.table {
            return;
        }
        changes.of_table += 1;
        let images = [change.before, change.after];
        if !images.into_iter().flatten().any(|row| with.cohort.has_row(mapping, row)) {
            return;
        }
        for ((target, account), touched) in
            mapping.targets.iter().zip(accounts).zip(&mut changes.by_partition)
        {
            let addresses = under_way::addresses(mapping, target, change);
            for address in addresses.filter(|address| account.suspects.has(address)) {
                touched[partition_of(&address)] += 1;
            }
        }
    })
    .await?;
    Ok(changes)
}
