//! Every column type through both ways: what the tail decodes and what a SELECT gives are the same
//! value, for every row and column, and so the same bytes in every form.

use crate::support::mysql::{Database, mapping, read_up_to_now};
use tailfill::model::{CellForm, Layout, Mapping, Row, Target, Value, ValueEncoding};
use tailfill::sink::layout::{Codec, ItemWrite};
use tailfill::source::{KeyRange, Source};

/// Creates `t (id, ...)`, writes the rows by `inserts`, and reads them by tail and by snapshot.
async fn both_ways(test: &str, columns: &str, inserts: &[&str]) -> Vec<Row> {
    let mut database = Database::create(test).await;
    database
        .run(&format!("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, {columns}) CHARACTER SET utf8mb4"))
        .await;
    database.run("SET sql_mode = '', time_zone = '+00:00'").await;
    let (source, schemas) = database.source(&["t"]).await;
    let start = source.start().await.expect("start");
    for insert in inserts {
        database.run(insert).await;
    }
    let mut stream = source.stream(&start).await.expect("stream");
    let mut tailed = read_up_to_now(&source, stream.as_mut(), &start.reached).await.inserted();
    let mapping = mapping(&schemas[0], &["id"], &["id"]);
    let mut snapshot = source.snapshot().await.expect("snapshot");
    let copied = snapshot.rows(&mapping, &KeyRange::default()).await.expect("rows");
    assert_eq!(tailed.len(), copied.len());
    assert!(!copied.is_empty());
    for (tail, copy) in tailed.iter().zip(&copied) {
        for (column, (tail, copy)) in schemas[0].columns.iter().zip(tail.iter().zip(copy)) {
            assert!(same(tail, copy), "{}: tail {tail:?}, snapshot {copy:?}", column.name);
        }
        for form in forms(&mapping) {
            let (tail, copy) = (written(&mapping, &form, tail), written(&mapping, &form, copy));
            assert_eq!(tail, copy, "{:?} {:?}", form.form, form.values);
        }
    }
    tailed.iter_mut().for_each(|row| drop(row.remove(0)));
    tailed
}

/// Every form of an item's values, with all columns.
fn forms(mapping: &Mapping) -> Vec<Target> {
    let all = (0..mapping.schema.columns.len()).collect();
    let tall = Target { columns: all, ..mapping.targets[0].clone() };
    let wide = Target { layout: Layout::Wide, form: CellForm::Msgpack, ..tall.clone() };
    vec![
        Target { values: ValueEncoding::Bytes, ..tall.clone() },
        Target { form: CellForm::Json, ..wide.clone() },
        wide,
        tall,
    ]
}

/// What is written of an item; `None` where a date has no form in `bytes`.
fn written(mapping: &Mapping, form: &Target, row: &Row) -> Option<ItemWrite> {
    let write = Codec::of(mapping, form).item_write(row);
    if form.values == ValueEncoding::Bytes {
        return write.ok();
    }
    let write = write.expect("every value has a form");
    if form.form == CellForm::Json {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&write.puts[0].1).expect("it is JSON");
        let present = row.iter().filter(|value| !value.is_null()).count();
        assert_eq!(object.len(), present, "NULL is left out, and nothing else");
    }
    Some(write)
}

/// Equal to the bit: -0.0 is not 0.0.
fn same(a: &Value, b: &Value) -> bool {
    a == b && format!("{a:?}") == format!("{b:?}")
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        other => panic!("{other:?} is not text"),
    }
}

