//! Runs the application's own SELECT, and reads the items or the number that it returned.

use super::chunk::{self, BadBound};
use super::value::CellReader;
use crate::model::{Column, ColumnType, Mapping, QueryKind, Value};
use crate::source::connection::{Connection, number_at};
use crate::source::text::Charsets;
use crate::source::{APPLICATION_SQL_MAX, ApplicationAsk, ApplicationSql, Reply, SourceError};
use mysql_async::Value as Param;
use mysql_async::prelude::Queryable;
use mysql_common::collations::{Collation, CollationId};
use std::time::{Duration, Instant};

/// How much longer than MySQL itself its answer is waited for.
const BEYOND_MYSQL: Duration = Duration::from_secs(30);

/// Runs it, and says how long that took, from the values to the last row.
pub async fn answer(
    connection: &mut Connection,
    charsets: &Charsets,
    mapping: &Mapping,
    ask: ApplicationAsk<'_>,
) -> Result<(Reply, Duration), SourceError> {
    let (sql, what) = (ask.sql, ask.sql.what());
    let bad = |BadBound { column }| sql.unusable(format!("the value of {column} cannot be given to it"));
    let values = params(mapping, charsets, (ask.key, ask.item)).map_err(bad)?;
    prepared(connection, sql, values.len()).await?;
    let begin = Instant::now();
    let run = async {
        let mut result = connection.conn.exec_iter(sql.text(), values).await?;
        let columns = result.columns().unwrap_or_default();
        let mut rows = Vec::new();
        let keep = |row: mysql_async::Row| {
            if rows.len() < ask.rows_max {
                rows.push(row);
            }
        };
        result.for_each(keep).await?;
        result.drop_result().await?;
        Ok((columns, rows))
    };
    let (columns, rows) = match tokio::time::timeout(APPLICATION_SQL_MAX + BEYOND_MYSQL, run).await {
        Ok(done) => done.map_err(|error| connection.error(&what, error))?,
        Err(_) => return Err(connection.unavailable(format!("no answer to {what}"))),
    };
    let took = begin.elapsed();
    let reply = match returns(sql, mapping, ask.kind, &columns)? {
        Returns::Number => Reply::Number(rows.first().and_then(|row| number_at(row, 0))),
        Returns::Items(places) => {
            let readers = readers(sql, (mapping, charsets), &columns, &places)?;
            let items = rows.into_iter().map(|row| item(sql, row, &readers)).collect::<Result<_, _>>()?;
            Reply::Items(items)
        }
    };
    Ok((reply, took))
}

/// Has the server prepare it, where it is not prepared yet, and returns the columns of its result.
///
/// # Errors
/// `Refused` in the server's words; where it takes another number of values.
pub(in crate::source) async fn prepared(
    connection: &mut Connection,
    sql: &ApplicationSql,
    values: usize,
) -> Result<Vec<mysql_async::Column>, SourceError> {
    let statement = match tokio::time::timeout(APPLICATION_SQL_MAX, connection.conn.prep(sql.text())).await {
        Ok(done) => done.map_err(|error| connection.error(&sql.what(), error))?,
        Err(_) => return Err(connection.unavailable(format!("no answer to {}", sql.what()))),
    };
    let wanted = usize::from(statement.num_params());
    if wanted != values {
        return Err(sql.unusable(format!("MySQL wants {wanted} values for it, and gets {values}")));
    }
    Ok(statement.columns().to_vec())
}

/// The values of the key columns, and of an item, as the application's driver sends them: texts in UTF-8.
pub(in crate::source) fn params(
    mapping: &Mapping,
    charsets: &Charsets,
    (key, item): (&[Value], &[Value]),
) -> Result<Vec<Param>, BadBound> {
    let columns = mapping.key.iter().zip(key).chain(mapping.item.iter().zip(item));
    let param = |(&index, value): (&usize, &Value)| match value {
        Value::Text(text) => Ok(Param::Bytes(text.as_bytes().to_vec())),
        Value::Bytes(bytes) => Ok(Param::Bytes(bytes.to_vec())),
        value => {
            let column = &mapping.schema.columns[index];
            let bound = chunk::bind(column, charsets, value)?;
            bound.map(|(_, param)| param).ok_or_else(|| BadBound { column: column.name.clone() })
        }
    };
    columns.map(param).collect()
}

