//! MySQL, HBase and a tail in memory, for the tests of this room.

use super::tail::Held;
use super::watched::Watched;
use super::{Meter, Settings, Tail, TailPositions, TailView, Verification};
use crate::clock::SteadyClock;
use crate::model::{
    CellForm, Column, ColumnType, DateTime, Layout, Mapping, MappingId, OrderKey, Parking, Reached, Row,
    RowChange, TableId, TableName, TableSchema, Target, TargetId, Tick, Value, ValueEncoding,
};
use crate::protocol::cohort::Cohort;
use crate::sink::layout::{Address, Codec};
use crate::sink::memory::MemorySink;
use crate::sink::{CellNames, CountChange, CountedWrite, PackedRows, ReadCounts, RowWrite, WriteRows};
use crate::source::{ApplicationAsk, Reply};
use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use source::reached;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

mod source;

/// followee_id, follower_id, created_at, note; an ordered target and one for membership.
pub fn mapping() -> Mapping {
    let column = |name: &str, column_type| Column {
        name: name.into(),
        column_type,
        nullable: name == "note",
        declared: String::new(),
        virtual_generated: false,
    };
    let id = ColumnType::Integer { bytes: 8, unsigned: true };
    let text = ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() };
    let columns = vec![
        column("followee_id", id.clone()),
        column("follower_id", id),
        column("created_at", ColumnType::DateTime { fraction: 0 }),
        column("note", text),
    ];
    let target = |id: u16, table: &str, columns: Vec<usize>, ordered| Target {
        id: TargetId(id),
        table: table.into(),
        family: "f".into(),
        layout: Layout::Tall,
        form: CellForm::Columns,
        columns,
        values: ValueEncoding::Utf8,
        salt_buckets: 4,
        ordered,
        segment: None,
        counted: false,
    };
    Mapping {
        id: MappingId(0),
        name: "followers".into(),
        table: TableId(0),
        schema: Arc::new(TableSchema {
            name: TableName { schema: "s".into(), table: "follows".into() },
            columns,
            primary_key: vec![0, 1],
            unique_keys: vec![vec![0, 1]],
        }),
        key: vec![0],
        item: vec![1],
        order: Some(OrderKey { column: 2, descending: true }),
        // The second has items without any cell.
        targets: vec![target(0, "followers", vec![2, 3], true), target(1, "has", vec![3], false)],
    }
}

/// The same in the other layouts: wide by segments of 5 seconds and wide without order, both counted; tall with one
/// cell, and with one column alone.
pub fn other_layouts() -> Mapping {
    let mut mapping = mapping();
    let [ordered, has] = [0, 1].map(|target| mapping.targets[target].clone());
    let wide = |target: &Target, form| Target {
        layout: Layout::Wide,
        segment: target.ordered.then_some(5_000_000),
        counted: true,
        ..packed(target, form)
    };
    let named =
        |id: u16, table: &str, target: Target| Target { id: TargetId(id), table: table.into(), ..target };
    mapping.targets = vec![
        named(0, "wide", wide(&ordered, CellForm::Msgpack)),
        named(1, "whole", wide(&has, CellForm::Json)),
        named(2, "packed", packed(&ordered, CellForm::Json)),
        named(3, "alone", packed(&ordered, CellForm::Alone)),
    ];
    mapping
}

/// The target with one cell for each item.
pub fn packed(target: &Target, form: CellForm) -> Target {
    let columns = if form == CellForm::Alone { vec![3] } else { target.columns.clone() };
    Target { form, columns, ..target.clone() }
}

/// An edge, created `second` seconds after 1970.
pub fn edge(followee: u64, follower: u64, second: i64, note: Option<&str>) -> Row {
    let created_at = DateTime::from_micros_since_epoch(second * 1_000_000);
    let note = note.map_or(Value::Null, |note| Value::Text(note.to_owned().into()));
    vec![Value::UInt(followee), Value::UInt(follower), Value::DateTime(created_at), note]
}

