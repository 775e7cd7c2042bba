//! The books: what the store holds, what was ever sent, what has landed; and the invariants on them.

mod leases;
mod ranges;
mod readers;
mod repairs;

pub use repairs::{Damage, ListIn};

use super::database::Database;
use super::profile::Profile;
use super::schema::{Item, address_of, item_at, items_of_counted, list_of_row};
use super::tally::Tally;
use bytes::Bytes;
use futures::FutureExt;
use ranges::{Epoch, numbers};
use readers::Seen;
use repairs::Repairs;
use std::collections::{BTreeMap, BTreeSet};
use tailfill::model::{Mapping, Reached, Row, RowChange, TargetId, Tick};
use tailfill::sink::layout::{Address, Codec};
use tailfill::sink::memory::MemorySink;
use tailfill::sink::{
    CellNames, CellRange, CountChange, CountedRow, CountedWrite, ReadCounts, ReadRows, RowWrite,
};
use tailfill::store::records::{
    self, CheckpointRecord, ChunkRecord, CountsRecord, CountsState, JournalRecord,
};
use tailfill::store::{Commit, Space};

/// A transaction's number and a row's number in it.
type RowPosition = (u64, u64);
type Written = (TargetId, Address, Tick);

pub struct Books {
    mapping: Mapping,
    database: Database,
    sink: MemorySink,
    /// What the store holds.
    journal: BTreeMap<Tick, JournalRecord>,
    checkpoint: Option<CheckpointRecord>,
    chunks: BTreeMap<Vec<u8>, ChunkRecord>,
    counts: BTreeMap<Vec<u8>, CountsState>,
    /// Every entry that was ever journaled.
    entries: BTreeMap<Tick, JournalRecord>,
    epoch: Epoch,
    /// The lists of the pilot that the state has, where it does not have all.
    pilot: BTreeSet<u64>,
    /// The lists of each pilot, by the name of its cohort.
    cohorts: BTreeMap<String, BTreeSet<u64>>,
    /// Transactions of which rows were left out, because their table was parked there.
    left_out: BTreeSet<u64>,
    /// A target that has not joined yet.
    pub not_joined: Option<TargetId>,
    /// What each batch tick was sent with, by address.
    sent: BTreeMap<Written, RowWrite>,
    landed: BTreeMap<Written, Landed>,
    seen: BTreeMap<(TargetId, Address, usize), Seen>,
    /// A pilot's rows have counts before the copy of all lists begins, which are void then.
    has_pilots: bool,
    /// Re-copies are asked for.
    recopied: bool,
    violations: Vec<String>,
    repairs: Repairs,
    pub tally: Tally,
    pub seen_of_counts: SeenOfCounts,
}

/// What counts went through, to know that it was put to the test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenOfCounts {
    /// Copies whose rows began to be counted.
    pub begun: u64,
    /// Processes that found them begun and not completed.
    pub taken_up: u64,
    /// Counts set by walks, and by changes of rows that had none.
    pub by_walks: u64,
    pub by_changes: u64,
    /// Counted writes that came too late or twice, and were not made.
    pub refused: u64,
}

impl std::ops::AddAssign for SeenOfCounts {
    fn add_assign(&mut self, other: SeenOfCounts) {
        self.begun += other.begun;
        self.taken_up += other.taken_up;
        self.by_walks += other.by_walks;
        self.by_changes += other.by_changes;
        self.refused += other.refused;
    }
}

#[derive(Clone, Copy, Default)]
struct Landed {
    markers: bool,
    puts: bool,
}

/// Which of the two calls of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Markers,
    Puts,
}

