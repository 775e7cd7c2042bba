//! Whether the rows of a table that was altered still mean what the mappings think they mean.

use super::statement::{ColumnClause, may_be};
use crate::model::TableSchema;
use crate::model::{Column, ColumnType};
use crate::source::names::NameCase;
use crate::source::registry::Registered;

/// Says why not, if not. `fresh` is the definition now, `clauses` what one statement did to columns.
pub fn still_readable(
    table: &Registered,
    fresh: &TableSchema,
    clauses: &[ColumnClause],
) -> Result<(), String> {
    for used in &table.used {
        let column = &table.schema.columns[*used];
        for clause in clauses {
            touches(clause, column)?;
        }
        let Some(now) = fresh.column_index(&column.name).map(|i| &fresh.columns[i]) else {
            return Err(format!("the mapped column {} is gone", column.name));
        };
        same_bytes(column, now)?;
    }
    Ok(())
}

fn touches(clause: &ColumnClause, column: &Column) -> Result<(), String> {
    let is = |name: &String| may_be(name, &column.name, NameCase::Ignored);
    match clause {
        ColumnClause::AddOrDrop(names) if names.iter().any(is) => {
            Err(format!("the mapped column {} was added or dropped", column.name))
        }
        ColumnClause::Rename { from, to } if is(from) != is(to) => {
            Err(format!("the mapped column {} was renamed", column.name))
        }
        ColumnClause::Cascades => Err("a foreign key with CASCADE or SET changes its rows".into()),
        _ => Ok(()),
    }
}

/// No stored value changed when a column went from `before` to `now`.
fn same_bytes(before: &Column, now: &Column) -> Result<(), String> {
    let widened = match (&before.column_type, &now.column_type) {
        (ColumnType::Enum { labels: old }, ColumnType::Enum { labels: new })
        | (ColumnType::Set { labels: old }, ColumnType::Set { labels: new }) => new.starts_with(old),
        (old @ ColumnType::Text { .. }, new @ ColumnType::Text { .. }) => {
            old == new && (before.declared == now.declared || grown(&before.declared, &now.declared))
        }
        (ColumnType::VarBinary, ColumnType::VarBinary) => {
            before.declared == now.declared || grown(&before.declared, &now.declared)
        }
        (old, new) => old == new,
    };
    if !widened {
        return Err(format!(
            "the mapped column {} is {} now, and was {}",
            before.name, now.declared, before.declared
        ));
    }
    if before.nullable && !now.nullable {
        return Err(format!("the mapped column {} is NOT NULL now: its NULLs were converted", before.name));
    }
    if now.virtual_generated && !before.virtual_generated {
        return Err(format!("the mapped column {} is generated now", before.name));
    }
    Ok(())
}

/// `varchar(10)` became `varchar(20)`: the same type with a larger length.
fn grown(before: &str, now: &str) -> bool {
    let parts = |declared: &str| {
        let (name, rest) = declared.split_once('(')?;
        let length: u64 = rest.split_once(')')?.0.parse().ok()?;
        Some((name.to_ascii_lowercase(), length))
    };
    match (parts(before), parts(now)) {
        (Some((old, shorter)), Some((new, longer))) => old == new && shorter <= longer,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{TableId, TableName};
    use std::sync::Arc;

    fn column(name: &str, column_type: ColumnType, declared: &str) -> Column {
        Column {
            name: name.into(),
            column_type,
            nullable: true,
            declared: declared.into(),
            virtual_generated: false,
        }
    }

    fn text() -> ColumnType {
        ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() }
    }

    fn schema(columns: Vec<Column>) -> TableSchema {
        let name = TableName { schema: "s".into(), table: "t".into() };
        TableSchema { name, columns, primary_key: vec![], unique_keys: vec![] }
    }

    #[test]
    fn harmless_changes_pass_and_others_do_not() {
        let note = || column("note", text(), "varchar(10)");
        let state = |labels: &[&str]| {
            let labels = labels.iter().map(|l| (*l).to_owned()).collect();
            column("state", ColumnType::Enum { labels }, "enum")
        };
        let registered = Registered {
            id: TableId(0),
            schema: Arc::new(schema(vec![note(), state(&["a", "b"])])),
            used: vec![0, 1],
            keys: vec![],
            mappings: vec![],
        };
        let check = |columns, clauses: &[ColumnClause]| {
            still_readable(&registered, &schema(columns), clauses).is_ok()
        };
        assert!(check(
            vec![state(&["a", "b", "c"]), column("x", text(), "text"), column("note", text(), "varchar(20)")],
            &[]
        ));
        assert!(!check(vec![note(), state(&["b", "a"])], &[]));
        assert!(!check(vec![note()], &[]));
        assert!(!check(vec![column("note", text(), "varchar(5)"), state(&["a", "b"])], &[]));
        assert!(!check(vec![Column { nullable: false, ..note() }, state(&["a", "b"])], &[]));
        let same = || vec![note(), state(&["a", "b"])];
        assert!(check(same(), &[ColumnClause::AddOrDrop(vec!["x".into()])]));
        assert!(!check(same(), &[ColumnClause::AddOrDrop(vec!["NOTE".into()])]));
        assert!(!check(same(), &[ColumnClause::Rename { from: "state".into(), to: "x".into() }]));
    }
}
