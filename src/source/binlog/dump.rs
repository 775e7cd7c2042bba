//! Asking a server for a part of its binlog, and taking its events with every wait bounded.

use super::crc::{self, Integrity};
use crate::advice;
use crate::isolation::caught_in;
use crate::model::Reached;
use crate::source::SourceError;
use crate::source::connection::Connection;
use crate::source::options::MysqlOptions;
use crate::source::place::BinlogPlace;
use futures::StreamExt;
use mysql_async::{BinlogStream, BinlogStreamRequest, Error, GnoInterval, IoError, Sid};
use mysql_common::binlog::events::Event;
use mysql_common::packets::Tag;
use std::io::ErrorKind;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Heartbeats that may be missing before the connection counts as lost.
const HEARTBEATS_MISSED_MAX: u32 = 4;

/// A dump that stops at the binlog's end gets this long between two events.
const SIDE_DUMP_STALL: Duration = Duration::from_secs(60);

/// What part of the binlog is asked for.
pub(crate) enum Dump<'a> {
    /// Everything not in the set, and then whatever comes.
    Follow(&'a Reached),
    /// Everything not in the set, up to the present end.
    UpToEnd(&'a Reached),
    /// A file from its beginning, and those after it, up to the present end.
    File(&'a str),
    /// What follows an event, up to the present end.
    Behind(&'a BinlogPlace),
}

/// Raw events of one dump, each checked against its CRC.
pub(crate) struct Events {
    stream: BinlogStream,
    stall: Duration,
    address: String,
}

impl Events {
    /// Turns a connection into a dump. `replica_uuid` is what the server knows us by: a second dump
    /// with the same one ends the first.
    pub async fn request(
        mut connection: Connection,
        options: &MysqlOptions,
        replica_uuid: &str,
        dump: Dump<'_>,
    ) -> Result<Events, SourceError> {
        let heartbeat = u64::from(options.heartbeat_seconds.max(1));
        let nanoseconds = heartbeat * 1_000_000_000;
        connection
            .run(
                "the settings of a replica",
                &format!(
                    "SET @source_heartbeat_period = {nanoseconds}, @master_heartbeat_period = {nanoseconds}, \
                     @source_binlog_checksum = 'CRC32', @master_binlog_checksum = 'CRC32', \
                     @replica_uuid = '{replica_uuid}', @slave_uuid = '{replica_uuid}'"
                ),
            )
            .await?;
        let file;
        let mut request = BinlogStreamRequest::new(options.server_id);
        let mut stall = SIDE_DUMP_STALL;
        match dump {
            Dump::Follow(set) => {
                stall = Duration::from_secs(heartbeat) * HEARTBEATS_MISSED_MAX;
                request = request.with_gtid().with_gtid_set(sids(set));
            }
            Dump::UpToEnd(set) => {
                request = request.with_gtid().with_gtid_set(sids(set)).with_non_blocking();
            }
            Dump::File(name) => {
                file = name.as_bytes().to_vec();
                request = request.with_filename(&file).with_pos(4).with_non_blocking();
            }
            Dump::Behind(place) => {
                file = place.file.as_bytes().to_vec();
                request = request.with_filename(&file).with_pos(place.offset).with_non_blocking();
            }
        }
        let address = options.address();
        let requested =
            tokio::time::timeout(SIDE_DUMP_STALL, connection.conn.get_binlog_stream(request)).await;
        match requested {
            Ok(Ok(stream)) => Ok(Events { stream, stall, address }),
            Ok(Err(error)) => Err(lost_or_away(&address, &BinlogPlace::default(), error)),
            Err(_) => Err(SourceError::Unavailable {
                address,
                reason: "no answer to the request for the binlog".into(),
            }),
        }
    }

    /// The next event; `None` at the end of a dump that does not follow.
    ///
    /// # Errors
    /// `Unavailable` when nothing comes in time; `PositionLost` when the server refuses to go on;
    /// `NotUnderstood` when bytes are damaged. `place` is for messages.
    pub async fn next(&mut self, place: &BinlogPlace) -> Result<Option<Event>, SourceError> {
        let mut read = pin!(caught_in(self.stream.next()));
        // a timer for each event of a backlog would cost as much as decoding it
        let waited = match futures::poll!(read.as_mut()) {
            Poll::Ready(read) => Ok(read),
            Poll::Pending => tokio::time::timeout(self.stall, read).await,
        };
        let event = match waited {
            Err(_) => {
                return Err(SourceError::Unavailable {
                    address: self.address.clone(),
                    reason: format!("no event and no heartbeat for {} s", self.stall.as_secs()),
                });
            }
            Ok(Err(_panic)) => {
                return Err(damaged(place, "an event is shorter than it says"));
            }
            Ok(Ok(None)) => return Ok(None),
            Ok(Ok(Some(Err(error)))) => return Err(lost_or_away(&self.address, place, error)),
            Ok(Ok(Some(Ok(event)))) => event,
        };
        match crc::check(&event) {
            Integrity::Verified | Integrity::Unchecked => Ok(Some(event)),
            Integrity::Corrupt => Err(damaged(place, "an event does not match its CRC-32")),
        }
    }
}

fn damaged(place: &BinlogPlace, reason: &str) -> SourceError {
    SourceError::NotUnderstood {
        position: format!("{}:{}", place.file, place.offset),
        reason: reason.to_owned(),
        advice: "restart; if it happens again at the same place, read the binlog file with mysqlbinlog \
                 --verify-binlog-checksum"
            .into(),
    }
}

/// The sets as the dump command wants them: interval ends are exclusive there.
fn sids(set: &Reached) -> Vec<Sid<'static>> {
    set.gtids()
        .iter()
        .map(|(origin, intervals)| {
            let intervals = intervals.iter().map(|i| GnoInterval::new(i.first, i.last.saturating_add(1)));
            let sid = Sid::new(*origin.uuid.as_bytes()).with_intervals(intervals.collect());
            match Tag::new(origin.tag.clone()) {
                Ok(tag) => sid.with_tag(tag),
                Err(_) => sid,
            }
        })
        .collect()
}

/// What a dump's error means. 1236 is ER_SOURCE_FATAL_ERROR_READING_BINLOG, whose text decides.
fn lost_or_away(address: &str, place: &BinlogPlace, error: Error) -> SourceError {
    let unavailable = |reason: String| SourceError::Unavailable { address: address.to_owned(), reason };
    match error {
        Error::Server(error) if error.code == 1236 || error.code == 1789 => {
            let text = error.message.to_lowercase();
            if text.contains("same server_uuid") || text.contains("same server_id") {
                return unavailable(format!(
                    "MySQL gave the connection to another replica with this server_id: {}",
                    error.message
                ));
            }
            if text.contains("checksum") || text.contains("corrupt") || text.contains("bogus data") {
                return damaged(place, &error.message);
            }
            let advice = if text.contains("purged") { advice::purged() } else { advice::position_gone() };
            SourceError::PositionLost { reason: error.message, advice }
        }
        Error::Server(error) if matches!(error.code, 1045 | 1142 | 1227) => SourceError::Refused {
            what: "the binlog".into(),
            reason: format!(
                "{} (error {}); GRANT REPLICATION SLAVE ON *.* to this user",
                error.message, error.code
            ),
        },
        Error::Io(IoError::Io(error)) if is_cut(&error) => {
            unavailable("the connection was cut in the middle of a packet".into())
        }
        Error::Io(IoError::Io(error))
            if matches!(
                error.kind(),
                ErrorKind::InvalidData | ErrorKind::Other | ErrorKind::InvalidInput
            ) =>
        {
            damaged(place, &format!("an event does not decode: {error}"))
        }
        Error::Driver(mysql_async::DriverError::UnexpectedPacket { payload }) => {
            unavailable(format!("an unexpected packet of {} bytes", payload.len()))
        }
        other => unavailable(format!("the binlog stream broke: {other}")),
    }
}

/// Whether a connection has ended inside a packet: the codec below has no kind of its own for that, only these words.
fn is_cut(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::Other && error.to_string() == "bytes remaining on stream"
}
