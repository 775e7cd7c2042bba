//! How often a table changed in the binlog's last minutes, and in which lists.

use crate::model::{Mapping, Reached, Value};
use crate::source::sample::Newest;
use crate::source::{BinlogPlace, ChangeStream, MysqlSource, Source, SourceError, StreamEvent};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// How far back changes are counted.
pub const MINUTES: u64 = 5;
/// Transactions that are read at most, the newest ones, of each server that numbered some.
pub const TRANSACTIONS_MAX: u64 = 20_000;
/// As many are tried first.
const TRANSACTIONS_FIRST: u64 = 500;
/// Bytes of binlog that are read at most.
pub const BYTES_MAX: u64 = 64 << 20;
/// How long reading may take.
pub const WITHIN: Duration = Duration::from_secs(10);
/// Statements that change the table, after each of which reading begins anew.
const RESTARTS_MAX: u32 = 20;
/// Lists that are remembered.
const LISTS_MAX: usize = 100_000;
const MICROS: u64 = 1_000_000;

/// The changes that were seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recent {
    /// Row changes of the table: inserts, updates and deletes.
    pub inserts: u64,
    pub updates: u64,
    pub deletes: u64,
    /// Transactions of all tables.
    pub transactions: u64,
    /// How long the transactions that were read took to come.
    pub seconds: u64,
    pub bytes: u64,
    /// Lists by their changes, most first.
    pub hottest: Vec<(Vec<Value>, u64)>,
    /// Why it ended before the binlog did.
    pub cut: Option<String>,
}

impl Recent {
    pub fn changes(&self) -> u64 {
        self.inserts + self.updates + self.deletes
    }

    /// Changes of the table in a second.
    pub fn rate(&self) -> f64 {
        self.changes() as f64 / self.seconds.max(1) as f64
    }
}

/// Reads the last minutes; the table of `mapping` is registered as the only one.
pub async fn read(source: &MysqlSource, mapping: &Mapping) -> Result<Recent, SourceError> {
    let now = source.clock().await?.micros;
    let since = now.saturating_sub(MINUTES * 60 * MICROS);
    let opened = tokio::time::timeout(WITHIN, open(source, since)).await;
    let Ok(opened) = opened else {
        let cut = Some(format!("MySQL did not find them in its binlog within {} s", WITHIN.as_secs()));
        return Ok(Recent { cut, ..Recent::default() });
    };
    let Some(Opened { newest, stream, begin }) = opened? else {
        return Ok(Recent { seconds: MINUTES * 60, ..Recent::default() });
    };
    let (read, wanted) = (newest.before, newest.newest);
    Reader { source, stream, mapping, since, now, read, wanted, lists: HashMap::new() }.read(begin).await
}

/// A stream of the newest transactions, and the first event of it.
struct Opened {
    newest: Newest,
    stream: Box<dyn ChangeStream>,
    begin: StreamEvent,
}

/// As many of the newest transactions as it takes to reach back to a moment; few at first, because they may be large. `None`
/// where there are none.
async fn open(source: &MysqlSource, since: u64) -> Result<Option<Opened>, SourceError> {
    let mut most = TRANSACTIONS_FIRST;
    loop {
        let newest = source.newest(since, most).await?;
        if newest.newest.is_empty() {
            return Ok(None);
        }
        let mut stream = source.stream(&source.position_of(newest.before.clone())).await?;
        let (begin, committed) = loop {
            let event = stream.next().await?;
            if let StreamEvent::Begin { committed_micros, .. } = event {
                break (event, committed_micros);
            }
        };
        if committed < since || newest.newest.count() < most || most >= TRANSACTIONS_MAX {
            return Ok(Some(Opened { newest, stream, begin }));
        }
        most = (most * 4).min(TRANSACTIONS_MAX);
    }
}

