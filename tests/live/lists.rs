//! Lists in MySQL: their order, their parts, their sizes.

use crate::support::mysql::{self, Database};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tailfill::model::{
    CellForm, Cursor, Layout, ListPart, Mapping, OrderKey, Row, TableSchema, Target, Value,
};
use tailfill::sink::layout::Codec;
use tailfill::source::Source;
use tailfill::source::facts_list::SegmentSizes;

/// A part of the list `key` as MySQL gives it, and as it is cut out of the whole list.
async fn same_part(source: &impl Source, mapping: &Mapping, key: &[Value], part: &ListPart) -> Vec<Row> {
    let mut snapshot = source.snapshot().await.expect("snapshot");
    let found = snapshot.list_part(mapping, key, part).await.expect("a part");
    let whole = snapshot.list(mapping, key).await.expect("a list");
    assert_eq!(snapshot.list_count(mapping, key).await.expect("a count"), whole.len() as u64);
    assert_eq!(found, part.of(mapping, whole), "{part:?} of {:?}", mapping.order);
    found
}

#[tokio::test]
async fn mysql_orders_a_list_as_its_addresses_are_ordered_whatever_the_collation() {
    let mut database = Database::create("parts").await;
    for (place, columns) in [
        "k VARCHAR(9) COLLATE utf8mb4_0900_ai_ci NOT NULL, i VARCHAR(9) COLLATE utf8mb4_0900_ai_ci NOT NULL",
        "k VARCHAR(9) CHARACTER SET latin1 NOT NULL, i VARCHAR(9) CHARACTER SET latin1 NOT NULL",
        "k VARBINARY(9) NOT NULL, i VARBINARY(9) NOT NULL",
    ]
    .iter()
    .enumerate()
    {
        let table = format!("t{place}");
        database
            .run(&format!(
                "CREATE TABLE {table} ({columns}, at DATETIME(6) NOT NULL, n BIGINT NOT NULL, id INT AUTO_INCREMENT, \
                 PRIMARY KEY (id))"
            ))
            .await;
        let items = ["b", "B", "a", "é", "e", "z", "", "a b", "ab"];
        let mut rows = Vec::new();
        for key in ["x", "X"] {
            for (number, item) in items.iter().enumerate() {
                let at = format!("1969-12-31 23:59:59.{:06}", number % 3);
                rows.push(format!("('{key}', '{item}', '{at}', {}, NULL)", number as i64 % 4 - 2));
            }
        }
        database.run(&format!("INSERT INTO {table} VALUES {}", rows.join(", "))).await;
        let (source, schemas) = database.source(&[&table]).await;
        let plain = mysql::mapping(&schemas[0], &["k"], &["i"]);
        let key = match place {
            2 => Value::Bytes(b"x".to_vec().into()),
            _ => Value::Text("x".into()),
        };
        let orders = [None, Some((2, true)), Some((2, false)), Some((3, true)), Some((1, true))];
        for order in orders {
            let order = order.map(|(column, descending)| OrderKey { column, descending });
            let mapping = Mapping { order, ..plain.clone() };
            for reversed in [false, true] {
                let part = ListPart { reversed, after: None, limit: 5 };
                assert_eq!(same_part(&source, &mapping, std::slice::from_ref(&key), &part).await.len(), 5);
            }
            let whole = ListPart { reversed: false, after: None, limit: 100 };
            let whole = same_part(&source, &mapping, std::slice::from_ref(&key), &whole).await;
            assert_eq!(whole.len(), items.len(), "the other spelling is another list");
            for row in &whole {
                let order = order.map(|order| row[order.column].clone());
                let after = Some(Cursor { order, item: vec![row[1].clone()] });
                let part = ListPart { reversed: false, after, limit: 3 };
                same_part(&source, &mapping, std::slice::from_ref(&key), &part).await;
            }
        }
    }
}

