//! The source server: the binlog as a stream that breaks, SELECTs that take their read view at a random
//! moment of the call, and the engine's own view of what is committed.

use super::database::{self, Database};
use super::definitions::proof::Answers;
use super::definitions::stream::BytesStream;
use super::schema::{Item, number, show};
use super::world::{AwayServer, Process, World};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tailfill::model::{Histories, Mapping, Position, Reached, Row, RowChange, TableId, TransactionId, Value};
use tailfill::source::{
    BinlogPlace, ChangeStream, Definitions, EachRow, KeyRange, Snapshot, Source, SourceError, StreamEvent,
    Wanted,
};

/// One process's way to the server.
pub struct Server {
    pub process: Arc<Process>,
    answers: Answers,
}

impl Server {
    pub fn new(process: &Arc<Process>) -> Server {
        Server { process: process.clone(), answers: Answers(process.clone()) }
    }

    fn world(&self) -> &World {
        &self.process.world
    }

    async fn reach(&self) -> Result<(), SourceError> {
        reach(self.world()).await
    }
}

pub async fn reach(world: &World) -> Result<(), SourceError> {
    world.dice.pause(0, 4).await;
    match world.is_away(AwayServer::Source) || world.trouble(world.profile.source_trouble) {
        true => Err(away()),
        false => Ok(()),
    }
}

pub fn away() -> SourceError {
    SourceError::Unavailable { address: "simulated".into(), reason: "connection reset".into() }
}

#[async_trait]
impl Source for Server {
    async fn server_uuid(&self) -> Result<String, SourceError> {
        Ok(self.world().database.state().server_uuid())
    }

    async fn executed(&self) -> Result<Reached, SourceError> {
        let _call = self.process.call("executed");
        self.reach().await?;
        let executed = self.world().database.state().executed().clone();
        self.reach().await?;
        Ok(executed)
    }

    async fn start(&self) -> Result<Position, SourceError> {
        let _call = self.process.call("start");
        loop {
            self.reach().await?;
            {
                let state = self.world().database.state();
                if state.executed().gtids().holes().is_empty() {
                    return Ok(state.position(state.executed().clone()));
                }
            }
            self.world().dice.pause(1, 20).await;
        }
    }

    async fn binlog_end(&self) -> Result<BinlogPlace, SourceError> {
        let _call = self.process.call("binlog end");
        self.reach().await?;
        Ok(self.world().database.state().end())
    }

    async fn head(&self) -> Result<Position, SourceError> {
        let _call = self.process.call("head");
        self.reach().await?;
        let state = self.world().database.state();
        Ok(state.position(database::up_to(state.published())))
    }

    async fn stream(&self, from: &Position) -> Result<Box<dyn ChangeStream>, SourceError> {
        let _call = self.process.call("stream");
        self.reach().await?;
        let ahead = from.reached.minus(self.world().database.state().executed());
        if !ahead.is_empty() {
            // MySQL's error 1236: the replica has more GTIDs than the source has
            let reason = format!("the server has not executed {ahead}");
            return Err(SourceError::PositionLost { reason, advice: "1236".into() });
        }
        let (passed, server) = (from.reached.clone(), self.world().database.state().server());
        Ok(Box::new(Stream {
            process: self.process.clone(),
            server,
            passed,
            next: 0,
            events: VecDeque::new(),
        }))
    }

    async fn stream_by(
        &self,
        from: &Position,
        histories: &Histories,
        journaled: &Reached,
    ) -> Result<Box<dyn ChangeStream>, SourceError> {
        let values = self.stream(from).await?;
        match self.world().profile.bytes {
            true => Ok(Box::new(BytesStream::open(&self.process, from, histories, journaled))),
            false => Ok(values),
        }
    }

    fn definitions(&self) -> Option<&dyn Definitions> {
        self.world().profile.bytes.then_some(&self.answers)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, SourceError> {
        let _call = self.process.call("snapshot");
        self.reach().await?;
        let server = self.world().database.state().server();
        Ok(Box::new(Selects { process: self.process.clone(), server, view: None }))
    }

    async fn original_micros(&self, transaction: &TransactionId) -> Result<Option<u64>, SourceError> {
        let _call = self.process.call("original time");
        self.reach().await?;
        Ok(self.world().database.state().transaction(transaction.gtid().number).map(|(_, micros)| micros))
    }

    async fn left_out(&self, reached: &Reached) -> Result<Option<TransactionId>, SourceError> {
        let _call = self.process.call("left out");
        self.reach().await?;
        let state = self.world().database.state();
        let mut behind = state
            .order()
            .iter()
            .map(|number| database::gtid(*number))
            .skip_while(|gtid| reached.contains(gtid));
        let missing = behind.next();
        Ok(missing.filter(|_| behind.any(|gtid| reached.contains(&gtid))))
    }

    async fn prepared_xa(&self) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }
}