struct Reader<'a> {
    source: &'a MysqlSource,
    stream: Box<dyn ChangeStream>,
    mapping: &'a Mapping,
    /// Microseconds since 1970.
    since: u64,
    now: u64,
    /// What the stream has passed, and what it still shall pass.
    read: Reached,
    wanted: Reached,
    lists: HashMap<String, (Vec<Value>, u64)>,
}

impl Reader<'_> {
    async fn read(mut self, begin: StreamEvent) -> Result<Recent, SourceError> {
        let (mut recent, begun) = (Recent::default(), Instant::now());
        let (mut first, mut last, mut counts) = (None, self.since, false);
        let mut place = BinlogPlace::default();
        let mut left = self.wanted.count();
        let (mut parked, mut restarts) = (false, 0);
        let mut first_event = Some(begin);
        while left > 0 {
            let remaining = WITHIN.saturating_sub(begun.elapsed());
            let event = match first_event.take() {
                Some(event) => Ok(Ok(event)),
                None => tokio::time::timeout(remaining, self.stream.next()).await,
            };
            let Ok(event) = event else {
                recent.cut = Some(format!("reading stopped after {} s", WITHIN.as_secs()));
                break;
            };
            match event? {
                StreamEvent::Begin { committed_micros, .. } => {
                    first.get_or_insert(committed_micros);
                    last = committed_micros.max(last);
                    counts = committed_micros >= self.since;
                }
                StreamEvent::Changes(changes) if counts => self.count(&changes, &mut recent)?,
                StreamEvent::End { transaction, place: end } => {
                    recent.transactions += u64::from(counts);
                    left -= u64::from(self.wanted.contains(&transaction));
                    recent.bytes += match place.file == end.file {
                        true => end.offset.saturating_sub(place.offset),
                        false if place.file.is_empty() => 0,
                        false => end.offset,
                    };
                    place = end;
                    self.read.insert(&transaction);
                    if std::mem::take(&mut parked) {
                        restarts += 1;
                        self.stream = self.source.stream(&self.source.position_of(self.read.clone())).await?;
                    }
                    if recent.bytes > BYTES_MAX {
                        recent.cut = Some(format!("reading stopped after {} MiB", BYTES_MAX >> 20));
                        break;
                    }
                }
                // the table was another one before: from the next transaction on, it may be the present one
                StreamEvent::Parked { .. } if restarts < RESTARTS_MAX => parked = true,
                StreamEvent::Parked { parking, .. } => {
                    recent.cut = Some(format!("the definition of the table changed: {}", parking.what));
                    break;
                }
                StreamEvent::Changes(_)
                | StreamEvent::Heartbeat { .. }
                | StreamEvent::Defined { .. }
                | StreamEvent::Waits { .. } => {}
            }
        }
        let from = first.unwrap_or(self.since).max(self.since);
        let to = if recent.cut.is_some() { last } else { self.now };
        recent.seconds = (to.saturating_sub(from) / MICROS).max(1);
        recent.hottest = self.lists.into_values().collect();
        recent.hottest.sort_by_key(|(_, changes)| std::cmp::Reverse(*changes));
        Ok(recent)
    }

    fn count(&mut self, changes: &crate::source::Changes, recent: &mut Recent) -> Result<(), SourceError> {
        let mut reader = changes.reader();
        while let Some(change) = reader.next_change()? {
            match (change.before, change.after) {
                (None, _) => recent.inserts += 1,
                (Some(_), Some(_)) => recent.updates += 1,
                (Some(_), None) => recent.deletes += 1,
            }
            let Some(row) = change.after.or(change.before) else { continue };
            let key: Vec<Value> =
                self.mapping.key.iter().map(|column| row[*column].clone().into_owned()).collect();
            let name = crate::model::bucket::key_name(self.mapping, &key);
            let is_full = self.lists.len() >= LISTS_MAX;
            match self.lists.get_mut(&name) {
                Some((_, changes)) => *changes += 1,
                None if !is_full => {
                    self.lists.insert(name, (key, 1));
                }
                None => {}
            }
        }
        Ok(())
    }
}