/// What a result has that answers the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source) enum Returns {
    /// The places of the item columns in it.
    Items(Vec<usize>),
    /// The first column is a number.
    Number,
}

/// Finds the item columns by their names.
///
/// # Errors
/// `Refused`: they are not there, or twice; `has` has neither them nor an expression.
pub(in crate::source) fn returns(
    sql: &ApplicationSql,
    mapping: &Mapping,
    kind: QueryKind,
    columns: &[mysql_async::Column],
) -> Result<Returns, SourceError> {
    let Some(first) = columns.first() else { return Err(sql.unusable("it returns no columns")) };
    if kind == QueryKind::Count {
        return Ok(Returns::Number);
    }
    let names: Vec<_> =
        mapping.item.iter().map(|&index| mapping.schema.columns[index].name.as_str()).collect();
    let mut places = Vec::with_capacity(names.len());
    for name in &names {
        let is_it = |column: &mysql_async::Column| column.name_str().eq_ignore_ascii_case(name);
        let mut found = (0..columns.len()).filter(|&place| is_it(&columns[place]));
        match (found.next(), found.next()) {
            (Some(place), None) => places.push(place),
            (Some(_), Some(_)) => {
                let reason = format!("its result has two columns {name}: give one of them another name");
                return Err(sql.unusable(reason));
            }
            (None, _) => {}
        }
    }
    if places.len() == names.len() {
        return Ok(Returns::Items(places));
    }
    let lacks = format!("its result has not all item columns ({})", names.join(", "));
    match kind {
        QueryKind::Has if first.org_table_ref().is_empty() => Ok(Returns::Number),
        QueryKind::Has => {
            Err(sql
                .unusable(format!("{lacks}, and its first column is none of 1, COUNT(*) and EXISTS (...)")))
        }
        _ => Err(sql.unusable(lacks)),
    }
}

/// A place in a result, and how the value there is read.
type PlaceReader = (usize, CellReader, String);

fn readers(
    sql: &ApplicationSql,
    (mapping, charsets): (&Mapping, &Charsets),
    columns: &[mysql_async::Column],
    places: &[usize],
) -> Result<Vec<PlaceReader>, SourceError> {
    let reader = |(&index, &place): (&usize, &usize)| {
        let column = &mapping.schema.columns[index];
        let column = as_returned(sql, column, &columns[place])?;
        let reader = CellReader::new(&column, charsets, false, true)
            .map_err(|error| sql.unusable(format!("column {} of its result: {error}", column.name)))?;
        Ok((place, reader, column.name))
    };
    mapping.item.iter().zip(places).map(reader).collect()
}

/// The column of the table, in the character set of the result: results come in the set of their expression.
fn as_returned(
    sql: &ApplicationSql,
    column: &Column,
    returned: &mysql_async::Column,
) -> Result<Column, SourceError> {
    let ColumnType::Text { charset, collation } = &column.column_type else { return Ok(column.clone()) };
    let found = Collation::from(CollationId::from(returned.character_set()));
    let utf8 = |set: &str| matches!(set, "utf8" | "utf8mb3" | "utf8mb4");
    let charset = match found.charset() {
        found if found == charset || utf8(found) && utf8(charset) => charset.clone(),
        found if utf8(found) => "utf8mb4".to_owned(),
        found => {
            let name = &column.name;
            let reason =
                format!("column {name} of its result is {found}, and {name} of the table is {charset}");
            return Err(sql.unusable(reason));
        }
    };
    let column_type = ColumnType::Text { charset, collation: collation.clone() };
    Ok(Column { column_type, ..column.clone() })
}

fn item(
    sql: &ApplicationSql,
    row: mysql_async::Row,
    readers: &[PlaceReader],
) -> Result<Vec<Value>, SourceError> {
    let mut cells = row.unwrap_raw();
    let value = |(place, reader, name): &PlaceReader| {
        let cell = cells.get_mut(*place).and_then(Option::take).unwrap_or(Param::NULL);
        let unreadable = |error| sql.unusable(format!("column {name} of its result: {error}"));
        reader.read(cell).map_err(|fault| unreadable(fault.error))
    };
    readers.iter().map(value).collect()
}

#[cfg(test)]
#[path = "application_tests.rs"]
mod tests;
