//! From events to transactions: the state machine that decides what every event means.
//!
//! Pure: it gets whole events and gives back what to report; connections and waiting are the
//! stream's. It works by an allow-list (I9): an event type that it does not know is a [`Fault`]; a statement, a table
//! layout or a row image that it cannot follow parks the table that it concerns: its rows are left out from there on,
//! and that is reported at its place. Rows are read by the definition of their position
//! (docs/decisions/0008-schema-history.md).

mod xa;

use super::crc;
use super::cursor::Cursor;
use super::event::{kind::*, payload_size, widen};
use super::fault::{DAMAGED, Fault, RECOPY, REPORT};
use super::followed::{Followed, Judged, Known, Redefined, Refusal};
use super::guard::guarded;
use super::plan::{DUMMY_TABLE_ID, RowsHead, RowsKind};
use super::prepared::Prepared;
use super::rows::RowsBlock;
use super::scan;
use super::statement::{self, Dialect, Question, Statement};
use crate::failpoints::Failpoints;
use crate::model::history::Meaning;
use crate::model::{Definition, Histories, Parking, Reached, TableId, TransactionId};
use crate::source::registry::Registry;
use crate::source::text::Charsets;
use crate::source::{BinlogPlace, Changes, StreamEvent};
use mysql_common::binlog::events::{Event, GtidEvent};
use std::collections::VecDeque;
use std::sync::Arc;

/// What the stream has to do after an event. What [`Transactions::next_report`] has comes first.
#[derive(Debug)]
pub enum Next {
    /// Go on.
    Nothing,
    /// Hand this on.
    Report(StreamEvent),
    /// Find something out: the next event cannot be read without it.
    FindOut(Unknown),
}

/// What an event leaves open.
#[derive(Debug)]
pub enum Unknown {
    /// Find out what the tables are now, and hand that to [`Transactions::redefined`].
    Redefined(Box<Redefined>),
    /// Ask the server, and hand the answer to [`Transactions::answered`].
    Ask(Box<Ask>),
    /// Read back which XA transactions are undecided at this XA COMMIT, for [`Transactions::read_back`].
    ReadBack(Box<XaCommit>),
}

/// A change in statement format that may be harmless.
#[derive(Debug)]
pub struct Ask {
    /// Of the transaction that the statement is in.
    pub gtid: TransactionId,
    /// What the server has to answer.
    pub question: Question,
    definition: Box<statement::Definition>,
    ends: bool,
}

impl Ask {
    /// The kind of the statement (`UPDATE`), for messages.
    pub fn kind(&self) -> String {
        self.definition.kind()
    }
}

/// An XA COMMIT whose PREPARE this stream has not read.
#[derive(Debug)]
pub struct XaCommit {
    /// Of the XA COMMIT itself.
    pub gtid: TransactionId,
    xid: String,
}

#[derive(Debug)]
enum State {
    Between,
    /// The GTID was read, its first statement was not.
    Opened(TransactionId),
    Inside(Transaction),
}

#[derive(Debug)]
struct Transaction {
    gtid: TransactionId,
    /// The registered tables that rows came of.
    touched: Vec<TableId>,
    /// The xid of an XA transaction.
    xa: Option<String>,
}

/// The state of one stream.
pub struct Transactions {
    dialect: Dialect,
    followed: Followed,
    /// Everything that was read.
    read: Reached,
    /// Transactions with rows that were sealed before, by an earlier process too.
    journaled: Reached,
    state: State,
    place: BinlogPlace,
    /// Bytes of a compressed payload that have not come out of it yet.
    payload_left: u64,
    prepared: Prepared,
    reports: VecDeque<StreamEvent>,
}

impl Transactions {
    /// A stream of everything that is not in `read`. A table without a history is read as it is registered.
    pub fn new(
        registry: Arc<Registry>,
        charsets: Arc<Charsets>,
        histories: &Histories,
        read: Reached,
    ) -> Transactions {
        let mut followed = Followed::new(registry.clone(), charsets.clone(), histories);
        let reports = followed.take_entries(&read, true).into();
        Transactions {
            dialect: Dialect::new(charsets, registry.case()),
            followed,
            read,
            journaled: Reached::default(),
            state: State::Between,
            place: BinlogPlace::default(),
            payload_left: 0,
            prepared: Prepared::default(),
            reports,
        }
    }

    /// With the transactions whose rows were sealed before.
    pub fn judged_before(self, journaled: &Reached) -> Transactions {
        Transactions { journaled: journaled.clone(), ..self }
    }

