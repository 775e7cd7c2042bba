//! A part of one list, in the list's order: the condition and the ORDER BY.
//!
//! Lists are ordered as their addresses in HBase are: texts by their UTF-8 bytes, whatever the column's collation says.

use super::chunk::{self, BadBound, Condition, Step};
use crate::model::table::quote;
use crate::model::{Column, ColumnType, Cursor, ListPart, Mapping, TableSchema, Value};
use crate::source::text::Charsets;

/// Which rows, and in which order: what stands behind WHERE, and behind the condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub condition: Condition,
    pub order_by: String,
}

/// `part` of the list `key`.
pub fn of_list(
    schema: &TableSchema,
    charsets: &Charsets,
    mapping: &Mapping,
    key: &[Value],
    part: &ListPart,
) -> Result<Part, BadBound> {
    let mut condition = exactly(schema, charsets, &mapping.key, key)?;
    let places = places(schema, mapping);
    if let Some(after) = &part.after {
        condition = condition.and(&behind(&places, charsets, after)?);
    }
    let directions = places.iter().map(|place| {
        let direction = if place.descending != part.reversed { "DESC" } else { "ASC" };
        format!("{} {direction}", sorted(place.column))
    });
    let order_by = format!(" ORDER BY {} LIMIT {}", directions.collect::<Vec<_>>().join(", "), part.limit);
    Ok(Part { condition, order_by })
}

/// `columns` equal to `values` to the byte: an index finds what the collation calls equal, and of that only the same bytes
/// are left.
pub fn exactly(
    schema: &TableSchema,
    charsets: &Charsets,
    columns: &[usize],
    values: &[Value],
) -> Result<Condition, BadBound> {
    let mut condition = chunk::equal(schema, charsets, columns, values)?;
    for (index, value) in columns.iter().zip(values) {
        let column = &schema.columns[*index];
        if let (ColumnType::Text { charset, .. }, Value::Text(text)) = (&column.column_type, value)
            && let Some(bytes) = charsets.find(charset).and_then(|set| set.encode(text))
        {
            let sql = format!("CAST({} AS BINARY) = UNHEX(?)", quote(&column.name));
            condition = condition.and(&Condition { sql, params: vec![chunk::in_hex(&bytes)] });
        }
    }
    Ok(condition)
}

/// Whether some of the columns are texts.
pub fn has_text(schema: &TableSchema, columns: &[usize]) -> bool {
    columns.iter().any(|index| matches!(schema.columns[*index].column_type, ColumnType::Text { .. }))
}

/// Each of `columns` has one of the values that it has in `tuples`; texts as MySQL converts them, which no index over
/// them is asked for.
pub fn among<'a>(
    schema: &TableSchema,
    charsets: &Charsets,
    columns: &[usize],
    tuples: impl Iterator<Item = Vec<&'a Value>> + Clone,
) -> Result<Condition, BadBound> {
    let mut condition = Condition::default();
    for (place, index) in columns.iter().enumerate() {
        let column = &schema.columns[*index];
        let mut one = Condition::default();
        for tuple in tuples.clone() {
            let Some(value) = tuple.get(place) else { continue };
            let (sql, param) = bound(column, charsets, value)?;
            one.sql.push_str(if one.sql.is_empty() { "" } else { ", " });
            one.sql.push_str(&sql);
            one.params.push(param);
        }
        one.sql = format!("{} IN ({})", sorted(column), one.sql);
        condition = if place == 0 { one } else { condition.and(&one) };
    }
    Ok(condition)
}

/// A column that orders a list.
struct SortColumn<'a> {
    column: &'a Column,
    descending: bool,
}

fn places<'a>(schema: &'a TableSchema, mapping: &Mapping) -> Vec<SortColumn<'a>> {
    let order = mapping.order.map(|order| (order.column, order.descending));
    let items = mapping.item.iter().map(|&column| (column, false));
    let place =
        |(column, descending): (usize, bool)| SortColumn { column: &schema.columns[column], descending };
    order.into_iter().chain(items).map(place).collect()
}

