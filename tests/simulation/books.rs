//! The books: what the store holds, what was ever sent, what has landed; and the invariants on them.

use super::database::{self, Database};
use super::schema::{EXTRA, Item, MAPPING, NOTE, item_of_key};
use super::world::Process;
use bytes::Bytes;
use futures::FutureExt;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tailfill::lock::{LeaseKey, ListId};
use tailfill::model::{GtidSet, Mapping, Point, Row, RowChange, TargetId, Tick};
use tailfill::sink::memory::MemorySink;
use tailfill::sink::{RowWrite, Sink, StoredCell, layout};
use tailfill::store::records::{self, CheckpointRecord, ChunkRecord, JournalRecord};
use tailfill::store::{Commit, Space};
use tokio::time::Instant;

/// A transaction's number and a row's number in it.
type Place = (u64, u64);
type Written = (TargetId, Bytes, Tick);

pub struct Books {
    mapping: Mapping,
    database: Database,
    sink: MemorySink,
    /// What the store holds.
    journal: BTreeMap<Tick, JournalRecord>,
    checkpoint: Option<CheckpointRecord>,
    chunks: BTreeMap<Vec<u8>, ChunkRecord>,
    /// Every entry that was ever journaled.
    entries: BTreeMap<Tick, JournalRecord>,
    epoch: Epoch,
    pub pilot: BTreeSet<u64>,
    /// What each batch tick was sent with, by address.
    sent: BTreeMap<Written, RowWrite>,
    landed: BTreeMap<Written, Landed>,
    seen: BTreeMap<(TargetId, Bytes, usize), Seen>,
    violations: Vec<String>,
}

/// From one opening of the tail to the next: what is replayed in it keeps its ticks.
#[derive(Default)]
struct Epoch {
    number: u64,
    /// Its ticks are above this one.
    above: u64,
    all_lists: bool,
    /// By the place of the first row: the place of the last, and the tick.
    batches: BTreeMap<Place, (Place, Tick)>,
}

#[derive(Clone, Copy, Default)]
struct Landed {
    markers: bool,
    puts: bool,
}

/// The newest version of a cell that a reader saw from the tail.
struct Seen {
    epoch: u64,
    version: u64,
    gone: bool,
}

/// Which of the two calls of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Markers,
    Puts,
}

