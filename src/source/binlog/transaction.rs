//! From events to transactions: the state machine that decides what every event means.
//!
//! Pure: it gets whole events and gives back what to report; connections and waiting are the
//! stream's. It works by an allow-list (I9): an event type, a statement or a table layout that it
//! does not know is a [`Fault`], never skipped.

use super::crc;
use super::cursor::{Cursor, Truncated};
use super::event::{PayloadError, kind::*, payload_size, widen};
use super::guard::guarded;
use super::plan::{DUMMY_TABLE_ID, Mismatch, PlanInput, RowsHead, RowsKind, TablePlan};
use super::redefine;
use super::rows::RowsBlock;
use super::statement::{self, ColumnClause, Dialect, Effect, Question, Statement};
use super::table_map::{TableMap, TableMapHead};
use crate::failpoints::Failpoints;
use crate::model::gtid::Origin;
use crate::model::{Gtid, TableName, TableSchema};
use crate::source::registry::{Registered, Registry};
use crate::source::text::Charsets;
use crate::source::{BinlogPlace, Changes, StreamEvent};
use mysql_common::binlog::events::{Event, GtidEvent};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// Table ids remembered between transactions, and undecided XA transactions of other tables.
const PLANS_MAX: usize = 4_096;
const PREPARED_MAX: usize = 100_000;
/// Answers of the server that are kept.
const PROVEN_MAX: usize = 1_000;

/// Something that must not be skipped. `reason` and `advice` become
/// [`SourceError::NotUnderstood`](crate::source::SourceError::NotUnderstood) with the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub reason: String,
    pub advice: String,
}

impl Fault {
    pub fn new(reason: impl Into<String>, advice: impl Into<String>) -> Fault {
        Fault { reason: reason.into(), advice: advice.into() }
    }
}

impl From<Truncated> for Fault {
    fn from(_: Truncated) -> Fault {
        Fault::new("an event ends before its content does", DAMAGED)
    }
}

impl From<PayloadError> for Fault {
    fn from(error: PayloadError) -> Fault {
        match error {
            PayloadError::Truncated(truncated) => truncated.into(),
            PayloadError::Unknown => Fault::new(error.to_string(), REPORT),
        }
    }
}

const DAMAGED: &str = "the binlog may be damaged: look at it with mysqlbinlog; report it if that reads it";
const RECOPY: &str = "start again from a position after it, and copy the mapping's lists again";
const REPORT: &str = "report it with the server's version; it must not be skipped";

/// What the stream has to do after an event.
#[derive(Debug)]
pub enum Next {
    /// Go on with the next event.
    Nothing,
    Report(StreamEvent),
    /// Read the table's definition again and hand it to [`Transactions::reread`].
    Reread(Box<Reread>),
    /// Ask the server, and hand the answer to [`Transactions::answered`].
    Ask(Box<Ask>),
}

/// A change in statement format that may be harmless.
#[derive(Debug)]
pub struct Ask {
    pub gtid: Gtid,
    pub question: Question,
    definition: Box<statement::Definition>,
    ends: bool,
}

/// Why a definition is needed again, and what waits for it.
#[derive(Debug)]
pub struct Reread {
    pub table: TableName,
    index: usize,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Altered { clauses: Vec<ColumnClause>, then: Option<StreamEvent> },
    Map { map: TableMap, raw: Vec<u8>, mismatch: Mismatch },
}

#[derive(Debug)]
enum State {
    Between,
    /// The GTID was read, its first statement was not.
    Opened(Gtid),
    Inside(Transaction),
}

#[derive(Debug)]
struct Transaction {
    gtid: Gtid,
    /// Rows of registered tables came.
    has_rows: bool,
    /// The xid of an XA transaction.
    xa: Option<String>,
}

/// What a table id stands for.
enum Known {
    Other,
    Ours { raw: Vec<u8>, plan: Arc<TablePlan>, name: Arc<str> },
}

/// The state of one stream.
pub struct Transactions {
    registry: Arc<Registry>,
    charsets: Arc<Charsets>,
    dialect: Dialect,
    /// What the server has proven of changes in statement format, and no statement has touched since.
    proven: BTreeSet<Question>,
    /// The newest known definition of each registered table.
    present: Vec<Arc<TableSchema>>,
    /// Rows of this table were read by the places of its columns.
    read_by_place: Vec<bool>,
    known: FxHashMap<u64, Known>,
    state: State,
    place: BinlogPlace,
    /// Bytes of a compressed payload that have not come out of it yet.
    payload_left: u64,
    /// XA transactions that were prepared in this stream without rows of ours.
    prepared: FxHashSet<String>,
}

