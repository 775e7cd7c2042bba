//! The second reading: item by item, in the partitions of one target that do not agree.

use super::account::Account;
use super::confirm::Confirmer;
use super::digest::Suspects;
use super::repeats::Repeats;
use super::report::{Candidate, VerifyTargetReport};
use super::tail::Watch;
use super::{Verification, VerifyError};
use crate::compare::{SourceItem, TargetItem, buckets, item_key};
use crate::model::{Mapping, Target};
use std::sync::Arc;

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
    pub async fn confirm(
        &self,
        report: &mut VerifyTargetReport,
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

    /// Looks MySQL's items up in HBase. Addresses that it comes upon several times are to be confirmed.
    async fn missing_or_different(
        &self,
        confirmer: &mut Confirmer<'_>,
        report: &mut VerifyTargetReport,
    ) -> Result<Repeats, VerifyError> {
        let sides = self.with.sides(self.mapping, self.target);
        let mut pass = sides.source_pass(None, self.with.settings.chunk_rows);
        let mut repeats = Repeats::default();
        while let Some(piece) = pass.next(|_, address| self.suspects.has(address)).await? {
            let range = Arc::new(piece.range);
            for SourceItem { row, address, differs } in piece.items {
                repeats.see(&address, &range, || item_key(self.mapping, &row));
                if differs {
                    let key = Some(item_key(self.mapping, &row));
                    confirmer.add(Candidate { address, key });
                }
            }
            if confirmer.is_full() {
                confirmer.work(report).await?;
            }
        }
        Ok(repeats)
    }

    /// Looks HBase's items up in MySQL. One that MySQL has now and its scan has not shown was not compared yet.
    async fn extra(
        &self,
        scanned: &Repeats,
        confirmer: &mut Confirmer<'_>,
        report: &mut VerifyTargetReport,
    ) -> Result<(), VerifyError> {
        let sides = self.with.sides(self.mapping, self.target);
        let mut pass = sides.target_pass(buckets(self.target));
        while let Some(names) = pass.next(|address| self.suspects.has(address)).await? {
            for TargetItem { address, parts, in_source } in names {
                if !in_source || !scanned.may_have_seen(&address) {
                    let key = parts.map(|parts| (parts.key, parts.item));
                    confirmer.add(Candidate { address, key });
                }
            }
            if confirmer.is_full() {
                confirmer.work(report).await?;
            }
        }
        Ok(())
    }
}
