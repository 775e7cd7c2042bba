//! A look ahead: what the binlog holds from a position up to a head that was read a moment ago.
//!
//! The server knows only its present, and its binlog shows a transaction before the engine has committed it. So whoever asks
//! the server about a place in the stream waits until the engine has committed that place, asks, reads the head, and looks
//! ahead up to it: if nothing in there can change the answer, the answer held at the place.

use super::cursor::Truncated;
use super::dump::{Dump, Events};
use super::event::kind::*;
use super::scan;
use super::statement::{Dialect, Statement};
use crate::model::{Reached, TransactionId};
use crate::retry::{Patience, Pauses};
use crate::source::session::Session;
use crate::source::{BinlogPlace, SourceError};

/// Waits until the engine has committed all of `wanted`.
pub(super) async fn await_committed(session: &Session, wanted: &Reached) -> Result<(), SourceError> {
    let mut looks = Patience::for_ever(Pauses::OF_QUESTIONS);
    while !session.gtid_set("SELECT @@GLOBAL.gtid_executed").await?.contains_set(wanted) {
        looks.again().await;
    }
    Ok(())
}

/// A QUERY event.
pub struct Logged {
    pub gtid: Option<TransactionId>,
    /// Its end.
    pub place: BinlogPlace,
    pub statement: Result<Statement, Truncated>,
}

/// The QUERY events of everything outside a set, up to a head.
pub(super) struct Ahead {
    events: Events,
    dialect: Dialect,
    head: BinlogPlace,
    place: BinlogPlace,
    gtid: Option<TransactionId>,
}

impl Ahead {
    pub(crate) async fn open(
        session: &Session,
        since: &Reached,
        head: BinlogPlace,
    ) -> Result<Ahead, SourceError> {
        let mut connection = session.open().await?;
        let dialect = session.dialect(&mut connection).await?;
        let dump = Dump::UpToEnd(since);
        let events = Events::request(connection, &session.options, &scan::side_uuid(), dump).await?;
        Ok(Ahead { events, dialect, head, place: BinlogPlace::default(), gtid: None })
    }

    /// The next one; `None` once the head is reached.
    pub async fn next(&mut self) -> Result<Option<Logged>, SourceError> {
        while !self.place.is_at_or_past(&self.head) {
            let Some(event) = self.events.next(&self.place).await? else { return Ok(None) };
            scan::follow(&event, &mut self.place);
            match event.header().event_type_raw() {
                GTID | GTID_TAGGED => self.gtid = Some(scan::gtid(&event)?),
                QUERY => {
                    let statement = self.dialect.query(event.data());
                    return Ok(Some(Logged {
                        gtid: self.gtid.clone(),
                        place: self.place.clone(),
                        statement,
                    }));
                }
                _ => {}
            }
        }
        Ok(None)
    }
}
