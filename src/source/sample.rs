//! A bounded look at a table's rows and at the binlog's last minutes, for `tailfill suggest`.

use super::binlog::recent;
pub(crate) use super::binlog::recent::Newest;
use super::connection::text_at;
use super::mysql::MysqlSource;
use super::preflight::was_stopped;
use super::snapshot::reader::MysqlSnapshot;
use super::{Snapshot, SourceError};
use crate::model::table::quote;
use crate::model::{ColumnType, DateTime, TableSchema, Value};
use mysql_async::{Row, Value as Cell};
use std::time::Duration;

impl MysqlSource {
    /// SELECTs that the server ends after `limit`, each.
    pub(crate) async fn snapshot_within(&self, limit: Duration) -> Result<Box<dyn Snapshot>, SourceError> {
        Ok(Box::new(MysqlSnapshot::open_within(self.session(), limit).await?))
    }

    /// The smallest and the largest value of a column that an index begins with. `None` for an empty table, for a type
    /// that has no places in between, and where the server took longer than `limit`.
    pub(crate) async fn extremes(
        &self,
        schema: &TableSchema,
        column: usize,
        limit: Duration,
    ) -> Result<Option<(Value, Value)>, SourceError> {
        let column = &schema.columns[column];
        let name = quote(&column.name);
        let of = |function: &str| match &column.column_type {
            ColumnType::Text { .. } => format!("CONVERT({function}({name}) USING utf8mb4)"),
            _ => format!("{function}({name})"),
        };
        let statement = format!(
            "SELECT /*+ MAX_EXECUTION_TIME({}) */ {}, {} FROM {}",
            limit.as_millis(),
            of("MIN"),
            of("MAX"),
            schema.name.quoted()
        );
        let mut connection = self.session().open().await?;
        match connection.rows_with("the smallest and the largest key", &statement, ()).await {
            Ok(rows) => Ok(rows.first().and_then(|row| {
                Some((value(&column.column_type, row, 0)?, value(&column.column_type, row, 1)?))
            })),
            Err(error) if was_stopped(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The newest transactions of the binlog, back to `micros`; at most so many of each server that numbered some.
    pub(crate) async fn newest(&self, micros: u64, transactions_max: u64) -> Result<Newest, SourceError> {
        recent::newest(self.session(), micros, transactions_max).await
    }
}

fn value(column_type: &ColumnType, row: &Row, place: usize) -> Option<Value> {
    Some(match (column_type, row.as_ref(place)?) {
        (ColumnType::Integer { unsigned: true, .. } | ColumnType::Year, Cell::UInt(number)) => {
            Value::UInt(*number)
        }
        (ColumnType::Integer { unsigned: true, .. } | ColumnType::Year, Cell::Int(number)) => {
            Value::UInt(u64::try_from(*number).ok()?)
        }
        (ColumnType::Integer { .. }, Cell::Int(number)) => Value::Int(*number),
        (ColumnType::Text { .. }, Cell::Bytes(_)) => Value::Text(text_at(row, place).into()),
        (ColumnType::Binary { .. } | ColumnType::VarBinary, Cell::Bytes(bytes)) => {
            Value::Bytes(bytes.clone().into())
        }
        (
            ColumnType::Date | ColumnType::DateTime { .. } | ColumnType::Timestamp { .. },
            &Cell::Date(year, month, day, hour, minute, second, micros),
        ) => Value::DateTime(DateTime { year, month, day, hour, minute, second, micros }),
        _ => return None,
    })
}
