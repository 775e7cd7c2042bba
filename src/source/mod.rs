//! The source: what MySQL has committed, what it changes, and what a SELECT sees.
//!
//! Promises: the same [`Value`]s for the same stored row whether it came by
//! the binlog or by a SELECT; nothing unknown is skipped (I9): an event, a row or a schema that
//! is not understood is an error with its position.
//! Refuses to know: ticks, HBase, leases, what is done with a change.

use crate::failpoints::Failpoints;
use crate::model::{
    Definition, Histories, ListPart, Mapping, Parking, Position, Reached, Row, TableId, TransactionId, Value,
};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

mod application;
pub mod binlog;
mod changes;
pub(crate) mod claim;
mod connection;
pub(crate) mod dives;
mod error;
pub(crate) mod facts_application;
pub(crate) mod facts_connections;
pub(crate) mod facts_index;
pub mod facts_list;
pub(crate) mod facts_logging;
pub(crate) mod facts_table;
pub mod gauges;
mod json;
mod json_diff;
mod locked;
pub(crate) mod mysql;
mod named;
pub mod names;
pub(crate) mod options;
mod place;
pub mod preflight;
mod privileges;
mod registry;
pub(crate) mod sample;
mod schema;
mod session;
mod session_settings;
pub mod snapshot;
pub mod text;

pub use application::{APPLICATION_SQL_MAX, ApplicationAsk, ApplicationSql, Reply};
pub use changes::Changes;
pub use error::SourceError;
pub use gauges::{Gauges, MysqlGauges, NoGauges};
pub use mysql::MysqlSource;
pub use options::{MysqlOptions, TlsFiles, TlsMode};
pub use place::BinlogPlace;
pub(crate) use preflight::Facts;
pub(crate) use registry::InUse;
pub use registry::Registry;

/// One source server. `mysql` is the real one; the simulation has its own.
#[async_trait]
pub trait Source: Send + Sync {
    /// `@@server_uuid`.
    async fn server_uuid(&self) -> Result<String, SourceError>;

    /// What the storage engine has committed: `@@gtid_executed`. Never the binlog's head, which
    /// runs ahead of it (DESIGN section 2).
    async fn executed(&self) -> Result<Reached, SourceError>;

    /// What of `wanted` the storage engine has not committed yet. Nothing: each SELECT that opens its read view from now
    /// on sees all of it (I3). Judged by containment, never by a maximum: engines commit out of order.
    async fn uncommitted(&self, wanted: &Reached) -> Result<Reached, SourceError> {
        Ok(wanted.minus(&self.executed().await?))
    }

    /// A position to start from: [`executed`](Source::executed), read again until it has no hole
    /// against the binlog it was read from.
    async fn start(&self) -> Result<Position, SourceError>;

    /// Where the binlog ends, for the byte lag. Cheap.
    async fn binlog_end(&self) -> Result<BinlogPlace, SourceError>;

    /// Bytes of binlog from `place` to the end; `None` where nobody knows, as when the file of `place` is gone.
    async fn bytes_since(&self, place: &BinlogPlace) -> Result<Option<u64>, SourceError> {
        let end = self.binlog_end().await?;
        Ok((end.file == place.file).then(|| end.offset.saturating_sub(place.offset)))
    }

    /// How long the source keeps its binlogs; `None`: it does not purge them by age.
    async fn binlog_kept_for(&self) -> Result<Option<Duration>, SourceError> {
        Ok(None)
    }

    /// The binlog's head: everything that was written to the binlog, which runs ahead of
    /// [`executed`](Source::executed). Never a start; for the byte lag, and to know what may be under way.
    async fn head(&self) -> Result<Position, SourceError>;

    /// Streams every change of the registered tables that is not in `from.reached`.
    ///
    /// # Errors
    /// `PositionLost` when the server has purged, or never had, what is needed.
    async fn stream(&self, from: &Position) -> Result<Box<dyn ChangeStream>, SourceError>;

    /// The same, with rows read by the definitions of their positions. A table without a history is read as it was
    /// registered. `journaled`: transactions with rows that were sealed before; what lies before them is judged as it was
    /// then, by the histories alone. A source whose rows are values already needs none of this.
    async fn stream_by(
        &self,
        from: &Position,
        _histories: &Histories,
        _journaled: &Reached,
    ) -> Result<Box<dyn ChangeStream>, SourceError> {
        self.stream(from).await
    }