    /// Whether rows behind a transaction were sealed before: whoever did that was told that nothing in it parks a table,
    /// or its history says which. The server may answer otherwise today, and batches could not be cut again (I2).
    fn was_judged(&self, gtid: &TransactionId) -> bool {
        if Failpoints::default().judged_again() {
            return false;
        }
        let mut until_here = self.read.clone();
        until_here.insert(gtid);
        !until_here.contains_set(&self.journaled)
    }

    /// What is to be reported before anything else is read.
    pub fn next_report(&mut self) -> Option<StreamEvent> {
        self.reports.pop_front()
    }

    /// Everything that was read.
    pub fn read(&self) -> &Reached {
        &self.read
    }

    /// The entry of a table that begins with one transaction: what is known of it already.
    pub fn entry_of(&self, table: TableId, gtid: &TransactionId) -> Option<&Meaning> {
        self.followed.entry_of(table, gtid)
    }

    /// What a table is after a statement of which nobody can prove that; `None`: its rows cannot be read.
    pub fn by_names(&self, redefined: &Redefined, table: TableId) -> Option<Arc<Definition>> {
        self.followed.by_names(redefined, table)
    }

    /// `schema.table`.
    pub fn name(&self, table: TableId) -> String {
        self.followed.name(table)
    }

    /// Leaves the rows of a table out from here on.
    fn park(&mut self, refusal: Refusal) {
        if self.followed.is_parked(refusal.table) {
            return;
        }
        let (State::Opened(gtid) | State::Inside(Transaction { gtid, .. })) = &self.state else { return };
        let parking = Parking {
            what: refusal.what,
            reason: refusal.reason,
            transaction: Some(gtid.clone()),
            place: self.place.to_string(),
        };
        let report = self.followed.leave_out(refusal.table, gtid.alone(), parking);
        self.reports.push_back(report);
    }

    /// Up to where events were applied.
    pub fn place(&self) -> &BinlogPlace {
        &self.place
    }

    /// Applies one event.
    pub fn apply(&mut self, event: Event) -> Result<Next, Fault> {
        let kind = event.header().event_type_raw();
        self.account(&event, kind)?;
        match kind {
            QUERY => self.query(&event),
            EXECUTE_LOAD_QUERY => self.load_query(&event),
            XID => self.end(),
            GTID | GTID_TAGGED => self.gtid(&event),
            TABLE_MAP => self.table_map(&event),
            WRITE_ROWS_V1 => self.rows(event, RowsKind::Insert, 1),
            UPDATE_ROWS_V1 => self.rows(event, RowsKind::Update, 1),
            DELETE_ROWS_V1 => self.rows(event, RowsKind::Delete, 1),
            WRITE_ROWS => self.rows(event, RowsKind::Insert, 2),
            UPDATE_ROWS => self.rows(event, RowsKind::Update, 2),
            DELETE_ROWS => self.rows(event, RowsKind::Delete, 2),
            PARTIAL_UPDATE_ROWS => self.rows(event, RowsKind::PartialUpdate, 2),
            XA_PREPARE => self.xa_prepare(&event),
            ROTATE => self.rotate(&event),
            HEARTBEAT | HEARTBEAT_V2 => {
                Ok(Next::Report(StreamEvent::Heartbeat { place: self.place.clone() }))
            }
            TRANSACTION_PAYLOAD => self.payload(&event),
            FORMAT_DESCRIPTION => {
                self.followed.forget_ids();
                Ok(Next::Nothing)
            }
            STOP | PREVIOUS_GTIDS | ROWS_QUERY | IGNORABLE | VIEW_CHANGE | TRANSACTION_CONTEXT | INTVAR
            | RAND | USER_VAR | BEGIN_LOAD_QUERY | APPEND_BLOCK => Ok(Next::Nothing),
            ANONYMOUS_GTID => Err(Fault::new(
                "a transaction has no GTID",
                "set gtid_mode = ON at the source; the tail cannot continue over such transactions",
            )),
            INCIDENT => Err(Fault::new("MySQL reports an incident: its binlog may lack changes", RECOPY)),
            _ if Failpoints::default().unknown_events_passed_over() => Ok(Next::Nothing),
            other => Err(Fault::new(format!("event type {other} is unknown"), REPORT)),
        }
    }

    /// Counts an event against the payload it came from, or moves the place to its end.
    fn account(&mut self, event: &Event, kind: u8) -> Result<(), Fault> {
        let header = event.header();
        if !event.footer().get_checksum_enabled() {
            let size = u64::from(header.event_size());
            self.payload_left = self
                .payload_left
                .checked_sub(size)
                .ok_or_else(|| Fault::new("a compressed transaction is longer than it says", DAMAGED))?;
            return Ok(());
        }
        if self.payload_left > 0 {
            return Err(Fault::new("a compressed transaction did not inflate to its stated size", DAMAGED));
        }
        if kind != ROTATE && header.log_pos() != 0 {
            self.place.offset = widen(self.place.offset, header.log_pos());
        }
        Ok(())
    }