/// A mapping of table `t` (k, i, o) in the order of `o`, by segments.
fn by_segments(schema: &Arc<TableSchema>, width: u64) -> Mapping {
    let mut mapping = mysql::mapping(schema, &["k"], &["i"]);
    mapping.order = Some(OrderKey { column: 2, descending: true });
    let plain = mapping.targets.remove(0);
    let (layout, form) = (Layout::Wide, CellForm::Msgpack);
    mapping.targets = vec![Target { layout, form, ordered: true, segment: Some(width), ..plain }];
    mapping
}

#[tokio::test]
async fn the_largest_list_falls_into_the_segments_that_row_keys_have() {
    const DAY: u64 = 86_400_000_000;
    let mut database = Database::create("segments").await;
    // order values, by a number from 0 to 99
    let cases = [
        ("BIGINT", "n - 50", 7),
        ("BIGINT UNSIGNED", "18446744073709551615 - n", 7),
        ("BIGINT", "n * 1000", u64::MAX >> 1),
        ("YEAR", "1970 + n", 10),
        ("DATE", "'1969-12-01' + INTERVAL n DAY", 30 * DAY),
        ("DATETIME(6)", "'1969-12-31' + INTERVAL n HOUR + INTERVAL 999999 MICROSECOND", DAY),
        ("TIMESTAMP(3)", "'2024-03-30' + INTERVAL n HOUR", DAY),
    ];
    for (place, (order, value, width)) in cases.into_iter().enumerate() {
        let table = format!("t{place}");
        let create = format!(
            "CREATE TABLE {table} (k VARCHAR(9) NOT NULL, i INT NOT NULL, o {order} NOT NULL, PRIMARY KEY (k, i))"
        );
        database.run(&create).await;
        let numbers = "WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 99)";
        database.run("SET time_zone = '+02:00'").await;
        database.run(&format!("INSERT INTO {table} {numbers} SELECT 'large', n, {value} FROM n")).await;
        database
            .run(&format!("INSERT INTO {table} {numbers} SELECT 'small', n, {value} FROM n WHERE n < 40"))
            .await;
        let (source, schemas) = database.source(&[&table]).await;
        let mapping = by_segments(&schemas[0], width);
        let found =
            source.largest_list(&mapping, &[width], Duration::from_secs(60)).await.expect("an answer");
        let found = found.expect("it is small enough");

        let mut snapshot = source.snapshot().await.expect("snapshot");
        let list = snapshot.list(&mapping, &[Value::Text("large".into())]).await.expect("a list");
        let mut rows: BTreeMap<Bytes, u64> = BTreeMap::new();
        for row in &list {
            let address = Codec::of(&mapping, &mapping.targets[0]).address(row).expect("it has an address");
            *rows.entry(address.row).or_default() += 1;
        }
        let largest = *rows.values().max().expect("there are items");
        let sizes = SegmentSizes { count: rows.len() as u64, largest };
        assert_eq!((found.items, found.segments), (100, vec![Some(sizes)]), "{order} {value}");
    }
}

#[tokio::test]
async fn a_table_that_is_too_large_to_look_through_is_given_up() {
    let mut database = Database::create("toolarge").await;
    database.run("CREATE TABLE t (k INT NOT NULL, i INT NOT NULL, o INT NOT NULL, PRIMARY KEY (i, k))").await;
    database.run("SET cte_max_recursion_depth = 100000").await;
    database
        .run(
            "INSERT INTO t WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000) \
             SELECT n % 7, n, n FROM n",
        )
        .await;
    let (source, schemas) = database.source(&["t"]).await;
    let mapping = by_segments(&schemas[0], 10);
    let look = async |limit| source.largest_list(&mapping, &[10], limit).await.expect("an answer");
    assert_eq!(look(Duration::from_millis(1)).await, None);
    let items = look(Duration::from_secs(60)).await.expect("time enough").items;
    assert_eq!(items, 100_000 / 7 + 1);
}
