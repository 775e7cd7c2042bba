//! The binlog in bytes: what the server wrote is encoded, and read by the production decoder.

use super::super::database;
use super::super::source::away;
use super::super::world::{AwayServer, Process, World};
use super::proof::{self, prove};
use super::table::Layout;
use super::truth::Truth;
use super::wire::{self, Writer};
use async_trait::async_trait;
use mysql_common::binlog::events::Event;
use std::collections::VecDeque;
use std::sync::Arc;
use tailfill::model::history::{Entry, Meaning};
use tailfill::model::{Definition, Histories, History, Parking, Position, Reached, RowChange};
use tailfill::source::binlog::fault::Fault;
use tailfill::source::binlog::followed::Redefined;
use tailfill::source::binlog::transaction::{Next, Transactions, Unknown};
use tailfill::source::names::NameCase;
use tailfill::source::{BinlogPlace, ChangeStream, Registry, SourceError, StreamEvent};

/// Rows of one kind in one event at most.
const ROWS_AT_ONCE: u64 = 5;

pub struct BytesStream {
    process: Arc<Process>,
    server: u64,
    passed: Reached,
    /// The place of the next transaction in the binlog.
    next: usize,
    transactions: Transactions,
    events: VecDeque<Event>,
    truth: Truth,
    redefined: Option<Box<Redefined>>,
}

impl BytesStream {
    pub fn open(
        process: &Arc<Process>,
        from: &Position,
        histories: &Histories,
        journaled: &Reached,
    ) -> BytesStream {
        let world = &process.world;
        let schema = world.mapping.schema.clone();
        let all = (0..schema.columns.len()).collect::<Vec<_>>();
        let registry = Registry::new(vec![(schema.clone(), all)], NameCase::Exact).expect("it registers");
        let by_now = Histories::from([(schema.name.clone(), of_now(world))]);
        let histories = if histories.is_empty() { &by_now } else { histories };
        let passed = from.reached.clone();
        BytesStream {
            server: world.database.state().server(),
            transactions: Transactions::new(Arc::new(registry), Arc::default(), histories, passed.clone())
                .judged_before(journaled),
            passed,
            next: 0,
            events: VecDeque::new(),
            truth: Truth::new(process),
            redefined: None,
            process: process.clone(),
        }
    }

    /// Encodes the next transaction that is not passed.
    fn read_on(&mut self) -> bool {
        let world = self.process.world.clone();
        let state = world.database.state();
        while state.at(self.next).is_some_and(|number| self.passed.contains(&database::gtid(number))) {
            self.next += 1;
        }
        let Some(number) = state.at(self.next) else { return false };
        self.next += 1;
        let (written, micros) = state.transaction(number).expect("it is in the binlog");
        let mut writer = Writer::at(4 + 1_000 * self.next as u32);
        writer.gtid(database::gtid(number).gtid().origin.uuid, number, micros);
        match state.statement(number) {
            Some(statement) => writer.query("social", &statement.text),
            None => encode(&mut writer, state.layout_of(number), &written, &world),
        }
        let is_of_before = *state.layout_of(number) != *state.present_layout();
        drop(state);
        self.events = writer.into_events().into();
        self.truth.begins(number, written, is_of_before);
        true
    }

    async fn advance(&mut self) -> Result<Option<StreamEvent>, SourceError> {
        let world = &self.process.world;
        let Some(event) = self.events.pop_front() else { return Ok(None) };
        if world.dice.chance(100) {
            world.dice.pause(0, 10).await;
        }
        if world.trouble(world.profile.stalls / 4) {
            world.dice.pause(20, 500).await; // in the middle of a transaction
        }
        match self.transactions.apply(event).map_err(|fault| self.fault(fault))? {
            Next::Report(event) => return Ok(Some(event)),
            Next::FindOut(Unknown::Redefined(redefined)) => self.redefined = Some(redefined),
            Next::Nothing => {}
            Next::FindOut(other) => {
                panic!("no change is in statement format, and no transaction XA: {other:?}")
            }
        }
        Ok(None)
    }