/// The binlog from a set of GTIDs on, in binlog order.
struct Stream {
    process: Arc<Process>,
    server: u64,
    passed: Reached,
    /// The place of the next transaction in the binlog.
    next: usize,
    events: VecDeque<StreamEvent>,
}

impl Stream {
    fn database(&self) -> &Database {
        &self.process.world.database
    }

    /// Reads the next transaction that is not passed.
    fn read_on(&mut self) -> bool {
        let state = self.process.world.database.state();
        let passed = |number: u64| self.passed.contains(&database::gtid(number));
        while state.at(self.next).is_some_and(passed) {
            self.next += 1;
        }
        let Some(number) = state.at(self.next) else { return false };
        self.next += 1;
        let (changes, micros) = state.transaction(number).expect("it is in the binlog");
        let place = state.place(self.next);
        drop(state);
        let gtid = database::gtid(number);
        let (committed_micros, original_micros) = (micros, micros);
        self.events.push_back(StreamEvent::Begin {
            transaction: gtid.clone(),
            committed_micros,
            original_micros,
        });
        let mut rest: &[RowChange] = &changes;
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(self.process.world.dice.between(1, rest.len() as u64) as usize);
            self.events.push_back(StreamEvent::Changes(piece.to_vec().into()));
            rest = left;
        }
        self.events.push_back(StreamEvent::End { transaction: gtid, place });
        true
    }
}

#[async_trait]
impl ChangeStream for Stream {
    async fn next(&mut self) -> Result<StreamEvent, SourceError> {
        let process = self.process.clone();
        let _call = process.call("next");
        let world = &process.world;
        loop {
            let gone = self.database().state().server() != self.server;
            if gone || world.is_away(AwayServer::Source) || world.trouble(world.profile.source_trouble / 2) {
                return Err(away());
            }
            if let Some(event) = self.events.pop_front() {
                if matches!(event, StreamEvent::Changes(_)) && world.trouble(world.profile.stalls) {
                    world.dice.pause(20, 500).await; // in the middle of a transaction
                }
                if world.dice.chance(300) {
                    world.dice.pause(0, 10).await;
                }
                return Ok(event);
            }
            if self.read_on() {
                continue;
            }
            world.dice.pause(1, 25).await;
            if world.dice.chance(50) {
                return Ok(StreamEvent::Heartbeat { place: self.database().state().place(self.next) });
            }
        }
    }
}

/// SELECTs, each in a read view of its own, over a connection that ends with its server.
struct Selects {
    process: Arc<Process>,
    server: u64,
    view: Option<BTreeMap<Item, Row>>,
}

impl Selects {
    /// Reads the engine's rows in a range: a pause, the read view, a pause.
    async fn select(&self, what: &str, wanted: impl Fn(&Item) -> bool) -> Result<Vec<Row>, SourceError> {
        let _call = self.process.call("select");
        let world = &self.process.world;
        reach(world).await?;
        world.dice.pause(0, if world.profile.slow_copy { 150 } else { 30 }).await;
        self.still_there()?;
        let rows: Vec<Row> = {
            let state = world.database.state();
            let rows = self.view.as_ref().unwrap_or(state.rows());
            rows.iter().filter(|(item, _)| wanted(item)).map(|(_, row)| row.clone()).collect()
        };
        if what == "rows" {
            let items: Vec<Item> = rows.iter().map(Item::of).collect();
            let shown: Vec<String> = rows.iter().map(show).collect();
            let number = self.process.number;
            world.trace.note_items(&items, format_args!("process {number} SELECTs {}", shown.join(", ")));
        }
        if world.trouble(100) {
            world.dice.pause(100, 800).await;
        }
        if world.trouble(8) {
            world.dice.pause(2_000, 9_000).await; // longer than a lease
        }
        world.dice.pause(0, 30).await;
        reach(world).await?;
        self.still_there()?;
        Ok(rows)
    }

    fn still_there(&self) -> Result<(), SourceError> {
        let server = self.process.world.database.state().server();
        if server == self.server { Ok(()) } else { Err(away()) }
    }

    async fn select_range(&self, what: &str, range: &KeyRange) -> Result<Vec<Row>, SourceError> {
        self.select(what, within(range)).await
    }
}