impl Transactions {
    pub fn new(registry: Arc<Registry>, charsets: Arc<Charsets>) -> Transactions {
        let present: Vec<_> = registry.tables().iter().map(|table| table.schema.clone()).collect();
        let read_by_place = vec![false; present.len()];
        Transactions {
            dialect: Dialect::new(charsets.clone(), registry.case()),
            proven: BTreeSet::new(),
            registry,
            charsets,
            present,
            read_by_place,
            known: FxHashMap::default(),
            state: State::Between,
            place: BinlogPlace::default(),
            payload_left: 0,
            prepared: FxHashSet::default(),
        }
    }

    /// Up to where events were applied.
    pub fn place(&self) -> &BinlogPlace {
        &self.place
    }

    /// Whether the events now come out of a compressed payload.
    pub fn in_payload(&self) -> bool {
        self.payload_left > 0
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
                self.known.clear();
                Ok(Next::Nothing)
            }
            STOP | PREVIOUS_GTIDS | ROWS_QUERY | IGNORABLE | VIEW_CHANGE | TRANSACTION_CONTEXT | INTVAR
            | RAND | USER_VAR | BEGIN_LOAD_QUERY | APPEND_BLOCK => Ok(Next::Nothing),
            ANONYMOUS_GTID => Err(Fault::new(
                "a transaction has no GTID",
                "set gtid_mode = ON at the source; the tail cannot continue over such transactions",
            )),
            INCIDENT => Err(Fault::new(
                "the source reports an incident: changes may be missing from its binlog",
                RECOPY,
            )),
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
        let tag = read.tag().map(|tag| tag.as_str().to_owned()).unwrap_or_default();
        let origin = Origin { uuid: Uuid::from_bytes(read.sid()), tag };
        let gtid = Gtid { origin, number: read.gno() };
        self.state = State::Opened(gtid.clone());
        if self.known.len() > PLANS_MAX {
            self.known.clear();
        }
        Ok(Next::Report(StreamEvent::Begin {
            gtid,
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
            Statement::Rollback | Statement::RollbackTo if self.has_rows() => Err(Fault::new(
                "rows of a mapped table were rolled back inside a logged transaction",
                "a transaction mixes InnoDB with a table that cannot roll back; copy its lists again",
            )),
            Statement::Rollback => self.end(),
            Statement::RollbackTo => Ok(Next::Nothing),
            Statement::XaRollback(xid) => {
                self.prepared.remove(&xid);
                self.end()
            }
            Statement::XaCommit(xid) => self.xa_commit(&xid),
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
                self.state = State::Inside(Transaction { gtid, has_rows: false, xa });
                Ok(Next::Nothing)
            }
            State::Between => Err(no_gtid()),
            State::Inside(open) => Err(Fault::new(format!("transaction {} begins twice", open.gtid), REPORT)),
        }
    }

