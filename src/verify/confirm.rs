//! From an item that looks different to a difference: reading again until it is equal, or surely not.
//!
//! A round: the executed set G0; SELECT S1; the executed set G1; wait until the tail has written G1; read
//! HBase; SELECT S2; the binlog up to its end. HBase then reflects everything that S1 can have seen, and maybe
//! later transactions, all of which are in the binlog. So if S1 = S2, HBase differs, and no transaction of H outside G0
//! touches the address, nothing but a difference explains it. Any other item that differs is put off to the next
//! round. A lease would prove nothing: it does not stop MySQL. What still moves after some rounds is judged in a
//! [`turn`] of its list.
//!
//! Without a live tail nothing is waited for and the binlog is read once, at the end: the whole comparison counts
//! only if no mapped table changed since the last run left it.

use super::account::Account;
use super::columns::by_column;
use super::digest::Suspects;
use super::report::{Candidate, VerifyTargetReport};
use super::tail::Watch;
use super::{Verification, VerifyError, turn, under_way};
use crate::compare::{Difference, ItemKey, SourceReader, difference};
use crate::model::{ColumnValue, Mapping, Reached, Row, Target, Value};
use crate::sink::layout::{self, Address, Codec, ItemWrite};
use crate::sink::{SinkError, StoredRow};
use crate::source::SourceError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering::Relaxed;

/// Candidates that are confirmed together. It bounds memory, and shares the waiting.
const CANDIDATES_AT_ONCE: usize = 1_000;

/// What MySQL's rows say about some addresses.
struct Expected {
    /// Several where MySQL has several rows at one address, each of which HBase may hold.
    by_address: BTreeMap<Address, Vec<ItemWrite>>,
    /// Where the items belong that exist, by their encoded list and item keys.
    items: BTreeMap<Vec<u8>, Address>,
}

/// Who hears of each difference once it is confirmed, in the order of the report's examples.
pub trait Hears: Send + Sync {
    fn differs(&mut self, address: &Address, difference: &Difference);
}

impl Hears for Account {
    fn differs(&mut self, address: &Address, difference: &Difference) {
        Account::differs(self, address, difference);
    }
}

/// Confirms the candidates of one target.
pub struct Confirmer<'a> {
    with: &'a Verification,
    watch: &'a Watch,
    mapping: &'a Mapping,
    target: &'a Target,
    account: &'a mut dyn Hears,
    pending: Vec<Candidate>,
    /// Partitions of rows that lack items or have too many, in a counted target: their counts are wrong on one side
    /// or the other.
    pub uneven: Suspects,
}

impl<'a> Confirmer<'a> {
    pub fn new(
        with: &'a Verification,
        watch: &'a Watch,
        (mapping, target): (&'a Mapping, &'a Target),
        account: &'a mut dyn Hears,
    ) -> Confirmer<'a> {
        Confirmer { with, watch, mapping, target, account, pending: Vec::new(), uneven: Suspects::none() }
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
    pub async fn work(&mut self, report: &mut VerifyTargetReport) -> Result<(), VerifyError> {
        let candidates = std::mem::take(&mut self.pending);
        let meter = self.with.meter.clone();
        let mut source = self.with.source(self.mapping);
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
        &mut self,
        source: &mut SourceReader<'_, Verification>,
        mut moving: Vec<Candidate>,
        report: &mut VerifyTargetReport,
    ) -> Result<(), VerifyError> {
        for _ in 0..self.with.settings.rounds {
            if moving.is_empty() {
                return Ok(());
            }
            moving = self.round(source, moving, report).await?;
        }
        for part in moving.chunks(turn::AT_ONCE) {
            if !self.in_turn(source, part, report).await? {
                report.unsettled += part.len() as u64;
            }
        }
        Ok(())
    }