#[tokio::test]
async fn integers_of_both_signs_are_the_same_both_ways() {
    let rows = both_ways(
        "ints",
        "a TINYINT, b TINYINT UNSIGNED, c SMALLINT, d SMALLINT UNSIGNED, e MEDIUMINT, f MEDIUMINT UNSIGNED, \
         g INT, h INT UNSIGNED, i BIGINT, j BIGINT UNSIGNED, k YEAR, l INT(8) ZEROFILL, m BOOL",
        &[
            "INSERT INTO t VALUES (0, -128, 0, -32768, 0, -8388608, 0, -2147483648, 0, -9223372036854775808, 0, 0, 0, 0)",
            "INSERT INTO t VALUES (0, 127, 255, 32767, 65535, 8388607, 16777215, 2147483647, 4294967295, \
             9223372036854775807, 18446744073709551615, 2155, 42, 1)",
            "INSERT INTO t VALUES (0, -1, 128, -1, 32768, -1, 8388608, -1, 2147483648, -1, 9223372036854775808, 1901, 1, NULL)",
            "INSERT INTO t (id) VALUES (0)",
        ],
    )
    .await;
    assert_eq!(rows[0][8], Value::Int(i64::MIN));
    assert_eq!(rows[1][9], Value::UInt(u64::MAX));
    assert_eq!(rows[0][10], Value::UInt(0));
    assert_eq!(rows[2][4], Value::Int(-1));
    assert_eq!(rows[3][0], Value::Null);
}

#[tokio::test]
async fn decimals_and_floats_are_the_same_both_ways() {
    let rows = both_ways(
        "decimals",
        "a DECIMAL(10,2), b DECIMAL(65,30), c DECIMAL(5,0), d DECIMAL(3,3), e DECIMAL(18,9) UNSIGNED, \
         f DECIMAL(12,4) ZEROFILL, g FLOAT, h DOUBLE, i FLOAT(7,3), j DECIMAL(9,9)",
        &[
            "INSERT INTO t VALUES (0, 12.3, -12345678901234567890123456789012345.123456789012345678901234567890, \
             -7, 0.5, 123456789.123456789, 1.5, 1.5, 1e300, 1.125, 0.000000001)",
            "INSERT INTO t VALUES (0, -0.01, 0.000000000000000000000000000001, 99999, -0.999, 0, 0, -3.4e38, \
             -2.2250738585072014e-308, -1234.567, -0.999999999)",
            "INSERT INTO t VALUES (0, 99999999.99, -1, 0, 0, 1, 12345678.9012, 1.17549435e-38, 0.1, 0, 0)",
            "INSERT INTO t VALUES (0, 0, 0, 0, 0, 0, 0, -0.0, -0.0, 0, 0)",
        ],
    )
    .await;
    assert_eq!(text(&rows[0][0]), "12.30");
    assert_eq!(text(&rows[1][3]), "-0.999");
    assert_eq!(text(&rows[2][5]), "12345678.9012");
    assert_eq!(text(&rows[3][9]), "0.000000000");
    assert_eq!(rows[0][7], Value::Double(1e300));
}

#[tokio::test]
async fn dates_and_times_with_fractions_zero_and_partial_dates_are_the_same_both_ways() {
    let mut columns = String::from("d DATE");
    for digits in 0..=6 {
        columns.push_str(&format!(
            ", t{digits} TIME({digits}), dt{digits} DATETIME({digits}), ts{digits} TIMESTAMP({digits}) NULL"
        ));
    }
    let row = |date: &str, time: &str, datetime: &str, timestamp: &str| {
        let group = format!(", '{time}', '{datetime}', '{timestamp}'");
        format!("INSERT INTO t VALUES (0, '{date}'{})", group.repeat(7))
    };
    let inserts = [
        row("2024-02-29", "12:34:56.789123", "2024-02-29 23:59:58.123456", "2024-01-01 00:00:00.654321"),
        row("0000-00-00", "-00:00:00.5", "0000-00-00 00:00:00", "0000-00-00 00:00:00"),
        row("2024-00-00", "-838:59:59", "2024-05-00 01:02:03.9", "1970-01-01 00:00:01"),
        row("9999-12-31", "838:59:59", "9999-12-31 23:59:59", "2038-01-19 03:14:07"),
        row("1000-01-01", "-01:00:00.000001", "0001-01-01 00:00:00.000001", "2001-09-09 01:46:40.1"),
        row("1969-12-31", "-12:00:01.99", "1969-12-31 23:59:59.5", "1999-12-31 23:59:59.05"),
    ];
    let inserts: Vec<&str> = inserts.iter().map(String::as_str).collect();
    let rows = both_ways("dates", &columns, &inserts).await;
    let Value::DateTime(partial) = rows[2][0] else { panic!("{:?}", rows[2][0]) };
    assert_eq!((partial.year, partial.month, partial.day), (2024, 0, 0));
    let Value::Time(negative) = rows[4][19] else { panic!("{:?}", rows[4][19]) };
    assert!(negative.negative && negative.hours == 1 && negative.micros == 1);
    let Value::DateTime(stamp) = rows[0][21] else { panic!("{:?}", rows[0][21]) };
    assert_eq!((stamp.hour, stamp.micros), (0, 654_321));
}