    fn rotate(&mut self, event: &Event) -> Result<Next, Fault> {
        let mut cursor = Cursor::new(crc::body(event));
        let offset = cursor.u64()?;
        self.place = BinlogPlace { file: String::from_utf8_lossy(cursor.rest()).into(), offset };
        match &self.state {
            State::Between => Ok(Next::Nothing),
            State::Opened(gtid) | State::Inside(Transaction { gtid, .. }) => {
                Err(Fault::new(format!("the binlog file ends inside transaction {gtid}"), DAMAGED))
            }
        }
    }

    fn gtid(&mut self, event: &Event) -> Result<Next, Fault> {
        let read = guarded(|| event.read_event::<GtidEvent>().map_err(|error| error.to_string()))
            .map_err(|error| Fault::new(format!("a GTID event does not decode: {error}"), REPORT))?;
        if let State::Opened(open) | State::Inside(Transaction { gtid: open, .. }) = &self.state {
            return Err(Fault::new(format!("transaction {open} has no end"), REPORT));
        }
        let gtid = scan::gtid_of(&read);
        self.state = State::Opened(gtid.clone());
        self.followed.forget_ids_of_many();
        Ok(Next::Report(StreamEvent::Begin {
            transaction: gtid,
            committed_micros: read.immediate_commit_timestamp(),
            original_micros: read.original_commit_timestamp(),
        }))
    }

    fn payload(&mut self, event: &Event) -> Result<Next, Fault> {
        let size = payload_size(event.data())?;
        self.payload_left = size;
        Ok(Next::Nothing)
    }

    fn query(&mut self, event: &Event) -> Result<Next, Fault> {
        let first = matches!(self.state, State::Opened(_));
        self.statement(self.dialect.query(event.data())?, first)
    }

    fn load_query(&mut self, event: &Event) -> Result<Next, Fault> {
        self.statement(self.dialect.load_query(event.data())?, false)
    }

    /// `first`: the statement follows its GTID at once, so that it may be a transaction by itself.
    fn statement(&mut self, statement: Statement, first: bool) -> Result<Next, Fault> {
        match statement {
            Statement::Begin => self.open(None),
            Statement::XaStart(xid) => self.open(Some(xid)),
            Statement::Commit => self.end(),
            Statement::Savepoint | Statement::XaEnd => Ok(Next::Nothing),
            Statement::Rollback => {
                self.park_touched();
                self.end()
            }
            Statement::RollbackTo => {
                self.park_touched();
                Ok(Next::Nothing)
            }
            Statement::XaRollback(xid) => {
                self.prepared.roll_back(&xid);
                self.end()
            }
            Statement::XaCommit(xid) => self.xa_commit(xid),
            Statement::Other(definition) => {
                let opens = first && definition.opens_transaction();
                if opens {
                    self.open(None)?;
                }
                self.definition(definition, first && !opens, false)
            }
        }
    }

