//! What HBase takes, looked at before anything is sent; and which row does not fit.

use super::condition::{key_columns, name, select};
use super::encode;
use super::rows;
use super::{ROW_KEY_BYTES_MAX, SinkError};
use crate::advice;
use crate::model::{ColumnType, ColumnValue, Layout, Mapping, Target, Tick, ValueEncoding};

/// The largest cell that HBase's client takes, with its key: `hbase.client.keyvalue.maxsize` as it is delivered.
pub const CELL_BYTES_MAX: usize = 10 << 20;
/// What a cell has beside row key, family, qualifier and value (KeyValue: lengths, timestamp, type).
const CELL_OVERHEAD: usize = 20;
/// Characters of a key column's value in a message.
const SHOWN: usize = 40;

/// Whether HBase can have a row with this key.
pub fn key_fits(row: &[u8]) -> bool {
    row.len() <= ROW_KEY_BYTES_MAX
}

/// Whether HBase takes an item: its row key, and its packed cells.
///
/// # Errors
/// `Unencodable`, with the SELECT that finds all such rows.
pub fn fits(mapping: &Mapping, target: &Target, key: &[u8], cells: &[u8]) -> Result<(), SinkError> {
    if !key_fits(key) {
        let limit = format!("its row key has {} bytes, HBase takes {ROW_KEY_BYTES_MAX}", key.len());
        return Err(refused(mapping, limit, &long_keys(mapping, target)));
    }
    let beside = CELL_OVERHEAD + key.len() + target.family.len();
    if beside + cells.len() <= CELL_BYTES_MAX {
        return Ok(());
    }
    let written = rows::unpacked(cells, Tick(0));
    let large =
        |(name, value): &&(bytes::Bytes, bytes::Bytes)| beside + name.len() + value.len() > CELL_BYTES_MAX;
    match written.puts.iter().find(large) {
        None => Ok(()),
        Some((_, value)) => {
            let limit = format!("a cell of it has {} bytes, HBase takes {CELL_BYTES_MAX}", value.len());
            Err(refused(mapping, limit, &large_cells(mapping, target)))
        }
    }
}

fn refused(mapping: &Mapping, limit: String, condition: &str) -> SinkError {
    let reason = format!("{limit}; all such rows: {}", select(mapping, condition));
    SinkError::Unencodable { mapping: mapping.name.clone(), reason }
}

/// The bytes of a column in HBase; `None` where its length is always small.
fn length(mapping: &Mapping, column: usize) -> Option<String> {
    match mapping.schema.columns.get(column)?.column_type {
        ColumnType::Text { .. } => {
            Some(format!("IFNULL(LENGTH(CONVERT({} USING utf8mb4)), 0)", name(mapping, column)))
        }
        ColumnType::VarBinary | ColumnType::Json | ColumnType::Geometry | ColumnType::Vector => {
            Some(format!("IFNULL(LENGTH({}), 0)", name(mapping, column)))
        }
        _ => None,
    }
}

/// Numbers and zero bytes in a key take a little more than their length, so rows just below the limit are found too.
fn long_keys(mapping: &Mapping, target: &Target) -> String {
    let order = mapping.order.filter(|_| target.ordered).map(|order| order.column);
    let behind =
        order.into_iter().chain(mapping.item.iter().copied()).filter(|_| target.layout == Layout::Tall);
    let parts = mapping.key.iter().copied().chain(behind);
    let lengths: Vec<String> = parts.filter_map(|column| length(mapping, column)).collect();
    format!("{} > {}", lengths.join(" + "), ROW_KEY_BYTES_MAX - 767)
}

fn large_cells(mapping: &Mapping, target: &Target) -> String {
    let lengths: Vec<String> = target.columns.iter().filter_map(|column| length(mapping, *column)).collect();
    format!("{} > {}", lengths.join(" + "), CELL_BYTES_MAX - (1 << 20))
}

/// The same error with the row that it is about, by its key columns, and the way on.
pub fn named(mapping: &Mapping, row: &[ColumnValue<'_>], error: SinkError) -> SinkError {
    let SinkError::Unencodable { mapping: of, reason } = error else { return error };
    let part = |column: usize| {
        let column_name = mapping.schema.columns.get(column).map_or("?", |column| column.name.as_str());
        format!("{column_name} = {}", shown(mapping, column, row.get(column)))
    };
    let keys: Vec<String> = key_columns(mapping).map(part).collect();
    let reason =
        format!("the row with {}: {reason}; {}", keys.join(", "), advice::row_refused(&mapping.name));
    SinkError::Unencodable { mapping: of, reason }
}

fn shown(mapping: &Mapping, column: usize, value: Option<&ColumnValue<'_>>) -> String {
    let Some(value) = value else { return "?".to_owned() };
    let mut bytes = Vec::new();
    match encode::push_cell_value(mapping, column, value, ValueEncoding::Utf8, &mut bytes) {
        Ok(true) => {}
        Ok(false) => return "NULL".to_owned(),
        Err(_) => return "?".to_owned(),
    }
    let text = String::from_utf8_lossy(&bytes);
    let begin: String = text.chars().take(SHOWN).collect();
    match begin.len() < text.len() {
        true => format!("{begin:?}... ({} bytes)", bytes.len()),
        false => format!("{begin:?}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Value;
    use crate::sink::fixtures::followers;
    use crate::sink::layout::Codec;

    fn row(note: String) -> Vec<Value> {
        let made = crate::sink::fixtures::date_time("2024-01-31 10:00:00.123");
        vec![Value::UInt(5), Value::UInt(7), Value::DateTime(made), Value::Text(note.into())]
    }

    #[test]
    fn a_cell_that_hbase_does_not_take_is_refused_with_its_row_and_a_select() {
        let mapping = followers();
        let target = &mapping.targets[0];
        assert!(Codec::of(&mapping, target).item_write(&row("x".repeat(9 << 20))).is_ok());
        let error =
            Codec::of(&mapping, target).item_write(&row("x".repeat(12 << 20))).unwrap_err().to_string();
        for limit in [
            "the row with followee_id = \"5\", follower_id = \"7\": a cell of it has 12582912 bytes",
            "SELECT `followee_id`, `follower_id` FROM `s`.`t` WHERE IFNULL(LENGTH(CONVERT(`note` USING utf8mb4)), 0) > ",
            "`tailfill recopy m --yes`",
        ] {
            assert!(error.contains(limit), "{limit} is not in {error}");
        }
        assert!(error.len() < 1_000, "no values: {error}");
    }

    #[test]
    fn a_row_key_that_hbase_does_not_take_is_refused_with_its_beginning() {
        let mut mapping = followers();
        mapping.item = vec![3];
        let target = &mapping.targets[1].clone();
        assert!(Codec::of(&mapping, target).item_write(&row("y".repeat(32_000))).is_ok());
        let error = Codec::of(&mapping, target).item_write(&row("y".repeat(33_000))).unwrap_err().to_string();
        assert!(
            error.contains("note = \"yyyy") && error.contains("... (33000 bytes): its row key has 33"),
            "{error}"
        );
        assert!(error.contains("WHERE IFNULL(LENGTH(CONVERT(`note` USING utf8mb4)), 0) > 32000"), "{error}");
    }
}
