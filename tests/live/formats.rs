//! The examples of docs/formats.md with the real servers: what MySQL has, HBase has as the page shows it, whether it was
//! copied or tailed.

use crate::support::mysql::{Database, mapping, read_up_to_now};
use crate::support::page;
use crate::support::scenario::gateway;
use crate::support::setup::Setup;
use tailfill::model::{CellForm, Layout, Target, TargetId, ValueEncoding};
use tailfill::sink::encode::{Direction, push_part};
use tailfill::sink::hbase::{HbaseOptions, HbaseSink};
use tailfill::sink::{ReadRows, StoredRow};
use tailfill::source::{KeyRange, Source};

/// A value that the page shows for a column of this type, as SQL.
fn literal(declared: &str, shown: &str) -> String {
    if let Some(digits) = shown.strip_prefix("0x") {
        return format!("X'{digits}'");
    }
    if shown.starts_with('"') {
        let text: String = serde_json::from_str(shown).expect("a JSON string");
        return format!("_utf8mb4 X'{}'", hex::encode(text));
    }
    match declared.split(['(', ' ']).next().unwrap_or_default() {
        "FLOAT" | "DOUBLE" if !shown.contains('e') => format!("{shown}e0"),
        "DATE" | "DATETIME" | "TIMESTAMP" | "TIME" => format!("'{shown}'"),
        _ => shown.to_owned(),
    }
}

/// `(name, declared type, literal)` of a table's rows, with what the page shows behind.
fn columns(header: &str) -> Vec<(String, String, String, Vec<String>)> {
    let rows = page::table(header).into_iter().enumerate();
    rows.map(|(number, row)| (format!("c{number}"), row[0].clone(), literal(&row[0], &row[1]), row)).collect()
}

fn definition(columns: &[(String, String, String, Vec<String>)]) -> String {
    let columns: Vec<String> =
        columns.iter().map(|(name, declared, ..)| format!("{name} {declared} NOT NULL")).collect();
    columns.join(", ")
}

const FAMILIES: [&str; 4] = ["u", "b", "m", "j"];

fn target(id: u16, table: &str) -> Target {
    Target {
        id: TargetId(id),
        table: table.into(),
        family: FAMILIES[usize::from(id)].into(),
        layout: Layout::Tall,
        form: CellForm::Columns,
        columns: vec![],
        values: ValueEncoding::Utf8,
        salt_buckets: 1,
        ordered: false,
        segment: None,
        counted: false,
    }
}

/// The row of an item in each family.
async fn rows(sink: &HbaseSink, item: u8) -> Vec<StoredRow> {
    let mut key = vec![0; 17];
    (key[8], key[16]) = (7, item);
    let mut rows = Vec::new();
    for id in 0..FAMILIES.len() {
        let found = sink.read(TargetId(id as u16), &[key.clone().into()]).await.expect("it can be read");
        rows.extend(found);
    }
    rows.into_iter().map(|row| row.expect("the item is there")).collect()
}

