//! What the models take from the program itself: what a batch and a copy write, when a mark is safe, and ticks.
//!
//! Pure functions, so each answer is kept: a million states ask a few dozen questions.

use super::hbase::{COLUMNS, Cells, Hbase, Op};
use super::mechanism::Mechanism;
use super::source::{Change, ItemRow, Script, Set, has};
use crate::simulation::schema;
use futures::FutureExt;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tailfill::clock::Clock;
use tailfill::failpoints::{Failpoints, Switches};
use tailfill::model::gtid::Gtid;
use tailfill::model::{Mapping, Reached, Row, RowChange, TableId, Tick, Value};
use tailfill::protocol::coalesce::SnapshotRows;
use tailfill::protocol::mark::{UnprovenMark, judged};
use tailfill::protocol::plan::{Cohort, list_of};
use tailfill::protocol::{Coalescer, Journal, ListWrites, Pending, Plan, SafeMark, Ticks};
use tailfill::sink::RowWrite;
use tailfill::store::memory::MemoryStore;
use uuid::Uuid;

/// Lists of the models.
pub const LISTS: usize = 2;

/// What is written together, by its place among all that was ever asked for.
pub type Content = u16;

/// What one batch, or one copy, writes.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub by_list: [Vec<Op>; LISTS],
}

impl Written {
    /// The lists with anything to write, as bits.
    pub fn lists(&self) -> u8 {
        (0..LISTS).filter(|list| !self.by_list[*list].is_empty()).map(|list| 1 << list).sum()
    }
}

pub struct Production {
    plan: Plan,
    off: Option<Mechanism>,
    /// By address: a row that lies there.
    pub addresses: Vec<ItemRow>,
    changes: Vec<Change>,
    transaction_of: Vec<usize>,
    /// By proof and executed set.
    proven: RefCell<HashMap<(Set, Set), bool>>,
    written: RefCell<Vec<Written>>,
    known: RefCell<HashMap<WriteKind, Content>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum WriteKind {
    /// Changes, by their numbers.
    Batch(Vec<u8>),
    Copy(Vec<ItemRow>),
    /// What is deleted, and what is written in full.
    Repair(Vec<ItemRow>, Vec<ItemRow>),
}

struct StandingClock;

impl Clock for StandingClock {
    fn now_ms(&self) -> u64 {
        0
    }

    fn now_micros(&self) -> u64 {
        0
    }
}

/// The tick after `last`, the clock standing still.
pub fn tick_after(last: u8) -> u8 {
    let tick = Ticks::above(Tick(last.into()), Arc::new(StandingClock)).take();
    u8::try_from(tick.0).expect("a small world")
}

impl Production {
    pub fn new(script: &Script, off: Option<Mechanism>) -> Production {
        let mut mapping = schema::mapping(false, None);
        mapping.targets.truncate(1);
        mapping.targets[0].columns = vec![schema::ORDER, schema::NOTE];
        let mut addresses: Vec<ItemRow> = Vec::new();
        for row in script.images() {
            let place = |row: &ItemRow| (row.list, row.item, row.order);
            if !addresses.iter().any(|known| place(known) == place(&row)) {
                addresses.push(row);
            }
        }
        let (transaction_of, changes) = script.changes().into_iter().unzip();
        Production {
            plan: Plan::new(vec![mapping], Cohort::All),
            off,
            addresses,
            changes,
            transaction_of,
            proven: RefCell::default(),
            written: RefCell::default(),
            known: RefCell::default(),
        }
    }

    pub fn transaction_of(&self, change: usize) -> usize {
        self.transaction_of[change]
    }

    /// Whether a mark with this proof is safe, as the program decides it.
    pub fn proves(&self, proof: Set, executed: Set) -> bool {
        if self.off == Some(Mechanism::ProofByContainment) {
            return executed.leading_zeros() <= proof.leading_zeros();
        }
        let decide = || safe_mark(1, &gtids(proof), &gtids(executed)).is_some();
        *self.proven.borrow_mut().entry((proof, executed)).or_insert_with(decide)
    }

    /// What a batch of these changes writes.
    pub fn batch(&self, changes: &[u8]) -> Content {
        self.content(WriteKind::Batch(changes.to_vec()))
    }

