//! Mending: suspects are read again on both sides under the leases of their lists, and what still differs is written at
//! the mark of their turn.

use super::target::{AtTarget, Suspect};
use crate::compare::{ItemKey, Once, Sides, SourceReader};
use crate::failpoints::{KillPoint, kill_at};
use crate::lock::Held;
use crate::pipeline::jobs::{Touch, TouchKind, Touched};
use crate::protocol::counted::Order;
use crate::protocol::recopy::{Act, Repairs, decide};
use crate::protocol::write::{NotWritten, send};
use crate::protocol::{Journaled, ListWrites, ProtocolError, SafeMark};
use crate::sink::SinkError;
use crate::sink::layout::{Address, Codec, ItemWrite};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes after which what is read is written before more is read.
const BYTES: usize = 4 << 20;
/// Items that are settled together.
pub const AT_ONCE: usize = 500;

/// What became of an attempt.
pub enum Attempt {
    /// These are to be looked at again: because of cells above the mark, because their lists were busy.
    Done { newer: Vec<Suspect>, busy: Vec<Suspect> },
    /// All lists are busy, or a write failed; nothing is lost.
    Again(Option<SinkError>),
    /// The leases ran out before all of these were read and written.
    Slow,
}

/// Mends one target. Reads without patience: whatever fails under a lease is tried again in another turn.
pub struct Mending<'a> {
    at: &'a AtTarget<'a>,
    sides: Sides<'a, Once<ProtocolError>>,
    source: SourceReader<'a, Once<ProtocolError>>,
}