    /// A stream for somebody who reads beside the tail of this process, and does not end the tail's. Nothing was sealed
    /// before.
    async fn stream_beside(
        &self,
        from: &Position,
        histories: &Histories,
    ) -> Result<Box<dyn ChangeStream>, SourceError> {
        self.stream_by(from, histories, &Reached::default()).await
    }

    /// Who knows the definitions of tables; `None` where rows are values already.
    fn definitions(&self) -> Option<&dyn Definitions> {
        None
    }

    /// A connection for SELECTs: autocommit, READ COMMITTED, on the server whose binlog is tailed
    /// (checked by `@@server_uuid` on that connection).
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, SourceError>;

    /// When a committed transaction was committed first, at whichever server, microseconds since 1970, as the binlog has
    /// it now; `None` where nobody knows any more (it is purged, or came from a server before MySQL 8.0).
    async fn original_micros(&self, transaction: &TransactionId) -> Result<Option<u64>, SourceError>;

    /// The same for a transaction that was the next one behind `after`, where the source finds it at once.
    async fn original_micros_after(
        &self,
        _after: &BinlogPlace,
        transaction: &TransactionId,
    ) -> Result<Option<u64>, SourceError> {
        self.original_micros(transaction).await
    }

    /// A transaction of the binlog that `reached` leaves out, although it has one that lies behind it there. Whoever reads on
    /// from such a set brings older states above newer ones.
    async fn left_out(&self, reached: &Reached) -> Result<Option<TransactionId>, SourceError>;

    /// The registered tables that a committed transaction may have changed, without reading its rows; `None`: any may
    /// be among them.
    async fn tables_named_in(
        &self,
        _transaction: &TransactionId,
    ) -> Result<Option<Vec<TableId>>, SourceError> {
        Ok(None)
    }

    /// The transactions that XA RECOVER lists: prepared, undecided. The backfill waits for them at
    /// the start of a run.
    async fn prepared_xa(&self) -> Result<Vec<String>, SourceError>;
}

/// The present definitions of a source's tables, and how far back they hold.
#[async_trait]
pub trait Definitions: Send + Sync {
    /// Waits until the source has committed `since`, reads the present definition, and looks through everything
    /// outside `since` up to the head of that moment.
    async fn prove(&self, table: TableId, since: &Reached) -> Result<Proof, SourceError>;

    /// The first statement outside `from`, and inside `to`, that may change the table or its rows.
    async fn statement_between(
        &self,
        table: TableId,
        from: &Reached,
        to: &Reached,
    ) -> Result<Option<Parking>, SourceError>;
}

/// Whether a definition that was read holds since a position.
#[derive(Clone, Debug)]
pub enum Proof {
    /// No statement after the position can have changed the table.
    Holds(Arc<Definition>),
    /// This one may have, so nobody knows which of two definitions was read. `None`: the table is not there.
    Changed {
        /// The first statement that may have changed the table.
        by: Parking,
        /// The definition that was read behind it.
        read: Option<Arc<Definition>>,
    },
}

impl Proof {
    /// The definition that holds, or the statement that stands against it.
    pub fn believed(self, failpoints: Failpoints) -> Result<Arc<Definition>, Parking> {
        match self {
            Proof::Holds(definition) => Ok(definition),
            Proof::Changed { read: Some(read), .. } if failpoints.definition_not_proven() => Ok(read),
            Proof::Changed { by, .. } => Err(by),
        }
    }
}

/// The binlog from one position on. `next` is called by one task that does nothing else, so it
/// need not be cancel-safe; dropping the stream closes its connection.
#[async_trait]
pub trait ChangeStream: Send {
    /// The next event; waits for one as long as it takes (a heartbeat arrives when idle).
    async fn next(&mut self) -> Result<StreamEvent, SourceError>;
}