fn behind(places: &[SortColumn<'_>], charsets: &Charsets, after: &Cursor) -> Result<Condition, BadBound> {
    let values = after.order.iter().chain(&after.item);
    if values.clone().count() != places.len() {
        return Err(BadBound { column: "of the list's order".into() });
    }
    let step = |(place, value): (&SortColumn<'_>, &Value)| {
        let (sql, param) = bound(place.column, charsets, value)?;
        let (strict, wide) = if place.descending { ("<", "<=") } else { (">", ">=") };
        Ok(Step { name: sorted(place.column), sql, param, strict, wide })
    };
    let steps = places.iter().zip(values).map(step).collect::<Result<Vec<Step>, BadBound>>()?;
    Ok(chunk::beyond(&steps, false))
}

/// What orders as the column's part does.
fn sorted(column: &Column) -> String {
    match column.column_type {
        ColumnType::Text { .. } => utf8_bytes(&quote(&column.name)),
        _ => quote(&column.name),
    }
}

/// A value to compare with [`sorted`].
fn bound(
    column: &Column,
    charsets: &Charsets,
    value: &Value,
) -> Result<(String, mysql_async::Value), BadBound> {
    match (&column.column_type, value) {
        (ColumnType::Text { .. }, Value::Text(text)) => {
            Ok(("UNHEX(?)".into(), chunk::in_hex(text.as_bytes())))
        }
        _ => chunk::bind(column, charsets, value)?.ok_or_else(|| BadBound { column: column.name.clone() }),
    }
}

fn utf8_bytes(text: &str) -> String {
    format!("CAST(CONVERT({text} USING utf8mb4) AS BINARY)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MappingId, OrderKey, TableId, TableName};
    use crate::source::text::CodeTable;
    use std::sync::Arc;

    fn charsets() -> Charsets {
        let mut charsets = Charsets::default();
        charsets.add(CodeTable::new("latin1", [(0xE9, 'é')]));
        charsets
    }

    fn mapping(item: ColumnType, order: Option<OrderKey>) -> Mapping {
        let int = ColumnType::Integer { bytes: 8, unsigned: false };
        let column = |name: &str, column_type| Column {
            name: name.into(),
            column_type,
            nullable: false,
            declared: String::new(),
            virtual_generated: false,
        };
        let schema = TableSchema {
            name: TableName { schema: "s".into(), table: "t".into() },
            columns: vec![column("k", int.clone()), column("i", item), column("o", int)],
            primary_key: vec![0, 1],
            unique_keys: vec![],
        };
        Mapping {
            id: MappingId(0),
            name: "m".into(),
            table: TableId(0),
            schema: Arc::new(schema),
            key: vec![0],
            item: vec![1],
            order,
            targets: vec![],
        }
    }

    fn part(mapping: &Mapping, reversed: bool, after: Option<Cursor>) -> Part {
        let part = ListPart { reversed, after, limit: 9 };
        of_list(&mapping.schema, &charsets(), mapping, &[Value::Int(7)], &part).unwrap()
    }

    fn int() -> ColumnType {
        ColumnType::Integer { bytes: 8, unsigned: false }
    }

    #[test]
    fn the_far_end_is_the_exact_reverse() {
        let mapping = mapping(int(), Some(OrderKey { column: 2, descending: true }));
        let near = part(&mapping, false, None);
        assert_eq!(
            (near.condition.sql.as_str(), near.order_by.as_str()),
            ("`k` = ?", " ORDER BY `o` DESC, `i` ASC LIMIT 9")
        );
        assert_eq!(part(&mapping, true, None).order_by, " ORDER BY `o` ASC, `i` DESC LIMIT 9");
    }

    #[test]
    fn a_page_begins_behind_its_cursor_each_column_in_its_own_direction() {
        let mapping = mapping(int(), Some(OrderKey { column: 2, descending: true }));
        let after = Cursor { order: Some(Value::Int(5)), item: vec![Value::Int(3)] };
        let condition = part(&mapping, false, Some(after)).condition;
        assert_eq!(condition.sql, "`k` = ? AND (`o` <= ? AND (`o` < ? OR (`o` = ? AND `i` > ?)))");
        assert_eq!(condition.params, [7, 5, 5, 5, 3].map(mysql_async::Value::Int));
        let short = ListPart {
            reversed: false,
            after: Some(Cursor { order: None, item: vec![Value::Int(3)] }),
            limit: 9,
        };
        assert!(of_list(&mapping.schema, &charsets(), &mapping, &[Value::Int(7)], &short).is_err());
    }

    #[test]
    fn a_scan_compares_what_mysql_makes_of_a_text() {
        let text = ColumnType::Text { charset: "latin1".into(), collation: "latin1_swedish_ci".into() };
        let mapping = mapping(text, None);
        assert!(has_text(&mapping.schema, &[0, 1]) && !has_text(&mapping.schema, &[0]));
        let (first, second) =
            ([Value::Int(7), Value::Text("é".into())], [Value::Int(8), Value::Text("〜".into())]);
        let tuples = [&first, &second].map(|tuple| tuple.iter().collect());
        let found = among(&mapping.schema, &charsets(), &[0, 1], tuples.into_iter()).unwrap();
        assert_eq!(
            found.sql,
            "`k` IN (?, ?) AND (CAST(CONVERT(`i` USING utf8mb4) AS BINARY) IN (UNHEX(?), UNHEX(?)))"
        );
        assert_eq!(found.params.len(), 4);
    }

    #[test]
    fn texts_are_compared_by_their_bytes() {
        let text = ColumnType::Text { charset: "latin1".into(), collation: "latin1_swedish_ci".into() };
        let mapping = mapping(text, None);
        let after = Cursor { order: None, item: vec![Value::Text("é".into())] };
        let found = part(&mapping, false, Some(after));
        assert_eq!(
            found.condition.sql,
            "`k` = ? AND (CAST(CONVERT(`i` USING utf8mb4) AS BINARY) > UNHEX(?))"
        );
        assert_eq!(found.order_by, " ORDER BY CAST(CONVERT(`i` USING utf8mb4) AS BINARY) ASC LIMIT 9");
        let same = exactly(&mapping.schema, &charsets(), &[1], &[Value::Text("é".into())]).unwrap();
        assert!(same.sql.ends_with(" AND (CAST(`i` AS BINARY) = UNHEX(?))"), "{}", same.sql);
        assert_eq!(same.params.len(), 2);
    }
}
