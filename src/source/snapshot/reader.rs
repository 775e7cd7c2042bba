//! The session that reads snapshots.

use super::application;
use super::chunk::{self, Condition};
use super::labels;
use super::part;
use super::value::{CellReader, Unreadable};
use crate::advice;
use crate::model::table::quote;
use crate::model::{ListPart, Mapping, Row, TableId, TableName, Value};
use crate::source::connection::{Connection, number_at};
use crate::source::named::{self, KeyCell};
use crate::source::registry::{Registered, Registry};
use crate::source::session::Session;
use crate::source::text::Charsets;
use crate::source::{
    APPLICATION_SQL_MAX, ApplicationAsk, EachRow, KeyRange, LISTS_A_SELECT, Reply, Snapshot, SourceError,
    Wanted,
};
use async_trait::async_trait;
use mysql_async::prelude::Queryable;
use std::sync::Arc;
use std::time::Duration;

/// Bound on one SELECT, at the server (`max_execution_time` of our sessions); ours is a little longer.
const SELECT_MAX_MS: u64 = 600_000;

/// The longest that a count of all rows of a table may take.
const COUNT_WITHIN: Duration = Duration::from_secs(6 * 3_600);
/// Parameters of one statement; the protocol's bound is 65,535.
const PARAMETERS_MAX: usize = 60_000;

/// Pairs that one SELECT looks up. Far below what `range_optimizer_max_mem_size` (8 MiB) holds, above which
/// MySQL reads the whole table instead.
const ITEMS_A_SELECT: usize = 500;

/// A [`Snapshot`] over one MySQL connection.
pub(crate) struct MysqlSnapshot {
    connection: Connection,
    registry: Arc<Registry>,
    charsets: Arc<Charsets>,
    /// At the server, of each SELECT.
    select_max: Duration,
}

impl MysqlSnapshot {
    pub async fn open(session: &Session) -> Result<MysqlSnapshot, SourceError> {
        let mut connection = session.open().await?;
        let charsets = session.charsets(&mut connection).await?;
        let registry = labels::present(&mut connection, session.registry()).await?;
        let select_max = Duration::from_millis(SELECT_MAX_MS);
        Ok(MysqlSnapshot { connection, registry, charsets, select_max })
    }

    /// The same, with statements that the server ends after `limit`.
    pub async fn open_within(session: &Session, limit: Duration) -> Result<MysqlSnapshot, SourceError> {
        let mut snapshot = MysqlSnapshot::open(session).await?;
        snapshot.bound_selects(limit).await?;
        Ok(snapshot)
    }

    async fn bound_selects(&mut self, limit: Duration) -> Result<(), SourceError> {
        let bound = format!("SET SESSION max_execution_time = {}", limit.as_millis().max(1));
        self.connection.run("the bound of a statement", &bound).await?;
        self.select_max = limit;
        Ok(())
    }

    fn registered(&self, table: TableId) -> Result<Registered, SourceError> {
        self.registry.get(table).cloned().ok_or_else(|| SourceError::Refused {
            what: "a snapshot".into(),
            reason: format!("table number {} is not registered", table.0),
        })
    }

    /// Runs one SELECT and places its columns in rows of the table's width.
    async fn select(&mut self, select: Select<'_>) -> Result<Vec<Row>, SourceError> {
        let mut rows = Vec::new();
        self.select_each(select, &mut |row, _| rows.push(row.to_vec())).await?;
        Ok(rows)
    }

