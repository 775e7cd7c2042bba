//! `@TIME`: the position before the first transaction that the server committed at a moment or later.
//!
//! The binlog's own clock decides. Each file says when it was begun; the search takes the last one that was begun at the
//! moment or before, and reads from there, transaction by transaction. A server whose clock was set back has more than
//! one such place: the search finds one of them, and says which position it took.

use super::scan::{self, Scan, Step};
use crate::advice;
use crate::model::{DateTime, Position};
use crate::source::SourceError;
use crate::source::connection::text_at;
use crate::source::session::Session;

const SECOND: u64 = 1_000_000;

/// As [`MysqlSource::at_moment`](crate::source::MysqlSource::at_moment).
pub(crate) async fn position_at(session: &Session, micros: i64) -> Result<Position, SourceError> {
    let now = now_micros(session).await?;
    if micros > now {
        let reason = format!("{} is in the future: MySQL's clock says {}", text(micros), text(now));
        return Err(SourceError::PositionLost { reason, advice: advice::moment_ahead().into() });
    }
    let wanted = u64::try_from(micros).unwrap_or(0);
    let files: Vec<String> = session.binlog_files().await?.into_iter().map(|file| file.name).collect();
    let first = last_begun_before(session, &files, wanted).await?;
    for file in &files[first..] {
        let mut scan = Scan::open(session, file).await?;
        loop {
            match scan.step().await? {
                // the transaction that begins here; those before it are in the set
                Step::Boundary(at) if scan.committed_micros >= wanted && scan.committed_micros > 0 => {
                    return Ok(session.position(scan.gtids, file.clone(), at));
                }
                Step::Boundary(_) | Step::Inside => {}
                Step::End => break,
            }
        }
    }
    scan::start(session).await
}

/// The place in `files` of the last one that was begun at the moment or before.
async fn last_begun_before(session: &Session, files: &[String], wanted: u64) -> Result<usize, SourceError> {
    let (mut low, mut high) = (0, files.len());
    while low < high {
        let middle = low.midpoint(high);
        // a file says its beginning in whole seconds
        match begun_micros(session, &files[middle]).await? + SECOND <= wanted {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    match low.checked_sub(1) {
        Some(last) => Ok(last),
        // nothing was purged: before the first transaction is where the binlog begins
        None if session.gtid_set("SELECT @@GLOBAL.gtid_purged").await?.is_empty() => Ok(0),
        None => Err(before_what_is_kept(session, files, wanted).await?),
    }
}

async fn before_what_is_kept(
    session: &Session,
    files: &[String],
    wanted: u64,
) -> Result<SourceError, SourceError> {
    let kept = match files.first() {
        Some(file) => text(begun_micros(session, file).await?.cast_signed()),
        None => "now".to_owned(),
    };
    let reason =
        format!("MySQL keeps its binlog since {kept}, and {} is before that", text(wanted.cast_signed()));
    Ok(SourceError::PositionLost { reason, advice: advice::moment_purged().into() })
}

/// When the server began a file, by its first event.
async fn begun_micros(session: &Session, file: &str) -> Result<u64, SourceError> {
    let mut scan = Scan::open(session, file).await?;
    while scan.created_micros == 0 {
        if let Step::End = scan.step().await? {
            break;
        }
    }
    Ok(scan.created_micros)
}

async fn now_micros(session: &Session) -> Result<i64, SourceError> {
    let query = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";
    let rows = session.query("the server's clock", query).await?;
    let now = rows.first().and_then(|row| text_at(row, 0).parse().ok());
    now.ok_or_else(|| SourceError::Unavailable {
        address: session.options.address(),
        reason: "it does not say what time it is".into(),
    })
}

fn text(micros: i64) -> String {
    DateTime::from_micros_since_epoch(micros).in_seconds()
}
