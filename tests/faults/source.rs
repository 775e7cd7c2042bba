//! The simulation's server with a script: its stream breaks after so many changes, and it forgets
//! transactions.

use crate::simulation::database::{gtid, up_to};
use crate::simulation::source::Server;
use crate::simulation::world::Process;
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use tailfill::model::{
    Definition, Histories, Mapping, Parking, Position, Reached, Row, TableId, TransactionId, Value,
};
use tailfill::source::{
    BinlogPlace, ChangeStream, Definitions, EachRow, KeyRange, Proof, Snapshot, Source, SourceError,
    StreamEvent, Wanted,
};

pub struct Scripted {
    server: Server,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    /// For each stream that is opened, after how many changes it breaks; later ones do not break.
    breaks: VecDeque<usize>,
    streams: u64,
    executed: Option<Reached>,
    purged: Reached,
    /// Rows are read by definitions, and this is the present one.
    present: Option<Arc<Definition>>,
    proofs: VecDeque<Result<Proof, SourceError>>,
    /// What streams report in a transaction besides its changes.
    reports: Vec<(TransactionId, StreamEvent)>,
    /// The histories that the last stream was asked to read by.
    asked: Histories,
    /// No look-up finds this list; scans show it.
    lost: Option<u64>,
    /// What SELECTs fail with.
    selects_fail: Option<fn() -> SourceError>,
    /// These transactions are others than those that were read, with the same numbers.
    restarted: Reached,
    /// The numbers are this server's own, and it has these alone.
    reset: Option<Reached>,
}

impl Scripted {
    pub fn new(process: Arc<Process>) -> Scripted {
        Scripted { server: Server::new(&process), script: Arc::default() }
    }

    /// The next streams break after so many changes of rows, each counted from its own beginning.
    pub fn next_streams_break_after(&self, changes: impl IntoIterator<Item = usize>) {
        self.script().breaks = changes.into_iter().collect();
    }

    /// Streams opened so far.
    pub fn streams(&self) -> u64 {
        self.script().streams
    }

    /// `executed` says this from now on; `None`: the truth.
    pub fn set_executed(&self, executed: Option<Reached>) {
        self.script().executed = executed;
    }

    /// The binlog begins after these from now on.
    pub fn purge(&self, purged: Reached) {
        self.script().purged = purged;
    }

    /// From now on its transactions up to this moment are others, with the same numbers; or those of before again.
    pub fn restart_numbering(&self, restarted: bool) {
        let published = self.server.process.world.database.state().published();
        self.script().restarted = if restarted { up_to(published) } else { Reached::default() };
    }

    /// It begins its numbering again, and has come to this number: all others are neither committed nor in its binlog.
    pub fn reset_to(&self, number: u64) {
        self.script().reset = Some(up_to(number));
    }

    /// From now on rows are read by definitions, of which this is the present one.
    pub fn defines(&self, present: Arc<Definition>) {
        self.script().present = Some(present);
    }

    /// The next look for the present definition ends like this.
    pub fn next_proof(&self, proof: Proof) {
        self.script().proofs.push_back(Ok(proof));
    }

    /// The connection is lost during the next look for the present definition.
    pub fn next_proof_is_cut_short(&self) {
        let reason = "connection reset".into();
        let lost = SourceError::Unavailable { address: "scripted".into(), reason };
        self.script().proofs.push_back(Err(lost));
    }

    /// Streams report this at the beginning of a transaction.
    pub fn reports_in(&self, number: u64, event: StreamEvent) {
        self.script().reports.push((gtid(number), event));
    }

    /// The histories that the last stream was asked to read by.
    pub fn asked(&self) -> Histories {
        self.script().asked.clone()
    }

    /// Look-ups do not find this list from now on.
    pub fn lose(&self, list: u64) {
        self.script().lost = Some(list);
    }

    /// SELECTs fail from now on.
    pub fn selects_fail(&self, error: fn() -> SourceError) {
        self.script().selects_fail = Some(error);
    }

    pub fn selects_succeed(&self) {
        self.script().selects_fail = None;
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("nothing panics while it is held")
    }
}

#[async_trait]
impl Source for Scripted {
    async fn server_uuid(&self) -> Result<String, SourceError> {
        let is_reset = self.script().reset.is_some();
        match is_reset {
            true => Ok(gtid(1).gtid().origin.uuid.to_string()),
            false => self.server.server_uuid().await,
        }
    }

