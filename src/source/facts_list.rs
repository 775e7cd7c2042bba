//! How large a mapping's lists are, for the cost of queries: a look that ends after some seconds, whatever the table.

use super::SourceError;
use super::connection::{Connection, number_at};
use super::mysql::MysqlSource;
use super::preflight::was_stopped;
use crate::model::table::quote;
use crate::model::{Column, ColumnType, Mapping};
use mysql_async::{Params, Row, Value as Param};
use std::time::Duration;

/// The list with the most items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargestList {
    /// Spellings that a collation calls equal count as one list.
    pub items: u64,
    /// For each width that was asked for, how the list falls into segments; `None` where that took too long.
    pub segments: Vec<Option<SegmentSizes>>,
}

/// What a segment width makes of the largest list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSizes {
    /// Segments with items, each one HBase row.
    pub count: u64,
    /// Items of the largest one.
    pub largest: u64,
}

impl MysqlSource {
    /// The largest list of a mapping, and what segments of these widths (in units of the order part) make of it.
    /// `None` when the table is too large to look through within `limit`, which bounds each query at the server.
    pub async fn largest_list(
        &self,
        mapping: &Mapping,
        widths: &[u64],
        limit: Duration,
    ) -> Result<Option<LargestList>, SourceError> {
        let mut connection = self.session().open().await?;
        let rows =
            rows_within_limit(&mut connection, &largest_statement(mapping, limit), Params::Empty).await?;
        let Some(rows) = rows else { return Ok(None) };
        let Some(row) = rows.first() else {
            return Ok(Some(LargestList { items: 0, segments: vec![None; widths.len()] }));
        };
        let items = number_at(row, mapping.key.len()).unwrap_or(0);
        let key: Vec<Param> =
            (0..mapping.key.len()).map(|at| row.as_ref(at).cloned().unwrap_or(Param::NULL)).collect();
        let mut segments = Vec::with_capacity(widths.len());
        for &width in widths {
            segments.push(match segments_statement(mapping, width, limit) {
                Some(statement) => sizes(
                    rows_within_limit(&mut connection, &statement, Params::Positional(key.clone())).await?,
                ),
                None => None,
            });
        }
        Ok(Some(LargestList { items, segments }))
    }
}

/// `None` when the server stopped it.
async fn rows_within_limit(
    connection: &mut Connection,
    statement: &str,
    params: Params,
) -> Result<Option<Vec<Row>>, SourceError> {
    match connection.rows_with("the size of lists", statement, params).await {
        Ok(rows) => Ok(Some(rows)),
        Err(error) if was_stopped(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn sizes(rows: Option<Vec<Row>>) -> Option<SegmentSizes> {
    let rows = rows?;
    let row = rows.first()?;
    Some(SegmentSizes { count: number_at(row, 0)?, largest: number_at(row, 1)? })
}

fn hint(limit: Duration) -> String {
    format!("/*+ MAX_EXECUTION_TIME({}) */", limit.as_millis())
}

fn column(mapping: &Mapping, index: usize) -> &Column {
    &mapping.schema.columns[index]
}

fn names(mapping: &Mapping) -> Vec<String> {
    mapping.key.iter().map(|&index| quote(&column(mapping, index).name)).collect()
}

fn largest_statement(mapping: &Mapping, limit: Duration) -> String {
    let key = names(mapping).join(", ");
    format!(
        "SELECT {} {key}, COUNT(*) AS items FROM {} GROUP BY {key} ORDER BY items DESC LIMIT 1",
        hint(limit),
        mapping.schema.name.quoted()
    )
}

/// `None` where the order column has no segments.
fn segments_statement(mapping: &Mapping, width: u64, limit: Duration) -> Option<String> {
    let order = column(mapping, mapping.order?.column);
    let name = quote(&order.name);
    let number = match order.column_type {
        ColumnType::Integer { .. } | ColumnType::Year => format!("CAST({name} AS DECIMAL(20))"),
        ColumnType::Date | ColumnType::DateTime { .. } | ColumnType::Timestamp { .. } => {
            format!("CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {name}) AS DECIMAL(20))")
        }
        _ => return None,
    };
    // MOD has the sign of the dividend; segments go down to the next multiple
    let segment = format!("{number} - MOD(MOD({number}, {width}) + {width}, {width})");
    let is_it: Vec<String> = names(mapping).iter().map(|name| format!("{name} = ?")).collect();
    Some(format!(
        "SELECT {} COUNT(*), MAX(items) FROM (SELECT COUNT(*) AS items FROM {} WHERE {} GROUP BY {segment}) AS s",
        hint(limit),
        mapping.schema.name.quoted(),
        is_it.join(" AND ")
    ))
}
