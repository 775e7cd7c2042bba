//! XA transactions between their PREPARE and their COMMIT.
//!
//! The rows of an XA transaction are in the binlog at its PREPARE and in the table from its COMMIT on, which another session
//! may send days later. So what a PREPARE has touched is remembered until then. A stream that was opened in between reads it
//! back from the binlog, which keeps it; where it is purged nobody knows what the COMMIT changes.

use super::cursor::Cursor;
use super::dump::{Dump, Events};
use super::event::kind::*;
use super::scan;
use super::statement::Statement;
use super::table_map::TableMapHead;
use crate::model::{Reached, TableId, TransactionId};
use crate::source::session::Session;
use crate::source::{BinlogPlace, SourceError};
use mysql_common::binlog::events::Event;
use rustc_hash::FxHashMap;

/// Undecided XA transactions that are remembered; beyond that they are read back.
const UNDECIDED_MAX: usize = 100_000;

/// By xid: the followed tables that the transaction has rows of.
pub type Undecided = FxHashMap<String, Vec<TableId>>;

/// What is known of undecided XA transactions.
#[derive(Debug, Default)]
pub struct Prepared {
    undecided: Undecided,
    /// Whether `undecided` has all that the binlog has.
    whole: bool,
}

/// What an XA COMMIT changes.
#[derive(Debug, PartialEq, Eq)]
pub enum Decided {
    /// Rows of these tables.
    Rows(Vec<TableId>),
    /// The binlog says it, where it still has the PREPARE.
    ReadBack,
    /// Nobody knows.
    Unknown,
}

impl Prepared {
    pub fn prepare(&mut self, xid: String, touched: Vec<TableId>) {
        if self.undecided.len() >= UNDECIDED_MAX {
            self.forget();
        }
        self.undecided.insert(xid, touched);
    }

    pub fn commit(&mut self, xid: &str) -> Decided {
        match self.undecided.remove(xid) {
            Some(touched) => Decided::Rows(touched),
            None if self.whole => Decided::Unknown,
            None => Decided::ReadBack,
        }
    }

    pub fn roll_back(&mut self, xid: &str) {
        self.undecided.remove(xid);
    }

    /// Takes over all that the binlog has at the present place.
    pub fn read_back(&mut self, undecided: Undecided) {
        *self = Prepared { undecided, whole: true };
    }

    fn forget(&mut self) {
        *self = Prepared::default();
    }
}

/// Reads from the beginning of the binlog what is undecided before `until`.
pub(super) async fn read_back(session: &Session, until: &TransactionId) -> Result<Undecided, SourceError> {
    let purged: Reached = session.gtid_set("SELECT @@GLOBAL.gtid_purged").await?;
    let registry = session.registry();
    let mut connection = session.open().await?;
    let dialect = session.dialect(&mut connection).await?;
    let dump = Dump::UpToEnd(&purged);
    let mut events = Events::request(connection, &session.options, &scan::side_uuid(), dump).await?;
    let (mut undecided, mut open) = (Undecided::default(), None);
    let mut place = BinlogPlace::default();
    while let Some(event) = events.next(&place).await? {
        scan::follow(&event, &mut place);
        match event.header().event_type_raw() {
            GTID | GTID_TAGGED if scan::gtid(&event)? == *until => return Ok(undecided),
            GTID | GTID_TAGGED => open = None,
            QUERY => match dialect.query(event.data()) {
                Ok(Statement::XaStart(xid)) => open = Some((xid, Vec::new())),
                Ok(Statement::XaCommit(xid) | Statement::XaRollback(xid)) => _ = undecided.remove(&xid),
                _ => {}
            },
            TABLE_MAP => {
                if let Some((_, touched)) = &mut open
                    && let Ok(head) = TableMapHead::parse(event.data())
                    && let Some(table) = registry.find(head.schema, head.table)
                {
                    touched.push(table.id);
                }
            }
            XA_PREPARE if !is_one_phase(&event) => undecided.extend(open.take()),
            _ => {}
        }
    }
    Err(SourceError::Unavailable {
        address: session.options.address(),
        reason: format!("MySQL's binlog does not show {until}, which the stream has shown"),
    })
}

/// Whether an XA_PREPARE event commits at once (XA COMMIT ... ONE PHASE).
pub fn is_one_phase(event: &Event) -> bool {
    Cursor::new(event.data()).u8().is_ok_and(|one_phase| one_phase != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_prepared_is_known_until_it_is_decided() {
        let (mut prepared, ours) = (Prepared::default(), vec![TableId(0)]);
        prepared.prepare("a".into(), ours.clone());
        prepared.prepare("b".into(), vec![]);
        assert_eq!(prepared.commit("a"), Decided::Rows(ours.clone()));
        assert_eq!(prepared.commit("a"), Decided::ReadBack);
        prepared.roll_back("b");
        prepared.read_back([("c".to_owned(), ours.clone())].into_iter().collect());
        assert_eq!(prepared.commit("b"), Decided::Unknown);
        assert_eq!(prepared.commit("c"), Decided::Rows(ours));
    }

    #[test]
    fn more_than_can_be_remembered_are_read_back() {
        let mut prepared = Prepared::default();
        prepared.read_back(Undecided::default());
        for number in 0..=UNDECIDED_MAX {
            prepared.prepare(number.to_string(), vec![]);
        }
        assert_eq!(prepared.commit("0"), Decided::ReadBack);
        assert_eq!(prepared.commit(&UNDECIDED_MAX.to_string()), Decided::Rows(vec![]));
    }
}