    /// Goes on after [`Next::Ask`]: whether the change is proven to be harmless.
    pub fn answered(&mut self, ask: Ask, proven: bool) -> Result<Next, Fault> {
        if proven {
            if self.proven.len() >= PROVEN_MAX {
                self.proven.clear();
            }
            self.proven.insert(ask.question);
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
        self.proven.retain(|question| !definition.may_change(question));
        let mut altered = None;
        for (index, table) in self.registry.tables().iter().enumerate() {
            match definition.effect_on(&table.schema.name) {
                Effect::None => {}
                Effect::StatementFormat { unless: Some(question), .. } if self.proven.contains(&question) => {
                }
                Effect::StatementFormat { unless: Some(question), .. } if !asked => {
                    return Ok(Next::Ask(Box::new(Ask { gtid, question, definition, ends })));
                }
                Effect::Redefines { clauses } => altered = Some((index, clauses)),
                effect => return Err(refused(&effect, table)),
            }
        }
        let then = if ends { Some(self.take_end()?) } else { None };
        if let Some((index, clauses)) = altered {
            self.known.clear();
            let table = self.registry.tables()[index].schema.name.clone();
            return Ok(Next::Reread(Box::new(Reread {
                table,
                index,
                cause: Cause::Altered { clauses, then },
            })));
        }
        Ok(then.map_or(Next::Nothing, Next::Report))
    }

    fn xa_prepare(&mut self, event: &Event) -> Result<Next, Fault> {
        let one_phase = Cursor::new(event.data()).u8()? != 0;
        if let State::Inside(Transaction { xa: Some(xid), .. }) = &self.state
            && !one_phase
        {
            if self.prepared.len() >= PREPARED_MAX {
                return Err(Fault::new("too many undecided XA transactions", "see XA RECOVER at the source"));
            }
            self.prepared.insert(xid.clone());
        }
        self.end()
    }

    fn xa_commit(&mut self, xid: &str) -> Result<Next, Fault> {
        if self.prepared.remove(xid) {
            return self.end();
        }
        Err(Fault::new(
            "an XA transaction commits whose prepare was not read: it may hold rows of a mapped table",
            "start from a position before its XA PREPARE; before a first start, let XA RECOVER be empty",
        ))
    }

    fn has_rows(&self) -> bool {
        matches!(&self.state, State::Inside(transaction) if transaction.has_rows)
    }

    fn end(&mut self) -> Result<Next, Fault> {
        Ok(Next::Report(self.take_end()?))
    }

    fn take_end(&mut self) -> Result<StreamEvent, Fault> {
        if self.payload_left > 0 {
            return Err(Fault::new("a compressed transaction goes on after its end", DAMAGED));
        }
        match std::mem::replace(&mut self.state, State::Between) {
            State::Opened(gtid) | State::Inside(Transaction { gtid, .. }) => {
                Ok(StreamEvent::End { gtid, place: self.place.clone() })
            }
            State::Between => Err(no_gtid()),
        }
    }

    fn table_map(&mut self, event: &Event) -> Result<Next, Fault> {
        let head = TableMapHead::parse(event.data())?;
        let id = head.id;
        let Some(registered) = self.registry.find(head.schema, head.table) else {
            self.known.insert(id, Known::Other);
            return Ok(Next::Nothing);
        };
        if matches!(self.known.get(&id), Some(Known::Ours { raw, .. }) if raw == event.data()) {
            return Ok(Next::Nothing);
        }
        let map = head.complete().map_err(|error| {
            Fault::new(
                format!("the table map of {} does not decode: {error}", registered.schema.name),
                REPORT,
            )
        })?;
        let index = usize::from(registered.id.0);
        match self.plan(&map, index) {
            Ok(plan) => {
                self.remember(id, event.data().to_vec(), plan);
                Ok(Next::Nothing)
            }
            Err(mismatch) => {
                let table = registered.schema.name.clone();
                let cause = Cause::Map { map, raw: event.data().to_vec(), mismatch };
                Ok(Next::Reread(Box::new(Reread { table, index, cause })))
            }
        }
    }

    fn plan(&self, map: &TableMap, index: usize) -> Result<TablePlan, Mismatch> {
        let registered = &self.registry.tables()[index];
        TablePlan::new(
            map,
            &PlanInput {
                table: registered.id,
                registered: &registered.schema,
                present: &self.present[index],
                used: &registered.used,
                keys: &registered.keys,
                charsets: &self.charsets,
            },
        )
    }

    fn remember(&mut self, id: u64, raw: Vec<u8>, plan: TablePlan) {
        let name = self.registry.get(plan.table).map(Registered::label).unwrap_or_default();
        self.known.insert(id, Known::Ours { raw, plan: Arc::new(plan), name: name.into() });
    }

    /// Goes on after [`Next::Reread`] with the table's present definition.
    pub fn reread(&mut self, reread: Reread, fresh: TableSchema) -> Result<Option<StreamEvent>, Fault> {
        let registered = &self.registry.tables()[reread.index];
        let advice = format!(
            "park the mapping of {}, then start from a position after the change and copy its lists again",
            reread.table
        );
        let no_clauses = Vec::new();
        let clauses = match &reread.cause {
            Cause::Altered { clauses, .. } => clauses,
            Cause::Map { .. } => &no_clauses,
        };
        redefine::still_readable(registered, &fresh, clauses).map_err(|reason| {
            Fault::new(format!("{} was altered: {reason}", reread.table), advice.clone())
        })?;
        if self.read_ahead(reread.index, &fresh, clauses) {
            return Err(Fault::new(
                format!("rows of {} from before an ALTER were read with the columns after it", reread.table),
                format!("{advice}; binlog_row_metadata = FULL lets a tail read such rows"),
            ));
        }
        self.present[reread.index] = Arc::new(fresh);
        match reread.cause {
            Cause::Altered { then, .. } => Ok(then),
            Cause::Map { map, raw, mismatch } => {
                let plan = self.plan(&map, reread.index).map_err(|_| {
                    Fault::new(
                        format!("{}: {mismatch}", reread.table),
                        format!(
                            "{advice}; binlog_row_metadata = FULL lets a tail read rows from before a change"
                        ),
                    )
                })?;
                self.remember(map.id, raw, plan);
                Ok(None)
            }
        }
    }

    /// Whether an ALTER that rearranges columns was known before it arrived, while rows from before
    /// it were read by place: their columns may have been taken for each other.
    fn read_ahead(&self, index: usize, fresh: &TableSchema, clauses: &[ColumnClause]) -> bool {
        self.read_by_place[index]
            && clauses.iter().any(ColumnClause::rearranges)
            && self.present[index].columns == fresh.columns
    }

    fn rows(&mut self, event: Event, kind: RowsKind, version: u8) -> Result<Next, Fault> {
        let head = RowsHead::parse(event.data(), kind, version)?;
        let (plan, table) = match self.known.get(&head.table_id) {
            Some(Known::Other) => return Ok(Next::Nothing),
            None if head.table_id == DUMMY_TABLE_ID => return Ok(Next::Nothing),
            None => return Err(Fault::new("rows of a table whose map was not read", REPORT)),
            Some(Known::Ours { plan, name, .. }) => (plan.clone(), name.clone()),
        };
        if !head.full_images {
            return Err(Fault::new(
                "a row image has not all columns",
                "set binlog_row_image = FULL at the source, globally and in every session",
            ));
        }
        if head.column_count != plan.column_count() {
            return Err(Fault::new("a rows event and its table map differ in columns", DAMAGED));
        }
        self.note_rows(&plan)?;
        if head.rows_at >= event.data().len() {
            return Ok(Next::Nothing);
        }
        let block = RowsBlock::new(event, head.rows_at, kind, plan, table, self.place.clone());
        Ok(Next::Report(StreamEvent::Changes(Changes::Rows(block))))
    }

    fn note_rows(&mut self, plan: &TablePlan) -> Result<(), Fault> {
        let State::Inside(transaction) = &mut self.state else { return Err(no_gtid()) };
        transaction.has_rows = true;
        self.read_by_place[usize::from(plan.table.0)] |= !plan.by_name;
        if transaction.xa.is_none() {
            return Ok(());
        }
        let table = self.registry.get(plan.table).map(|t| t.schema.name.to_string()).unwrap_or_default();
        Err(Fault::new(
            format!("an XA transaction writes to {table}"),
            "XA on mapped tables is not supported yet: let the application use plain transactions",
        ))
    }
}

fn no_gtid() -> Fault {
    Fault::new("an event stands outside any transaction", "is gtid_mode ON at the source?")
}

fn refused(effect: &Effect, table: &Registered) -> Fault {
    let name = &table.schema.name;
    match effect {
        Effect::Destroys { what } => {
            Fault::new(format!("{what} on {name}: rows changed without row events"), RECOPY)
        }
        Effect::StatementFormat { what, unless: Some(_) } => Fault::new(
            format!(
                "{what} is logged in statement format, and may have changed rows of {name} through a view, a trigger, a \
                 stored function or a foreign key"
            ),
            format!(
                "set binlog_format = ROW in every session; with GRANT SELECT, TRIGGER ON *.* MySQL can prove that such \
                 changes are harmless; then {RECOPY}"
            ),
        ),
        Effect::StatementFormat { what, .. } => Fault::new(
            format!("{what} on {name} is logged in statement format: its rows cannot be known"),
            format!("set binlog_format = ROW in every session; then {RECOPY}"),
        ),
        Effect::Unknown { what } => {
            Fault::new(format!("{what} may change {name} and is not understood"), REPORT)
        }
        Effect::None | Effect::Redefines { .. } => Fault::new("a statement is not understood", REPORT),
    }
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