impl Books {
    pub fn new(mapping: Mapping, database: Database, sink: MemorySink, profile: &Profile) -> Books {
        let (has_pilots, recopied) = (profile.pilot_runs > 0, profile.recopies);
        Books {
            mapping,
            database,
            sink,
            journal: BTreeMap::new(),
            checkpoint: None,
            chunks: BTreeMap::new(),
            counts: BTreeMap::new(),
            entries: BTreeMap::new(),
            epoch: Epoch::default(),
            pilot: BTreeSet::new(),
            cohorts: BTreeMap::new(),
            left_out: BTreeSet::new(),
            not_joined: None,
            sent: BTreeMap::new(),
            landed: BTreeMap::new(),
            seen: BTreeMap::new(),
            has_pilots,
            recopied,
            violations: Vec::new(),
            repairs: Repairs::default(),
            tally: Tally::default(),
            seen_of_counts: SeenOfCounts::default(),
        }
    }

    /// A process starts with these lists alone.
    pub fn knows_cohort(&mut self, name: String, lists: BTreeSet<u64>) {
        self.cohorts.insert(name, lists);
    }

    /// A pilot writes nothing of a list that is none of its own: nobody would tail it.
    pub fn asked_for_list(&mut self, list: u64) {
        if !self.epoch.all_lists && !self.pilot.contains(&list) {
            self.violation(format!("a pilot of the lists {:?} writes list {list}", self.pilot));
        }
    }

    /// The stream has left rows of a transaction out.
    pub fn leaves_out(&mut self, number: u64) {
        self.left_out.insert(number);
    }

    pub fn violation(&mut self, text: String) {
        if self.violations.len() < 20 {
            self.violations.push(text);
        }
    }

    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// The GTIDs before the durable checkpoint, if there is one.
    pub fn checkpointed(&self) -> Option<&Reached> {
        self.checkpoint.as_ref().map(|record| &record.position.reached)
    }

    /// A commit became durable. Whether rows begin to be counted by it.
    pub fn committed(&mut self, commit: &Commit) -> bool {
        let begun = self.seen_of_counts.begun;
        let anew = commit.put.iter().find(|(space, key, _)| *space == Space::Meta && key == b"cohort");
        let journal = |(space, _, _): &&(Space, Vec<u8>, Vec<u8>)| *space == Space::Journal;
        let mut pruned = commit.delete_range.iter().filter(journal);
        let opens = pruned.any(|(_, _, last)| tick_of(last) == Tick(u64::MAX));
        for (space, first, last) in &commit.delete_range {
            if *space == Space::Chunk {
                continue; // of an earlier cohort
            }
            assert_eq!(*space, Space::Journal, "only the journal is pruned");
            let (first, last) = (tick_of(first), tick_of(last));
            self.journal.retain(|tick, _| *tick < first || *tick > last);
        }
        for (space, key) in &commit.delete {
            match space {
                Space::LifeCycle => self.forgotten(key),
                Space::Counts | Space::History => {}
                space => assert_eq!(*space, Space::Journal, "only the journal is pruned"),
            }
            if *space != Space::Journal {
                continue;
            }
            self.journal.remove(&tick_of(key));
        }
        for (space, key, value) in &commit.put {
            match space {
                Space::Journal => self.journaled(tick_of(key), records::decode(value).expect("our own")),
                Space::Checkpoint => self.check_pointed(records::decode(value).expect("our own"), opens),
                Space::Chunk => self.chunk(key, records::decode(value).expect("our own")),
                Space::Counts => self.counts(key, records::decode(value).expect("our own")),
                Space::LifeCycle => self.lived(key, records::decode(value).expect("our own")),
                _ => {}
            }
        }
        if let Some(cohort) = anew {
            let record: records::MetaRecord = records::decode(&cohort.2).expect("our own");
            self.epoch.all_lists = record.value == "all";
            self.pilot = self.cohorts.get(&record.value).cloned().unwrap_or_default();
        }
        self.seen_of_counts.begun > begun
    }

    fn journaled(&mut self, tick: Tick, entry: JournalRecord) {
        let highest = self.highest_tick();
        if tick <= highest {
            self.violation(format!("I1: tick {tick} is journaled when {highest} was there before"));
        }
        if let JournalRecord::Batch { from, to, transactions, .. } = &entry {
            let in_order = self.database.state().server() == 0;
            if let Some(problem) = self.epoch.take_in(tick, (from, to), transactions, in_order) {
                self.violation(format!("I2: batch {tick} {problem}"));
            }
        }
        self.journal.insert(tick, entry.clone());
        self.entries.insert(tick, entry);
    }