    /// HBase once all rows of the beginning were copied, at tick 1.
    pub fn copied(&self, script: &Script) -> Hbase {
        let mut hbase = Hbase::of(self.addresses.len());
        let content = self.copy(script.rows_after(0));
        self.with(content, |written| written.by_list.iter().for_each(|ops| hbase.apply(1, ops)));
        hbase
    }

    /// What a copy of these rows writes.
    pub fn copy(&self, rows: Vec<ItemRow>) -> Content {
        self.content(WriteKind::Copy(rows))
    }

    /// What a re-copy writes: these are deleted, and those written in full, NULLs as markers.
    pub fn repair(&self, extras: Vec<ItemRow>, rows: Vec<ItemRow>) -> Content {
        self.content(WriteKind::Repair(extras, rows))
    }

    fn content(&self, what: WriteKind) -> Content {
        if let Some(known) = self.known.borrow().get(&what) {
            return *known;
        }
        let written = match &what {
            WriteKind::Batch(changes) => self.coalesce(changes),
            WriteKind::Copy(rows) => self.snapshot(rows),
            WriteKind::Repair(extras, rows) => {
                let deleted = extras.iter().map(|row| Change { before: Some(*row), after: None });
                let in_full = rows.iter().map(|row| Change { before: Some(*row), after: Some(*row) });
                self.sealed(Coalescer::new(Failpoints::default()), deleted.chain(in_full), &[])
            }
        };
        let mut all = self.written.borrow_mut();
        let content = Content::try_from(all.len()).expect("a small world");
        all.push(written);
        self.known.borrow_mut().insert(what, content);
        content
    }

    pub fn with<T>(&self, content: Content, look: impl FnOnce(&Written) -> T) -> T {
        look(&self.written.borrow()[usize::from(content)])
    }

    pub fn lists_of(&self, content: Content) -> u8 {
        self.with(content, Written::lists)
    }

    fn coalesce(&self, changes: &[u8]) -> Written {
        let off = |mechanism: Mechanism| self.off == Some(mechanism);
        let mut taken: Vec<u8> = changes.to_vec();
        if off(Mechanism::CoalescingByAddress) {
            // broken: of each source row only its last change
            let item = |change: &u8| {
                let change = self.changes[usize::from(*change)];
                change.after.or(change.before).map(|row| (row.list, row.item))
            };
            taken.retain(|change| !changes.iter().any(|later| later > change && item(later) == item(change)));
        }
        let coalescer = Coalescer::new(Failpoints::new(Switches {
            insert_delete_cancels: off(Mechanism::DeletesOfOwnInserts),
            null_markers_dropped: off(Mechanism::NullMarkers),
            family_marker_with_put: off(Mechanism::NoMarkerBesidePut),
            ..Switches::default()
        }));
        let of = |change: &u8| self.changes[usize::from(*change)];
        let mut written = self.sealed(coalescer, taken.iter().map(of), changes);
        if off(Mechanism::IntermediateAddresses) {
            // broken: where an update went in this batch, and a later one left again, nothing is sent
            let came = |op: &Op| self.came_by_update(changes, op.address);
            written.by_list.iter_mut().for_each(|ops| ops.retain(|op| !(op.delete_family && came(op))));
        }
        written
    }

    fn sealed(
        &self,
        mut coalescer: Coalescer,
        changes: impl Iterator<Item = Change>,
        numbers: &[u8],
    ) -> Written {
        for Change { before, after } in changes {
            let (before, after) = (before.map(full_row), after.map(full_row));
            let change = RowChange { table: TableId(0), before, after };
            assert!(coalescer.add(&self.plan, change.as_ref()).is_empty(), "all keys are whole");
        }
        let mut written = Written::default();
        for writes in coalescer.finish(Tick(1)) {
            self.take_apart(&writes, numbers, &mut written);
        }
        written
    }

    /// What HBase must show at an address, where these are the rows.
    pub fn wanted(&self, rows: &[ItemRow], address: usize) -> Cells {
        let row = rows.iter().find(|row| usize::from(self.address_of(row)) == address);
        row.map(|row| [Some(row.order), row.note])
    }

