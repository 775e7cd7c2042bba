//! What is known to be wrong with the sink, and which targets have missed changes.

use super::super::schema::{EXTRA, NOTE};
use super::super::tally::Thrown;
use super::Books;
use std::collections::{BTreeMap, BTreeSet};
use tailfill::model::{LifeCycle, Reached, TargetId, Tick};
use tailfill::sink::layout::Address;
use tailfill::store::records::{CopyKey, CountsState, JournalRecord, LifeRecord};

/// A list in a target.
pub type ListIn = (TargetId, u64);

/// Damage that no re-copy has mended yet: by list, when it was done.
pub type Damage = BTreeMap<ListIn, u64>;

#[derive(Default)]
pub struct Repairs {
    damage: Damage,
    next: u64,
    /// By cohort and target.
    lives: BTreeMap<(String, TargetId), LifeCycle>,
    /// Of targets that are no longer parked: what was sealed up to this tick they have by their re-copy.
    copied_again: BTreeMap<TargetId, Tick>,
}

impl Books {
    /// A step in the life of a copy became durable.
    pub(super) fn lived(&mut self, key: &[u8], record: LifeRecord) {
        let key = CopyKey::of_prefix(key).expect("our own");
        let name = key.target.split('/').next().unwrap_or_default();
        let target = self.mapping.targets.iter().find(|target| target.table == name);
        let id = target.expect("only our own targets live").id;
        let was_parked = self.is_parked(id);
        if let (false, LifeCycle::Parked { reason }) = (was_parked, &record.state) {
            let kind = match reason {
                reason if reason.contains("did not have it") => Thrown::ParkedByLeaving,
                reason if reason.contains("bring the target back") => Thrown::ParkedByDefinition,
                _ => Thrown::ParkedByRefusal,
            };
            self.tally.add(kind, 1);
        }
        self.repairs.lives.insert((key.cohort, id), record.state);
        if was_parked && !self.is_parked(id) {
            self.repairs.copied_again.insert(id, self.highest_tick());
        }
    }

    /// The life of a copy of an earlier cohort is over.
    pub(super) fn forgotten(&mut self, key: &[u8]) {
        let key = CopyKey::of_prefix(key).expect("our own");
        let name = key.target.split('/').next().unwrap_or_default();
        let target = self.mapping.targets.iter().find(|target| target.table == name);
        self.repairs.lives.remove(&(key.cohort, target.expect("only our own targets live").id));
    }

    /// Whether the store says that changes pass the target by.
    pub fn is_parked(&self, target: TargetId) -> bool {
        let parked = |((_, id), life): (&(String, TargetId), &LifeCycle)| {
            *id == target && matches!(life, LifeCycle::Parked { .. })
        };
        self.repairs.lives.iter().any(parked)
    }

    pub fn parked(&self) -> BTreeSet<TargetId> {
        let ids = self.mapping.targets.iter().map(|target| target.id);
        ids.filter(|id| self.is_parked(*id)).collect()
    }

    /// Whether a batch was sealed before the target got everything again.
    pub(super) fn is_copied_again(&self, target: TargetId, tick: Tick) -> bool {
        self.repairs.copied_again.get(&target).is_some_and(|up_to| tick <= *up_to)
    }

    /// The targets that may be damaged: those whose copy of all lists has begun. None while a replay of all lists is still
    /// to be opened.
    pub fn may_be_damaged(&self) -> Vec<TargetId> {
        let ids = self.mapping.targets.iter().map(|target| target.id);
        let begun = |id: &TargetId| self.repairs.lives.contains_key(&("all".to_owned(), *id));
        match self.epoch.all_lists {
            true => ids.filter(begun).collect(),
            false => Vec::new(),
        }
    }

    /// Whether all rows of counted targets are counted, as the store says.
    pub fn is_counted(&self) -> bool {
        !self.counts.is_empty() && self.counts.values().all(|state| *state == CountsState::Counted)
    }

    /// A tick that no batch and no mark has, below all that will be handed out, and above what is written (or nearly).
    pub fn foreign_tick(&self) -> Tick {
        let mut tick = self.highest_tick();
        while self.entries.contains_key(&tick) {
            tick = Tick(tick.0 - 1);
        }
        tick
    }

    /// An item is damaged, or will be: what a reader saw of it says nothing any more.
    pub fn damages(&mut self, target: TargetId, list: u64, address: Option<&Address>) {
        self.repairs.next += 1;
        self.repairs.damage.insert((target, list), self.repairs.next);
        if let Some(address) = address {
            self.forget_seen(target, address);
        }
    }

    /// Something else than the tail took away what a reader saw. A re-copy may show an item newer than the tail, and then
    /// older until the tail has passed.
    pub(super) fn forget_seen(&mut self, target: TargetId, address: &Address) {
        for column in [NOTE, EXTRA] {
            self.seen.remove(&(target, address.clone(), column));
        }
    }

    /// The table is read again under another definition, whose columns may hold what others held before.
    pub fn columns_may_have_exchanged_values(&mut self) {
        self.seen.clear();
    }

    pub fn damage(&self) -> Damage {
        self.repairs.damage.clone()
    }

    pub(super) fn is_damaged(&self, list: ListIn) -> bool {
        self.repairs.damage.contains_key(&list)
    }

    /// A re-copy of these lists is done that was asked for when the damage was `known`. How much is mended by it.
    pub fn mended(&mut self, lists: &BTreeSet<ListIn>, known: &Damage) -> u64 {
        let before = self.repairs.damage.len();
        let later = |list: &ListIn, at: &u64| !lists.contains(list) || known.get(list) != Some(at);
        self.repairs.damage.retain(|list, at| later(list, at));
        (before - self.repairs.damage.len()) as u64
    }

    /// The lowest tick of a batch that is sent again after a restart.
    pub fn lowest_replayed(&self) -> Option<Tick> {
        let of_batch = |entry: &&JournalRecord| matches!(entry, JournalRecord::Batch { .. });
        self.journal.iter().find(|(_, entry)| of_batch(entry)).map(|(tick, _)| *tick)
    }

    /// Every transaction that the store says was sealed.
    pub fn sealed(&self) -> Reached {
        let mut sealed = Reached::default();
        if let Some(record) = &self.checkpoint {
            sealed.union_with(&record.position.reached);
            sealed.union_with(&record.replaying_until);
        }
        for entry in self.journal.values() {
            match entry {
                JournalRecord::Batch { transactions, .. } => sealed.union_with(transactions),
                JournalRecord::Mark { proof } => sealed.union_with(proof),
            }
        }
        sealed
    }
}