    /// Judges what never rests, in a turn of its lists. `false`: nobody holds these up.
    async fn in_turn(
        &mut self,
        source: &mut SourceReader<'_, Verification>,
        candidates: &[Candidate],
        report: &mut VerifyTargetReport,
    ) -> Result<bool, VerifyError> {
        let (with, watch, mapping, target) = (self.with, self.watch, self.mapping, self.target);
        let mut lists: Vec<Vec<Value>> = Vec::new();
        for (key, _) in candidates.iter().filter_map(|candidate| candidate.key.as_ref()) {
            if !lists.contains(key) {
                lists.push(key.clone());
            }
        }
        let addresses: Vec<Address> = candidates.iter().map(|candidate| candidate.address.clone()).collect();
        let read = async || with.sides(mapping, target).items(&addresses).await;
        let Some((stored, sealed)) = turn::held_up(watch, mapping, &lists, read).await? else {
            return Ok(false);
        };
        if !watch.committed(&*with.source, &sealed).await? {
            return Ok(false);
        }
        let selected = self.expected(source, candidates).await?;
        let known: BTreeSet<&Address> = addresses.iter().collect();
        let mut before: BTreeMap<Address, Vec<ItemWrite>> = BTreeMap::new();
        let see = |address: Address, row: Option<&[ColumnValue<'_>]>| {
            if known.contains(&address) && !before.contains_key(&address) {
                let write = row.and_then(|row| Codec::of(mapping, target).item_write(row).ok());
                before.insert(address, write.into_iter().collect());
            }
        };
        turn::stood_before(with, (mapping, target), sealed, see).await?;
        for (candidate, stored) in candidates.iter().zip(&stored) {
            let address = &candidate.address;
            let rows = before.get(address).or(selected.by_address.get(address));
            let rows = rows.map_or(&[][..], |rows| &rows[..]);
            if let Some(difference) = differs(rows, stored.as_ref()) {
                let difference = self.by_column(difference, rows, stored.as_ref());
                self.confirmed(candidate, &difference, &selected, report);
            }
        }
        Ok(true)
    }

    fn by_column(&self, found: Difference, expected: &[ItemWrite], stored: Option<&StoredRow>) -> Difference {
        match (expected.last(), stored) {
            (Some(expected), Some(stored)) => by_column(self.mapping, self.target, found, expected, stored),
            _ => found,
        }
    }

    /// Counts a confirmed difference. `present`: what MySQL has now.
    fn confirmed(
        &mut self,
        candidate: &Candidate,
        difference: &Difference,
        present: &Expected,
        report: &mut VerifyTargetReport,
    ) {
        if self.target.counted && !matches!(difference, Difference::Different(_)) {
            self.uneven.mark_row(&candidate.address.row);
        }
        self.account.differs(&candidate.address, difference);
        let elsewhere = candidate.key.as_ref().and_then(|key| self.place(present, key));
        report.count((self.mapping, self.target), candidate, difference, elsewhere);
    }

    /// Gives back what was moving.
    async fn round(
        &mut self,
        source: &mut SourceReader<'_, Verification>,
        candidates: Vec<Candidate>,
        report: &mut VerifyTargetReport,
    ) -> Result<Vec<Candidate>, VerifyError> {
        let before = self.with.source.executed().await?;
        let first = self.expected(source, &candidates).await?;
        let seen = self.with.source.executed().await?;
        let believed = self.with.settings.failpoints.difference_believed();
        if !believed {
            self.watch.written(&seen).await?;
        }
        let addresses: Vec<Address> = candidates.iter().map(|candidate| candidate.address.clone()).collect();
        let stored = self.with.sides(self.mapping, self.target).items(&addresses).await?;
        let second = self.expected(source, &candidates).await?;
        let mut settled = Vec::new();
        let mut moving = Vec::new();
        for (candidate, stored) in candidates.into_iter().zip(&stored) {
            match self.judge(&candidate.address, &first, &second, stored.as_ref()) {
                Judgement::Equal => {}
                Judgement::Moving => moving.push(candidate),
                Judgement::Differs(difference) => settled.push((candidate, difference)),
            }
        }
        let touched = self.touched(&settled, before).await?;
        for (candidate, difference) in settled {
            if touched.contains(&candidate.address) {
                moving.push(candidate);
                continue;
            }
            self.confirmed(&candidate, &difference, &second, report);
        }
        Ok(moving)
    }

