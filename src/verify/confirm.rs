//! From a row that looks different to a difference: reading again until it is equal, or surely not.
//!
//! A round: the executed set G0; SELECT S1; the executed set G1; wait until the tail has written G1; read
//! HBase; SELECT S2; the binlog up to its end. HBase then reflects everything that S1 can have seen, and maybe
//! later transactions, all of which are in the binlog. So if S1 = S2, HBase differs, and no transaction of H outside G0
//! touches the row, nothing but a difference explains it. Any other row that differs is put off to the next
//! round. A lease would prove nothing: it does not stop MySQL.
//!
//! Without a live tail nothing is waited for and the binlog is read once, at the end: the whole comparison counts
//! only if no mapped table changed since the last run left it.

use super::compare::{Difference, difference};
use super::read::{SinkReader, SourceReader};
use super::report::{ItemKey, TargetReport};
use super::tail::Watch;
use super::{Verification, VerifyError, under_way};
use crate::model::{GtidSet, Mapping, Row, Target};
use crate::sink::layout::{self, ItemWrite};
use crate::sink::{SinkError, StoredRow};
use crate::source::SourceError;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;

/// Candidates that are confirmed together. It bounds memory, and shares the waiting.
const CANDIDATES_AT_ONCE: usize = 1_000;

/// A row key at which the two sides did not look equal.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub row: Bytes,
    /// List and item key; `None` for a row key that is none of this mapping.
    pub key: Option<ItemKey>,
}

/// What MySQL's rows say about some row keys.
struct Expected {
    by_row: BTreeMap<Bytes, ItemWrite>,
    /// Encoded list and item keys of the items that exist, wherever they belong.
    items: BTreeSet<Vec<u8>>,
}

/// Confirms the candidates of one target.
pub struct Confirmer<'a> {
    with: &'a Verification,
    watch: &'a Watch,
    mapping: &'a Mapping,
    target: &'a Target,
    pending: Vec<Candidate>,
}

