//! What a result must have, and how its items are read.

use super::*;
use crate::model::{
    CellForm, Layout, MappingId, TableId, TableName, TableSchema, Target, TargetId, ValueEncoding,
};
use mysql_async::consts::ColumnType as Wire;
use std::sync::Arc;

const LATIN1_SWEDISH_CI: u16 = 8;
const UTF8MB4_0900_AI_CI: u16 = 255;
const BINARY: u16 = 63;

/// A list by `owner`; items by `label` (ascii) and `number`.
fn mapping() -> Mapping {
    let column = |name: &str, column_type| Column {
        name: name.into(),
        column_type,
        nullable: false,
        declared: String::new(),
        virtual_generated: false,
    };
    let label = ColumnType::Text { charset: "ascii".into(), collation: "ascii_general_ci".into() };
    let number = ColumnType::Integer { bytes: 8, unsigned: true };
    let target = Target {
        id: TargetId(0),
        table: "lists".into(),
        family: "f".into(),
        layout: Layout::Tall,
        form: CellForm::Columns,
        columns: vec![],
        values: ValueEncoding::Utf8,
        salt_buckets: 1,
        ordered: false,
        segment: None,
        counted: false,
    };
    Mapping {
        id: MappingId(0),
        name: "m".into(),
        table: TableId(0),
        schema: Arc::new(TableSchema {
            name: TableName { schema: "s".into(), table: "t".into() },
            columns: vec![
                column("owner", ColumnType::VarBinary),
                column("label", label),
                column("number", number),
            ],
            primary_key: vec![0, 1, 2],
            unique_keys: vec![],
        }),
        key: vec![0],
        item: vec![1, 2],
        order: None,
        targets: vec![target],
    }
}

fn sql() -> ApplicationSql {
    ApplicationSql::parse("SELECT 1").expect("a SELECT").named("asked", "mapping[0].query[0].sql")
}

fn returned(name: &str, table: &str, charset: u16) -> mysql_async::Column {
    mysql_async::Column::new(Wire::MYSQL_TYPE_VAR_STRING)
        .with_name(name.as_bytes())
        .with_org_table(table.as_bytes())
        .with_character_set(charset)
}

fn found(kind: QueryKind, columns: &[(&str, &str)]) -> Result<Returns, String> {
    let columns: Vec<_> = columns.iter().map(|(name, table)| returned(name, table, BINARY)).collect();
    returns(&sql(), &mapping(), kind, &columns).map_err(|error| error.to_string())
}

#[test]
fn item_columns_are_found_by_name_whatever_their_case_and_place() {
    let columns = [("note", "t"), ("NUMBER", "t"), ("Label", "")];
    for kind in [QueryKind::Latest, QueryKind::First, QueryKind::Has] {
        assert_eq!(found(kind, &columns), Ok(Returns::Items(vec![2, 1])), "{kind:?}");
    }
    let lacking = found(QueryKind::Latest, &columns[..2]).expect_err("label is not there");
    assert!(lacking.contains("query asked (mapping[0].query[0].sql)"), "{lacking}");
    assert!(lacking.contains("has not all item columns (label, number)"), "{lacking}");
    let twice = found(QueryKind::First, &[("number", "t"), ("label", "t"), ("number", "u")]);
    assert!(twice.as_ref().is_err_and(|error| error.contains("two columns number")), "{twice:?}");
}

#[test]
fn a_count_is_a_number_and_has_may_be_one() {
    assert_eq!(found(QueryKind::Count, &[("items", "statistics")]), Ok(Returns::Number));
    assert_eq!(found(QueryKind::Has, &[("EXISTS (...)", "")]), Ok(Returns::Number));
    // a column that is 0 says nothing about whether there is a row
    let hidden = found(QueryKind::Has, &[("hidden", "t")]).expect_err("neither items nor a number");
    assert!(hidden.contains("none of 1, COUNT(*) and EXISTS"), "{hidden}");
    assert!(found(QueryKind::Count, &[]).is_err_and(|error| error.contains("no columns")));
}

#[test]
fn texts_are_read_in_the_character_set_of_the_result() {
    let mapping = mapping();
    let column = &mapping.schema.columns[1];
    let set = |id| match as_returned(&sql(), column, &returned("label", "", id)) {
        Ok(Column { column_type: ColumnType::Text { charset, .. }, .. }) => Ok(charset),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    };
    assert_eq!(set(11), Ok("ascii".to_owned()));
    assert_eq!(set(UTF8MB4_0900_AI_CI), Ok("utf8mb4".to_owned()));
    for id in [LATIN1_SWEDISH_CI, BINARY] {
        assert!(set(id).is_err_and(|error| error.contains("label of the table is ascii")), "{id}");
    }
}

#[test]
fn a_value_of_another_type_than_the_column_is_an_error_with_the_path() {
    let mapping = mapping();
    let columns = [returned("label", "t", 11), returned("number", "t", BINARY)];
    let readers = readers(&sql(), (&mapping, &Charsets::default()), &columns, &[0, 1]).expect("readers");
    let row = |number| {
        let cells = vec![Param::Bytes(b"a".to_vec()), number];
        let columns: Arc<[mysql_async::Column]> = columns.to_vec().into();
        mysql_common::row::new_row(cells, columns)
    };
    let read = |number| item(&sql(), row(number), &readers).map_err(|error| error.to_string());
    assert_eq!(read(Param::UInt(7)), Ok(vec![Value::Text("a".into()), Value::UInt(7)]));
    assert_eq!(read(Param::NULL), Ok(vec![Value::Text("a".into()), Value::Null]));
    let error = read(Param::Bytes(b"7".to_vec())).expect_err("a text");
    assert!(error.contains("(mapping[0].query[0].sql): column number of its result"), "{error}");
}

#[test]
fn values_go_as_a_driver_sends_them() {
    let mapping = mapping();
    let key = [Value::Bytes(vec![0xFF, 0].into())];
    let item = [Value::Text("é".into()), Value::UInt(7)];
    let params = params(&mapping, &Charsets::default(), (&key, &item));
    let bytes = |bytes: &[u8]| Param::Bytes(bytes.to_vec());
    assert_eq!(params, Ok(vec![bytes(&[0xFF, 0]), bytes("é".as_bytes()), Param::UInt(7)]));
}