    /// Lends each row of one SELECT, placed in a row of the table's width, and the number behind its columns: that of
    /// the rows in its group, 0 for one that is not grouped.
    ///
    /// The client keeps each row in a `Vec` of values before we see it (mysql_async 0.37 shows no packet); these
    /// are the only allocations of a row that is lent.
    async fn select_each(
        &mut self,
        select: Select<'_>,
        take: &mut (dyn FnMut(&[Value], u64) + Send),
    ) -> Result<(), SourceError> {
        let name = &select.table.schema.name;
        let schema_error = |reason: String| bad_table(name, reason);
        let mut readers = Vec::with_capacity(select.columns.len());
        for index in select.columns {
            let column = &select.table.schema.columns[*index];
            let is_key = select.table.keys.contains(index);
            let reader = CellReader::new(column, &self.charsets, select.grouped, is_key)
                .map_err(|error| schema_error(format!("column {}: {error}", column.name)))?;
            readers.push((*index, reader));
        }
        let statement = select.statement(&readers);
        let what = format!("a SELECT of {name}");
        let limit = Duration::from_millis(SELECT_MAX_MS + 30_000);
        let mut row = vec![Value::Null; select.table.schema.columns.len()];
        let mut unreadable = None;
        let mut place = |result: mysql_async::Row| {
            let mut cells = result.unwrap_raw().into_iter();
            let mut faults = Vec::new();
            for ((index, reader), cell) in readers.iter().zip(&mut cells) {
                match reader.read(cell.unwrap_or(mysql_async::Value::NULL)) {
                    Ok(value) => row[*index] = value,
                    Err(fault) => faults.push((*index, fault)),
                }
            }
            if !faults.is_empty() {
                unreadable.get_or_insert_with(|| cannot_read(select.table, select.columns, &row, &faults));
            } else if unreadable.is_none() {
                let count = cells.next().flatten().and_then(|count| mysql_async::from_value_opt(count).ok());
                take(&row, count.unwrap_or(0));
            }
        };
        let run = async {
            let params = positional(select.condition.params);
            self.connection.conn.exec_iter(statement, params).await?.for_each_and_drop(&mut place).await
        };
        match tokio::time::timeout(limit, run).await {
            Ok(done) => done.map_err(|error| self.connection.error(&what, error))?,
            Err(_) => return Err(self.connection.unavailable(format!("no answer to {what}"))),
        }
        unreadable.map_or(Ok(()), Err)
    }

    /// The rows in which `columns` have exactly these values: MySQL compares under the collation,
    /// which finds other spellings too.
    async fn exactly(
        &mut self,
        mapping: &Mapping,
        columns: &[usize],
        values: &[Value],
    ) -> Result<Vec<Row>, SourceError> {
        let table = self.registered(mapping.table)?;
        let condition = chunk::equal(&table.schema, &self.charsets, columns, values)
            .map_err(|error| bad_table(&table.schema.name, error.to_string()))?;
        let select =
            Select { table: &table, columns: &table.used, condition, grouped: false, tail: Tail::None };
        let mut rows = self.select(select).await?;
        rows.retain(|row| columns.iter().zip(values).all(|(index, value)| row[*index] == *value));
        Ok(rows)
    }

    /// The primary key of the row that was found, if any: a chunk's end, which lies beyond its beginning by MySQL's own
    /// comparison, or chunks would find no end (I8).
    async fn bound_beyond(
        &mut self,
        table: &Registered,
        after: Option<&[Value]>,
        found: Vec<Row>,
    ) -> Result<Option<Vec<Value>>, SourceError> {
        let Some(row) = found.into_iter().next() else { return Ok(None) };
        let columns = &table.schema.primary_key;
        let bound: Vec<Value> = columns.iter().map(|i| row[*i].clone()).collect();
        let Some(after) = after else { return Ok(Some(bound)) };
        let condition = chunk::advances(&table.schema, &self.charsets, after, &bound)
            .map_err(|error| bad_table(&table.schema.name, error.to_string()))?;
        let statement = format!("SELECT {}", condition.sql);
        let rows = self.connection.rows_with("the order of two bounds", &statement, condition.params).await?;
        if rows.first().and_then(|row| number_at(row, 0)) == Some(1) {
            return Ok(Some(bound));
        }
        let named = |key: &[Value]| {
            let cells = columns.iter().zip(key).map(|(i, value)| (*i, KeyCell::Value(value.clone())));
            named::condition(&table.schema, cells)
        };
        Err(SourceError::Schema {
            table: table.schema.name.clone(),
            reason: format!(
                "the rows after {} begin with {}, which MySQL does not call greater: the copy would find no end",
                named(after),
                named(&bound)
            ),
            advice: "run CHECK TABLE in MySQL; if it finds nothing, report this".into(),
        })
    }

    /// A column of information_schema.TABLES; 0 for NULL.
    async fn statistic(&mut self, table: TableId, column: &'static str) -> Result<u64, SourceError> {
        let name = self.registered(table)?.schema.name.clone();
        let query = format!(
            "SELECT {column} FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?"
        );
        let names = (name.schema, name.table);
        let rows = self.connection.rows_with("the estimated size of a table", &query, names).await?;
        Ok(rows.first().and_then(|row| number_at(row, 0)).unwrap_or(0))
    }

