//! Whether a parked mapping can come back to the table as it is now.

use crate::advice;
use crate::model::{Definition, Mapping, TableId};
use crate::pipeline::parts::settings::Parts;
use crate::protocol::ProtocolError;

/// Whether rows of the definition have what the mappings of this run need: a run keeps the columns that it began with.
///
/// # Errors
/// `Refused`: mapped columns are gone or of another type; the rows have no order to be copied in, or no address of their
/// own, or change without a word in the binlog.
pub fn fits(parts: &Parts, table: TableId, definition: &Definition) -> Result<(), ProtocolError> {
    for mapping in parts.plan.of_table(table) {
        has_columns(mapping, definition)?;
        can_be_followed(mapping, definition)?;
    }
    Ok(())
}

fn has_columns(mapping: &Mapping, definition: &Definition) -> Result<(), ProtocolError> {
    for needed in needed(mapping).iter().filter_map(|index| mapping.schema.columns.get(*index)) {
        let now = &definition.schema;
        let Some(now) = now.column_index(&needed.name).map(|index| &now.columns[index]) else {
            return Err(refused(
                format!("mapping {} needs the column {}, which is gone", mapping.name, needed.name),
                advice::altered(&mapping.name),
            ));
        };
        if now.column_type != needed.column_type {
            return Err(refused(
                format!(
                    "the column {} of mapping {} is {} now, and was {} when this run began",
                    needed.name, mapping.name, now.declared, needed.declared
                ),
                advice::altered(&mapping.name),
            ));
        }
    }
    Ok(())
}

fn needed(mapping: &Mapping) -> Vec<usize> {
    let cells = mapping.targets.iter().flat_map(|target| &target.columns);
    let mut columns = mapping.key.iter().chain(&mapping.item).chain(cells).copied().collect::<Vec<_>>();
    columns.extend(mapping.order.map(|order| order.column));
    columns
}

/// What the checks ask of a table before it is copied first.
fn can_be_followed(mapping: &Mapping, definition: &Definition) -> Result<(), ProtocolError> {
    let schema = &definition.schema;
    let name = |index: &usize| mapping.schema.columns.get(*index).map(|column| column.name.as_str());
    let named: Vec<&str> = mapping.key.iter().chain(&mapping.item).filter_map(name).collect();
    let is_named =
        |column: &usize| named.iter().any(|name| schema.columns[*column].name.eq_ignore_ascii_case(name));
    let reason = if schema.primary_key.is_empty() {
        format!("{} has no primary key now, and the backfill copies ranges of it", schema.name)
    } else if !schema.unique_keys.iter().any(|key| key.iter().all(is_named)) {
        format!("{} has no unique index over {} now", schema.name, named.join(", "))
    } else if let Some(constraint) = definition.unlogged.first() {
        format!(
            "the foreign key {constraint} changes rows of {}, and MySQL does not write that to its binlog",
            schema.name
        )
    } else {
        return Ok(());
    };
    Err(refused(reason, advice::fix_table(&mapping.name)))
}

fn refused(reason: String, advice: String) -> ProtocolError {
    ProtocolError::Refused { reason, advice }
}
