//! Conditions over a primary key, written so that MySQL reads a range of it.
//!
//! Bounds are compared by MySQL itself, in the column's own type and collation, so that the order of
//! the chunks is the index's order whatever the type; a row constructor `(a, b) > (?, ?)` would be
//! right too, but MySQL does not use it for a range.
//!
//! Texts and bytes go to MySQL as the bytes that came from it, in hex: no character set of the session stands between.

use crate::failpoints::Failpoints;
use crate::model::table::quote;
use crate::model::{Column, ColumnType, TableSchema, Value};
use crate::source::KeyRange;
use crate::source::text::Charsets;
use mysql_async::Value as Param;

/// A condition with its parameters, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// With a `?` for each parameter.
    pub sql: String,
    /// One for each `?`, in their order.
    pub params: Vec<Param>,
}

/// A bound that does not fit its column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key value does not fit column {column}")]
pub struct BadBound {
    /// Its name, or `of the primary key` where the number of values is wrong.
    pub column: String,
}

/// `after < key <= up_to`; `TRUE` where both are open.
pub fn range(schema: &TableSchema, charsets: &Charsets, range: &KeyRange) -> Result<Condition, BadBound> {
    let mut condition = Condition::default();
    if let Some(after) = &range.after {
        condition.append(&bound(schema, charsets, after, Side::After)?);
    }
    if let Some(up_to) = &range.up_to {
        condition.append(&bound(schema, charsets, up_to, Side::UpTo)?);
    }
    if condition.sql.is_empty() {
        condition.sql.push_str("TRUE");
    }
    Ok(condition)
}

/// `column = value` for each of `columns`, in the column's own collation; `FALSE` where the column's character set
/// has no such text, so that no row can have it.
pub fn equal(
    schema: &TableSchema,
    charsets: &Charsets,
    columns: &[usize],
    values: &[Value],
) -> Result<Condition, BadBound> {
    let mut condition = Condition::default();
    for (index, value) in columns.iter().zip(values) {
        let column = &schema.columns[*index];
        condition.append(&match bind(column, charsets, value)? {
            Some((sql, param)) => {
                Condition { sql: format!("{} = {sql}", quote(&column.name)), params: vec![param] }
            }
            None => Condition { sql: "FALSE".into(), params: vec![] },
        });
    }
    Ok(condition)
}

/// `columns` equal to one of several tuples: `(a = ? AND b = ?) OR ...`, which MySQL reads as ranges of an
/// index over these columns.
pub fn any_equal<'a>(
    schema: &TableSchema,
    charsets: &Charsets,
    columns: &[usize],
    tuples: impl Iterator<Item = Vec<&'a Value>>,
) -> Result<Condition, BadBound> {
    let (mut alternatives, mut params) = (Vec::new(), Vec::new());
    for tuple in tuples {
        let mut one = Condition::default();
        for (index, value) in columns.iter().zip(tuple) {
            one.append(&equal(schema, charsets, &[*index], std::slice::from_ref(value))?);
        }
        alternatives.push(format!("({})", one.sql));
        params.extend(one.params);
    }
    let sql = if alternatives.is_empty() { "FALSE".into() } else { alternatives.join(" OR ") };
    Ok(Condition { sql, params })
}

/// `column IN (...)`, or [`any_equal`] for a key of several columns.
pub fn any_list(
    schema: &TableSchema,
    charsets: &Charsets,
    columns: &[usize],
    lists: &[&[Value]],
) -> Result<Condition, BadBound> {
    let [index] = columns else {
        return any_equal(schema, charsets, columns, lists.iter().map(|list| list.iter().collect()));
    };
    let column = &schema.columns[*index];
    let (mut alternatives, mut params) = (Vec::with_capacity(lists.len()), Vec::with_capacity(lists.len()));
    for list in lists {
        let value = list.first().ok_or_else(|| BadBound { column: column.name.clone() })?;
        if let Some((sql, param)) = bind(column, charsets, value)? {
            alternatives.push(sql);
            params.push(param);
        }
    }
    if alternatives.is_empty() {
        return Ok(Condition { sql: "FALSE".into(), params });
    }
    Ok(Condition { sql: format!("{} IN ({})", quote(&column.name), alternatives.join(", ")), params })
}