    /// What MySQL has now for the candidates.
    async fn expected(
        &self,
        source: &mut SourceReader<'_, Verification>,
        candidates: &[Candidate],
    ) -> Result<Expected, VerifyError> {
        let wanted: Vec<_> = candidates.iter().filter_map(|candidate| candidate.key.clone()).collect();
        let mut expected = Expected { by_address: BTreeMap::new(), items: BTreeMap::new() };
        for row in source.items(&wanted).await? {
            let write = Codec::of(self.mapping, self.target).item_write(&row)?;
            expected.items.insert(identity(self.mapping, &row)?, write.address.clone());
            expected.by_address.entry(write.address.clone()).or_default().push(write);
        }
        Ok(expected)
    }

    /// Where the item belongs, if MySQL has it.
    fn place<'e>(&self, expected: &'e Expected, (key, item): &ItemKey) -> Option<&'e Address> {
        let encoded = layout::list_key_of(self.mapping, key).and_then(|mut encoded| {
            encoded.extend(crate::sink::encode::key_parts_of(self.mapping, &self.mapping.item, item)?);
            Ok(encoded)
        });
        expected.items.get(&encoded.ok()?)
    }

    fn judge(
        &self,
        address: &Address,
        first: &Expected,
        second: &Expected,
        stored: Option<&StoredRow>,
    ) -> Judgement {
        let rows = |expected: &'_ Expected| expected.by_address.get(address).cloned().unwrap_or_default();
        let (first, second) = (rows(first), rows(second));
        match (differs(&first, stored), differs(&second, stored)) {
            (None, _) | (_, None) => Judgement::Equal,
            (Some(_), Some(found)) if first == second => {
                Judgement::Differs(self.by_column(found, &second, stored))
            }
            _ => Judgement::Moving,
        }
    }

    async fn touched(
        &self,
        settled: &[(Candidate, Difference)],
        before: Reached,
    ) -> Result<BTreeSet<Address>, VerifyError> {
        let addresses: BTreeSet<Address> =
            settled.iter().map(|(candidate, _)| candidate.address.clone()).collect();
        let believed = self.with.settings.failpoints.difference_believed();
        if addresses.is_empty() || !self.watch.is_live() || believed {
            return Ok(BTreeSet::new());
        }
        match under_way::touched(self.with, (self.mapping, self.target), &addresses, before).await {
            // The next round asks again.
            Err(VerifyError::Source(SourceError::Unavailable { address, reason })) => {
                tracing::warn!(%address, %reason, "the binlog could not be read");
                Ok(addresses)
            }
            done => done,
        }
    }
}

/// How an item differs from each of the rows that may be there.
fn differs(expected: &[ItemWrite], stored: Option<&StoredRow>) -> Option<Difference> {
    let Some((last, others)) = expected.split_last() else { return difference(None, stored) };
    let is_one_of = others.iter().any(|write| difference(Some(write), stored).is_none());
    difference(Some(last), stored).filter(|_| !is_one_of)
}

/// The encoded list and item key of a row.
fn identity(mapping: &Mapping, row: &Row) -> Result<Vec<u8>, SinkError> {
    let mut encoded = layout::list_key(mapping, row)?;
    encoded.extend(crate::sink::encode::key_parts(mapping, &mapping.item, row)?);
    Ok(encoded)
}

enum Judgement {
    Equal,
    /// MySQL changed in between.
    Moving,
    /// MySQL did not change, and HBase has something else.
    Differs(Difference),
}