impl<'a> Mending<'a> {
    pub fn new(at: &'a AtTarget<'a>) -> Mending<'a> {
        let sides = at.sides(Once::reading());
        Mending { at, sides, source: sides.source() }
    }

    /// Mends those of `suspects` that still differ; `held` are the leases of their lists.
    pub async fn under_lease(
        &mut self,
        suspects: &[Suspect],
        held: &Held,
        mark: &SafeMark,
    ) -> Result<Attempt, ProtocolError> {
        let expected = self.expected(suspects, held).await?;
        let lost: Vec<Suspect> = suspects
            .iter()
            .filter(|one| one.scanned && !expected.values().any(|(_, found)| found.key == one.key))
            .cloned()
            .collect();
        self.at.are_gone(&lost).await?;
        // deleted since the scan, so the tail brings the delete: no absence is made of a look-up
        let lost: BTreeSet<&Address> = lost.iter().map(|one| &one.address).collect();
        let mut names: BTreeMap<&Address, &Suspect> = BTreeMap::new();
        for suspect in suspects {
            names.insert(&suspect.address, suspect);
        }
        for (item, suspect) in expected.values() {
            names.insert(&item.address, suspect);
        }
        let addresses: Vec<Address> = names.keys().map(|address| (*address).clone()).collect();
        let mut newer = Vec::new();
        // in parts, so that long values do not pile up; a part is written before the next is read
        for part in addresses.chunks(self.part_items(&expected)) {
            let stored = self.sides.items(part).await?;
            let mut repairs = Repairs::new(&self.at.copy.target, mark);
            let mut touches = Vec::new();
            for (address, stored) in part.iter().zip(&stored) {
                let (item, suspect) = (expected.get(address).map(|(item, _)| item), names[address]);
                let mend = decide(item, stored.as_ref(), mark.tick());
                if mend.newer {
                    newer.push(Suspect { address: address.clone(), ..suspect.clone() });
                }
                let what = match mend.act {
                    Act::Nothing => continue,
                    Act::Delete if lost.contains(address) => continue,
                    Act::Delete if self.at.job.parts.settings.failpoints.recopy_keeps_extras() => continue,
                    Act::Delete => TouchKind::Deleted,
                    Act::Write { .. } => TouchKind::Written,
                };
                repairs.add(suspect.list, address, item, &mend.act);
                let name = self.name(suspect);
                touches.push(Touch { address: address.clone(), name, what, tick: Some(mark.tick()) });
            }
            if touches.is_empty() {
                continue;
            }
            if !self.at.job.dry_run {
                self.at.job.note(&self.at.copy.target, &touches)?;
                kill_at(KillPoint::RecopyNoted);
                if let Some(again) = self.write(held, repairs.finish()).await? {
                    return Ok(again);
                }
                kill_at(KillPoint::RecopyWritten);
            }
            self.count(&touches);
        }
        Ok(Attempt::Done { newer, busy: Vec::new() })
    }

    /// What MySQL has of the suspects, by address, each with its names.
    async fn expected(
        &mut self,
        suspects: &[Suspect],
        held: &Held,
    ) -> Result<BTreeMap<Address, (ItemWrite, Suspect)>, ProtocolError> {
        let Sides { mapping, target, .. } = self.sides;
        let wanted: Vec<ItemKey> = suspects.iter().map(|one| one.key.clone()).collect();
        let mut expected = BTreeMap::new();
        for row in self.source.items(&wanted).await? {
            let list = self.at.list_of(&row)?;
            if !held.lists().contains(&list) {
                continue; // another spelling of a key: another list
            }
            let item =
                Codec::of(mapping, target).item_write(&row).map_err(|cause| self.at.copy.refused(cause))?;
            let suspect = Suspect::of(self.at, list, &row, item.address.clone());
            expected.insert(item.address.clone(), (item, suspect));
        }
        Ok(expected)
    }

    /// Items that are looked up and written together.
    fn part_items(&self, expected: &BTreeMap<Address, (ItemWrite, Suspect)>) -> usize {
        let cells = |item: &ItemWrite| item.puts.iter().map(|(_, value)| value.len() + 64).sum::<usize>();
        let bytes: usize = expected.values().map(|(item, _)| cells(item)).sum();
        let about = bytes / expected.len().max(1);
        (BYTES / about.max(1)).clamp(1, AT_ONCE)
    }

    /// `None`: all is written.
    async fn write(
        &mut self,
        held: &Held,
        writes: Vec<Journaled<ListWrites>>,
    ) -> Result<Option<Attempt>, ProtocolError> {
        let (parts, target) = (self.at.job.parts, &self.at.copy.target);
        if target.counted {
            return self.write_counted(held, &writes).await;
        }
        let writes: Vec<&Journaled<ListWrites>> = writes.iter().collect();
        match send(&*parts.sink, held, &writes, usize::MAX).await {
            Ok(sent) => {
                parts.plan.written_to().accepted(sent.accepted);
                Ok(None)
            }
            Err(NotWritten::Deadline { trouble: None, .. }) => Ok(Some(Attempt::Slow)),
            Err(NotWritten::Deadline { trouble, .. }) => Ok(Some(Attempt::Again(trouble))),
            Err(NotWritten::Refused { refused, .. }) => match refused.into_iter().next() {
                Some((_, error)) => Err(error.into()),
                None => Ok(Some(Attempt::Again(None))),
            },
        }
    }

    /// As the tail writes a batch: cells and count at once, where `c:t` is as it was read (I11). The turn sees to it that
    /// everything below the mark is written and nothing above it is, so `c:t` lies below the mark.
    async fn write_counted(
        &mut self,
        held: &Held,
        writes: &[Journaled<ListWrites>],
    ) -> Result<Option<Attempt>, ProtocolError> {
        let (parts, counts) = (self.at.job.parts, &self.at.job.shared.counts);
        let orders: Vec<Order<'_>> = writes.iter().map(Order::Batch).collect();
        let ended = counts.rows(parts, held).carry_out(&orders, |target| counts.mode(target)).await;
        if let Some((_, error)) = ended.refused.into_iter().next() {
            return Err(error.into());
        }
        parts.plan.written_to().accepted(ended.accepted);
        let again = || ended.trouble.map_or(Attempt::Slow, |error| Attempt::Again(Some(error)));
        Ok((!ended.unfinished.is_empty()).then(again))
    }

    fn name(&self, suspect: &Suspect) -> String {
        let name = |touched: &dyn Touched| touched.name(self.at.job.mapping, &suspect.key.0, &suspect.key.1);
        self.at.job.recopies.touched().map_or_else(String::new, name)
    }

    fn count(&self, touches: &[Touch]) {
        let deleted = touches.iter().filter(|touch| touch.what == TouchKind::Deleted).count() as u64;
        self.at.job.report(self.at.copy.target.id, |report| {
            report.deleted += deleted;
            report.written += touches.len() as u64 - deleted;
            touches.iter().for_each(|touch| report.example(|| self.at.job.example(touch)));
        });
    }
}
