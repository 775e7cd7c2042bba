//! Whether the rows of a table that was altered still mean what the mappings think they mean.

use super::statement::{ColumnClause, may_be};
use crate::failpoints::Failpoints;
use crate::model::{Column, ColumnType, Definition};
use crate::source::names::NameCase;
use std::collections::BTreeSet;

/// Says why not, if not: whether the rows that are there still have, in the columns `used`, the bytes that they had
/// `before`. `clauses` is what the statement in between did to columns.
pub fn keeps_bytes(
    used: &[&str],
    before: &Definition,
    now: &Definition,
    clauses: &[ColumnClause],
) -> Result<(), String> {
    if Failpoints::default().bytes_not_compared() {
        return Ok(());
    }
    for name in used {
        let Some(column) = before.schema.column_index(name).map(|i| &before.schema.columns[i]) else {
            continue; // its rows are read when there are some
        };
        for clause in clauses {
            touches(clause, column)?;
        }
        let Some(then) = now.schema.column_index(name).map(|i| &now.schema.columns[i]) else {
            return Err(format!("the mapped column {} is gone", column.name));
        };
        same_bytes(column, then)?;
        same_expression(column, before, now)?;
    }
    same_proof(used, before, now)?;
    new_cascade(before, now)
}

fn same_expression(column: &Column, before: &Definition, now: &Definition) -> Result<(), String> {
    let of = |definition: &Definition| {
        let mut all = definition.generated.iter();
        all.find(|(name, _)| name.eq_ignore_ascii_case(&column.name))
            .map(|(_, expression)| expression.clone())
    };
    if of(before) == of(now) {
        return Ok(());
    }
    Err(format!("the mapped column {} is generated in another way now", column.name))
}

/// A unique index over mapped columns may be what proves that two rows never have one address.
fn same_proof(used: &[&str], before: &Definition, now: &Definition) -> Result<(), String> {
    let keys = |definition: &Definition| -> BTreeSet<BTreeSet<String>> {
        let name = |i: &usize| definition.schema.columns.get(*i).map(|column| column.name.to_lowercase());
        let all = definition.schema.unique_keys.iter();
        all.map(|key| key.iter().filter_map(name).collect()).collect()
    };
    let (left, is_used) =
        (keys(now), |name: &String| used.iter().any(|used| used.eq_ignore_ascii_case(name)));
    for gone in keys(before).iter().filter(|key| key.iter().all(is_used)) {
        if !left.iter().any(|key| key.is_subset(gone)) {
            let columns: Vec<&str> = gone.iter().map(String::as_str).collect();
            return Err(format!(
                "the unique index of {} is gone: two rows may have one address",
                columns.join(", ")
            ));
        }
    }
    Ok(())
}

fn new_cascade(before: &Definition, now: &Definition) -> Result<(), String> {
    match now.unlogged.difference(&before.unlogged).next() {
        Some(constraint) => {
            Err(format!("the foreign key {constraint} changes its rows, and this server does not log that"))
        }
        None => Ok(()),
    }
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
    use crate::model::{TableName, TableSchema};

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
        let before = Definition::of(schema(vec![note(), state(&["a", "b"])]));
        let check = |columns, clauses: &[ColumnClause]| {
            keeps_bytes(&["note", "state"], &before, &Definition::of(schema(columns)), clauses).is_ok()
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