#[tokio::test]
async fn binary_strings_bits_enums_and_sets_are_the_same_both_ways() {
    let rows = both_ways(
        "binary",
        r"a BINARY(4), b VARBINARY(300), c TINYBLOB, d BLOB, e MEDIUMBLOB, f LONGBLOB, g BIT(1), h BIT(12), i BIT(64),
          j ENUM('x','y''z','ä,\\',''), k SET('r','g','b''c','ü'), l BINARY(255), m VARBINARY(10),
          n ENUM('ä','ö') CHARACTER SET latin1",
        &[
            r"INSERT INTO t VALUES (0, X'01', X'00FF00', X'', X'0000', 'e', REPEAT(X'FF', 70000), 1, b'100000000001', ~0,
              'y''z', 'r,ü', X'01', X'2020', 'ö')",
            "INSERT INTO t VALUES (0, X'00000000', '', NULL, NULL, '', '', 0, 0, 0, 'ä,\\\\', '', '', X'', 'ä')",
            "INSERT INTO t VALUES (0, X'20202020', X'20', X'20', 'a ', '', '', 0, 5, 1, 4, 15, X'', X'0000', 'nope')",
            "INSERT INTO t VALUES (0, X'FF', REPEAT('a', 300), X'20', 'a ', '', '', 0, 5, 1, 'nope', 'b''c,g', X'', X'0000', 1)",
        ],
    )
    .await;
    assert_eq!(rows[0][0], Value::Bytes(vec![1, 0, 0, 0].into()));
    assert_eq!(rows[0][7], Value::Bytes(vec![8, 1].into()));
    assert_eq!(text(&rows[0][9]), "y'z");
    assert_eq!(text(&rows[1][9]), "ä,\\");
    assert_eq!(text(&rows[0][10]), "r,ü");
    assert_eq!(text(&rows[2][13]), "");
    assert_eq!(text(&rows[3][10]), "g,b'c");
    assert_eq!(text(&rows[0][13]), "ö");
}