    fn open(&mut self, xa: Option<String>) -> Result<Next, Fault> {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Opened(gtid) => {
                self.state = State::Inside(Transaction { gtid, touched: Vec::new(), xa });
                Ok(Next::Nothing)
            }
            State::Between => Err(no_gtid()),
            State::Inside(open) => Err(Fault::new(format!("transaction {} begins twice", open.gtid), REPORT)),
        }
    }

    /// Goes on after [`Unknown::Ask`]: whether the change is proven to be harmless.
    pub fn answered(&mut self, ask: Ask, proven: bool) -> Result<Next, Fault> {
        if proven {
            self.followed.proven(ask.question);
        }
        self.definition(ask.definition, ask.ends, true)
    }

    fn definition(
        &mut self,
        definition: Box<statement::Definition>,
        ends: bool,
        asked: bool,
    ) -> Result<Next, Fault> {
        let gtid = match &self.state {
            State::Opened(gtid) | State::Inside(Transaction { gtid, .. }) => gtid.clone(),
            State::Between => return Err(no_gtid()),
        };
        let (tables, refused) = match self.followed.judge(&definition, asked) {
            Judged::Ask(question) if self.was_judged(&gtid) => {
                self.followed.proven(question);
                return self.definition(definition, ends, true);
            }
            Judged::Ask(question) => {
                return Ok(Next::FindOut(Unknown::Ask(Box::new(Ask { gtid, question, definition, ends }))));
            }
            Judged::Known { redefined, refused } => (redefined, refused),
        };
        refused.into_iter().for_each(|refusal| self.park(refusal));
        let then = if ends { Some(self.take_end()?) } else { None };
        if !tables.is_empty() {
            let redefined = Redefined {
                gtid,
                what: definition.kind(),
                drops: definition.drops(),
                drops_index: definition.drops_index(),
                tables,
                then,
            };
            return Ok(Next::FindOut(Unknown::Redefined(Box::new(redefined))));
        }
        if let Some(end) = then {
            self.report_end(end);
        }
        Ok(Next::Nothing)
    }

    /// Goes on after [`Unknown::Redefined`], with what each of its tables is now: a definition, or why none is known.
    pub fn redefined(&mut self, mut redefined: Redefined, now: Vec<Result<Arc<Definition>, Parking>>) {
        let then = redefined.then.take();
        self.reports.extend(self.followed.redefined(redefined, now, &self.place));
        if let Some(end) = then {
            self.report_end(end);
        }
    }

    /// A transaction that mixes InnoDB with a table that cannot roll back is logged with a ROLLBACK.
    fn park_touched(&mut self) {
        let State::Inside(transaction) = &mut self.state else { return };
        for table in std::mem::take(&mut transaction.touched) {
            let name = self.followed.name(table);
            let reason = format!("MySQL rolled back rows of {name} inside a logged transaction");
            self.park(Refusal { table, what: "ROLLBACK".into(), reason });
        }
    }

    fn end(&mut self) -> Result<Next, Fault> {
        let end = self.take_end()?;
        self.report_end(end);
        Ok(Next::Nothing)
    }

    fn report_end(&mut self, end: StreamEvent) {
        if let StreamEvent::End { transaction: gtid, .. } = &end {
            self.read.insert(gtid);
        }
        self.reports.push_back(end);
        self.reports.extend(self.followed.take_entries(&self.read, false));
    }

    fn take_end(&mut self) -> Result<StreamEvent, Fault> {
        if self.payload_left > 0 {
            return Err(Fault::new("a compressed transaction goes on after its end", DAMAGED));
        }
        match std::mem::replace(&mut self.state, State::Between) {
            State::Opened(gtid) | State::Inside(Transaction { gtid, .. }) => {
                Ok(StreamEvent::End { transaction: gtid, place: self.place.clone() })
            }
            State::Between => Err(no_gtid()),
        }
    }

    fn table_map(&mut self, event: &Event) -> Result<Next, Fault> {
        if let State::Inside(Transaction { xa: Some(_), touched, .. }) = &mut self.state
            && let Some(table) = self.followed.named(event.data())?
            && !touched.contains(&table)
        {
            touched.push(table); // also of a parked table: a re-copy may come before the XA COMMIT
        }
        if let Some(refusal) = self.followed.table_map(event.data())? {
            self.park(refusal);
        }
        Ok(Next::Nothing)
    }

    fn rows(&mut self, event: Event, kind: RowsKind, version: u8) -> Result<Next, Fault> {
        let head = RowsHead::parse(event.data(), kind, version)?;
        let (plan, table) = match self.followed.by_id(head.table_id) {
            Some(Known::Other) => return Ok(Next::Nothing),
            None if head.table_id == DUMMY_TABLE_ID => return Ok(Next::Nothing),
            None => return Err(Fault::new("rows of a table whose map was not read", REPORT)),
            Some(Known::Ours { plan, name, .. }) => (plan.clone(), name.clone()),
        };
        if !head.full_images {
            let reason = format!(
                "a row image of {table} lacks columns: set binlog_row_image = FULL at the source, globally and in \
                 every session"
            );
            self.park(Refusal { table: plan.table, what: "a row image".into(), reason });
            return Ok(Next::Nothing);
        }
        if head.column_count != plan.column_count() {
            return Err(Fault::new("a rows event and its table map differ in columns", DAMAGED));
        }
        let State::Inside(transaction) = &mut self.state else { return Err(no_gtid()) };
        if transaction.xa.is_some() {
            return Ok(Next::Nothing); // they are judged when it is decided
        }
        if !transaction.touched.contains(&plan.table) {
            transaction.touched.push(plan.table);
        }
        if head.rows_at >= event.data().len() {
            return Ok(Next::Nothing);
        }
        let block = RowsBlock { event, at: head.rows_at, kind, plan, table, place: self.place.clone() };
        Ok(Next::Report(StreamEvent::Changes(Changes::Rows(block))))
    }
}

fn no_gtid() -> Fault {
    Fault::new("an event is outside any transaction", "is gtid_mode ON at the source?")
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