/// One HBase table with a family for each way to write values.
#[tokio::test(flavor = "multi_thread")]
async fn every_value_on_the_page_is_in_hbase_as_it_shows_copied_and_tailed() {
    let columns = columns("| cell of |");
    let mut setup = Setup::create("page").await;
    setup.database.run("SET sql_mode = '', time_zone = '+00:00'").await;
    let definition = definition(&columns);
    setup
        .database
        .run(&format!(
            "CREATE TABLE v (l INT UNSIGNED, i INT UNSIGNED, {definition}, PRIMARY KEY (l, i)) CHARACTER SET utf8mb4"
        ))
        .await;
    let literals: Vec<&str> = columns.iter().map(|(_, _, literal, _)| literal.as_str()).collect();
    let insert = |item: u8| format!("INSERT INTO v VALUES (7, {item}, {})", literals.join(", "));
    let have_form: Vec<&str> = columns
        .iter()
        .filter(|(.., row)| page::bytes(&row[3]).is_some())
        .map(|(name, ..)| name.as_str())
        .collect();
    let mapping = setup.config.find("[[mapping]]").expect("it has a mapping");
    setup.config.truncate(mapping);
    setup.config += &format!(
        "[[mapping]]\nname = \"page\"\ntable = \"{}.v\"\nkey = [\"l\"]\nitem = [\"i\"]\n",
        setup.table
    );
    let more = [
        "",
        &format!("values = \"bytes\"\ncolumns = {have_form:?}"),
        "value = \"msgpack\"",
        "value = \"json\"",
    ];
    for (family, more) in FAMILIES.iter().zip(more) {
        setup.config += &format!(
            "[[mapping.target]]\ntable = \"{}\"\nfamily = \"{family}\"\nsalt_buckets = 1\n{more}\n",
            setup.table
        );
    }
    setup.database.run(&insert(1)).await;
    setup.tailfill(&["init"]).await.code(0);
    setup.tailfill(&["run", "--until", "caught-up"]).await.code(0).says(&["4 rows copied"]);
    setup.database.run(&insert(2)).await;
    setup.tailfill(&["run", "--until", "caught-up"]).await.code(0).says(&["0 rows copied", "1 inserts"]);
    let targets = (0..FAMILIES.len() as u16).map(|id| target(id, &setup.table)).collect();
    let sink =
        HbaseSink::connect(HbaseOptions::new(vec![gateway()]), targets).await.expect("the gateway is up");
    for item in [1, 2] {
        let found = rows(&sink, item).await;
        assert_eq!(found[0].cells.len(), columns.len());
        assert_eq!(found[1].cells.len(), have_form.len());
        // a map of more than 15 columns has a length of two bytes
        let (mut msgpack, mut json) = (vec![0xde, 0, columns.len() as u8], String::from("{"));
        for (name, declared, _, row) in &columns {
            let cell = |row: &StoredRow| {
                let cell = row.cells.iter().find(|cell| cell.qualifier == name.as_bytes());
                cell.map(|cell| cell.value.to_vec())
            };
            assert_eq!(cell(&found[0]), Some(page::text(&row[2])), "utf8 of item {item}: {declared} {row:?}");
            assert_eq!(cell(&found[1]), page::bytes(&row[3]), "bytes of item {item}: {declared} {row:?}");
            msgpack.push(0xa0 | name.len() as u8);
            msgpack.extend(name.as_bytes());
            msgpack.extend(page::bytes(&row[4]).expect("each type has a form"));
            json += &format!("{}\"{name}\":{}", if json.len() > 1 { "," } else { "" }, row[5]);
        }
        assert_eq!(hex::encode(&found[2].cells[0].value), hex::encode(msgpack), "msgpack of item {item}");
        assert_eq!(String::from_utf8_lossy(&found[3].cells[0].value), json + "}", "json of item {item}");
    }
    setup.close(&[]).await;
}

#[tokio::test]
async fn every_part_on_the_page_is_made_of_what_mysql_has_both_ways() {
    let columns = columns("| part of |");
    let mut database = Database::create("parts").await;
    let definition = definition(&columns);
    database.run("SET sql_mode = '', time_zone = '+00:00'").await;
    database.run(&format!("CREATE TABLE t (id INT PRIMARY KEY, {definition}) CHARACTER SET utf8mb4")).await;
    let (source, schemas) = database.source(&["t"]).await;
    let start = source.start().await.expect("start");
    let literals: Vec<&str> = columns.iter().map(|(_, _, literal, _)| literal.as_str()).collect();
    database.run(&format!("INSERT INTO t VALUES (1, {})", literals.join(", "))).await;
    let mut stream = source.stream(&start).await.expect("stream");
    let tailed = read_up_to_now(&source, stream.as_mut(), &start.reached).await.inserted();
    let mapping = mapping(&schemas[0], &["id"], &["id"]);
    let mut snapshot = source.snapshot().await.expect("snapshot");
    let copied = snapshot.rows(&mapping, &KeyRange::default()).await.expect("rows");
    for found in [&tailed[0], &copied[0]] {
        for (index, (.., row)) in columns.iter().enumerate() {
            for (direction, shown) in [(Direction::Ascending, &row[2]), (Direction::Descending, &row[3])] {
                let mut part = Vec::new();
                push_part(&mapping, index + 1, &found[index + 1], direction, &mut part).expect("a key");
                assert_eq!(Some(part), page::bytes(shown), "{row:?}");
            }
        }
    }
}