    fn fault(&self, Fault { reason, advice }: Fault) -> SourceError {
        SourceError::NotUnderstood { position: self.transactions.place().to_string(), reason, advice }
    }

    /// Finds out what the table is after a statement, as the production stream does.
    async fn redefine(&mut self, redefined: Box<Redefined>) -> Result<(), SourceError> {
        let mut since = self.transactions.read().clone();
        since.insert(&redefined.gtid);
        let mut now = Vec::new();
        for (table, _) in &redefined.tables {
            now.push(match self.transactions.entry_of(*table, &redefined.gtid) {
                Some(Meaning::Defined(definition)) => Ok(definition.clone()),
                Some(Meaning::Parked(parking)) => Err(parking.clone()),
                None => self.proven(&redefined, &since).await?,
            });
        }
        self.transactions.redefined(*redefined, now);
        Ok(())
    }

    async fn proven(
        &self,
        redefined: &Redefined,
        since: &Reached,
    ) -> Result<Result<Arc<Definition>, Parking>, SourceError> {
        let proof = prove(&self.process, since).await?;
        let table = redefined.tables[0].0;
        let believed = proof.believed(self.process.failpoints);
        let believed = believed.or_else(|later| self.transactions.by_names(redefined, table).ok_or(later));
        Ok(believed.map_err(|later| Parking {
            what: redefined.what.clone(),
            reason: format!("the table was changed again ({later})"),
            transaction: Some(redefined.gtid.clone()),
            place: self.transactions.place().to_string(),
        }))
    }

    fn place(&self) -> BinlogPlace {
        self.process.world.database.state().place(self.next)
    }
}

/// Where nobody has noted anything: as if the present definition had always held.
fn of_now(world: &World) -> History {
    let present = proof::present(world);
    History { entries: vec![Entry::defined(Reached::default(), present)] }
}

/// Rows as a server writes them: some of one kind at once, each of these behind a table map.
fn encode(writer: &mut Writer, layout: &Layout, written: &[RowChange], world: &World) {
    let (columns, full) = (layout.wire(), world.profile.full_metadata);
    writer.query("social", "BEGIN");
    for of_one_kind in written.chunk_by(|one, other| kind(one) == kind(other)) {
        for piece in of_one_kind.chunks(world.dice.between(1, ROWS_AT_ONCE) as usize) {
            let rows = piece.iter().flat_map(|change| [&change.before, &change.after]).flatten();
            let images: Vec<_> = rows.map(|row| layout.image(row)).collect();
            writer.table_map(layout.id(), &columns, full);
            writer.rows(kind(&piece[0]), layout.id(), &columns, &images);
        }
    }
    writer.xid();
}

fn kind(change: &RowChange) -> u8 {
    match (&change.before, &change.after) {
        (None, _) => wire::WRITE_ROWS,
        (Some(_), None) => wire::DELETE_ROWS,
        _ => wire::UPDATE_ROWS,
    }
}

#[async_trait]
impl ChangeStream for BytesStream {
    async fn next(&mut self) -> Result<StreamEvent, SourceError> {
        let process = self.process.clone();
        let _call = process.call("next");
        let world = &process.world;
        loop {
            let gone = world.database.state().server() != self.server;
            if gone || world.is_away(AwayServer::Source) || world.trouble(world.profile.source_trouble / 2) {
                return Err(away());
            }
            if let Some(redefined) = self.redefined.take() {
                self.redefine(redefined).await?;
            }
            let mut report = self.transactions.next_report();
            if report.is_none() && !self.events.is_empty() {
                report = self.advance().await?;
                // what it makes is reported before the next transaction begins
                if report.is_none() {
                    continue;
                }
            }
            if let Some(event) = report {
                return Ok(self.truth.holds_against(event, self.place()));
            }
            if self.read_on() {
                continue;
            }
            world.dice.pause(1, 25).await;
            if world.dice.chance(50) {
                return Ok(StreamEvent::Heartbeat { place: self.place() });
            }
        }
    }
}