    /// Whether the first change of the batch that mentions the address is an update that brings the item there.
    fn came_by_update(&self, changes: &[u8], address: u8) -> bool {
        let here = |row: Option<ItemRow>| row.is_some_and(|row| self.address_of(&row) == address);
        let all = changes.iter().map(|change| self.changes[usize::from(*change)]);
        let first = all.into_iter().find(|change| here(change.before) || here(change.after));
        first.is_some_and(|change| change.before.is_some() && !here(change.before))
    }

    fn snapshot(&self, rows: &[ItemRow]) -> Written {
        let mapping = self.mapping();
        let mut snapshot = SnapshotRows::new(mapping, &mapping.targets[0], rows.len());
        for row in rows {
            let row = full_row(*row);
            let (list, _) = list_of(mapping, &row).expect("all keys are whole");
            snapshot.add(list, &row).expect("all keys are whole");
        }
        let mark = safe_mark(1, &Reached::default(), &Reached::default()).expect("nothing is to be proven");
        let mut written = Written::default();
        for writes in snapshot.finish(&mark) {
            self.take_apart(writes.get(), &[], &mut written);
        }
        written
    }

    fn mapping(&self) -> &Mapping {
        &self.plan.mappings()[0]
    }

    pub fn address_of(&self, row: &ItemRow) -> u8 {
        let place = |row: &ItemRow| (row.list, row.item, row.order);
        let at = self.addresses.iter().position(|known| place(known) == place(row));
        at.expect("every image has an address") as u8
    }

    /// Reads back, from the bytes that are sent, what they do to the addresses of the model.
    fn take_apart(&self, writes: &ListWrites, changes: &[u8], written: &mut Written) {
        let (mapping, target) = (self.mapping(), &self.mapping().targets[0]);
        let key = |row: &ItemRow| {
            tailfill::sink::layout::Codec::of(mapping, target)
                .address(&full_row(*row))
                .expect("keys are whole")
                .row
        };
        let by_key: BTreeMap<_, _> = self.addresses.iter().map(|row| (key(row), *row)).collect();
        for write in writes.rows().map(|row| row.unpack()) {
            let row = by_key[&write.row];
            let address = self.address_of(&row);
            let mentions = |change: &&u8| {
                let change = self.changes[usize::from(**change)];
                [change.before, change.after]
                    .into_iter()
                    .flatten()
                    .any(|row| self.address_of(&row) == address)
            };
            let version = changes.iter().rfind(mentions).map_or(0, |change| change + 1);
            written.by_list[usize::from(row.list)].push(op_of(&write, address, version));
        }
    }
}

fn op_of(write: &RowWrite, address: u8, version: u8) -> Op {
    const NAMES: [&str; COLUMNS] = ["created_at", "note"];
    let value = |name: &str| {
        let (_, value) = write.puts.iter().find(|(put, _)| put == name)?;
        Some(std::str::from_utf8(value).expect("text").parse::<u8>().expect("a small number"))
    };
    Op {
        address,
        delete_family: write.delete_family,
        markers: NAMES.map(|name| write.delete_columns.iter().any(|marked| marked == name)),
        puts: NAMES.map(value),
        version,
    }
}

/// The row of the simulation's table.
fn full_row(row: ItemRow) -> Row {
    let note = row.note.map_or(Value::Null, |note| Value::Text(note.to_string().into()));
    let order = Value::Int(row.order.into());
    vec![Value::UInt(row.list.into()), Value::UInt(row.item.into()), order, note, Value::Null]
}

fn gtids(set: Set) -> Reached {
    let mut gtids = Reached::default();
    for number in (0..8).filter(|number| has(set, *number)) {
        gtids.insert(&Gtid::untagged(Uuid::from_u128(0xA), number as u64 + 1).into());
    }
    gtids
}

/// Through the journal, as every mark goes.
fn safe_mark(tick: u64, proof: &Reached, executed: &Reached) -> Option<SafeMark> {
    let journal = Journal::new(Arc::new(MemoryStore::new()), "model");
    let pending = [Pending { tick: Tick(tick), entry: None }];
    let receipt = journal.append(&pending, &mut None).now_or_never().expect("nothing waits");
    let mark = UnprovenMark { tick: Tick(tick), proof: proof.clone(), taken_ms: 0 };
    judged(&receipt.expect("nothing fails").mark(mark), proof.minus(executed)).ok()
}