fn within(range: &KeyRange) -> impl Fn(&Item) -> bool {
    let (after, up_to) = (range.after.as_deref().map(item), range.up_to.as_deref().map(item));
    move |found| after.is_none_or(|after| *found > after) && up_to.is_none_or(|up_to| *found <= up_to)
}

fn item(key: &[Value]) -> Item {
    Item { list: number(&key[0]), item: number(&key[1]) }
}

#[async_trait]
impl Snapshot for Selects {
    async fn hold_view(&mut self) -> Result<(), SourceError> {
        reach(&self.process.world).await?;
        self.still_there()?;
        self.view = Some(self.process.world.database.state().rows().clone());
        Ok(())
    }

    async fn release_view(&mut self) -> Result<(), SourceError> {
        self.view = None;
        Ok(())
    }

    async fn chunk_end(
        &mut self,
        _table: TableId,
        after: Option<&[Value]>,
        rows: u32,
    ) -> Result<Option<Vec<Value>>, SourceError> {
        let range = KeyRange { after: after.map(<[Value]>::to_vec), up_to: None };
        let found = self.select_range("a bound", &range).await?;
        Ok(found.get(rows as usize - 1).map(|row| Item::of(row).key()))
    }

    async fn list_end(
        &mut self,
        _mapping: &Mapping,
        key: &[Value],
        after: Option<&[Value]>,
        rows: u32,
    ) -> Result<Option<Vec<Value>>, SourceError> {
        let (list, after) = (number(&key[0]), after.map(item));
        let behind = |found: &Item| found.list == list && after.is_none_or(|after| *found > after);
        let found = self.select("a bound", behind).await?;
        Ok(found.get(rows as usize - 1).map(|row| Item::of(row).key()))
    }

    async fn lists(&mut self, mapping: &Mapping, range: &KeyRange) -> Result<Vec<(Row, u64)>, SourceError> {
        let mut lists: BTreeMap<u64, u64> = BTreeMap::new();
        for row in self.select_range("lists", range).await? {
            *lists.entry(Item::of(&row).list).or_default() += 1;
        }
        let key_only = |(list, rows)| {
            let mut row = vec![Value::Null; mapping.schema.columns.len()];
            row[mapping.key[0]] = Value::UInt(list);
            (row, rows)
        };
        Ok(lists.into_iter().map(key_only).collect())
    }

    async fn each_row(
        &mut self,
        mapping: &Mapping,
        wanted: Wanted<'_>,
        take: &mut EachRow<'_>,
    ) -> Result<(), SourceError> {
        let rows = match wanted {
            Wanted::Range(range) => self.rows(mapping, range).await?,
            Wanted::List { key, range } => {
                let (list, inside) = (number(&key[0]), within(range));
                self.select("rows", |item| inside(item) && item.list == list).await?
            }
            Wanted::OfLists { range, lists } => {
                let lists: BTreeSet<u64> = lists.iter().map(|list| number(&list[0])).collect();
                let inside = within(range);
                self.select("rows", |item| inside(item) && lists.contains(&item.list)).await?
            }
        };
        rows.iter().for_each(|row| take(row));
        Ok(())
    }

    async fn rows(&mut self, _mapping: &Mapping, range: &KeyRange) -> Result<Vec<Row>, SourceError> {
        self.select_range("rows", range).await
    }

    async fn list(&mut self, _mapping: &Mapping, key: &[Value]) -> Result<Vec<Row>, SourceError> {
        let list = number(&key[0]);
        self.select("rows", |item| item.list == list).await
    }

    async fn item(
        &mut self,
        _mapping: &Mapping,
        key: &[Value],
        item: &[Value],
    ) -> Result<Option<Row>, SourceError> {
        let wanted = Item { list: number(&key[0]), item: number(&item[0]) };
        Ok(self.select("rows", |found| *found == wanted).await?.pop())
    }

    async fn items(
        &mut self,
        _mapping: &Mapping,
        wanted: &[(Vec<Value>, Vec<Value>)],
    ) -> Result<Vec<Row>, SourceError> {
        let item =
            |(key, item): &(Vec<Value>, Vec<Value>)| Item { list: number(&key[0]), item: number(&item[0]) };
        let wanted: BTreeSet<Item> = wanted.iter().map(item).collect();
        self.select("rows", |found| wanted.contains(found)).await
    }

    async fn row_bytes(&mut self, _table: TableId) -> Result<u64, SourceError> {
        Ok(100)
    }

    async fn estimated_rows(&mut self, _table: TableId) -> Result<u64, SourceError> {
        Ok(self.process.world.database.state().rows().len() as u64)
    }

    async fn count_rows(&mut self, table: TableId) -> Result<u64, SourceError> {
        self.estimated_rows(table).await
    }
}
