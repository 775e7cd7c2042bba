//! Positions found by reading the binlog up to its end: where to start, and what `FILE:OFFSET` means.

use super::crc;
use super::cursor::Cursor;
use super::dump::{Dump, Events};
use super::event::{kind::*, widen};
use super::guard::guarded;
use crate::model::gtid::{Gtid, GtidSet, Interval, Origin};
use crate::model::{Position, Reached, TransactionId};
use crate::retry::{Patience, Pauses};
use crate::source::session::Session;
use crate::source::{BinlogPlace, SourceError};
use mysql_common::binlog::events::{Event, GtidEvent, PreviousGtidsEvent};
use std::time::Duration;
use uuid::Uuid;

/// The offset of a file's first event, behind the magic number.
const FILE_BEGIN: u64 = 4;
/// How long `start` waits for holes to be filled that the binlog says are being filled.
const HOLES_TIMEOUT: Duration = Duration::from_secs(120);

/// `gtid_executed` without a hole that a transaction in the binlog is about to fill.
///
/// A transaction enters `gtid_executed` when the engine commits it, and without
/// `binlog_order_commits` that may be out of order; so a hole may be a transaction whose rows a
/// SELECT does not see yet. It is in the binlog then, which tells it from a hole that stays.
pub(crate) async fn start(session: &Session) -> Result<Position, SourceError> {
    let mut looks = Patience::with_one(HOLES_TIMEOUT, Pauses::OF_QUESTIONS);
    loop {
        let end = session.binlog_end().await?;
        let executed = session.gtid_set("SELECT @@GLOBAL.gtid_executed").await?;
        let holes = Reached::from(executed.gtids().holes());
        if holes.is_empty() || !in_flight(session, &executed, &holes).await? {
            return Ok(session.position(executed, end.file.to_string(), end.offset));
        }
        if !looks.again().await {
            return Err(SourceError::Unavailable {
                address: session.options.address(),
                reason:
                    "MySQL's binlog shows transactions that its engine has not committed; a session may wait \
                     for a semi-synchronous replica"
                        .into(),
            });
        }
    }
}

/// Whether the binlog holds a transaction that lies in a hole of `executed`.
async fn in_flight(session: &Session, executed: &Reached, holes: &Reached) -> Result<bool, SourceError> {
    // Up to the end as it is after `executed` was read: what comes later is no business of ours.
    let end = session.binlog_end().await?;
    let connection = session.open().await?;
    let mut events =
        Events::request(connection, &session.options, &side_uuid(), Dump::UpToEnd(executed)).await?;
    let mut place = BinlogPlace::default();
    while let Some(event) = events.next(&place).await? {
        follow(&event, &mut place);
        match event.header().event_type_raw() {
            GTID | GTID_TAGGED if holes.contains(&gtid(&event)?) => return Ok(true),
            _ => {}
        }
        if place.is_at_or_past(&end) {
            break;
        }
    }
    Ok(false)
}

/// The set of everything before `offset` in `file`.
pub(crate) async fn position_at(session: &Session, file: &str, offset: u64) -> Result<Position, SourceError> {
    let mut scan = Scan::open(session, file).await?;
    loop {
        match scan.step().await? {
            Step::Boundary(at) if at == offset || (offset == FILE_BEGIN && at == scan.begin) => {
                return Ok(session.position(scan.gtids, file.to_owned(), offset));
            }
            Step::Boundary(at) if at > offset => {
                return Err(not_a_boundary(file, offset, scan.last, Some(at)));
            }
            Step::Boundary(at) => scan.last = at,
            Step::Inside => {}
            Step::End => return Err(not_a_boundary(file, offset, scan.last, None)),
        }
    }
}

/// Everything that the binlog holds.
pub(crate) async fn head(session: &Session) -> Result<Position, SourceError> {
    let file = session.binlog_files().await?.pop().map(|file| file.name).unwrap_or_default();
    let mut scan = Scan::open(session, &file).await?;
    loop {
        match scan.step().await? {
            Step::Boundary(at) => scan.last = at,
            Step::Inside => {}
            Step::End => return Ok(session.position(scan.gtids, file, scan.last)),
        }
    }
}

/// A transaction that `reached` leaves out, although it has one that lies behind it in the binlog. Reads what some files
/// begin with, and all of one.
pub(crate) async fn left_out(
    session: &Session,
    reached: &Reached,
) -> Result<Option<TransactionId>, SourceError> {
    let executed = session.gtid_set("SELECT @@GLOBAL.gtid_executed").await?;
    if executed.minus(reached).is_empty() {
        return Ok(None);
    }
    let files = session.binlog_files().await?;
    // the last file before which everything is in `reached`, and what lies before the next one
    let (mut low, mut high, mut next) = (0, files.len(), None);
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        let before = before(session, &files[middle].name).await?;
        match reached.contains_set(&before) {
            true => low = middle,
            false => (high, next) = (middle, Some(before)),
        }
    }
    let Some(file) = files.get(low) else { return Ok(None) };
    let (mut scan, mut missing) = (Scan::open(session, &file.name).await?, None);
    loop {
        match (scan.step().await?, &scan.open) {
            (Step::End, _) => break,
            (Step::Boundary(_), Some(read)) if !reached.contains(read) => {
                missing.get_or_insert_with(|| read.clone());
            }
            (Step::Boundary(_), Some(_)) if missing.is_some() => return Ok(missing),
            _ => {}
        }
    }
    let Some(next) = next else { return Ok(None) };
    let later = executed.minus(&next);
    let has_later = later.minus(reached).count() < later.count();
    Ok(missing.filter(|_| has_later))
}