    fn range(&self, table: &Registered, range: &KeyRange) -> Result<Condition, SourceError> {
        if table.schema.primary_key.is_empty() {
            return Err(bad_table(&table.schema.name, "it has no primary key".into()));
        }
        chunk::range(&table.schema, &self.charsets, range)
            .map_err(|error| bad_table(&table.schema.name, error.to_string()))
    }
}

/// mysql_async takes an empty list for "no parameters" only in this form.
fn positional(params: Vec<mysql_async::Value>) -> mysql_async::Params {
    if params.is_empty() { mysql_async::Params::Empty } else { mysql_async::Params::Positional(params) }
}

/// Names the row by those of its key columns that were selected.
#[cold]
fn cannot_read(
    table: &Registered,
    columns: &[usize],
    row: &[Value],
    faults: &[(usize, Unreadable)],
) -> SourceError {
    let keys = table.keys.iter().filter(|key| columns.contains(key));
    let cells = keys.filter_map(|key| {
        let cell = match faults.iter().find(|(index, _)| index == key) {
            Some((_, fault)) => KeyCell::Bytes(fault.bytes.as_deref()?),
            None => KeyCell::Value(row[*key].clone()),
        };
        Some((*key, cell))
    });
    let (index, fault) = &faults[0];
    let all = named::all_like(&table.schema, &table.keys, *index);
    SourceError::Unreadable {
        table: table.label(),
        column: table.schema.columns[*index].name.clone(),
        row: named::condition(&table.schema, cells),
        reason: format!("{}{all}", fault.error),
    }
}

fn bad_table(table: &TableName, reason: String) -> SourceError {
    SourceError::Schema { table: table.clone(), reason, advice: advice::check().into() }
}

/// One SELECT over a registered table.
struct Select<'a> {
    table: &'a Registered,
    columns: &'a [usize],
    condition: Condition,
    /// One row for each group of rows that are equal in `columns`, with their number behind.
    grouped: bool,
    tail: Tail,
}

enum Tail {
    None,
    /// Through the primary key, in any order.
    PrimaryKey,
    PrimaryKeyOrder,
    /// One row, this many behind the first, in primary-key order.
    Nth(u32),
    /// The same, through whatever index.
    NthOfAny(u32),
    /// In this order, through whatever index.
    Ordered(String),
}

impl Select<'_> {
    fn statement(&self, readers: &[(usize, CellReader)]) -> String {
        let expressions: Vec<&str> = readers.iter().map(|(_, reader)| reader.expression.as_str()).collect();
        let schema = &self.table.schema;
        let key: Vec<String> = schema.primary_key.iter().map(|i| quote(&schema.columns[*i].name)).collect();
        let count = if self.grouped { ", COUNT(*)" } else { "" };
        let (index, tail) = match &self.tail {
            Tail::None if self.grouped => {
                (" FORCE INDEX (PRIMARY)", format!(" GROUP BY {}", expressions.join(", ")))
            }
            Tail::None => ("", String::new()),
            Tail::Ordered(order_by) => ("", order_by.clone()),
            Tail::PrimaryKey => (" FORCE INDEX (PRIMARY)", String::new()),
            Tail::PrimaryKeyOrder => (" FORCE INDEX (PRIMARY)", format!(" ORDER BY {}", key.join(", "))),
            Tail::Nth(offset) | Tail::NthOfAny(offset) => {
                let index = if matches!(self.tail, Tail::Nth(_)) { " FORCE INDEX (PRIMARY)" } else { "" };
                (index, format!(" ORDER BY {} LIMIT 1 OFFSET {offset}", key.join(", ")))
            }
        };
        format!(
            "SELECT {}{count} FROM {}{index} WHERE {}{tail}",
            expressions.join(", "),
            schema.name.quoted(),
            self.condition.sql
        )
    }
}