impl Books {
    pub fn new(mapping: Mapping, database: Database, sink: MemorySink) -> Books {
        Books {
            mapping,
            database,
            sink,
            journal: BTreeMap::new(),
            checkpoint: None,
            chunks: BTreeMap::new(),
            entries: BTreeMap::new(),
            epoch: Epoch::default(),
            pilot: BTreeSet::new(),
            sent: BTreeMap::new(),
            landed: BTreeMap::new(),
            seen: BTreeMap::new(),
            violations: Vec::new(),
        }
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
    pub fn checkpointed(&self) -> Option<&GtidSet> {
        self.checkpoint.as_ref().map(|record| &record.position.gtids)
    }

    /// A commit became durable.
    pub fn committed(&mut self, commit: &Commit) {
        let opens = commit.put.iter().any(|(space, ..)| *space == Space::Meta);
        for (space, first, last) in &commit.delete_range {
            assert_eq!(*space, Space::Journal, "only the journal is pruned");
            let (first, last) = (tick_of(first), tick_of(last));
            self.journal.retain(|tick, _| *tick < first || *tick > last);
        }
        for (space, key) in &commit.delete {
            assert_eq!(*space, Space::Journal, "only the journal is pruned");
            self.journal.remove(&tick_of(key));
        }
        for (space, key, value) in &commit.put {
            match space {
                Space::Journal => self.journaled(tick_of(key), records::decode(value).expect("our own")),
                Space::Checkpoint => self.check_pointed(records::decode(value).expect("our own"), opens),
                Space::Chunk => self.chunk(key, records::decode(value).expect("our own")),
                _ => {}
            }
        }
        if opens {
            let cohort = commit.put.iter().find(|(_, key, _)| key == b"cohort").expect("it is opened so");
            let record: records::MetaRecord = records::decode(&cohort.2).expect("our own");
            self.epoch.all_lists = record.value == "all";
        }
    }

    fn journaled(&mut self, tick: Tick, entry: JournalRecord) {
        let highest = self.highest_tick();
        if tick <= highest {
            self.violation(format!("I1: tick {tick} is journaled when {highest} was there before"));
        }
        if let JournalRecord::Batch { from, to, .. } = &entry {
            let (from, to) = (place(from), place(to));
            let before = self.epoch.batches.last_key_value().map(|(_, (to, _))| *to);
            if before.is_some_and(|before| from <= before) || to < from {
                self.violation(format!(
                    "I2: batch {tick} covers {from:?} to {to:?}, which goes back behind {before:?}"
                ));
            }
            self.epoch.batches.insert(from, (to, tick));
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
            self.epoch = Epoch {
                number: self.epoch.number + 1,
                above: record.tick_high.0,
                all_lists: true,
                batches: BTreeMap::new(),
            };
        } else if let Some(before) = self.checkpoint.take() {
            if !record.position.gtids.contains_set(&before.position.gtids) {
                self.violation("I5: the checkpoint moved back".into());
            }
            self.covered(&record.position.gtids.minus(&before.position.gtids));
        }
        self.checkpoint = Some(record);
    }

    /// I5: everything that these transactions changed has landed in every target.
    fn covered(&mut self, gtids: &GtidSet) {
        let numbers: Vec<u64> =
            gtids.iter().flat_map(|(_, all)| all.iter().flat_map(|i| i.first..=i.last)).collect();
        for number in numbers {
            let transaction = self.database.state().transaction(number);
            let Some((changes, _)) = transaction else {
                self.violation(format!("I5: the checkpoint covers {number}, which was never published"));
                continue;
            };
            for ((target, row), place) in self.last_mentions(number, &changes) {
                if let Some(problem) = self.not_landed(target, &row, place) {
                    let (item, _) = item_of_key(&self.mapping, target, &row);
                    self.violation(format!(
                        "I5: the checkpoint covers {place:?} of {item} ({target:?}): {problem}"
                    ));
                }
            }
        }
    }

    /// Each address that a transaction mentions, with the place of its last mention.
    fn last_mentions(&self, number: u64, changes: &[RowChange]) -> BTreeMap<(TargetId, Bytes), Place> {
        let mut mentions = BTreeMap::new();
        let part = |row: &Row| self.epoch.all_lists || self.pilot.contains(&Item::of(row).list);
        let taking_part =
            changes.iter().filter(|change| [&change.before, &change.after].into_iter().flatten().any(part));
        for (index, change) in (0..).zip(taking_part) {
            for row in [&change.before, &change.after].into_iter().flatten().filter(|row| part(row)) {
                for target in &self.mapping.targets {
                    let address = layout::address(&self.mapping, target, row).expect("keys are whole").row;
                    mentions.insert((target.id, address), (number, index));
                }
            }
        }
        mentions
    }

    fn not_landed(&self, target: TargetId, row: &Bytes, at: Place) -> Option<String> {
        let Some((_, (to, tick))) = self.epoch.batches.range(..=at).next_back() else {
            return Some("no batch was journaled for it".into());
        };
        if *to < at {
            return Some("no batch was journaled for it".into());
        }
        let key = (target, row.clone(), *tick);
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
        rows.iter().for_each(|write| self.check_tick(target, write));
    }

    /// A part of a write is sent now (I4).
    pub fn send(&mut self, process: &Process, target: TargetId, rows: &[RowWrite], live_for: Duration) {
        rows.iter().for_each(|write| self.check_lease(process, target, write, live_for));
    }

    fn check_tick(&mut self, target: TargetId, write: &RowWrite) {
        let tick = write.tick;
        let stored = self.journal.last_key_value().map_or(Tick(0), |(tick, _)| *tick);
        let high = self.checkpoint.as_ref().map_or(Tick(0), |record| record.tick_high);
        match self.entries.get(&tick) {
            // A mark may have been journaled through a newer one of the same commit, which holds its proof.
            None | Some(JournalRecord::Mark { .. }) if tick <= stored.max(high) => {}
            Some(JournalRecord::Batch { .. }) if tick <= high || self.journal.contains_key(&tick) => {
                self.check_content(target, write);
            }
            _ => self.violation(format!("I2: tick {tick} is sent, and the store does not hold it")),
        }
    }

    /// I1: a tick means one thing.
    fn check_content(&mut self, target: TargetId, write: &RowWrite) {
        let key = (target, write.row.clone(), write.tick);
        match self.sent.get(&key) {
            Some(before) if before != write => {
                let (item, _) = item_of_key(&self.mapping, target, &write.row);
                self.violation(format!("I1: tick {} means two things for {item} ({target:?})", write.tick));
            }
            Some(_) => {}
            None => {
                self.sent.insert(key, write.clone());
            }
        }
    }

    /// I4: the lease of the list was granted, and its deadline has not come.
    fn check_lease(&mut self, process: &Process, target: TargetId, write: &RowWrite, live_for: Duration) {
        let (item, list_key) = item_of_key(&self.mapping, target, &write.row);
        let key = LeaseKey::new(MAPPING, ListId::new(0, &list_key));
        let number = process.number;
        match process.lease_asked(&key.0, live_for * 2) {
            None => {}
            Some(None) => self.violation(format!("I4: process {number} writes {item} without a lease")),
            Some(Some(asked)) if Instant::now() >= asked + live_for => {
                self.violation(format!("I4: process {number} writes {item} after its lease's deadline"));
            }
            Some(Some(_)) => {}
        }
    }

    /// A part of a write has been applied.
    pub fn land(&mut self, target: TargetId, rows: &[RowWrite], part: Part) {
        for write in rows {
            let landed = self.landed.entry((target, write.row.clone(), write.tick)).or_default();
            match part {
                Part::Markers => landed.markers = true,
                Part::Puts => landed.puts = true,
            }
        }
        let addresses: BTreeSet<&Bytes> = rows.iter().map(|write| &write.row).collect();
        addresses.into_iter().for_each(|row| self.look(target, row));
    }

    /// A reader looks at a row: within an epoch, no cell that the tail wrote goes back to an older version, or
    /// comes back after it was seen gone.
    fn look(&mut self, target: TargetId, row: &Bytes) {
        let read = self.sink.read(target, std::slice::from_ref(row)).now_or_never();
        let found = read.expect("the memory sink does not wait").expect("nor fails").remove(0);
        let cells = found.map(|found| found.cells).unwrap_or_default();
        for (column, name) in [(NOTE, "note"), (EXTRA, "extra")] {
            let cell = cells.iter().find(|cell| cell.qualifier == name.as_bytes());
            self.look_at_cell(target, row, column, cell);
        }
    }

    fn look_at_cell(&mut self, target: TargetId, row: &Bytes, column: usize, cell: Option<&StoredCell>) {
        let key = (target, row.clone(), column);
        let epoch = self.epoch.number;
        let Some(cell) = cell else {
            if let Some(seen) = self.seen.get_mut(&key) {
                seen.gone = true;
            }
            return;
        };
        let by_tail = matches!(self.entries.get(&cell.tick), Some(JournalRecord::Batch { .. }));
        if !by_tail || cell.tick.0 <= self.epoch.above {
            return;
        }
        let version = std::str::from_utf8(&cell.value[1..]).ok().and_then(|text| text.parse().ok());
        let version: u64 = version.expect("a letter and a number");
        if let Some(seen) = self.seen.insert(key, Seen { epoch, version, gone: false })
            && seen.epoch == epoch
            && (version < seen.version || (version == seen.version && seen.gone))
        {
            let (item, _) = item_of_key(&self.mapping, target, row);
            let (old, tick) = (seen.version, cell.tick);
            self.violation(format!(
                "a reader of {item} ({target:?}) sees version {version} at {tick} after {old}{}",
                if seen.gone { ", which was gone" } else { "" }
            ));
        }
    }
}

pub fn has_markers(write: &RowWrite) -> bool {
    write.delete_family || !write.delete_columns.is_empty()
}

fn place(point: &Point) -> Place {
    assert_eq!(point.gtid, database::gtid(point.gtid.number));
    (point.gtid.number, point.row)
}

fn tick_of(key: &[u8]) -> Tick {
    records::journal_tick(key).expect("8 bytes")
}