    async fn executed(&self) -> Result<Reached, SourceError> {
        let scripted = {
            let script = self.script();
            script.reset.clone().or(script.executed.clone())
        };
        match scripted {
            Some(executed) => Ok(executed),
            None => self.server.executed().await,
        }
    }

    async fn start(&self) -> Result<Position, SourceError> {
        self.server.start().await
    }

    async fn binlog_end(&self) -> Result<BinlogPlace, SourceError> {
        self.server.binlog_end().await
    }

    async fn head(&self) -> Result<Position, SourceError> {
        self.server.head().await
    }

    async fn stream(&self, from: &Position) -> Result<Box<dyn ChangeStream>, SourceError> {
        if !from.reached.contains_set(&self.script().purged) {
            let (reason, advice) = ("the server has purged it".into(), "accept it".into());
            return Err(SourceError::PositionLost { reason, advice });
        }
        let stream = self.server.stream(from).await?;
        let mut script = self.script();
        script.streams += 1;
        Ok(match script.breaks.pop_front() {
            None => stream,
            Some(changes_left) => Box::new(Breaking { stream, changes_left }),
        })
    }

    async fn stream_by(
        &self,
        from: &Position,
        histories: &Histories,
        journaled: &Reached,
    ) -> Result<Box<dyn ChangeStream>, SourceError> {
        self.script().asked = histories.clone();
        if self.server.definitions().is_some() {
            return self.server.stream_by(from, histories, journaled).await; // a binlog in bytes
        }
        let stream = self.stream(from).await?;
        Ok(Box::new(Reporting { stream, script: self.script.clone(), next: VecDeque::new() }))
    }

    fn definitions(&self) -> Option<&dyn Definitions> {
        (self.script().present.is_some() || self.server.definitions().is_some()).then_some(self)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, SourceError> {
        let snapshot = self.server.snapshot().await?;
        if let Some(error) = self.script().selects_fail {
            return Err(error());
        }
        Ok(match self.script().lost {
            None => snapshot,
            Some(lost) => Box::new(Losing { snapshot, lost }),
        })
    }

    async fn original_micros(&self, transaction: &TransactionId) -> Result<Option<u64>, SourceError> {
        let is_gone =
            |script: &Script| script.reset.as_ref().is_some_and(|reset| !reset.contains(transaction));
        if self.script().purged.contains(transaction) || is_gone(&self.script()) {
            return Ok(None);
        }
        let micros = self.server.original_micros(transaction).await?;
        let later = if self.script().restarted.contains(transaction) { 86_400_000_000 } else { 0 };
        Ok(micros.map(|micros| micros + later))
    }

    async fn left_out(&self, reached: &Reached) -> Result<Option<TransactionId>, SourceError> {
        self.server.left_out(reached).await
    }

    async fn prepared_xa(&self) -> Result<Vec<String>, SourceError> {
        self.server.prepared_xa().await
    }
}

#[async_trait]
impl Definitions for Scripted {
    async fn prove(&self, table: TableId, since: &Reached) -> Result<Proof, SourceError> {
        let (scripted, present) = {
            let mut script = self.script();
            (script.proofs.pop_front(), script.present.clone())
        };
        match (scripted, present, self.server.definitions()) {
            (Some(ended), ..) => ended,
            (None, Some(present), _) => Ok(Proof::Holds(present)),
            (None, None, server) => server.expect("rows have definitions").prove(table, since).await,
        }
    }