    /// Every tick that the store knows, or once knew.
    fn highest_tick(&self) -> Tick {
        let stored = self.checkpoint.as_ref().map_or(Tick(0), |record| record.tick_high);
        self.entries.last_key_value().map_or(stored, |(tick, _)| stored.max(*tick))
    }

    fn check_pointed(&mut self, record: CheckpointRecord, opens: bool) {
        if opens {
            self.epoch = Epoch::opened(&self.epoch, record.tick_high.0);
        } else if let Some(before) = self.checkpoint.take() {
            if !record.position.reached.contains_set(&before.position.reached) {
                self.violation("I5: the checkpoint moved back".into());
            }
            self.covered(&record.position.reached.minus(&before.position.reached));
        }
        self.checkpoint = Some(record);
    }

    /// I5: everything that these transactions changed has landed in every target.
    fn covered(&mut self, gtids: &Reached) {
        for number in numbers(gtids) {
            if self.left_out.contains(&number) {
                continue; // whether a re-copy has what these changed, the end shows
            }
            let transaction = self.database.state().transaction(number);
            let Some((changes, _)) = transaction else {
                self.violation(format!("I5: the checkpoint covers {number}, which was never published"));
                continue;
            };
            for ((target, address), place) in self.last_mentions(number, &changes) {
                if let Some(problem) = self.not_landed(target, &address, place) {
                    let (item, _) = item_at(&self.mapping, target, &address);
                    self.violation(format!(
                        "I5: the checkpoint covers {place:?} of {item} ({target:?}): {problem}"
                    ));
                }
            }
        }
    }

    /// Each address that a transaction mentions, with the place of its last mention.
    fn last_mentions(
        &self,
        number: u64,
        changes: &[RowChange],
    ) -> BTreeMap<(TargetId, Address), RowPosition> {
        let mut mentions = BTreeMap::new();
        let part = |row: &Row| self.epoch.all_lists || self.pilot.contains(&Item::of(row).list);
        let taking_part =
            changes.iter().filter(|change| [&change.before, &change.after].into_iter().flatten().any(part));
        for (index, change) in (0..).zip(taking_part) {
            for row in [&change.before, &change.after].into_iter().flatten().filter(|row| part(row)) {
                let misses = |id| Some(id) == self.not_joined || self.is_parked(id);
                for target in self.mapping.targets.iter().filter(|target| !misses(target.id)) {
                    let address = Codec::of(&self.mapping, target).address(row).expect("keys are whole");
                    mentions.insert((target.id, address), (number, index));
                }
            }
        }
        mentions
    }

    fn not_landed(&self, target: TargetId, address: &Address, at: RowPosition) -> Option<String> {
        let Some(tick) = self.epoch.tick_of(at) else {
            return Some("no batch was journaled for it".into());
        };
        if self.is_copied_again(target, tick) {
            return None;
        }
        let key = (target, address.clone(), tick);
        let Some(write) = self.sent.get(&key) else { return Some(format!("nothing was sent at {tick}")) };
        let landed = self.landed.get(&key).copied().unwrap_or_default();
        let whole = (landed.markers || !has_markers(write)) && (landed.puts || write.puts.is_empty());
        (!whole).then(|| format!("what was sent at {tick} has not landed"))
    }

    /// I8: a chunk keeps its bounds, and stays done.
    fn chunk(&mut self, key: &[u8], record: ChunkRecord) {
        if let Some(before) = self.chunks.insert(key.to_vec(), record.clone())
            && ((before.done && !record.done) || before.after != record.after || before.up_to != record.up_to)
        {
            self.violation(format!("I8: chunk {} changed", hex::encode(key)));
        }
    }