/// What a hook waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Executed,
    Items,
    Positions,
    /// A read view of several SELECTs.
    View,
    BinlogEnd,
    /// The number of all rows.
    CountRows,
    /// A range of rows.
    Rows,
    /// Lists to be held up.
    Hold,
    /// A SELECT of the application.
    Application,
}

type Hook = Box<dyn FnOnce(&World) + Send>;
type Script = Arc<dyn Fn(&ApplicationAsk<'_>, Vec<Row>) -> Reply + Send + Sync>;

/// MySQL, HBase and a tail, all in memory. Clones are handles.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    pub sink: Watched,
    pub mapping: Mapping,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<(u64, u64), Row>,
    /// Every transaction, in binlog order: number and changes.
    log: Vec<(u64, Vec<RowChange>)>,
    executed: u64,
    written: u64,
    replaying: bool,
    tick: u64,
    /// Run before the next calls of their kind.
    hooks: VecDeque<(Call, Hook)>,
    live: bool,
    /// Whether the tail keeps counts.
    counting: bool,
    /// Whether the tail holds lists up now.
    held: bool,
    /// Holds that end before they are given back.
    short_holds: u32,
    /// A row whose changes the tail passes over.
    passed_over: Option<(u64, u64)>,
    /// A row that SELECTs of one kind pass over.
    blind: Option<(Call, (u64, u64))>,
    /// What the application's SELECT returns, from the rows of the list.
    application: Option<Script>,
    /// The binlog begins behind this transaction.
    purged: u64,
    /// A statement that changed the table, and the number of its transaction.
    altered: Option<(u64, Parking)>,
}

impl World {
    pub fn new() -> World {
        World::of(mapping())
    }

    pub fn of(mapping: Mapping) -> World {
        let sink = MemorySink::with_tables(&mapping.targets, Arc::new(SteadyClock::start()));
        let world = World { state: Arc::default(), sink: Watched::new(sink), mapping };
        world.state().counting = true;
        world
    }

    /// So many holds end before they are given back.
    pub fn end_holds_early(&self, holds: u32) {
        self.state().short_holds = holds;
    }

    /// From now on the tail passes over the changes of a row.
    pub fn forget_changes_of(&self, key: (u64, u64)) {
        self.state().passed_over = Some(key);
    }

