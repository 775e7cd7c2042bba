//! The database: a binlog that readers see at once, and an engine that commits a little later.
//!
//! A transaction is published (in the binlog, its rows locked), then engine-committed (rows changed and unlocked), and
//! at that moment or a little later its GTID is in `executed`: MySQL adds those of a group once all of it is
//! committed. With `ordered` commits happen in binlog order, else each at
//! its own time, so that `executed` has holes.

use super::schema::Item;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use tailfill::model::position::PositionKind;
use tailfill::model::{Gtid, GtidSet, Position, Row, RowChange};
use uuid::Uuid;

const SERVER: Uuid = Uuid::from_u128(0xA);

pub fn server_uuid() -> String {
    SERVER.to_string()
}

/// The GTID of the transaction with this number, from 1.
pub fn gtid(number: u64) -> Gtid {
    Gtid::untagged(SERVER, number)
}

/// The GTIDs `1..=last`.
pub fn up_to(last: u64) -> GtidSet {
    let mut gtids = GtidSet::default();
    (1..=last).for_each(|number| gtids.insert(&gtid(number)));
    gtids
}

pub fn position(gtids: GtidSet) -> Position {
    let offset = gtids.count();
    Position {
        kind: PositionKind::MysqlGtid,
        server_uuid: server_uuid(),
        gtids,
        file: "binlog.1".into(),
        offset,
    }
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
    rows: BTreeMap<Item, Row>,
    executed: GtidSet,
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
        state.binlog.len() as u64
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
        committed.iter().for_each(|number| state.executed.insert(&gtid(*number)));
    }

    /// The engine's commit is due; returns the transactions that are committed by it.
    pub fn ripen(&self, number: u64, ordered: bool) -> Vec<u64> {
        let mut state = self.state();
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
        self.binlog.len() as u64
    }

    pub fn transaction(&self, number: u64) -> Option<(Arc<Vec<RowChange>>, u64)> {
        let index = number.checked_sub(1)? as usize;
        Some((self.binlog.get(index)?.clone(), self.published_micros[index]))
    }

    pub fn executed(&self) -> &GtidSet {
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

    fn commit(&mut self, number: u64) {
        let changes = self.binlog[number as usize - 1].clone();
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
        for item in items_of(&changes) {
            self.locked.remove(&item);
        }
    }
}

pub fn items_of(changes: &[RowChange]) -> Vec<Item> {
    changes.iter().flat_map(|change| [&change.before, &change.after]).flatten().map(Item::of).collect()
}