    /// I11: counts are begun and completed once.
    fn counts(&mut self, key: &[u8], record: CountsRecord) {
        let rank = |state| match state {
            CountsState::Uncounted => 0,
            CountsState::Counting => 1,
            CountsState::Counted => 2,
        };
        let before = self.counts.insert(key.to_vec(), record.state);
        self.seen_of_counts.begun += u64::from(record.state == CountsState::Counting);
        // a re-copy that finds a wrong count has it counted again
        let again = self.recopied && record.state == CountsState::Counting;
        if before.is_some_and(|before| rank(record.state) < rank(before)) && !again {
            self.violation(format!("I11: counts go from {before:?} to {:?}", record.state));
        }
    }

    /// I11 at the end: every copy of all lists into a counted target has its counts.
    pub fn check_counted(&mut self) {
        let counted = self.mapping.targets.iter().filter(|target| target.counted).count();
        let of_all = |key: &[u8]| key.windows(5).any(|part| part == b"\0all\0");
        let done =
            self.counts.iter().filter(|(key, state)| of_all(key) && **state == CountsState::Counted).count();
        if done != counted {
            self.violation(format!("I11: {done} of {counted} targets have their counts"));
        }
    }

    /// I8 at the end: the chunks of every copy of all lists cover the key space, and are done.
    pub fn check_chunks_cover(&mut self) {
        let mut copies: BTreeMap<Vec<u8>, Vec<ChunkRecord>> = BTreeMap::new();
        for (key, record) in &self.chunks {
            if key.windows(5).any(|part| part == b"\0all\0") {
                copies.entry(key[..key.len() - 8].to_vec()).or_default().push(record.clone());
            }
        }
        if copies.len() != self.mapping.targets.len() {
            self.violation(format!("I8: {} copies of all lists", copies.len()));
        }
        for chunks in copies.into_values() {
            let mut end = Some(None);
            for chunk in chunks {
                let fits = end.as_ref() == Some(&chunk.after) && chunk.done;
                if !fits {
                    self.violation("I8: chunks leave a gap, or one is not done".into());
                }
                end = chunk.up_to.map(Some);
            }
            if end.is_some() {
                self.violation("I8: the last chunk is bounded".into());
            }
        }
    }

    /// A write is asked for: it may be sent, and means what it meant before (I1, I2).
    pub fn ask(&mut self, target: TargetId, rows: &[RowWrite]) {
        for write in rows {
            if self.check_tick(write.tick) {
                self.check_content(target, write);
            }
        }
    }

    /// A counted write is asked for: a batch's cells, or a count alone at a mark (or a re-copy's cells).
    pub fn ask_counted(&mut self, target: TargetId, write: &CountedWrite) {
        let items = items_of_counted(write);
        let of_batch = self.check_tick(write.tick);
        let by_recopy = self.recopied && !of_batch;
        if of_batch == items.is_empty() && !by_recopy {
            let tick = write.tick;
            self.violation(format!(
                "I2: {} items are written at {tick}, of a batch: {of_batch}",
                items.len()
            ));
        }
        if Some(write.tick) <= write.expected {
            self.violation(format!("I11: c:t would go from {:?} to {}", write.expected, write.tick));
        }
        if of_batch {
            items.iter().for_each(|item| self.check_content(target, item));
        }
    }

    /// I2: the store holds the tick. Whether it is a batch's.
    fn check_tick(&mut self, tick: Tick) -> bool {
        let stored = self.journal.last_key_value().map_or(Tick(0), |(tick, _)| *tick);
        let high = self.checkpoint.as_ref().map_or(Tick(0), |record| record.tick_high);
        match self.entries.get(&tick) {
            // A mark may have been journaled through a newer one of the same commit, which holds its proof.
            None | Some(JournalRecord::Mark { .. }) if tick <= stored.max(high) => false,
            Some(JournalRecord::Batch { .. }) if tick <= high || self.journal.contains_key(&tick) => true,
            _ => {
                self.violation(format!("I2: tick {tick} is sent, and the store does not hold it"));
                false
            }
        }
    }