#[async_trait]
impl Snapshot for MysqlSnapshot {
    async fn hold_view(&mut self) -> Result<(), SourceError> {
        // for the next transaction alone, which ends with the connection
        let level = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
        self.connection.run("the isolation of a read view", level).await?;
        self.connection.run("a read view", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await
    }

    async fn release_view(&mut self) -> Result<(), SourceError> {
        self.connection.run("the end of a read view", "COMMIT").await
    }

    async fn application(
        &mut self,
        mapping: &Mapping,
        ask: ApplicationAsk<'_>,
    ) -> Result<(Reply, Duration), SourceError> {
        if self.select_max > APPLICATION_SQL_MAX {
            self.bound_selects(APPLICATION_SQL_MAX).await?;
        }
        application::answer(&mut self.connection, &self.charsets, mapping, ask).await
    }

    async fn chunk_end(
        &mut self,
        table: TableId,
        after: Option<&[Value]>,
        rows: u32,
    ) -> Result<Option<Vec<Value>>, SourceError> {
        let table = self.registered(table)?;
        let condition = self.range(&table, &KeyRange { after: after.map(<[Value]>::to_vec), up_to: None })?;
        let key = &table.schema.primary_key;
        let tail = Tail::Nth(rows.saturating_sub(1));
        let found =
            self.select(Select { table: &table, columns: key, condition, grouped: false, tail }).await?;
        self.bound_beyond(&table, after, found).await
    }

    async fn list_end(
        &mut self,
        mapping: &Mapping,
        key: &[Value],
        after: Option<&[Value]>,
        rows: u32,
    ) -> Result<Option<Vec<Value>>, SourceError> {
        let table = self.registered(mapping.table)?;
        let range = self.range(&table, &KeyRange { after: after.map(<[Value]>::to_vec), up_to: None })?;
        let condition = chunk::equal(&table.schema, &self.charsets, &mapping.key, key)
            .map_err(|error| bad_table(&table.schema.name, error.to_string()))?
            .and(&range);
        let (columns, tail) = (&table.schema.primary_key, Tail::NthOfAny(rows.saturating_sub(1)));
        let found = self.select(Select { table: &table, columns, condition, grouped: false, tail }).await?;
        self.bound_beyond(&table, after, found).await
    }

    async fn lists(&mut self, mapping: &Mapping, range: &KeyRange) -> Result<Vec<(Row, u64)>, SourceError> {
        let table = self.registered(mapping.table)?;
        let condition = self.range(&table, range)?;
        let columns = &mapping.key;
        let select = Select { table: &table, columns, condition, grouped: true, tail: Tail::None };
        let mut lists = Vec::new();
        self.select_each(select, &mut |row, rows| lists.push((row.to_vec(), rows))).await?;
        Ok(lists)
    }

    async fn each_row(
        &mut self,
        mapping: &Mapping,
        wanted: Wanted<'_>,
        take: &mut EachRow<'_>,
    ) -> Result<(), SourceError> {
        let table = self.registered(mapping.table)?;
        let bad_bound = |error: chunk::BadBound| bad_table(&table.schema.name, error.to_string());
        let conditions = match wanted {
            Wanted::Range(range) => vec![self.range(&table, range)?],
            Wanted::List { key, range } => {
                let range = self.range(&table, range)?;
                vec![
                    chunk::equal(&table.schema, &self.charsets, &mapping.key, key)
                        .map_err(bad_bound)?
                        .and(&range),
                ]
            }
            Wanted::OfLists { range, lists } => {
                let range = self.range(&table, range)?;
                let lists = lists.chunks(LISTS_A_SELECT);
                let both = lists.map(|lists| {
                    Ok(range.clone().and(&chunk::any_list(
                        &table.schema,
                        &self.charsets,
                        &mapping.key,
                        lists,
                    )?))
                });
                both.collect::<Result<_, _>>().map_err(bad_bound)?
            }
        };
        let through_primary_key = !matches!(wanted, Wanted::List { .. });
        for condition in conditions {
            let tail = if through_primary_key { Tail::PrimaryKey } else { Tail::None };
            let select = Select { table: &table, columns: &table.used, condition, grouped: false, tail };
            self.select_each(select, &mut |row, _| take(row)).await?;
        }
        Ok(())
    }

    async fn rows(&mut self, mapping: &Mapping, range: &KeyRange) -> Result<Vec<Row>, SourceError> {
        let table = self.registered(mapping.table)?;
        let condition = self.range(&table, range)?;
        let tail = Tail::PrimaryKeyOrder;
        self.select(Select { table: &table, columns: &table.used, condition, grouped: false, tail }).await
    }

    async fn list(&mut self, mapping: &Mapping, key: &[Value]) -> Result<Vec<Row>, SourceError> {
        self.exactly(mapping, &mapping.key, key).await
    }

    async fn list_part(
        &mut self,
        mapping: &Mapping,
        key: &[Value],
        part: &ListPart,
    ) -> Result<Vec<Row>, SourceError> {
        let table = self.registered(mapping.table)?;
        let part = part::of_list(&table.schema, &self.charsets, mapping, key, part)
            .map_err(|error| bad_table(&table.schema.name, error.to_string()))?;
        let (condition, tail) = (part.condition, Tail::Ordered(part.order_by));
        self.select(Select { table: &table, columns: &table.used, condition, grouped: false, tail }).await
    }

    async fn list_count(&mut self, mapping: &Mapping, key: &[Value]) -> Result<u64, SourceError> {
        let name = &mapping.schema.name;
        let condition = part::exactly(&mapping.schema, &self.charsets, &mapping.key, key)
            .map_err(|error| bad_table(name, error.to_string()))?;
        let statement = format!("SELECT COUNT(*) FROM {} WHERE {}", name.quoted(), condition.sql);
        let rows = self.connection.rows_with("the size of a list", &statement, condition.params).await?;
        Ok(rows.first().and_then(|row| number_at(row, 0)).unwrap_or(0))
    }

    async fn item(
        &mut self,
        mapping: &Mapping,
        key: &[Value],
        item: &[Value],
    ) -> Result<Option<Row>, SourceError> {
        let columns: Vec<usize> = mapping.key.iter().chain(&mapping.item).copied().collect();
        let values: Vec<Value> = key.iter().chain(item).cloned().collect();
        Ok(self.exactly(mapping, &columns, &values).await?.into_iter().next())
    }

    async fn items(
        &mut self,
        mapping: &Mapping,
        wanted: &[(Vec<Value>, Vec<Value>)],
    ) -> Result<Vec<Row>, SourceError> {
        let table = self.registered(mapping.table)?;
        let columns: Vec<usize> = mapping.key.iter().chain(&mapping.item).copied().collect();
        let mut found = Vec::new();
        for part in wanted.chunks(ITEMS_A_SELECT) {
            let tuples = part.iter().map(|(key, item)| key.iter().chain(item).collect());
            let condition = chunk::any_equal(&table.schema, &self.charsets, &columns, tuples)
                .map_err(|error| bad_table(&table.schema.name, error.to_string()))?;
            let select =
                Select { table: &table, columns: &table.used, condition, grouped: false, tail: Tail::None };
            found.extend(self.select(select).await?);
        }
        Ok(found)
    }

    async fn items_by_scan(
        &mut self,
        mapping: &Mapping,
        wanted: &[(Vec<Value>, Vec<Value>)],
    ) -> Result<Vec<Row>, SourceError> {
        let table = self.registered(mapping.table)?;
        let columns: Vec<usize> = mapping.key.iter().chain(&mapping.item).copied().collect();
        if !part::has_text(&table.schema, &columns) {
            return self.items(mapping, wanted).await;
        }
        let mut found = Vec::new();
        for some in wanted.chunks(PARAMETERS_MAX / columns.len()) {
            let tuples = some.iter().map(|(key, item)| key.iter().chain(item).collect());
            let condition = part::among(&table.schema, &self.charsets, &columns, tuples)
                .map_err(|error| bad_table(&table.schema.name, error.to_string()))?;
            let select =
                Select { table: &table, columns: &table.used, condition, grouped: false, tail: Tail::None };
            found.extend(self.select(select).await?);
        }
        Ok(found)
    }

    async fn row_bytes(&mut self, table: TableId) -> Result<u64, SourceError> {
        self.statistic(table, "AVG_ROW_LENGTH").await
    }

    async fn estimated_rows(&mut self, table: TableId) -> Result<u64, SourceError> {
        self.statistic(table, "TABLE_ROWS").await
    }

    async fn count_rows(&mut self, table: TableId) -> Result<u64, SourceError> {
        let table = self.registered(table)?;
        let statement = format!("SELECT COUNT(*) FROM {}", table.schema.name.quoted());
        let rows = self.connection.rows_within("the size of a table", &statement, COUNT_WITHIN).await?;
        Ok(rows.first().and_then(|row| number_at(row, 0)).unwrap_or(0))
    }
}
