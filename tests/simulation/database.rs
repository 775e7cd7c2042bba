//! The database: a binlog that readers see at once, and an engine that commits a little later.
//!
//! A transaction is published (in the binlog, its rows locked), then engine-committed (rows changed and unlocked), and
//! at that moment or a little later its GTID is in `executed`: MySQL adds those of a group once all of it is
//! committed. With `ordered` commits happen in binlog order, else each at
//! its own time, so that `executed` has holes.
//!
//! Another server may take over (`failover`): its binlog has the same transactions, not always in the same order, in
//! files of its own; GTIDs go on as those of a group do.

use super::definitions::statement::{Effect, Statement};
use super::definitions::table::Layout;
use super::schema::{EXTRA, Item, NOTE};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use tailfill::model::gtid::Gtid;
use tailfill::model::{Position, Reached, Row, RowChange, TransactionId, Value};
use tailfill::source::BinlogPlace;
use uuid::Uuid;

/// Of the group that the servers belong to: their transactions are named by it.
const GROUP: Uuid = Uuid::from_u128(0xA);
const FIRST_SERVER: Uuid = Uuid::from_u128(0xB);

/// The GTID of the transaction with this number, from 1.
pub fn gtid(number: u64) -> TransactionId {
    Gtid::untagged(GROUP, number).into()
}

/// The GTIDs `1..=last`.
pub fn up_to(last: u64) -> Reached {
    let mut gtids = Reached::default();
    (1..=last).for_each(|number| gtids.insert(&gtid(number)));
    gtids
}

/// A position by its GTIDs alone.
pub fn position(reached: Reached) -> Position {
    let offset = reached.count();
    Position { server_uuid: FIRST_SERVER.to_string(), reached, file: "binlog.1".into(), offset }
}

#[derive(Clone, Default)]
pub struct Database {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub struct State {
    /// Every published transaction; the first has the number 1.
    binlog: Vec<Arc<Vec<RowChange>>>,
    published_micros: Vec<u64>,
    /// Those that are a statement about the table, and have no row images.
    statements: BTreeMap<u64, Arc<Statement>>,
    /// The definition that rows of each transaction are written under.
    layouts: Vec<Arc<Layout>>,
    /// The definition that a SELECT sees.
    present: Arc<Layout>,
    /// Their numbers in the order of the binlog.
    order: Vec<u64>,
    /// How often another server took over.
    server: u64,
    /// The number of its binlog file.
    file: u64,
    /// What was published and is gone with the server that had it.
    lost: BTreeSet<u64>,
    rows: BTreeMap<Item, Row>,
    committed: BTreeSet<u64>,
    executed: Reached,
    locked: BTreeSet<Item>,
    /// Whose turn may have come, while those before them have not committed.
    ripe: BTreeSet<u64>,
    next_in_order: u64,
}

impl Database {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is held")
    }

    /// Writes a transaction to the binlog and returns its number.
    pub fn publish(&self, changes: Vec<RowChange>, now_micros: u64) -> u64 {
        let mut state = self.state();
        state.locked.extend(items_of(&changes));
        state.binlog.push(Arc::new(changes));
        state.published_micros.push(now_micros);
        let present = state.present.clone();
        state.layouts.push(present);
        let number = state.binlog.len() as u64;
        state.order.push(number);
        number
    }

    /// Writes a statement about the table to the binlog, as a transaction of its own.
    pub fn publish_statement(&self, statement: Statement, now_micros: u64) -> u64 {
        let number = self.publish(Vec::new(), now_micros);
        self.state().statements.insert(number, Arc::new(statement));
        number
    }

    /// As [`Database::ripen`], and their GTIDs are in `executed` at once.
    pub fn commit(&self, number: u64, ordered: bool) -> Vec<u64> {
        let committed = self.ripen(number, ordered);
        self.execute(&committed);
        committed
    }

    /// The GTIDs of committed transactions are in `executed`.
    pub fn execute(&self, committed: &[u64]) {
        let mut state = self.state();
        let kept: Vec<u64> =
            committed.iter().copied().filter(|number| !state.lost.contains(number)).collect();
        kept.iter().for_each(|number| state.executed.insert(&gtid(*number)));
    }

    /// The engine's commit is due; returns the transactions that are committed by it.
    pub fn ripen(&self, number: u64, ordered: bool) -> Vec<u64> {
        let mut state = self.state();
        if state.committed.contains(&number) || state.lost.contains(&number) {
            return Vec::new(); // the server that took over has done it, or never will
        }
        if !ordered {
            state.commit(number);
            return vec![number];
        }
        state.ripe.insert(number);
        let mut committed = Vec::new();
        loop {
            let next = state.next_in_order + 1;
            if !state.ripe.remove(&next) {
                return committed;
            }
            state.commit(next);
            state.next_in_order = next;
            committed.push(next);
        }
    }
}

impl State {
    pub fn published(&self) -> u64 {
        self.order.len() as u64
    }

    /// `@@server_uuid`.
    pub fn server_uuid(&self) -> String {
        Uuid::from_u128(FIRST_SERVER.as_u128() + u128::from(self.server)).to_string()
    }

