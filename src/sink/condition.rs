//! Conditions in SQL, by which a person finds the rows that HBase cannot take.

use crate::model::table::quote;
use crate::model::{ColumnType, Mapping};

/// Whether values of this type are moments: their parts are microseconds since 1970.
pub fn is_moment(column_type: &ColumnType) -> bool {
    matches!(column_type, ColumnType::Date | ColumnType::DateTime { .. } | ColumnType::Timestamp { .. })
}

/// The SELECT that finds all rows of a condition.
pub fn select(mapping: &Mapping, condition: &str) -> String {
    mapping.schema.select(key_columns(mapping), condition)
}

/// What holds for rows whose date in `column` names no point in time; `None` for a column without dates.
pub fn no_instant(mapping: &Mapping, column: usize) -> Option<String> {
    let column = mapping.schema.columns.get(column).filter(|column| is_moment(&column.column_type))?;
    let name = quote(&column.name);
    Some(format!(
        "MONTH({name}) = 0 OR DAYOFMONTH({name}) = 0 OR DAYOFMONTH({name}) > DAYOFMONTH(LAST_DAY({name}))"
    ))
}

pub fn key_columns(mapping: &Mapping) -> impl Iterator<Item = usize> {
    mapping.key.iter().chain(&mapping.item).copied()
}

pub fn name(mapping: &Mapping, column: usize) -> String {
    mapping.schema.columns.get(column).map_or_else(String::new, |column| quote(&column.name))
}
