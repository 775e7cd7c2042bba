//! Whether the rows of a table that was altered still mean what the mappings think they mean.

use super::statement::{ColumnClause, may_be};
use crate::failpoints::Failpoints;
use crate::model::{Column, ColumnType, Definition};
use crate::source::names::NameCase;

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
        same_arguments(column, before, clauses)?;
    }
    same_proof(used, before, now)?;
    new_cascade(before, now)
}

/// Whether a statement leaves the columns `used` of rows that are there as they are, by its text alone: their names, types
/// and values.
pub fn leaves_alone(used: &[&str], before: &Definition, clauses: &[ColumnClause]) -> bool {
    let is_used = |name: &String| used.iter().any(|used| may_be(name, used, NameCase::Ignored));
    let generated = before.generated.keys().any(|name| is_among(used, name));
    !generated
        && clauses.iter().all(|clause| match clause {
            ColumnClause::AddOrDrop(names) => !names.iter().any(is_used),
            ColumnClause::Rename { from, to } => !is_used(from) && !is_used(to),
            ColumnClause::Modify { column, .. } => !is_used(column),
            ColumnClause::Convert | ColumnClause::Cascades => false,
        })
}

/// What a stored generated column is computed from.
fn expression<'a>(definition: &'a Definition, column: &Column) -> Option<&'a str> {
    let mut all = definition.generated.iter();
    all.find(|(name, _)| NameCase::Ignored.same(name, &column.name)).map(|(_, text)| text.as_str())
}

fn same_expression(column: &Column, before: &Definition, now: &Definition) -> Result<(), String> {
    if expression(before, column) == expression(now, column) {
        return Ok(());
    }
    Err(format!("the mapped column {} is generated in another way now", column.name))
}

/// A stored generated column is computed again where a column of its expression gets another type.
fn same_arguments(column: &Column, before: &Definition, clauses: &[ColumnClause]) -> Result<(), String> {
    let Some(expression) = expression(before, column).map(str::to_lowercase) else { return Ok(()) };
    let computed_again = |clause: &&ColumnClause| match clause {
        ColumnClause::Modify { column, .. } | ColumnClause::Rename { from: column, .. } => {
            expression.contains(&column.to_lowercase())
        }
        ColumnClause::Convert => true,
        ColumnClause::AddOrDrop(_) | ColumnClause::Cascades => false,
    };
    match clauses.iter().find(computed_again) {
        Some(_) => Err(format!("the mapped column {} is generated from one that was altered", column.name)),
        None => Ok(()),
    }
}

/// A unique index over mapped columns may be what proves that two rows never have one address.
fn same_proof(used: &[&str], before: &Definition, now: &Definition) -> Result<(), String> {
    let left = unique_keys(now);
    for gone in unique_keys(before).iter().filter(|key| key.iter().all(|name| is_among(used, name))) {
        if !left.iter().any(|key| key.iter().all(|name| is_among(gone, name))) {
            return Err(format!(
                "the unique index of {} is gone: two rows may have one address",
                gone.join(", ")
            ));
        }
    }
    Ok(())
}

/// The columns of each unique key.
fn unique_keys(definition: &Definition) -> Vec<Vec<&str>> {
    let name = |i: &usize| definition.schema.columns.get(*i).map(|column| column.name.as_str());
    definition.schema.unique_keys.iter().map(|key| key.iter().filter_map(name).collect()).collect()
}

/// Names of columns are compared without their case, in every script.
fn is_among(names: &[&str], name: &str) -> bool {
    names.iter().any(|other| NameCase::Ignored.same(other, name))
}

fn new_cascade(before: &Definition, now: &Definition) -> Result<(), String> {
    match now.unlogged.difference(&before.unlogged).next() {
        Some(constraint) => Err(format!(
            "the foreign key {constraint} changes its rows, and MySQL does not write that to its binlog"
        )),
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
        // of a foreign key with CASCADE or SET the definition after it says whether the server logs what it changes
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

    #[test]
    fn a_unique_index_is_missed_in_every_script() {
        let note = |name| column(name, text(), "varchar(10)");
        let with =
            |name, unique_keys| Definition::of(TableSchema { unique_keys, ..schema(vec![note(name)]) });
        let before = with("GRÖSSE", vec![vec![0]]);
        let check = |now: Definition| keeps_bytes(&["größe", "grösse"], &before, &now, &[]);
        assert!(check(with("grösse", vec![vec![0]])).is_ok());
        assert!(check(with("GRÖSSE", vec![])).unwrap_err().contains("unique index"));
    }

    #[test]
    fn a_cascade_parks_where_the_server_does_not_log_it() {
        let columns = || schema(vec![column("note", text(), "varchar(10)")]);
        let (before, mut now) = (Definition::of(columns()), Definition::of(columns()));
        let clauses = [ColumnClause::Cascades, ColumnClause::AddOrDrop(vec!["x".into()])];
        assert_eq!(keeps_bytes(&["note"], &before, &now, &clauses), Ok(()));
        now.unlogged.insert("fk".into());
        assert!(keeps_bytes(&["note"], &before, &now, &clauses).unwrap_err().contains("fk"));
    }

    #[test]
    fn a_column_that_is_generated_in_another_way_parks() {
        let columns = || schema(vec![column("note", text(), "varchar(10)")]);
        let with = |expression: &str| {
            let mut definition = Definition::of(columns());
            definition.generated.insert("Note".into(), expression.into());
            definition
        };
        assert!(keeps_bytes(&["note"], &with("a + 1"), &with("a + 1"), &[]).is_ok());
        assert!(keeps_bytes(&["note"], &with("a + 1"), &with("a + 2"), &[]).is_err());
        assert!(keeps_bytes(&["note"], &with("a + 1"), &Definition::of(columns()), &[]).is_err());
        let altered = |clause| keeps_bytes(&["note"], &with("(`A` + 1)"), &with("(`A` + 1)"), &[clause]);
        assert!(altered(ColumnClause::Modify { column: "a".into(), moved: false }).is_err());
        assert!(altered(ColumnClause::Convert).is_err());
        assert!(altered(ColumnClause::Modify { column: "b".into(), moved: false }).is_ok());
    }

    #[test]
    fn a_statement_that_names_no_mapped_column_leaves_them_alone() {
        let before = Definition::of(schema(vec![column("note", text(), "varchar(10)")]));
        let alone =
            |clause| leaves_alone(&["note"], &before, &[ColumnClause::AddOrDrop(vec!["x".into()]), clause]);
        let modify = |column: &str| ColumnClause::Modify { column: column.into(), moved: true };
        let rename = |from: &str, to: &str| ColumnClause::Rename { from: from.into(), to: to.into() };
        assert!(alone(modify("y")));
        assert!(alone(rename("y", "z")));
        for touching in [
            modify("NOTE"),
            rename("note", "z"),
            rename("z", "note"),
            ColumnClause::AddOrDrop(vec!["y".into(), "Note".into()]),
            ColumnClause::Convert,
            ColumnClause::Cascades,
        ] {
            assert!(!alone(touching.clone()), "{touching:?}");
        }
        let mut generated = before.clone();
        generated.generated.insert("note".into(), "y".into());
        assert!(!leaves_alone(&["note"], &generated, &[]), "y may have been altered");
    }
}