#[tokio::test]
async fn text_in_any_character_set_is_the_same_both_ways() {
    let sets = [
        ("utf8mb4", "aß€😀 "),
        ("utf8mb3", "aß€"),
        ("ascii", "abc"),
        ("latin1", "aß€ÿ"),
        ("latin2", "ąčž"),
        ("latin5", "ğış"),
        ("latin7", "ąž"),
        ("cp1250", "ěš"),
        ("cp1251", "жЯ"),
        ("cp1256", "سلام"),
        ("cp1257", "ąž"),
        ("cp850", "éß"),
        ("cp852", "ěš"),
        ("cp866", "жЯ"),
        ("koi8r", "жЯ"),
        ("koi8u", "їґ"),
        ("greek", "αβ"),
        ("hebrew", "שלום"),
        ("tis620", "ไทย"),
        ("macroman", "é€"),
        ("macce", "ěš"),
        ("keybcs2", "ěš"),
        ("hp8", "éß"),
        ("dec8", "éß"),
        ("swe7", "åäö"),
        ("armscii8", "աբ"),
        ("geostd8", "აბ"),
        ("ucs2", "aß€"),
        ("utf16", "a€😀"),
        ("utf16le", "a€😀"),
        ("utf32", "a€😀"),
        ("sjis", "テスト"),
        ("cp932", "テスト①"),
        ("ujis", "テスト"),
        ("eucjpms", "テスト"),
        ("euckr", "한글"),
        ("gb2312", "你好"),
        ("gbk", "你好"),
        ("gb18030", "你好😀"),
        ("big5", "你好"),
    ];
    let mut database = Database::create("probe").await;
    let known: Vec<String> = mysql_async::prelude::Queryable::query(
        &mut database.conn,
        "SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS",
    )
    .await
    .expect("sets");
    let sets: Vec<_> = sets.into_iter().filter(|(set, _)| known.iter().any(|k| k == set)).collect();
    assert!(sets.len() >= 35, "{} sets", sets.len());
    let unseen: Vec<_> =
        known.iter().filter(|k| *k != "binary" && !sets.iter().any(|(s, _)| s == k)).collect();
    assert!(unseen.is_empty(), "not tested: {unseen:?}");
    let mut columns = Vec::new();
    let mut values = Vec::new();
    for (set, sample) in &sets {
        columns.push(format!("c_{set} CHAR(20) CHARACTER SET {set}, v_{set} VARCHAR(90) CHARACTER SET {set}, x_{set} TEXT CHARACTER SET {set}"));
        values.push(format!("'{sample}', '{sample}', '{sample}'"));
    }
    let empty = vec!["'', ' ', 'a '"; sets.len()].join(", ");
    let rows = both_ways(
        "charsets",
        &columns.join(", "),
        &[
            &format!("INSERT INTO t VALUES (0, {})", values.join(", ")),
            &format!("INSERT INTO t VALUES (0, {empty})"),
            "INSERT INTO t (id) VALUES (0)",
        ],
    )
    .await;
    for (i, (set, sample)) in sets.iter().enumerate() {
        assert_eq!(text(&rows[0][3 * i]), sample.trim_end(), "{set}");
        assert_eq!(text(&rows[0][3 * i + 1]), *sample, "{set}");
        assert_eq!(text(&rows[0][3 * i + 2]), *sample, "{set}");
        assert_eq!(text(&rows[1][3 * i + 1]), " ", "{set}");
    }
}

#[tokio::test]
async fn long_texts_are_the_same_both_ways() {
    let rows = both_ways(
        "long",
        "a CHAR(255), b VARCHAR(16000), c TINYTEXT, d TEXT, e MEDIUMTEXT, f LONGTEXT",
        &[
            "INSERT INTO t VALUES (0, REPEAT('ä', 255), REPEAT('€', 16000), REPEAT('x', 255), REPEAT('y', 65535), \
             REPEAT('z', 100000), REPEAT('😀', 200000))",
            "INSERT INTO t VALUES (0, '', '', '', '', '', '')",
        ],
    )
    .await;
    assert_eq!(text(&rows[0][5]).chars().count(), 200_000);
}