    /// I1: a tick means one thing.
    fn check_content(&mut self, target: TargetId, write: &RowWrite) {
        let address = address_of(&self.mapping, target, write);
        let key = (target, address, write.tick);
        match self.sent.get(&key) {
            Some(before) if before != write => {
                let (item, _) = item_at(&self.mapping, target, &key.1);
                self.violation(format!("I1: tick {} means two things for {item} ({target:?})", write.tick));
            }
            Some(_) => {}
            None => {
                self.sent.insert(key, write.clone());
            }
        }
    }

    /// A part of a write has been applied.
    pub fn land(&mut self, target: TargetId, rows: &[RowWrite], part: Part) {
        let mut addresses = BTreeSet::new();
        for write in rows {
            let address = address_of(&self.mapping, target, write);
            let landed = self.landed.entry((target, address.clone(), write.tick)).or_default();
            match part {
                Part::Markers => landed.markers = true,
                Part::Puts => landed.puts = true,
            }
            if self.recopied && part == Part::Markers && !self.is_of_batch(write.tick) {
                self.forget_seen(target, &address);
            }
            addresses.insert(address);
        }
        addresses.iter().for_each(|address| self.look(target, address));
        let rows: BTreeSet<&Bytes> = rows.iter().map(|write| &write.row).collect();
        rows.into_iter().for_each(|row| self.check_count(target, row));
    }

    /// A process begins.
    pub fn process_starts(&mut self) {
        let begun = self.counts.values().filter(|state| **state == CountsState::Counting).count();
        self.seen_of_counts.taken_up += begun as u64;
    }

    /// A counted write is made now.
    pub fn make_counted(&mut self, target: TargetId, write: &CountedWrite, made: bool, before: &CountedRow) {
        if !made {
            self.seen_of_counts.refused += 1;
            return;
        }
        match write.count {
            CountChange::Set(_) if before.count.is_none() && items_of_counted(write).is_empty() => {
                self.seen_of_counts.by_walks += 1;
            }
            CountChange::Set(_) if before.count.is_none() => self.seen_of_counts.by_changes += 1,
            _ => {}
        }
        self.land_counted(target, write);
    }

    fn land_counted(&mut self, target: TargetId, write: &CountedWrite) {
        for item in items_of_counted(write) {
            let address = address_of(&self.mapping, target, &item);
            self.landed.insert((target, address.clone(), write.tick), Landed { markers: true, puts: true });
            if self.recopied && !item.delete_columns.is_empty() && !self.is_of_batch(write.tick) {
                self.forget_seen(target, &address);
            }
            self.look(target, &address);
        }
        self.check_count(target, &write.row);
    }

    /// I11, at every moment: a count is the number of items.
    fn check_count(&mut self, target: TargetId, row: &Bytes) {
        if !self.mapping.targets[usize::from(target.0)].counted || self.has_pilots {
            return;
        }
        let (list, _) = list_of_row(&self.mapping, target, row);
        if self.is_damaged((target, list)) {
            return;
        }
        let names = [CellNames { row: row.clone(), qualifiers: vec![] }];
        let read = self.sink.read_counted(target, &names).now_or_never();
        let counted = read.expect("the memory sink does not wait").expect("nor fails").remove(0);
        let scan = self.sink.scan_cells(target, &CellRange::of_row(row, usize::MAX)).now_or_never();
        let found = scan.expect("the memory sink does not wait").expect("nor fails");
        let items = found.first().map_or(0, |row| row.cells.len() as u64);
        if counted.count.is_some_and(|count| count != items) {
            let count = counted.count.unwrap_or_default();
            self.violation(format!("I11: a row of list {list} says {count} and has {items} items"));
        }
    }
}

pub fn has_markers(write: &RowWrite) -> bool {
    write.delete_family || !write.delete_columns.is_empty()
}

fn tick_of(key: &[u8]) -> Tick {
    records::journal_tick(key).expect("8 bytes")
}