/// What a stream reports. What it reports of a table stands at its place among the changes. A transaction is `Begin`, any number of `Changes`, `End`; one without
/// changes of registered tables is `Begin`, `End`.
#[derive(Clone, Debug)]
pub enum StreamEvent {
    /// A transaction that is not in the start position. Its changes follow.
    Begin {
        /// Never one that came before in this stream.
        transaction: TransactionId,
        /// When the source committed it, microseconds since 1970 (`immediate_commit_timestamp`);
        /// for lag only. 0 when unknown.
        committed_micros: u64,
        /// When it was committed first, at whichever server (`original_commit_timestamp`): it tells this transaction
        /// from another one that has its number. 0 when unknown.
        original_micros: u64,
    },
    /// Changes in binlog order; at most a few hundred rows or megabytes at once, so that a huge transaction
    /// streams.
    Changes(Changes),
    /// The transaction is complete: a position behind it is one to start from.
    End {
        /// That of its `Begin`.
        transaction: TransactionId,
        /// Where the next event begins.
        place: BinlogPlace,
    },
    /// The server is alive and the stream has read up to here.
    Heartbeat {
        /// The end of what was read.
        place: BinlogPlace,
    },
    /// Rows of this table cannot be read from here on, and are left out.
    Parked {
        /// Of the registry.
        table: TableId,
        /// Why, and by which statement.
        parking: Box<Parking>,
    },
    /// Rows of this table are read by this definition from here on.
    Defined {
        /// Of the registry.
        table: TableId,
        /// It holds once the stream has read all of these.
        since: Reached,
        /// What the next rows of the table are read by.
        definition: Arc<Definition>,
    },
    /// Nothing comes until this is over.
    Waits {
        /// Shown in the status as the reason of the wait.
        what: String,
    },
}

/// Which rows are read.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// All in a range of primary keys.
    Range(&'a KeyRange),
    /// Those that some lists (values of the key columns, in key order) have in a range, possibly with rows of other
    /// lists whose keys only the collation calls equal. For primary keys that begin with the list key
    /// ([`Mapping::list_key_leads`]): of others the whole range is read. One read view for every
    /// [`LISTS_A_SELECT`] lists.
    OfLists {
        /// Of primary keys.
        range: &'a KeyRange,
        /// Each one the values of the key columns, in key order.
        lists: &'a [&'a [Value]],
    },
    /// Those that one list has in a range, possibly with rows of lists whose keys only the collation calls equal. Through
    /// whatever index finds the list.
    List {
        /// Values of the key columns, in key order.
        key: &'a [Value],
        /// Of primary keys.
        range: &'a KeyRange,
    },
}

/// Takes rows that are lent to it.
pub type EachRow<'a> = dyn FnMut(&[Value]) + Send + 'a;

/// Lists that one SELECT names at most: far below what `range_optimizer_max_mem_size` (8 MiB, some 230 bytes a
/// value) holds, above which MySQL reads the whole range instead.
pub const LISTS_A_SELECT: usize = 2_000;

/// SELECTs, each in a read view of its own.
#[async_trait]
pub trait Snapshot: Send {
    /// Opens a read view, which shows what the engine has committed by now, and which all SELECTs of this snapshot
    /// see from here on.
    async fn hold_view(&mut self) -> Result<(), SourceError>;

    /// Ends the read view: each SELECT has its own again.
    async fn release_view(&mut self) -> Result<(), SourceError>;

    /// Runs a SELECT of the application, in the read view that is held, where nothing can be written; and how long that
    /// took. MySQL stops it after [`APPLICATION_SQL_MAX`], and from then on bounds every SELECT of this snapshot so.
    ///
    /// # Errors
    /// `Refused`, with the name of the query: MySQL does not run it, or its result has not what answers the question.
    /// `Unavailable` where MySQL stopped it.
    async fn application(
        &mut self,
        _mapping: &Mapping,
        ask: ApplicationAsk<'_>,
    ) -> Result<(Reply, Duration), SourceError> {
        Err(ask.sql.unusable("this source runs no SQL"))
    }

    /// The primary key of the `rows`-th row after `after` (`None`: from the table's beginning), or
    /// `None` when fewer are left.
    async fn chunk_end(
        &mut self,
        table: TableId,
        after: Option<&[Value]>,
        rows: u32,
    ) -> Result<Option<Vec<Value>>, SourceError>;

    /// The primary key of the `rows`-th row of a list after `after` (`None`: from the list's beginning), in the order of
    /// primary keys; `None` when fewer are left. Rows of lists whose keys only the collation calls equal may count.
    async fn list_end(
        &mut self,
        mapping: &Mapping,
        key: &[Value],
        after: Option<&[Value]>,
        rows: u32,
    ) -> Result<Option<Vec<Value>>, SourceError>;

