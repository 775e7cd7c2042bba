//! Labels that were appended to ENUM and SET columns since their tables were registered.

use crate::model::{ColumnType, TableSchema};
use crate::source::SourceError;
use crate::source::connection::Connection;
use crate::source::registry::Registry;
use crate::source::schema;
use std::sync::Arc;

/// The registered tables, with the labels that their columns have now. A table that is not there any more stays as it was:
/// its SELECTs say so.
pub async fn present(conn: &mut Connection, registry: Arc<Registry>) -> Result<Arc<Registry>, SourceError> {
    let mut present = registry.clone();
    for table in registry.tables() {
        if !table.used.iter().any(|index| labels(&table.schema.columns[*index].column_type).is_some()) {
            continue;
        }
        let now = match schema::read(conn, &table.schema.name).await {
            Ok(now) => now,
            Err(SourceError::Schema { .. }) => continue,
            Err(error) => return Err(error),
        };
        if let Some(longer) = with_appended(&table.schema, &now) {
            Arc::make_mut(&mut present).redefine(table.id, Arc::new(longer));
        }
    }
    Ok(present)
}

/// `None`: nothing was appended.
fn with_appended(registered: &TableSchema, now: &TableSchema) -> Option<TableSchema> {
    let mut schema = registered.clone();
    for column in &mut schema.columns {
        let Some(index) = now.column_index(&column.name) else { continue };
        let now = &now.columns[index].column_type;
        // other labels than appended ones park the table, where the tail comes to the statement
        if let (Some(before), Some(after)) = (labels(&column.column_type), labels(now))
            && std::mem::discriminant(&column.column_type) == std::mem::discriminant(now)
            && after.starts_with(before)
        {
            column.column_type = now.clone();
        }
    }
    (schema != *registered).then_some(schema)
}

fn labels(column_type: &ColumnType) -> Option<&[String]> {
    match column_type {
        ColumnType::Enum { labels } | ColumnType::Set { labels } => Some(labels),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Column, TableName};

    fn table(column_type: ColumnType) -> TableSchema {
        let column = Column {
            name: "state".into(),
            column_type,
            nullable: true,
            declared: String::new(),
            virtual_generated: false,
        };
        let name = TableName { schema: "s".into(), table: "t".into() };
        TableSchema { name, columns: vec![column], primary_key: vec![], unique_keys: vec![] }
    }

    #[test]
    fn appended_labels_are_known_and_others_are_not_taken_over() {
        let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
        let before = table(ColumnType::Enum { labels: labels(&["a", "b"]) });
        let appended = table(ColumnType::Enum { labels: labels(&["a", "b", "c"]) });
        assert_eq!(with_appended(&before, &appended), Some(appended.clone()));
        for now in [
            before.columns[0].column_type.clone(),
            ColumnType::Enum { labels: labels(&["b", "a", "c"]) },
            ColumnType::Set { labels: labels(&["a", "b", "c"]) },
        ] {
            assert_eq!(with_appended(&before, &table(now.clone())), None, "{now:?}");
        }
    }
}