impl<'a> Confirmer<'a> {
    pub fn new(
        with: &'a Verification,
        watch: &'a Watch,
        mapping: &'a Mapping,
        target: &'a Target,
    ) -> Confirmer<'a> {
        Confirmer { with, watch, mapping, target, pending: Vec::new() }
    }

    /// Takes in a candidate; [`Confirmer::work`] follows when there are many.
    pub fn add(&mut self, candidate: Candidate) {
        self.pending.push(candidate);
        self.with.meter.candidates.fetch_add(1, Relaxed);
    }

    pub fn is_full(&self) -> bool {
        self.pending.len() >= CANDIDATES_AT_ONCE
    }

    /// Confirms all candidates, in rounds, into `report`.
    pub async fn work(&mut self, report: &mut TargetReport) -> Result<(), VerifyError> {
        let candidates = std::mem::take(&mut self.pending);
        let meter = &self.with.meter;
        let mut source = SourceReader::new(&*self.with.source, self.with.settings.retry_for, meter);
        let mut at = candidates.into_iter();
        loop {
            let part: Vec<Candidate> = at.by_ref().take(CANDIDATES_AT_ONCE).collect();
            if part.is_empty() {
                return Ok(());
            }
            let count = part.len() as u64;
            self.rounds(&mut source, part, report).await?;
            meter.candidates.fetch_sub(count, Relaxed);
        }
    }

    async fn rounds(
        &self,
        source: &mut SourceReader<'_>,
        mut moving: Vec<Candidate>,
        report: &mut TargetReport,
    ) -> Result<(), VerifyError> {
        for _ in 0..self.with.settings.rounds {
            if moving.is_empty() {
                return Ok(());
            }
            moving = self.round(source, moving, report).await?;
        }
        report.unsettled += moving.len() as u64;
        Ok(())
    }

    /// Gives back what was moving.
    async fn round(
        &self,
        source: &mut SourceReader<'_>,
        candidates: Vec<Candidate>,
        report: &mut TargetReport,
    ) -> Result<Vec<Candidate>, VerifyError> {
        let before = self.with.source.executed().await?;
        let first = self.expected(source, &candidates).await?;
        let seen = self.with.source.executed().await?;
        self.watch.written(&seen).await?;
        let rows: Vec<Bytes> = candidates.iter().map(|candidate| candidate.row.clone()).collect();
        let sink = SinkReader::new(&*self.with.sink, self.with.settings.retry_for, &self.with.meter);
        let stored = sink.read(self.target.id, &rows).await?;
        let second = self.expected(source, &candidates).await?;
        let mut settled = Vec::new();
        let mut moving = Vec::new();
        for (candidate, stored) in candidates.into_iter().zip(&stored) {
            match look(&candidate.row, &first, &second, stored.as_ref()) {
                Look::Equal => {}
                Look::Moving => moving.push(candidate),
                Look::Differs(difference) => settled.push((candidate, difference)),
            }
        }
        let touched = self.touched(&settled, before).await?;
        for (candidate, difference) in settled {
            if touched.contains(&candidate.row) {
                moving.push(candidate);
            } else {
                let elsewhere = candidate.key.as_ref().is_some_and(|key| self.has(&second, key));
                report.count(self.mapping, &candidate, &difference, elsewhere);
            }
        }
        Ok(moving)
    }

    /// What MySQL has now for the candidates.
    async fn expected(
        &self,
        source: &mut SourceReader<'_>,
        candidates: &[Candidate],
    ) -> Result<Expected, VerifyError> {
        let wanted: Vec<_> = candidates.iter().filter_map(|candidate| candidate.key.clone()).collect();
        let mut expected = Expected { by_row: BTreeMap::new(), items: BTreeSet::new() };
        for row in source.items(self.mapping, &wanted).await? {
            expected.items.insert(identity(self.mapping, &row)?);
            let write = layout::item_write(self.mapping, self.target, &row)?;
            expected.by_row.insert(write.address.row.clone(), write);
        }
        Ok(expected)
    }

    /// Whether MySQL has the item, at whatever row key.
    fn has(&self, expected: &Expected, (key, item): &ItemKey) -> bool {
        let encoded = layout::list_key_of(self.mapping, key).and_then(|mut encoded| {
            encoded.extend(crate::sink::encode::key_parts_of(self.mapping, &self.mapping.item, item)?);
            Ok(encoded)
        });
        encoded.is_ok_and(|encoded| expected.items.contains(&encoded))
    }

    async fn touched(
        &self,
        settled: &[(Candidate, Difference)],
        before: GtidSet,
    ) -> Result<BTreeSet<Bytes>, VerifyError> {
        let rows: BTreeSet<Bytes> = settled.iter().map(|(candidate, _)| candidate.row.clone()).collect();
        if rows.is_empty() || !self.watch.is_live() {
            return Ok(BTreeSet::new());
        }
        match under_way::touched(self.with, (self.mapping, self.target), &rows, before).await {
            // The next round asks again.
            Err(VerifyError::Source(SourceError::Unavailable { address, reason })) => {
                tracing::warn!(%address, %reason, "the binlog could not be read");
                Ok(rows)
            }
            done => done,
        }
    }
}

/// The encoded list and item key of a row.
fn identity(mapping: &Mapping, row: &Row) -> Result<Vec<u8>, SinkError> {
    let mut encoded = layout::list_key(mapping, row)?;
    encoded.extend(crate::sink::encode::key_parts(mapping, &mapping.item, row)?);
    Ok(encoded)
}

enum Look {
    Equal,
    /// MySQL changed in between.
    Moving,
    /// MySQL did not change, and HBase has something else.
    Differs(Difference),
}

fn look(row: &Bytes, first: &Expected, second: &Expected, stored: Option<&StoredRow>) -> Look {
    let (first, second) = (first.by_row.get(row), second.by_row.get(row));
    match (difference(first, stored), difference(second, stored)) {
        (None, _) | (_, None) => Look::Equal,
        (Some(_), Some(found)) if first == second => Look::Differs(found),
        _ => Look::Moving,
    }
}
