//! The second reading: item by item, in the partitions of one target that do not agree.

use super::account::Account;
use super::compare::difference;
use super::confirm::Confirmer;
use super::digest::Suspects;
use super::found::Found;
use super::read::{SinkReader, SourceReader};
use super::repeats::Repeats;
use super::report::{Candidate, ItemKey, TargetReport};
use super::scan::{BucketWalk, TableWalk, buckets};
use super::tail::Watch;
use super::{Verification, VerifyError};
use crate::model::{Mapping, Row, Target};
use crate::sink::layout::{self, Address, AddressParts, ItemWrite};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Keys that are looked up in MySQL, or in HBase, at once.
const LOOK_UPS_AT_ONCE: usize = 2_000;

/// Compares item by item, in the suspect partitions of one target.
pub struct Closer<'a> {
    pub with: &'a Verification,
    pub watch: &'a Watch,
    pub mapping: &'a Mapping,
    pub target: &'a Target,
    pub suspects: &'a Suspects,
}

impl Closer<'_> {
    /// Confirms what differs into `report` and `account`. Returns the rows, by partition, that lack items or have too
    /// many.
    pub async fn look(
        &self,
        report: &mut TargetReport,
        account: &mut Account,
    ) -> Result<Suspects, VerifyError> {
        let mut confirmer = Confirmer::new(self.with, self.watch, (self.mapping, self.target), account);
        let repeats = self.missing_or_different(&mut confirmer, report).await?;
        self.extra(&repeats, &mut confirmer, report).await?;
        confirmer.work(report).await?;
        let uneven = confirmer.uneven;
        repeats.confirm(self.with, (self.mapping, self.target), report, account).await?;
        Ok(uneven)
    }

    fn readers(&self) -> (SourceReader<'_>, SinkReader<'_>) {
        let (with, retry_for) = (self.with, self.with.settings.retry_for);
        let source = SourceReader::new(&*with.source, retry_for, &with.meter);
        (source, SinkReader::new(&*with.sink, retry_for, &with.meter))
    }

    /// Looks MySQL's items up in HBase. Addresses that it comes upon several times are to be confirmed.
    async fn missing_or_different(
        &self,
        confirmer: &mut Confirmer<'_>,
        report: &mut TargetReport,
    ) -> Result<Repeats, VerifyError> {
        let (mut source, sink) = self.readers();
        let mut walk = TableWalk::new(self.mapping, self.with.settings.chunk_rows);
        let mut repeats = Repeats::default();
        while let Some((rows, range)) = walk.next(&mut source).await? {
            let range = Arc::new(range);
            let mut wanted: Vec<(ItemWrite, &Row)> = Vec::new();
            for row in &rows {
                let write = layout::item_write(self.mapping, self.target, row)?;
                if self.suspects.has(&write.address) {
                    repeats.see(&write.address, &range, || self.key_of(row));
                    wanted.push((write, row));
                }
            }
            for part in wanted.chunks(LOOK_UPS_AT_ONCE) {
                let addresses: Vec<Address> = part.iter().map(|(write, _)| write.address.clone()).collect();
                let stored = sink.items(self.target, &addresses).await?;
                for ((write, row), stored) in part.iter().zip(stored) {
                    if difference(Some(write), stored.as_ref()).is_some() {
                        let key = Some(self.key_of(row));
                        confirmer.add(Candidate { address: write.address.clone(), key });
                    }
                }
            }
            if confirmer.is_full() {
                confirmer.work(report).await?;
            }
        }
        Ok(repeats)
    }

    fn key_of(&self, row: &Row) -> ItemKey {
        let values = |columns: &[usize]| columns.iter().map(|i| row[*i].clone()).collect();
        (values(&self.mapping.key), values(&self.mapping.item))
    }

    /// Looks HBase's items up in MySQL. One that MySQL has now and its scan has not shown was not compared yet.
    async fn extra(
        &self,
        scanned: &Repeats,
        confirmer: &mut Confirmer<'_>,
        report: &mut TargetReport,
    ) -> Result<(), VerifyError> {
        let (mut source, sink) = self.readers();
        for bucket in buckets(self.target) {
            let mut walk = BucketWalk::names(self.target, bucket);
            while let Some(mut items) = walk.next(&sink).await? {
                items.retain(|item| self.suspects.has(&item.address));
                for part in items.chunks(LOOK_UPS_AT_ONCE) {
                    self.look_up(&mut source, scanned, part, confirmer).await?;
                }
                if confirmer.is_full() {
                    confirmer.work(report).await?;
                }
            }
        }
        Ok(())
    }

    async fn look_up(
        &self,
        source: &mut SourceReader<'_>,
        scanned: &Repeats,
        items: &[Found],
        confirmer: &mut Confirmer<'_>,
    ) -> Result<(), VerifyError> {
        let key_of = |item: &Found| {
            let AddressParts { key, item, .. } = layout::split(self.mapping, self.target, &item.address)?;
            Some((key, item))
        };
        let keys: Vec<_> = items.iter().map(key_of).collect();
        let wanted: Vec<_> = keys.iter().flatten().cloned().collect();
        let mut expected = BTreeSet::new();
        for row in source.items(self.mapping, &wanted).await? {
            expected.insert(layout::address(self.mapping, self.target, &row)?);
        }
        for (item, key) in items.iter().zip(keys) {
            if !expected.contains(&item.address) || !scanned.may_have_seen(&item.address) {
                confirmer.add(Candidate { address: item.address.clone(), key });
            }
        }
        Ok(())
    }
}