    /// How often another server took over.
    pub fn server(&self) -> u64 {
        self.server
    }

    /// The number of the transaction at a place of the binlog, from 0.
    pub fn at(&self, index: usize) -> Option<u64> {
        self.order.get(index).copied()
    }

    /// Behind so many transactions of the binlog.
    pub fn place(&self, transactions: usize) -> BinlogPlace {
        BinlogPlace { file: format!("binlog.{}", self.file + 1).into(), offset: transactions as u64 }
    }

    pub fn end(&self) -> BinlogPlace {
        self.place(self.order.len())
    }

    /// The position behind these transactions, as this server tells it.
    pub fn position(&self, gtids: Reached) -> Position {
        let (place, server_uuid) = (self.place(gtids.count() as usize), self.server_uuid());
        let (file, offset) = (place.file.to_string(), place.offset);
        Position { server_uuid, file, offset, ..position(gtids) }
    }

    pub fn lost(&self) -> &BTreeSet<u64> {
        &self.lost
    }

    pub fn transaction(&self, number: u64) -> Option<(Arc<Vec<RowChange>>, u64)> {
        let index = number.checked_sub(1)? as usize;
        Some((self.binlog.get(index)?.clone(), self.published_micros[index]))
    }

    pub fn executed(&self) -> &Reached {
        &self.executed
    }

    pub fn all_committed(&self) -> bool {
        self.executed.count() == self.published()
    }

    pub fn rows(&self) -> &BTreeMap<Item, Row> {
        &self.rows
    }

    pub fn is_locked(&self, item: Item) -> bool {
        self.locked.contains(&item)
    }

    pub fn statement(&self, number: u64) -> Option<Arc<Statement>> {
        self.statements.get(&number).cloned()
    }

    /// The first statement about the table outside `from` and inside `to`.
    pub fn statement_between(&self, from: &Reached, to: &Reached) -> Option<(u64, Arc<Statement>)> {
        let between = |number: &u64| !from.contains(&gtid(*number)) && to.contains(&gtid(*number));
        let mut all = self.statements.iter().filter(|(number, _)| between(number));
        all.next().map(|(number, statement)| (*number, statement.clone()))
    }

    /// The definition that rows of a transaction were written under.
    pub fn layout_of(&self, number: u64) -> &Arc<Layout> {
        &self.layouts[number as usize - 1]
    }

    pub fn present_layout(&self) -> &Arc<Layout> {
        &self.present
    }

    /// What a statement does without row images.
    fn carry_out(&mut self, statement: &Statement) {
        self.present = Arc::new(statement.after.clone());
        match statement.effect {
            Effect::None => {}
            Effect::Emptied => self.rows.clear(),
            Effect::Nulled => self.rows.values_mut().for_each(|row| row[EXTRA] = Value::Null),
            Effect::Exchanged => self.rows.values_mut().for_each(|row| row.swap(NOTE, EXTRA)),
        }
    }

    fn commit(&mut self, number: u64) {
        self.committed.insert(number);
        if let Some(statement) = self.statement(number) {
            self.carry_out(&statement);
        }
        let changes = self.binlog[number as usize - 1].clone();
        self.apply(&changes);
        for item in items_of(&changes) {
            self.locked.remove(&item);
        }
    }

    fn apply(&mut self, changes: &[RowChange]) {
        for change in changes.iter() {
            if let Some(before) = &change.before {
                let was = self.rows.remove(&Item::of(before));
                assert_eq!(was.as_ref(), Some(before), "the application sees what it changes");
            }
            if let Some(after) = &change.after {
                let was = self.rows.insert(Item::of(after), after.clone());
                assert!(was.is_none(), "a primary key is unique");
            }
        }
    }

    /// Another server takes over, with all that was published and committed, in `order`.
    pub(super) fn take_over(&mut self, order: Vec<u64>, file: u64) {
        let all = order.iter().copied().collect::<BTreeSet<u64>>();
        self.lost.extend(self.order.iter().filter(|number| !all.contains(number)));
        (self.server, self.file) = (self.server + 1, file);
        self.ripe.clear();
        self.locked.clear();
        (self.rows, self.committed, self.executed) = Default::default();
        for number in &order {
            let changes = self.binlog[*number as usize - 1].clone();
            self.apply(&changes);
            self.committed.insert(*number);
            self.executed.insert(&gtid(*number));
        }
        self.next_in_order = self.binlog.len() as u64;
        self.order = order;
    }

    pub(super) fn is_committed(&self, number: u64) -> bool {
        self.committed.contains(&number)
    }

    /// The numbers in the order of the binlog.
    pub(super) fn order(&self) -> &[u64] {
        &self.order
    }

    /// Whether two transactions change no item in common.
    pub(super) fn are_independent(&self, one: u64, other: u64) -> bool {
        let items = |number: u64| -> BTreeSet<Item> {
            items_of(&self.binlog[number as usize - 1]).into_iter().collect()
        };
        items(one).is_disjoint(&items(other))
    }
}

pub fn items_of(changes: &[RowChange]) -> Vec<Item> {
    changes.iter().flat_map(|change| [&change.before, &change.after]).flatten().map(Item::of).collect()
}