/// Everything that lies before a file.
async fn before(session: &Session, file: &str) -> Result<Reached, SourceError> {
    let mut scan = Scan::open(session, file).await?;
    while matches!(scan.step().await?, Step::Inside) {}
    Ok(scan.gtids)
}

/// The `original_commit_timestamp` of a transaction that the server has committed; `None` where its binlog does not
/// have it any more, or does not know.
pub(crate) async fn original_micros(
    session: &Session,
    wanted: &TransactionId,
) -> Result<Option<u64>, SourceError> {
    if is_purged(session, wanted).await? {
        return Ok(None);
    }
    let others = session.gtid_set("SELECT @@GLOBAL.gtid_executed").await?.minus(&wanted.alone());
    match micros_beside(session, &others, wanted).await {
        Err(SourceError::PositionLost { .. }) if is_purged(session, wanted).await? => Ok(None),
        outcome => outcome,
    }
}

async fn is_purged(session: &Session, gtid: &TransactionId) -> Result<bool, SourceError> {
    Ok(session.gtid_set("SELECT @@GLOBAL.gtid_purged").await?.contains(gtid))
}

/// Has the server search its binlog for the one that is not among `others`, which it does file by file.
async fn micros_beside(
    session: &Session,
    others: &Reached,
    wanted: &TransactionId,
) -> Result<Option<u64>, SourceError> {
    let connection = session.open().await?;
    let mut events =
        Events::request(connection, &session.options, &side_uuid(), Dump::UpToEnd(others)).await?;
    while let Some(event) = events.next(&BinlogPlace::default()).await? {
        if matches!(event.header().event_type_raw(), GTID | GTID_TAGGED) {
            let read = gtid_event(&event)?;
            if gtid_of(&read) == *wanted {
                let micros = read.original_commit_timestamp();
                return Ok((micros > 0).then_some(micros));
            }
        }
    }
    if !session.gtid_set("SELECT @@GLOBAL.gtid_executed").await?.contains(wanted) {
        return Ok(None);
    }
    Err(SourceError::Unavailable {
        address: session.options.address(),
        reason: format!("MySQL's binlog does not show {wanted}, which MySQL has committed"),
    })
}

/// The same of the first transaction behind a place; `None` where that is another one.
pub(crate) async fn micros_behind(
    session: &Session,
    after: &BinlogPlace,
    wanted: &TransactionId,
) -> Result<Option<u64>, SourceError> {
    if after.file.is_empty() || after.offset > u64::from(u32::MAX) {
        return Ok(None); // the request has 32 bits for the offset
    }
    let connection = session.open().await?;
    let mut events = Events::request(connection, &session.options, &side_uuid(), Dump::Behind(after)).await?;
    while let Some(event) = events.next(after).await? {
        if matches!(event.header().event_type_raw(), GTID | GTID_TAGGED) {
            let read = gtid_event(&event)?;
            let micros = read.original_commit_timestamp();
            return Ok((gtid_of(&read) == *wanted && micros > 0).then_some(micros));
        }
    }
    Ok(None)
}

fn not_a_boundary(file: &str, offset: u64, before: u64, after: Option<u64>) -> SourceError {
    let reason = match after {
        Some(_) => format!("{file}:{offset} is not between two transactions"),
        None => format!("{file}:{offset} is beyond the end of the file"),
    };
    let after = after.map(|at| format!(" or {file}:{at}")).unwrap_or_default();
    SourceError::PositionLost { reason, advice: format!("use {file}:{before}{after}") }
}

pub(super) enum Step {
    /// Everything before this offset is in `gtids`.
    Boundary(u64),
    Inside,
    /// The file has no more.
    End,
}

/// Reads one file, transaction by transaction.
pub(super) struct Scan {
    events: Events,
    pub gtids: Reached,
    /// When the server wrote the beginning of the file, and committed the transaction that is being read, microseconds
    /// since 1970; 0 until known.
    pub created_micros: u64,
    pub committed_micros: u64,
    /// The transaction being read; it counts once the next boundary is reached.
    open: Option<TransactionId>,
    offset: u64,
    /// The newest boundary.
    pub last: u64,
    /// Where the first transaction begins.
    begin: u64,
    rotated: bool,
    ended: bool,
}

