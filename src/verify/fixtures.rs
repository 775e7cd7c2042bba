//! A source in memory, beside the sink's double, for the tests of this room.

use super::{Meter, Settings, Tail, TailPositions, TailView, Verification};
use crate::clock::SteadyClock;
use crate::model::{
    CellForm, Column, ColumnType, DateTime, Gtid, GtidSet, Layout, Mapping, MappingId, OrderKey, Position,
    Row, RowChange, TableId, TableName, TableSchema, Target, TargetId, Tick, Value, ValueEncoding,
};
use crate::sink::layout;
use crate::sink::memory::MemorySink;
use crate::sink::{PackedRows, RowWrite, Sink};
use crate::source::{
    BinlogPlace, ChangeStream, EachRow, KeyRange, Snapshot, Source, SourceError, StreamEvent, Wanted,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use uuid::Uuid;

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
}

type Hook = Box<dyn FnOnce(&World) + Send>;

/// MySQL, HBase and a tail, all in memory. Clones are handles.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    pub sink: MemorySink,
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
}

impl World {
    pub fn new() -> World {
        let mapping = mapping();
        let sink = MemorySink::with_tables(&mapping.targets, Arc::new(SteadyClock::start()));
        World { state: Arc::default(), sink, mapping }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Everything that a comparison needs; `live` gives it a tail to ask.
    pub fn verification(&self, live: bool) -> Verification {
        self.state().live = live;
        Verification {
            source: Arc::new(self.clone()),
            sink: Arc::new(self.sink.clone()),
            mappings: vec![self.mapping.clone()],
            tail: if live { Tail::Live(Arc::new(self.clone())) } else { Tail::Stopped { checkpoint: None } },
            settings: Settings { chunk_rows: 7, ..Settings::default() },
            meter: Arc::new(Meter::default()),
        }
    }

    /// Runs `hook` before the next call of this kind that no earlier hook takes.
    pub fn before(&self, call: Call, hook: impl FnOnce(&World) + Send + 'static) {
        self.state().hooks.push_back((call, Box::new(hook)));
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
        let from = self.state().written as usize;
        let log: Vec<_> = self.state().log[from..].to_vec();
        for (number, changes) in log {
            for RowChange { before, after, .. } in changes {
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

    pub fn set_replaying(&self, replaying: bool) {
        self.state().replaying = replaying;
    }

    pub fn executed_gtids(&self) -> GtidSet {
        gtids(self.state().executed)
    }

    fn next_tick(&self) -> Tick {
        let mut state = self.state();
        state.tick += 1;
        Tick(state.tick)
    }

    /// Writes an item to every target, as the tail does.
    pub fn store(&self, row: &Row) {
        for target in &self.mapping.targets {
            let write = layout::item_write(&self.mapping, target, row).unwrap();
            self.write(target, write.address.row, write.puts, write.nulls, false);
        }
    }

    fn forget(&self, row: &Row) {
        for target in &self.mapping.targets {
            let address = layout::address(&self.mapping, target, row).unwrap().row;
            self.write(target, address, vec![], vec![], true);
        }
    }

    /// Writes to one row of HBase, at a new tick.
    pub fn write(
        &self,
        target: &Target,
        row: Bytes,
        puts: Vec<(Bytes, Bytes)>,
        nulls: Vec<Bytes>,
        delete_family: bool,
    ) {
        let write = RowWrite { row, tick: self.next_tick(), delete_family, puts, delete_columns: nulls };
        self.sink.write(target.id, &PackedRows::of(&[write]).writes()).now_or_never().unwrap().unwrap();
    }

    /// Removes a row of HBase behind everybody's back.
    pub fn lose(&self, target: &Target, row: &Row) {
        let address = layout::address(&self.mapping, target, row).unwrap().row;
        self.write(target, address, vec![], vec![], true);
    }
}

fn uuid() -> Uuid {
    Uuid::from_u128(10)
}

fn place(offset: u64) -> BinlogPlace {
    BinlogPlace { file: "binlog.000001".into(), offset }
}

fn gtids(up_to: u64) -> GtidSet {
    let mut set = GtidSet::default();
    (1..=up_to).for_each(|number| set.insert(&Gtid::untagged(uuid(), number)));
    set
}

#[async_trait]
impl Source for World {
    async fn server_uuid(&self) -> Result<String, SourceError> {
        Ok(uuid().to_string())
    }

    async fn executed(&self) -> Result<GtidSet, SourceError> {
        self.reach(Call::Executed);
        Ok(self.executed_gtids())
    }

    async fn start(&self) -> Result<Position, SourceError> {
        panic!("a comparison starts no tail")
    }

    async fn binlog_end(&self) -> Result<BinlogPlace, SourceError> {
        Ok(place(self.state().log.len() as u64))
    }

    async fn head(&self) -> Result<Position, SourceError> {
        panic!("a comparison does not read the binlog from its beginning")
    }

    async fn stream(&self, from: &Position) -> Result<Box<dyn ChangeStream>, SourceError> {
        let log = self.state().log.clone();
        let end = StreamEvent::Heartbeat { place: place(log.len() as u64) };
        let unread = log.into_iter().filter(|(n, _)| !from.gtids.contains(&Gtid::untagged(uuid(), *n)));
        let events = unread.flat_map(|(number, changes)| {
            let gtid = Gtid::untagged(uuid(), number);
            let begin = StreamEvent::Begin { gtid: gtid.clone(), committed_micros: 0 };
            [begin, StreamEvent::Changes(changes.into()), StreamEvent::End { gtid, place: place(number) }]
        });
        Ok(Box::new(Replay(events.chain([end]).collect())))
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, SourceError> {
        Ok(Box::new(self.clone()))
    }

    async fn prepared_xa(&self) -> Result<Vec<String>, SourceError> {
        Ok(vec![])
    }
}

struct Replay(VecDeque<StreamEvent>);

#[async_trait]
impl ChangeStream for Replay {
    async fn next(&mut self) -> Result<StreamEvent, SourceError> {
        match self.0.pop_front() {
            Some(event) => Ok(event),
            None => futures::future::pending().await,
        }
    }
}

fn pair(key: &[Value]) -> (u64, u64) {
    match key {
        [Value::UInt(followee), Value::UInt(follower)] => (*followee, *follower),
        other => panic!("{other:?}"),
    }
}

#[async_trait]
impl Snapshot for World {
    async fn chunk_end(
        &mut self,
        _table: TableId,
        after: Option<&[Value]>,
        rows: u32,
    ) -> Result<Option<Vec<Value>>, SourceError> {
        let after = after.map(pair);
        let state = self.state();
        let mut keys = state.rows.keys().filter(|key| after.is_none_or(|after| **key > after));
        Ok(keys.nth(rows as usize - 1).map(|(a, b)| vec![Value::UInt(*a), Value::UInt(*b)]))
    }

    async fn list_end(
        &mut self,
        _mapping: &Mapping,
        _key: &[Value],
        _after: Option<&[Value]>,
        _rows: u32,
    ) -> Result<Option<Vec<Value>>, SourceError> {
        panic!("a comparison copies no list")
    }

    async fn lists(&mut self, _mapping: &Mapping, _range: &KeyRange) -> Result<Vec<(Row, u64)>, SourceError> {
        panic!("a comparison takes no leases")
    }

    async fn each_row(
        &mut self,
        _mapping: &Mapping,
        _wanted: Wanted<'_>,
        _take: &mut EachRow<'_>,
    ) -> Result<(), SourceError> {
        panic!("a comparison keeps the rows")
    }

    async fn rows(&mut self, _mapping: &Mapping, range: &KeyRange) -> Result<Vec<Row>, SourceError> {
        let (after, up_to) = (range.after.as_deref().map(pair), range.up_to.as_deref().map(pair));
        let state = self.state();
        let inside = |key: &(u64, u64)| {
            after.is_none_or(|after| *key > after) && up_to.is_none_or(|up_to| *key <= up_to)
        };
        Ok(state.rows.iter().filter(|(key, _)| inside(key)).map(|(_, row)| row.clone()).collect())
    }

    async fn list(&mut self, _mapping: &Mapping, key: &[Value]) -> Result<Vec<Row>, SourceError> {
        Ok(self.state().rows.values().filter(|row| row[..1] == *key).cloned().collect())
    }

    async fn item(
        &mut self,
        _mapping: &Mapping,
        key: &[Value],
        item: &[Value],
    ) -> Result<Option<Row>, SourceError> {
        Ok(self.state().rows.get(&pair(&[key, item].concat())).cloned())
    }

    async fn items(
        &mut self,
        _mapping: &Mapping,
        wanted: &[(Vec<Value>, Vec<Value>)],
    ) -> Result<Vec<Row>, SourceError> {
        self.reach(Call::Items);
        let state = self.state();
        let found = wanted.iter().filter_map(|(key, item)| state.rows.get(&pair(&[&key[..], item].concat())));
        Ok(found.cloned().collect())
    }

    async fn row_bytes(&mut self, _table: TableId) -> Result<u64, SourceError> {
        Ok(0)
    }

    async fn estimated_rows(&mut self, _table: TableId) -> Result<u64, SourceError> {
        Ok(self.state().rows.len() as u64)
    }
}

#[async_trait]
impl TailView for World {
    async fn positions(&self) -> Option<TailPositions> {
        self.reach(Call::Positions);
        let state = self.state();
        let (received, written) = (gtids(state.log.len() as u64), gtids(state.written));
        state.live.then_some(TailPositions { received, written, replaying: state.replaying })
    }
}

impl World {
    /// The tail ends.
    pub fn end_tail(&self) {
        self.state().live = false;
    }
}