impl Condition {
    /// Both conditions.
    pub fn and(mut self, other: &Condition) -> Condition {
        self.append(&Condition { sql: format!("({})", other.sql), params: other.params.clone() });
        self
    }

    fn append(&mut self, other: &Condition) {
        if !self.sql.is_empty() {
            self.sql.push_str(" AND ");
        }
        self.sql.push_str(&other.sql);
        self.params.extend(other.params.iter().cloned());
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    After,
    UpTo,
}

/// One column of a bound that goes over several: what is compared with what, and how.
pub struct Step {
    /// What is compared: a column in backquotes, or an expression over it.
    pub name: String,
    /// `?`, or an expression over it.
    pub sql: String,
    /// What stands for the `?`.
    pub param: Param,
    /// Beyond the bound.
    pub strict: &'static str,
    /// Beyond it or at it.
    pub wide: &'static str,
}

/// For a key (a, b): `a >= ? AND (a > ? OR (a = ? AND b > ?))`. The first comparison alone is what
/// MySQL makes the range of. `inclusive`: at the bound too.
pub fn beyond(steps: &[Step], inclusive: bool) -> Condition {
    let Some((last, before)) = steps.split_last() else { return Condition::default() };
    let operator = if inclusive { last.wide } else { last.strict };
    let mut condition =
        Condition { sql: format!("{} {operator} {}", last.name, last.sql), params: vec![last.param.clone()] };
    for Step { name, sql, param, strict, .. } in before.iter().rev() {
        condition.sql = format!("({name} {strict} {sql} OR ({name} = {sql} AND {}))", condition.sql);
        condition.params.splice(0..0, [param.clone(), param.clone()]);
    }
    if let Some(Step { name, sql, param, wide, .. }) = before.first() {
        condition.sql = format!("{name} {wide} {sql} AND {}", condition.sql);
        condition.params.insert(0, param.clone());
    }
    condition
}

/// A bound over the primary key.
fn bound(
    schema: &TableSchema,
    charsets: &Charsets,
    key: &[Value],
    side: Side,
) -> Result<Condition, BadBound> {
    let (strict, wide) = match side {
        Side::After => (">", ">="),
        Side::UpTo => ("<", "<="),
    };
    let mut steps = Vec::with_capacity(key.len());
    for (index, value) in schema.primary_key.iter().zip(key) {
        let column = &schema.columns[*index];
        let bad = || BadBound { column: column.name.clone() };
        let (sql, param) = bind(column, charsets, value)?.ok_or_else(bad)?;
        steps.push(Step { name: quote(&column.name), sql, param, strict, wide });
    }
    if steps.is_empty() || steps.len() != schema.primary_key.len() || key.len() != steps.len() {
        return Err(BadBound { column: "of the primary key".into() });
    }
    Ok(beyond(&steps, side == Side::UpTo))
}

/// The expression and parameter that stand for `value` where `column` is compared: of the column's
/// type, character set and collation, so that the index can be used and no conversion loses anything. `None`: no
/// value of the column is it.
pub fn bind(
    column: &Column,
    charsets: &Charsets,
    value: &Value,
) -> Result<Option<(String, Param)>, BadBound> {
    let bad = || BadBound { column: column.name.clone() };
    let number = |sql: &str, param: u64| (sql.to_owned(), Param::UInt(param));
    Ok(Some(match (&column.column_type, value) {
        (_, Value::Int(number)) => ("?".into(), Param::Int(*number)),
        (_, Value::UInt(value)) => number("?", *value),
        (_, Value::Float(value)) => ("?".into(), Param::Double(f64::from(*value))),
        (_, Value::Double(value)) => ("?".into(), Param::Double(*value)),
        (ColumnType::Decimal { precision, scale }, Value::Text(text)) => {
            (format!("CAST(? AS DECIMAL({precision},{scale}))"), Param::Bytes(text.as_bytes().to_vec()))
        }
        (ColumnType::Enum { labels }, Value::Text(text)) => {
            number("?", enum_number(labels, text).ok_or_else(bad)?)
        }
        (ColumnType::Set { labels }, Value::Text(text)) => {
            number("?", set_bits(labels, text).ok_or_else(bad)?)
        }
        (ColumnType::Text { charset, collation }, Value::Text(text))
            if plain(charset) && plain(collation) =>
        {
            if Failpoints::default().key_text_not_bytes() {
                let text = Param::Bytes(text.as_bytes().to_vec());
                return Ok(Some((format!("CONVERT(? USING {charset}) COLLATE {collation}"), text)));
            }
            let set = charsets.find(charset).ok_or_else(bad)?;
            let Some(bytes) = set.encode(text) else { return Ok(None) };
            (format!("CONVERT(UNHEX(?) USING {charset}) COLLATE {collation}"), in_hex(&bytes))
        }
        (ColumnType::Bit { .. }, Value::Bytes(bytes)) if bytes.len() <= 8 => {
            number("?", bytes.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
        }
        (ColumnType::Binary { .. } | ColumnType::VarBinary, Value::Bytes(bytes)) => {
            ("UNHEX(?)".into(), in_hex(bytes))
        }
        (_, Value::DateTime(d)) => {
            ("?".into(), Param::Date(d.year, d.month, d.day, d.hour, d.minute, d.second, d.micros))
        }
        (_, Value::Time(t)) => {
            let (days, hours) = (u32::from(t.hours / 24), (t.hours % 24) as u8);
            ("?".into(), Param::Time(t.negative, days, hours, t.minutes, t.seconds, t.micros))
        }
        _ => return Err(bad()),
    }))
}

/// An expression that is true where the primary key `next` lies beyond `after`, as MySQL compares their columns.
pub fn advances(
    schema: &TableSchema,
    charsets: &Charsets,
    after: &[Value],
    next: &[Value],
) -> Result<Condition, BadBound> {
    let mut rest: Option<Condition> = None;
    for ((index, after), next) in schema.primary_key.iter().zip(after).zip(next).rev() {
        let column = &schema.columns[*index];
        let bad = || BadBound { column: column.name.clone() };
        let (after_sql, after) = bind(column, charsets, after)?.ok_or_else(bad)?;
        let (next_sql, next) = bind(column, charsets, next)?.ok_or_else(bad)?;
        let mut condition =
            Condition { sql: format!("{next_sql} > {after_sql}"), params: vec![next.clone(), after.clone()] };
        if let Some(rest) = rest {
            condition.sql = format!("{} OR ({next_sql} = {after_sql} AND ({}))", condition.sql, rest.sql);
            condition.params.extend([next, after]);
            condition.params.extend(rest.params);
        }
        rest = Some(condition);
    }
    rest.ok_or_else(|| BadBound { column: "of the primary key".into() })
}

/// The parameter of an `UNHEX(?)`.
pub fn in_hex(bytes: &[u8]) -> Param {
    Param::Bytes(hex::encode(bytes).into_bytes())
}

/// Names of character sets and collations go into the statement as they are.
fn plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn enum_number(labels: &[String], label: &str) -> Option<u64> {
    if label.is_empty() && !labels.iter().any(String::is_empty) {
        return Some(0);
    }
    labels.iter().position(|known| known == label).map(|at| at as u64 + 1)
}

fn set_bits(labels: &[String], text: &str) -> Option<u64> {
    text.split(',').filter(|label| !label.is_empty()).try_fold(0, |bits, label| {
        let at = labels.iter().take(64).position(|known| known == label)?;
        Some(bits | 1 << at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TableName;
    use crate::source::text::CodeTable;

    fn schema(types: Vec<ColumnType>) -> TableSchema {
        let columns: Vec<Column> = types
            .into_iter()
            .enumerate()
            .map(|(i, column_type)| Column {
                name: ["a", "b", "c"][i].into(),
                column_type,
                nullable: false,
                declared: String::new(),
                virtual_generated: false,
            })
            .collect();
        let primary_key = (0..columns.len()).collect();
        let name = TableName { schema: "s".into(), table: "t".into() };
        TableSchema { name, columns, primary_key, unique_keys: vec![] }
    }

    fn int() -> ColumnType {
        ColumnType::Integer { bytes: 8, unsigned: false }
    }

    #[test]
    fn a_composite_bound_is_expanded_so_that_the_first_column_gives_the_range() {
        let schema = schema(vec![int(), int(), int()]);
        let key = |n: i64| Some(vec![Value::Int(n), Value::Int(n + 1), Value::Int(n + 2)]);
        let condition =
            range(&schema, &Charsets::default(), &KeyRange { after: key(1), up_to: key(10) }).unwrap();
        assert_eq!(
            condition.sql,
            "`a` >= ? AND (`a` > ? OR (`a` = ? AND (`b` > ? OR (`b` = ? AND `c` > ?)))) AND \
             `a` <= ? AND (`a` < ? OR (`a` = ? AND (`b` < ? OR (`b` = ? AND `c` <= ?))))"
        );
        let numbers: Vec<Param> = [1, 1, 1, 2, 2, 3, 10, 10, 10, 11, 11, 12].map(Param::Int).to_vec();
        assert_eq!(condition.params, numbers);
    }

    #[test]
    fn a_bound_advances_where_one_of_its_columns_does_and_none_before_it_falls_back() {
        let schema = schema(vec![int(), int()]);
        let key = |a: i64, b: i64| vec![Value::Int(a), Value::Int(b)];
        let condition = advances(&schema, &Charsets::default(), &key(1, 2), &key(3, 4)).unwrap();
        assert_eq!(condition.sql, "? > ? OR (? = ? AND (? > ?))");
        assert_eq!(condition.params, [3, 1, 3, 1, 4, 2].map(Param::Int));
    }

    #[test]
    fn a_single_column_bound_is_plain_and_an_open_range_is_everything() {
        let schema = schema(vec![int()]);
        let up_to = KeyRange { after: None, up_to: Some(vec![Value::Int(5)]) };
        assert_eq!(range(&schema, &Charsets::default(), &up_to).unwrap().sql, "`a` <= ?");
        assert_eq!(range(&schema, &Charsets::default(), &KeyRange::default()).unwrap().sql, "TRUE");
    }

    #[test]
    fn keys_go_back_as_the_bytes_that_came() {
        let text = |charset: &str, collation: &str| ColumnType::Text {
            charset: charset.into(),
            collation: collation.into(),
        };
        let mut charsets = Charsets::default();
        charsets.add(CodeTable::new("sjis", [(0x61, 'a'), (0x8160, '〜')]));
        let schema = schema(vec![
            text("sjis", "sjis_japanese_ci"),
            text("utf8mb4", "utf8mb4_0900_ai_ci"),
            ColumnType::VarBinary,
        ]);
        let bytes = Value::Bytes(vec![0xFF, 0].into());
        let key = vec![Value::Text("a〜".into()), Value::Text("ß".into()), bytes];
        let condition = equal(&schema, &charsets, &[0, 1, 2], &key).unwrap();
        assert_eq!(
            condition.sql,
            "`a` = CONVERT(UNHEX(?) USING sjis) COLLATE sjis_japanese_ci AND \
             `b` = CONVERT(UNHEX(?) USING utf8mb4) COLLATE utf8mb4_0900_ai_ci AND `c` = UNHEX(?)"
        );
        assert_eq!(condition.params, ["618160", "c39f", "ff00"].map(|hex| Param::Bytes(hex.into())));
        let other = equal(&schema, &charsets, &[0], &[Value::Text("ß".into())]).unwrap();
        assert_eq!((other.sql.as_str(), other.params.len()), ("FALSE", 0), "no sjis text is it");
        let lists = [&key[..1], &[Value::Text("ß".into())]];
        assert_eq!(any_list(&schema, &charsets, &[0], &lists).unwrap().params.len(), 1);
        let up_to = KeyRange {
            after: None,
            up_to: Some(vec![Value::Text("ß".into()), key[1].clone(), key[2].clone()]),
        };
        assert!(range(&schema, &charsets, &up_to).is_err(), "a bound that no row has");
    }

    #[test]
    fn bounds_are_bound_in_the_columns_own_type() {
        let labels = ColumnType::Enum { labels: vec!["x".into(), "y".into()] };
        let schema = schema(vec![labels, ColumnType::Decimal { precision: 10, scale: 2 }]);
        let key = vec![Value::Text("y".into()), Value::Text("1.50".into())];
        let condition = equal(&schema, &Charsets::default(), &[0, 1], &key).unwrap();
        assert_eq!(condition.sql, "`a` = ? AND `b` = CAST(? AS DECIMAL(10,2))");
        assert_eq!(condition.params[0], Param::UInt(2));
    }

    #[test]
    fn several_tuples_are_alternatives_and_none_finds_nothing() {
        let schema = schema(vec![int(), int()]);
        let pairs = [[Value::Int(1), Value::Int(2)], [Value::Int(3), Value::Int(4)]];
        let condition =
            any_equal(&schema, &Charsets::default(), &[0, 1], pairs.iter().map(|pair| pair.iter().collect()))
                .unwrap();
        assert_eq!(condition.sql, "(`a` = ? AND `b` = ?) OR (`a` = ? AND `b` = ?)");
        assert_eq!(condition.params, [1, 2, 3, 4].map(Param::Int));
        assert_eq!(
            any_equal(&schema, &Charsets::default(), &[0, 1], std::iter::empty()).unwrap().sql,
            "FALSE"
        );
    }

    #[test]
    fn lists_with_a_key_of_one_column_are_named_in_one_comparison() {
        let schema = schema(vec![int(), int()]);
        let range = range(&schema, &Charsets::default(), &KeyRange::default()).unwrap();
        let lists = [[Value::Int(1)], [Value::Int(3)]];
        let lists: Vec<&[Value]> = lists.iter().map(|list| &list[..]).collect();
        let condition = range.clone().and(&any_list(&schema, &Charsets::default(), &[0], &lists).unwrap());
        assert_eq!(condition.sql, "TRUE AND (`a` IN (?, ?))");
        assert_eq!(condition.params, [1, 3].map(Param::Int));
        let pair = [Value::Int(1), Value::Int(2)];
        let condition = range.and(&any_list(&schema, &Charsets::default(), &[0, 1], &[&pair]).unwrap());
        assert_eq!(condition.sql, "TRUE AND ((`a` = ? AND `b` = ?))");
        assert_eq!(any_list(&schema, &Charsets::default(), &[0], &[]).unwrap().sql, "FALSE");
    }

    #[test]
    fn a_bound_of_another_shape_is_refused() {
        let schema = schema(vec![int(), int()]);
        let short = KeyRange { after: Some(vec![Value::Int(1)]), up_to: None };
        assert!(range(&schema, &Charsets::default(), &short).is_err());
        let wrong = KeyRange { after: Some(vec![Value::Int(1), Value::Text("x".into())]), up_to: None };
        assert!(range(&schema, &Charsets::default(), &wrong).is_err());
    }
}