    async fn statement_between(
        &self,
        table: TableId,
        from: &Reached,
        to: &Reached,
    ) -> Result<Option<Parking>, SourceError> {
        match self.server.definitions() {
            Some(server) => server.statement_between(table, from, to).await,
            None => Ok(None),
        }
    }
}

/// A stream that reports what the script says at the beginning of transactions.
struct Reporting {
    stream: Box<dyn ChangeStream>,
    script: Arc<Mutex<Script>>,
    next: VecDeque<StreamEvent>,
}

#[async_trait]
impl ChangeStream for Reporting {
    async fn next(&mut self) -> Result<StreamEvent, SourceError> {
        if let Some(event) = self.next.pop_front() {
            return Ok(event);
        }
        let event = self.stream.next().await?;
        if let StreamEvent::Begin { transaction, .. } = &event {
            let script = self.script.lock().expect("nothing panics while it is held");
            let here = script.reports.iter().filter(|(at, _)| at == transaction);
            self.next.extend(here.map(|(_, event)| event.clone()));
        }
        Ok(event)
    }
}

/// A stream that breaks when the changes that it may still deliver are used up.
struct Breaking {
    stream: Box<dyn ChangeStream>,
    changes_left: usize,
}

#[async_trait]
impl ChangeStream for Breaking {
    async fn next(&mut self) -> Result<StreamEvent, SourceError> {
        if self.changes_left == 0 {
            let reason = "connection reset in the middle of a transaction".into();
            return Err(SourceError::Unavailable { address: "scripted".into(), reason });
        }
        let mut event = self.stream.next().await?;
        if let StreamEvent::Changes(changes) = &mut event {
            let mut kept = changes.to_vec()?;
            kept.truncate(self.changes_left);
            self.changes_left -= kept.len();
            *changes = kept.into();
        }
        Ok(event)
    }
}

/// SELECTs whose look-ups do not find one list.
struct Losing {
    snapshot: Box<dyn Snapshot>,
    lost: u64,
}

impl Losing {
    fn finds(&self, row: &[Value]) -> bool {
        row[0] != Value::UInt(self.lost)
    }
}

#[async_trait]
impl Snapshot for Losing {
    async fn hold_view(&mut self) -> Result<(), SourceError> {
        self.snapshot.hold_view().await
    }

    async fn release_view(&mut self) -> Result<(), SourceError> {
        self.snapshot.release_view().await
    }

    async fn chunk_end(
        &mut self,
        table: TableId,
        after: Option<&[Value]>,
        rows: u32,
    ) -> Result<Option<Vec<Value>>, SourceError> {
        self.snapshot.chunk_end(table, after, rows).await
    }

    async fn list_end(
        &mut self,
        mapping: &Mapping,
        key: &[Value],
        after: Option<&[Value]>,
        rows: u32,
    ) -> Result<Option<Vec<Value>>, SourceError> {
        self.snapshot.list_end(mapping, key, after, rows).await
    }

    async fn lists(&mut self, mapping: &Mapping, range: &KeyRange) -> Result<Vec<(Row, u64)>, SourceError> {
        self.snapshot.lists(mapping, range).await
    }

    async fn rows(&mut self, mapping: &Mapping, range: &KeyRange) -> Result<Vec<Row>, SourceError> {
        self.snapshot.rows(mapping, range).await
    }

    async fn each_row(
        &mut self,
        mapping: &Mapping,
        wanted: Wanted<'_>,
        take: &mut EachRow<'_>,
    ) -> Result<(), SourceError> {
        let mut rows = Vec::new();
        self.snapshot.each_row(mapping, wanted, &mut |row| rows.push(row.to_vec())).await?;
        let scan = matches!(wanted, Wanted::Range(_));
        rows.iter().filter(|row| scan || self.finds(row)).for_each(|row| take(row));
        Ok(())
    }

    async fn list(&mut self, mapping: &Mapping, key: &[Value]) -> Result<Vec<Row>, SourceError> {
        if self.finds(key) { self.snapshot.list(mapping, key).await } else { Ok(Vec::new()) }
    }

    async fn item(
        &mut self,
        mapping: &Mapping,
        key: &[Value],
        item: &[Value],
    ) -> Result<Option<Row>, SourceError> {
        if self.finds(key) { self.snapshot.item(mapping, key, item).await } else { Ok(None) }
    }

    async fn items(
        &mut self,
        mapping: &Mapping,
        wanted: &[(Vec<Value>, Vec<Value>)],
    ) -> Result<Vec<Row>, SourceError> {
        let mut rows = self.snapshot.items(mapping, wanted).await?;
        rows.retain(|row| self.finds(row));
        Ok(rows)
    }

    async fn items_by_scan(
        &mut self,
        mapping: &Mapping,
        wanted: &[(Vec<Value>, Vec<Value>)],
    ) -> Result<Vec<Row>, SourceError> {
        self.snapshot.items(mapping, wanted).await
    }

    async fn count_rows(&mut self, table: TableId) -> Result<u64, SourceError> {
        self.snapshot.count_rows(table).await
    }

    async fn row_bytes(&mut self, table: TableId) -> Result<u64, SourceError> {
        self.snapshot.row_bytes(table).await
    }

    async fn estimated_rows(&mut self, table: TableId) -> Result<u64, SourceError> {
        self.snapshot.estimated_rows(table).await
    }
}