    /// The lists that have rows in `range`, each with the number of these: rows in which only the key columns
    /// of `mapping` are set.
    async fn lists(&mut self, mapping: &Mapping, range: &KeyRange) -> Result<Vec<(Row, u64)>, SourceError>;

    /// Every row of `range` in primary-key order, read in one statement.
    async fn rows(&mut self, mapping: &Mapping, range: &KeyRange) -> Result<Vec<Row>, SourceError>;

    /// Lends each row of `wanted` to `take`, in no particular order. After an error it may have seen some.
    async fn each_row(
        &mut self,
        mapping: &Mapping,
        wanted: Wanted<'_>,
        take: &mut EachRow<'_>,
    ) -> Result<(), SourceError>;

    /// Every row of one list (values of the key columns, in key order), in no particular order.
    async fn list(&mut self, mapping: &Mapping, key: &[Value]) -> Result<Vec<Row>, SourceError>;

    /// Some items of one list, in its order or from its end. One statement where the source can, which then reads, or
    /// sorts, no more than it must.
    async fn list_part(
        &mut self,
        mapping: &Mapping,
        key: &[Value],
        part: &ListPart,
    ) -> Result<Vec<Row>, SourceError> {
        Ok(part.of(mapping, self.list(mapping, key).await?))
    }

    /// The number of rows of one list.
    async fn list_count(&mut self, mapping: &Mapping, key: &[Value]) -> Result<u64, SourceError> {
        Ok(self.list(mapping, key).await?.len() as u64)
    }

    /// The row with this list key and item key, if any.
    async fn item(
        &mut self,
        mapping: &Mapping,
        key: &[Value],
        item: &[Value],
    ) -> Result<Option<Row>, SourceError>;

    /// The rows with these (list key, item key) pairs, in no particular order, possibly with others whose
    /// keys only the collation calls equal. For look-ups in bulk: one statement where the source can.
    async fn items(
        &mut self,
        mapping: &Mapping,
        wanted: &[(Vec<Value>, Vec<Value>)],
    ) -> Result<Vec<Row>, SourceError> {
        let mut found = Vec::new();
        for (key, item) in wanted {
            found.extend(self.item(mapping, key, item).await?);
        }
        Ok(found)
    }

    /// What [`items`](Snapshot::items) should find, found without a look-up by a text: MySQL scans, and compares what it
    /// makes of each row's text itself. The proof that an item is not there; as slow as a scan of the table where the
    /// list key is a text. Possibly with other rows.
    async fn items_by_scan(
        &mut self,
        mapping: &Mapping,
        wanted: &[(Vec<Value>, Vec<Value>)],
    ) -> Result<Vec<Row>, SourceError> {
        self.items(mapping, wanted).await
    }

    /// About how many bytes a row of a table has, by the source's statistics; 0 where it does not know.
    async fn row_bytes(&mut self, table: TableId) -> Result<u64, SourceError>;

    /// The estimated number of rows of a table (`information_schema`), for progress only.
    async fn estimated_rows(&mut self, table: TableId) -> Result<u64, SourceError>;

    /// The exact number of rows of a table, counted in one statement that has neither keys nor bounds.
    async fn count_rows(&mut self, table: TableId) -> Result<u64, SourceError>;
}

/// A closed range of primary keys: `after < key <= up_to`; unbounded where `None`. The first and
/// last chunk of a table are unbounded (I8).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyRange {
    /// Outside the range; `None`: from the table's beginning.
    pub after: Option<Vec<Value>>,
    /// Inside the range; `None`: to the table's end.
    pub up_to: Option<Vec<Value>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_ordered_by_file_then_offset_also_when_the_number_gets_longer() {
        let place = |file: &str, offset| BinlogPlace { file: file.into(), offset };
        let rising = [
            place("b.000009", 400),
            place("b.000010", 4),
            place("b.000010", 157),
            place("b.999999", 4),
            place("b.1000000", 4),
        ];
        for (at, earlier) in rising.iter().enumerate() {
            assert!(earlier.is_at_or_past(earlier));
            for later in &rising[at + 1..] {
                assert!(later.is_at_or_past(earlier) && !earlier.is_at_or_past(later));
            }
        }
    }
}