#[tokio::test]
async fn json_is_the_same_compact_text_both_ways() {
    let documents = [
        r#"'{"b": 1, "aa": [1, 2.5, -3, true, false, null], "a": {"x": {}}, "z": []}'"#,
        r#"'"quote \\" back \\\\ slash / tab \\t nl \\n ctl \\u0001 del \\u007f euro € smile 😀 bs \\b ff \\f cr \\r"'"#,
        "'[0, -1, 32767, -32768, 65535, 65536, 2147483647, -2147483648, 4294967295, 4294967296, 9223372036854775807, -9223372036854775808, 18446744073709551615, 18446744073709551616]'",
        "'[0.0, -0.0, 1.0, 1e10, 1e14, 1e15, 1e16, 123456789012345678.5, 0.1, 0.00001, 1e-14, 1e-15, 1e-16, 1.5e-20, 1.7976931348623157e308, 5e-324, 2.2250738585072014e-308, 3.141592653589793, 100, 1e2]'",
        "JSON_ARRAY(CAST('1.50' AS DECIMAL(10,2)), CAST('-0.000001' AS DECIMAL(30,10)), CAST(0 AS DECIMAL(5,0)), CAST('12345678901234567890.12345' AS DECIMAL(40,5)))",
        "JSON_ARRAY(CAST('2024-02-29' AS DATE), CAST('2024-02-29 01:02:03.5' AS DATETIME(3)), CAST('-12:34:56.789' AS TIME(6)), CAST('838:59:59' AS TIME), TIMESTAMP'2001-01-01 00:00:00')",
        "JSON_OBJECT('bin', X'00FF10', 'bit', b'101', 'geo', ST_GeomFromText('POINT(1 2)'), 'year', CAST(2024 AS YEAR))",
        "'null'",
        "'true'",
        "'[]'",
        "'{}'",
        "'\"\"'",
        "'1'",
        "'-1.5'",
        r#"JSON_OBJECT('', 1, ' ', 2, 'ä', 3, 'zz', 4, 'k"q', 5)"#,
        "CONCAT('[', REPEAT('{\"key\": \"value\", \"n\": 70000},', 5000), '1]')",
        "CONCAT('{\"long\": \"', REPEAT('x', 100000), '\", \"a\": 123456, \"neg\": -123456}')",
        "CONCAT(REPEAT('[', 99), REPEAT(']', 99))",
        "NULL",
    ];
    let inserts: Vec<String> = documents.iter().map(|d| format!("INSERT INTO t VALUES (0, {d})")).collect();
    let inserts: Vec<&str> = inserts.iter().map(String::as_str).collect();
    let rows = both_ways("json", "j JSON", &inserts).await;
    assert_eq!(text(&rows[0][0]), r#"{"a":{"x":{}},"b":1,"z":[],"aa":[1,2.5,-3,true,false,null]}"#);
    assert_eq!(rows[documents.len() - 1][0], Value::Null);
}

#[tokio::test]
async fn random_doubles_in_json_and_in_columns_are_the_same_both_ways() {
    let mut seed = 42_u64;
    let mut numbers = Vec::new();
    for i in 0..600 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let value = match i % 3 {
            0 => f64::from_bits(seed),
            1 => (seed >> 40) as f64 / 1000.0,
            _ => (seed >> 11) as f64 * 10_f64.powi((i % 40) - 20),
        };
        if value.is_finite() {
            numbers.push(value);
        }
    }
    let inserts: Vec<String> =
        numbers.iter().map(|n| format!("INSERT INTO t VALUES (0, '[{n:e}]', {n:e})")).collect();
    let inserts: Vec<&str> = inserts.iter().map(String::as_str).collect();
    let rows = both_ways("doubles", "j JSON, d DOUBLE", &inserts).await;
    for (row, number) in rows.iter().zip(&numbers) {
        assert_eq!(row[1], Value::Double(*number));
    }
}

#[tokio::test]
async fn geometry_and_vectors_are_the_same_both_ways() {
    let rows = both_ways(
        "geo",
        "g GEOMETRY, p POINT SRID 4326, l LINESTRING, v VECTOR(3)",
        &[
            "INSERT INTO t VALUES (0, ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))'), ST_SRID(POINT(1, 2), 4326), \
             ST_GeomFromText('LINESTRING(0 0,1 1)'), TO_VECTOR('[1,2.5,-3]'))",
            "INSERT INTO t (id) VALUES (0)",
        ],
    )
    .await;
    assert!(matches!(&rows[0][3], Value::Bytes(bytes) if bytes.len() == 12));
}

#[tokio::test]
async fn tables_with_many_columns_and_nulls_are_the_same_both_ways() {
    let columns: Vec<String> =
        (0..70).map(|i| format!("c{i} {}", if i % 3 == 0 { "INT" } else { "VARCHAR(9)" })).collect();
    let values: Vec<String> =
        (0..70).map(|i| if i % 4 == 1 { "NULL".into() } else { i.to_string() }).collect();
    let rows = both_ways(
        "wide",
        &columns.join(", "),
        &[&format!("INSERT INTO t VALUES (0, {})", values.join(", "))],
    )
    .await;
    assert_eq!((&rows[0][0], &rows[0][1], text(&rows[0][68])), (&Value::Int(0), &Value::Null, "68"));
}