impl Scan {
    pub async fn open(session: &Session, file: &str) -> Result<Scan, SourceError> {
        let connection = session.open().await?;
        let events = Events::request(connection, &session.options, &side_uuid(), Dump::File(file)).await?;
        Ok(Scan {
            events,
            gtids: Reached::default(),
            created_micros: 0,
            committed_micros: 0,
            open: None,
            offset: FILE_BEGIN,
            last: FILE_BEGIN,
            begin: FILE_BEGIN,
            rotated: false,
            ended: false,
        })
    }

    pub async fn step(&mut self) -> Result<Step, SourceError> {
        if self.ended {
            return Ok(Step::End);
        }
        let place = BinlogPlace { file: "(the requested file)".into(), offset: self.offset };
        let Some(event) = self.events.next(&place).await? else { return Ok(self.finish()) };
        let header = event.header();
        if !event.footer().get_checksum_enabled() {
            return Ok(Step::Inside);
        }
        let kind = header.event_type_raw();
        let artificial = header.log_pos() == 0;
        if kind == ROTATE && artificial {
            // The server says first which file it reads, and again when it goes to the next.
            return Ok(if std::mem::replace(&mut self.rotated, true) { self.finish() } else { Step::Inside });
        }
        if artificial {
            return Ok(Step::Inside);
        }
        let begins_at = self.offset;
        self.offset = widen(begins_at, header.log_pos());
        match kind {
            PREVIOUS_GTIDS => {
                self.gtids = previous_gtids(&event)?;
                self.begin = self.offset;
                Ok(Step::Boundary(self.offset))
            }
            GTID | GTID_TAGGED => {
                self.close();
                let read = gtid_event(&event)?;
                self.open = Some(gtid_of(&read));
                self.committed_micros = read.immediate_commit_timestamp();
                Ok(Step::Boundary(begins_at))
            }
            FORMAT_DESCRIPTION => {
                self.created_micros = u64::from(header.timestamp()) * 1_000_000;
                Ok(Step::Inside)
            }
            ANONYMOUS_GTID | ROTATE | STOP => {
                self.close();
                Ok(Step::Boundary(begins_at))
            }
            _ => Ok(Step::Inside),
        }
    }

    fn close(&mut self) {
        if let Some(gtid) = self.open.take() {
            self.gtids.insert(&gtid);
        }
    }

    fn finish(&mut self) -> Step {
        self.close();
        self.ended = true;
        Step::Boundary(self.offset)
    }
}

/// Side dumps have a name of their own, so that they do not end the tail's.
pub(super) fn side_uuid() -> String {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string()
}

/// Moves `place` to the end of an event of a dump.
pub(super) fn follow(event: &Event, place: &mut BinlogPlace) {
    let header = event.header();
    if header.event_type_raw() == ROTATE {
        *place = BinlogPlace { file: rotate_target(event).into(), offset: FILE_BEGIN };
    } else if event.footer().get_checksum_enabled() && header.log_pos() != 0 {
        place.offset = widen(place.offset, header.log_pos());
    }
}

fn rotate_target(event: &Event) -> String {
    let mut cursor = Cursor::new(crc::body(event));
    let _ = cursor.u64();
    String::from_utf8_lossy(cursor.rest()).into_owned()
}

fn not_understood(what: &str, reason: String) -> SourceError {
    SourceError::NotUnderstood {
        position: what.to_owned(),
        reason,
        advice: "report it with the server's version".into(),
    }
}

pub(super) fn gtid(event: &Event) -> Result<TransactionId, SourceError> {
    Ok(gtid_of(&gtid_event(event)?))
}

fn gtid_event(event: &Event) -> Result<GtidEvent, SourceError> {
    guarded(|| event.read_event::<GtidEvent>().map_err(|error| error.to_string()))
        .map_err(|reason| not_understood("a GTID event", reason))
}

/// The transaction that a GTID event begins.
pub(super) fn gtid_of(read: &GtidEvent) -> TransactionId {
    let tag = read.tag().map(|tag| tag.as_str().to_owned()).unwrap_or_default();
    Gtid { origin: Origin { uuid: Uuid::from_bytes(read.sid()), tag }, number: read.gno() }.into()
}

fn previous_gtids(event: &Event) -> Result<Reached, SourceError> {
    let read = guarded(|| event.read_event::<PreviousGtidsEvent<'_>>().map_err(|error| error.to_string()))
        .map_err(|reason| not_understood("a previous GTIDs event", reason))?;
    let mut set = GtidSet::default();
    for sid in read.sids() {
        let tag = sid.tag().map(|tag| tag.as_str().to_owned()).unwrap_or_default();
        let origin = Origin { uuid: Uuid::from_bytes(sid.uuid()), tag };
        for interval in sid.intervals() {
            let (first, end) = (interval.start(), interval.end());
            if first == 0 || end <= first {
                return Err(not_understood("a previous GTIDs event", "an interval is empty".into()));
            }
            set.insert_interval(&origin, Interval { first, last: end - 1 });
        }
    }
    Ok(set.into())
}