    pub fn set_counting(&self, counting: bool) {
        self.state().counting = counting;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Everything that a comparison needs; `live` gives it a tail to ask.
    pub fn verification(&self, live: bool) -> Verification {
        self.state().live = live;
        Verification {
            cohort: Cohort::All,
            source: Arc::new(self.clone()),
            sink: Arc::new(self.sink.clone()),
            mappings: vec![self.mapping.clone()],
            tail: if live { Tail::Live(Arc::new(self.clone())) } else { Tail::Stopped { checkpoint: None } },
            counts_due: BTreeSet::new(),
            settings: Settings { chunk_rows: 7, ..Settings::default() },
            pacer: None,
            meter: Arc::new(Meter::default()),
        }
    }

    /// Runs `hook` before the next call of this kind that no earlier hook takes.
    pub fn before(&self, call: Call, hook: impl FnOnce(&World) + Send + 'static) {
        self.state().hooks.push_back((call, Box::new(hook)));
    }

    /// What the application's SELECT returns from now on, from the rows of the list that it is asked about.
    pub fn application(&self, says: impl Fn(&ApplicationAsk<'_>, Vec<Row>) -> Reply + Send + Sync + 'static) {
        self.state().application = Some(Arc::new(says));
    }

    fn application_says(&self, ask: &ApplicationAsk<'_>, rows: Vec<Row>) -> Reply {
        let says = self.state().application.clone().expect("a script of the application");
        says(ask, rows)
    }

    /// From now on SELECTs of one kind pass over a row, as if its key did not come back as it went.
    pub fn blind(&self, call: Call, key: (u64, u64)) {
        self.state().blind = Some((call, key));
    }

    /// Whether they do.
    fn is_blind(&self, call: Call, row: &Row) -> bool {
        let blind = self.state().blind;
        blind.is_some_and(|(kind, (a, b))| kind == call && row[..2] == [Value::UInt(a), Value::UInt(b)])
    }

    fn reach(&self, call: Call) {
        let mut state = self.state();
        let at = state.hooks.iter().position(|(wanted, _)| *wanted == call);
        let hook = at.and_then(|at| state.hooks.remove(at));
        drop(state);
        if let Some((_, hook)) = hook {
            hook(self);
        }
    }

    /// A transaction that is in the binlog and not committed in the engine yet: `after` replaces what is at its key;
    /// `None` deletes.
    pub fn log(&self, key: (u64, u64), after: Option<Row>) {
        let mut state = self.state();
        let before = state.rows.get(&key).cloned();
        let number = state.log.len() as u64 + 1;
        state.log.push((number, vec![RowChange { table: TableId(0), before, after }]));
    }

    /// A transaction of tables that are not mapped.
    pub fn elsewhere(&self) {
        let mut state = self.state();
        let number = state.log.len() as u64 + 1;
        state.log.push((number, Vec::new()));
        state.executed = number;
    }

    /// Commits in the engine what is in the binlog.
    pub fn commit(&self) {
        let mut state = self.state();
        let from = state.executed as usize;
        let changes: Vec<RowChange> = state.log[from..].iter().flat_map(|(_, c)| c.clone()).collect();
        for RowChange { before, after, .. } in changes {
            let key = |row: &Row| match (&row[0], &row[1]) {
                (Value::UInt(followee), Value::UInt(follower)) => (*followee, *follower),
                other => panic!("{other:?}"),
            };
            before.iter().for_each(|row| drop(state.rows.remove(&key(row))));
            after.into_iter().for_each(|row| drop(state.rows.insert(key(&row), row)));
        }
        state.executed = state.log.len() as u64;
    }

    /// The tail writes what is in the binlog and not written yet.
    pub fn tail(&self) {
        if self.state().held {
            return;
        }
        let from = self.state().written as usize;
        let log: Vec<_> = self.state().log[from..].to_vec();
        for (number, changes) in log {
            let passed_over = self.state().passed_over;
            let is_passed_over = |change: &RowChange| {
                let row = change.before.as_ref().or(change.after.as_ref());
                passed_over.zip(row).is_some_and(|((a, b), row)| row[..2] == [Value::UInt(a), Value::UInt(b)])
            };
            for RowChange { before, after, .. } in changes.into_iter().filter(|c| !is_passed_over(c)) {
                before.iter().for_each(|row| self.forget(row));
                after.iter().for_each(|row| self.store(row));
            }
            self.state().written = number;
        }
    }

    /// A change that is committed and tailed.
    pub fn change(&self, key: (u64, u64), after: Option<Row>) {
        self.log(key, after);
        self.commit();
        self.tail();
    }

    /// From now on the binlog begins behind what is in it.
    pub fn purge(&self) {
        let mut state = self.state();
        state.purged = state.log.len() as u64;
    }

    /// A statement changes the table.
    pub fn alter(&self) {
        self.elsewhere();
        self.tail();
        let mut state = self.state();
        let parking = Parking {
            what: "ALTER TABLE".into(),
            reason: "its columns changed".into(),
            transaction: None,
            place: String::new(),
        };
        state.altered = Some((state.executed, parking));
    }

    /// MySQL has lost its newest transaction.
    pub fn lose_newest(&self) {
        let mut state = self.state();
        _ = state.log.pop();
        state.executed -= 1;
        state.written -= 1;
    }

    pub fn set_replaying(&self, replaying: bool) {
        self.state().replaying = replaying;
    }

    pub fn executed_now(&self) -> Reached {
        reached(self.state().executed)
    }

    fn next_tick(&self) -> Tick {
        let mut state = self.state();
        state.tick += 1;
        Tick(state.tick)
    }

    /// Writes an item to every target, as the tail does.
    pub fn store(&self, row: &Row) {
        for target in &self.mapping.targets {
            self.store_in(target, row);
        }
    }

    pub fn store_in(&self, target: &Target, row: &Row) {
        let write = Codec::of(&self.mapping, target).item_write(row).unwrap();
        match target.counted && self.state().counting {
            true => self.counted(target, write.address.row, write.puts, vec![]),
            false => self.write(target, write.address.row, write.puts, write.nulls),
        }
    }

    fn forget(&self, row: &Row) {
        for target in &self.mapping.targets {
            let Address { row, cell } = Codec::of(&self.mapping, target).address(row).unwrap();
            match cell {
                Some(cell) if target.counted && self.state().counting => {
                    self.counted(target, row, vec![], vec![cell]);
                }
                cell => self.remove(target, &Address { row, cell }),
            }
        }
    }

    /// Cells and count of a row in one write.
    fn counted(&self, target: &Target, row: Bytes, puts: Vec<(Bytes, Bytes)>, delete_columns: Vec<Bytes>) {
        let names = puts.iter().map(|(name, _)| name).chain(&delete_columns).cloned().collect();
        let wanted = [CellNames { row: row.clone(), qualifiers: names }];
        let found =
            self.sink.sink.read_counted(target.id, &wanted).now_or_never().unwrap().unwrap().remove(0);
        let come = puts.iter().filter(|(name, _)| !found.present.contains(name)).count() as u64;
        let gone = delete_columns.iter().filter(|name| found.present.contains(name)).count() as u64;
        let count = CountChange::Set(found.count.unwrap_or(0) + come - gone);
        let tick = self.next_tick();
        let write = CountedWrite { row, expected: found.tick, tick, puts, delete_columns, count };
        assert!(self.sink.sink.write_counted(target.id, &write).now_or_never().unwrap().unwrap());
    }

    /// Gives a row another count, or none.
    pub fn recount(&self, target: &Target, row: &Bytes, count: CountChange) {
        let wanted = [CellNames { row: row.clone(), qualifiers: vec![] }];
        let found =
            self.sink.sink.read_counted(target.id, &wanted).now_or_never().unwrap().unwrap().remove(0);
        let write = CountedWrite {
            row: row.clone(),
            expected: found.tick,
            tick: self.next_tick(),
            puts: vec![],
            delete_columns: vec![],
            count,
        };
        assert!(self.sink.sink.write_counted(target.id, &write).now_or_never().unwrap().unwrap());
    }

    /// Writes to one row of HBase, at a new tick.
    pub fn write(&self, target: &Target, row: Bytes, puts: Vec<(Bytes, Bytes)>, nulls: Vec<Bytes>) {
        let (tick, delete_family) = (self.next_tick(), false);
        self.send(target, RowWrite { row, tick, delete_family, puts, delete_columns: nulls });
    }

    fn send(&self, target: &Target, write: RowWrite) {
        self.sink.sink.write(target.id, &PackedRows::of(&[write]).writes()).now_or_never().unwrap().unwrap();
    }

    /// Removes an item of HBase behind everybody's back.
    pub fn lose(&self, target: &Target, row: &Row) {
        self.remove(target, &Codec::of(&self.mapping, target).address(row).unwrap());
    }

    fn remove(&self, target: &Target, Address { row, cell }: &Address) {
        let (row, tick, delete_family) = (row.clone(), self.next_tick(), cell.is_none());
        let delete_columns = cell.iter().cloned().collect();
        self.send(target, RowWrite { row, tick, delete_family, puts: vec![], delete_columns });
    }
}

#[async_trait]
impl TailView for World {
    async fn positions(&self) -> Option<TailPositions> {
        self.reach(Call::Positions);
        let state = self.state();
        let (received, written) = (reached(state.log.len() as u64), reached(state.written));
        state.live.then_some(TailPositions { received, written, replaying: state.replaying })
    }

    async fn hold(&self, _mapping: &Mapping, _lists: &[Vec<Value>]) -> Option<Held> {
        self.reach(Call::Hold);
        self.tail();
        let mut state = self.state();
        state.held = true;
        Some(Held { hold: 1, sealed: reached(state.written) })
    }

    async fn release(&self, _held: &Held) -> bool {
        let mut state = self.state();
        let is_short = state.short_holds > 0;
        state.short_holds -= u32::from(is_short);
        std::mem::take(&mut state.held) && !is_short
    }
}

impl World {
    /// The tail ends.
    pub fn end_tail(&self) {
        self.state().live = false;
    }
}
