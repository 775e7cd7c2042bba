//! The readers of `examples/readers` against rows that tailfill wrote, compared with what MySQL says.

use crate::support::examples::{Reader, Said, doctest};
use crate::support::setup::{Setup, port};
use bytes::Bytes;
use mysql_async::prelude::Queryable;
use serde_json::Value as Json;
use tailfill::model::{CellForm, Layout, Target, TargetId, Tick, ValueEncoding};
use tailfill::sink::hbase::{HbaseOptions, HbaseSink};
use tailfill::sink::{CountChange, CountedWrite, WriteRows};

const TARGET: TargetId = TargetId(0);

/// Followee and number of followers; neighbours in order. 7 is the list that is looked at most.
const LISTS: [(u64, u64); 4] = [(6, 60), (7, 20_000), (8, 3), (255, 60)];

/// A target, and the words that a reader needs for it.
struct Way {
    /// Behind the name of the test's own HBase table.
    name: &'static str,
    /// Lines of `[[mapping.target]]`.
    config: &'static str,
    words: &'static [&'static str],
    /// A value that is one column's: NULL is the empty string.
    alone: bool,
}

const TALL: Way = Way { name: "t", config: "salt_buckets = 4", words: &["--buckets", "4"], alone: false };

const WIDE: Way = Way {
    name: "w",
    config: "layout = \"wide\"\nsalt_buckets = 1",
    words: &["--layout", "wide", "--buckets", "1"],
    alone: false,
};

const SEGMENTS: Way = Way {
    name: "s",
    config: "layout = \"wide\"\nvalue = \"json\"\nsegment = \"30d\"\nsalt_buckets = 1",
    words: &["--layout", "wide", "--segment-days", "30", "--value", "json", "--buckets", "1"],
    alone: false,
};

/// As [`SEGMENTS`], and counted.
const COUNTED: Way = Way {
    name: "c",
    config: "layout = \"wide\"\nvalue = \"json\"\nsegment = \"30d\"\nsalt_buckets = 1\ncount = true",
    ..SEGMENTS
};

const ALONE: Way = Way {
    name: "a",
    config: "layout = \"wide\"\nvalue_column = \"note\"\nsegment = \"7d\"",
    words: &["--layout", "wide", "--segment-days", "7", "--value", "note"],
    alone: true,
};

/// Lists in MySQL and, once copied, in an HBase table for each way.
struct World {
    setup: Setup,
    ways: Vec<Way>,
}

impl World {
    async fn create(test: &str, ways: Vec<Way>) -> World {
        let mut setup = Setup::create(test).await;
        let target = format!("[[mapping.target]]\ntable = \"{}\"\nsalt_buckets = 4\n", setup.table);
        let target_of = |way: &Way| {
            format!("[[mapping.target]]\ntable = \"{}_{}\"\n{}\n", setup.table, way.name, way.config)
        };
        let targets: String = ways.iter().map(target_of).collect();
        setup.with(&target, &targets);
        World { setup, ways }
    }

    /// About 8 followers at each of 2,500 moments, over seven years; the oldest moment has hundreds. Notes are
    /// NULL, empty, or not ASCII; followers are small, or above the largest signed number.
    async fn fill(&mut self) {
        for (list, size) in LISTS {
            let row = |n: u64| {
                let follower = if n.is_multiple_of(5) { u64::MAX - n } else { n };
                let hours = (n * 7_919 % 2_600).saturating_sub(100) * 24;
                let note = ["NULL", "''", "'Zoë'", "'友達 🎉'", "'it''s \"x\"'"][n as usize % 5];
                format!("({follower}, {list}, '2019-06-01 00:00:00.123' + INTERVAL {hours} HOUR, {note})")
            };
            let rows: Vec<String> = (1..=size).map(row).collect();
            for some in rows.chunks(2_000) {
                self.setup.database.run(&format!("INSERT INTO follows VALUES {}", some.join(", "))).await;
            }
        }
    }

    /// What an application does later: items go, come back, and move to other segments.
    async fn change(&mut self) {
        for statement in [
            "DELETE FROM follows WHERE followee_id = 7 AND follower_id % 41 = 0",
            "INSERT INTO follows VALUES (41, 7, '2026-07-01 12:00:00', 'back')",
            "UPDATE follows SET created_at = created_at + INTERVAL 45 DAY, note = NULL WHERE followee_id = 7 AND \
             follower_id % 29 = 1",
            "UPDATE follows SET created_at = '1969-12-31 23:59:59.999' WHERE followee_id = 7 AND follower_id < 9",
        ] {
            self.setup.database.run(statement).await;
        }
    }

    async fn catch_up(&self) {
        self.setup.tailfill(&["run", "--until", "caught-up"]).await.code(0);
    }

    async fn read(&self, reader: Reader, way: &Way, list: u64, question: &[&str]) -> Said {
        let (table, list) = (format!("{}_{}", self.setup.table, way.name), list.to_string());
        let words = ["--table", &table, "--list", &list, "--stats"];
        reader.run(&[&words, way.words, question].concat()).await
    }

    /// MySQL's answer in words of the readers.
    async fn expected(&mut self, way: &Way, list: u64, question: &str, limit: u64) -> Vec<Json> {
        let order = match question {
            "latest" => "created_at DESC, follower_id",
            _ => "created_at, follower_id DESC",
        };
        let query = format!(
            "SELECT follower_id, CAST(created_at AS CHAR), note FROM follows WHERE followee_id = {list} \
             ORDER BY {order} LIMIT {limit}"
        );
        let rows: Vec<(u64, String, Option<String>)> =
            self.setup.database.conn.query(query).await.expect("the table can be read");
        let item = |(follower, created_at, note): (u64, String, Option<String>)| {
            let note = if way.alone { Some(note.unwrap_or_default()) } else { note };
            serde_json::json!({ "follower_id": follower, "created_at": created_at, "note": note })
        };
        rows.into_iter().map(item).collect()
    }

    async fn size(&mut self, list: u64) -> u64 {
        let query = format!("SELECT COUNT(*) FROM follows WHERE followee_id = {list}");
        self.setup.database.conn.query_first(query).await.expect("it can be read").expect("one row")
    }

    /// Asks and compares; says what was read for it.
    async fn check(&mut self, reader: Reader, way: &Way, list: u64, (question, limit): (&str, u64)) -> Stats {
        let said = self.read(reader, way, list, &[question, &limit.to_string()]).await.code(0);
        let found: Vec<Json> =
            said.out.lines().map(|line| serde_json::from_str(line).expect("lines of JSON")).collect();
        let expected = self.expected(way, list, question, limit).await;
        let what = format!("{reader:?}, target {}, list {list}, {question} {limit}", way.name);
        let differs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        if let Some(place) = differs {
            panic!("{what}: item {place} is {}, not {}", found[place], expected[place]);
        }
        assert_eq!(found.len(), expected.len(), "{what}");
        println!("{what}: {}", said.err.trim());
        Stats::of(&said)
    }

    /// The target of a way that is counted, to write to by hand.
    async fn sink(&self, way: &Way) -> HbaseSink {
        let target = Target {
            id: TARGET,
            table: format!("{}_{}", self.setup.table, way.name),
            family: "f".into(),
            layout: Layout::Wide,
            form: CellForm::Json,
            columns: vec![],
            values: ValueEncoding::Utf8,
            salt_buckets: 1,
            ordered: true,
            segment: Some(30 * 24 * 60 * 60 * 1_000_000),
            counted: true,
        };
        connect(vec![target]).await
    }

    async fn close(self) {
        let sink = connect(vec![]).await;
        for way in &self.ways {
            let table = format!("{}_{}", self.setup.table, way.name);
            sink.drop_table(&table).await.expect("the table can be dropped");
        }
    }
}

async fn connect(targets: Vec<Target>) -> HbaseSink {
    let gateway = format!("127.0.0.1:{}", port("TAILFILL_THRIFT2_PORT"));
    HbaseSink::connect(HbaseOptions::new(vec![gateway]), targets).await.expect("the gateway answers")
}

/// A row with one item, as docs/formats.md lays it out (one bucket, segments descending), and what becomes of its count.
fn counted_row(list: u64, segment: i64, count: CountChange) -> CountedWrite {
    let segment = !(segment as u64 ^ 1 << 63);
    let row = [&[0][..], &list.to_be_bytes(), &segment.to_be_bytes()].concat();
    CountedWrite {
        row: row.into(),
        expected: None,
        tick: Tick(1_700_000_000_000),
        puts: vec![(Bytes::from_static(&[0x5a; 16]), Bytes::from_static(b"{}"))],
        delete_columns: vec![],
        count,
    }
}

/// What a reader says that it has read.
#[derive(Debug)]
struct Stats {
    calls: u64,
    cells: u64,
}

impl Stats {
    fn of(said: &Said) -> Stats {
        let numbers: Vec<u64> = said.err.split(' ').filter_map(|word| word.trim().parse().ok()).collect();
        let [calls, _results, cells] = numbers[..] else { panic!("--stats said {:?}", said.err) };
        Stats { calls, cells }
    }

    #[track_caller]
    fn at_most(&self, calls: u64, cells: u64) {
        assert!(self.calls <= calls && self.cells <= cells, "{self:?}, not {calls} calls and {cells} cells");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readers_compute_the_keys_that_the_formats_page_shows() {
    let tall = "0a00000000000000077ff9f228efdcff87000000000000002a\n";
    let wide = "0a0000000000000007 7ff9f228efdcff87000000000000002a\n";
    let segment = "0a00000000000000077ffffffffffffd6e 7ff9f228efdcff87000000000000002a\n";
    for (words, expected) in [
        (&["--layout", "tall"][..], tall),
        (&["--layout", "wide"], wide),
        (&["--layout", "wide", "--segment-days", "30"], segment),
    ] {
        for reader in Reader::ALL {
            let item = ["--list", "7", "key", "42", "2024-01-01 00:00:00.123"];
            let said = reader.run(&[words, &item].concat()).await.code(0);
            assert_eq!(said.out, expected, "{reader:?} {words:?}");
        }
    }
    doctest("readers/python/reader.py").await.code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_in_python_and_java_see_the_lists_as_mysql_has_them() {
    let mut world = World::create("readers", vec![TALL, WIDE, SEGMENTS, ALONE]).await;
    world.fill().await;
    world.setup.tailfill(&["init"]).await.code(0);
    world.catch_up().await;
    world.change().await;
    world.catch_up().await;
    for reader in Reader::ALL {
        for way in [TALL, WIDE, SEGMENTS, ALONE] {
            let latest = world.check(reader, &way, 7, ("latest", 5_000)).await;
            let first = world.check(reader, &way, 7, ("first", 100)).await;
            match way.name {
                "t" => {
                    latest.at_most(9, 10_000);
                    first.at_most(3, 200);
                }
                // the whole row, page by page
                "w" => {
                    latest.at_most(5, 5_000);
                    first.at_most(30, 20_000);
                }
                // some ten rows at once, of which not all were needed
                _ => {
                    latest.at_most(20, 10_000);
                    first.at_most(20, 2_000);
                }
            }
        }
    }
    // neighbours, the ends of the table, a list that is not there; as many as there are and more
    for way in [TALL, WIDE, SEGMENTS, ALONE] {
        for (list, limit) in [(6, 1), (6, 60), (8, 100), (9, 5), (255, 7)] {
            world.check(Reader::Python, &way, list, ("latest", limit)).await;
            world.check(Reader::Python, &way, list, ("first", limit)).await;
        }
    }
    for question in ["latest", "first"] {
        world.check(Reader::Java, &WIDE, 6, (question, 70)).await;
        world.check(Reader::Java, &SEGMENTS, 9, (question, 70)).await;
    }
    let size = world.size(7).await;
    for reader in Reader::ALL {
        let said = world.read(reader, &TALL, 7, &["count"]).await.code(0);
        assert_eq!(said.out.trim(), size.to_string(), "{reader:?}");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_add_counts_up_and_say_where_a_list_is_not_counted_yet() {
    let world = World::create("readers_counts", vec![COUNTED]).await;
    world.setup.tailfill(&["init"]).await.code(0);
    let sink = world.sink(&COUNTED).await;
    let set = CountChange::Set;
    // the neighbours 6 and 8 are no part of 7; the last row of 9 waits for its count
    for (list, segment, count) in [
        (6, 600, set(1_000)),
        (7, 600, set(12)),
        (7, 0, set(0)),
        (7, -3, set(1 << 40)),
        (8, 600, set(2_000)),
        (9, 600, set(5)),
        (9, 599, CountChange::Keep),
    ] {
        let row = counted_row(list, segment, count);
        assert!(sink.write_counted(TARGET, &row).await.expect("it can be written"), "list {list}");
    }
    for reader in Reader::ALL {
        for (list, total) in [(7, 12 + (1_u64 << 40)), (8, 2_000), (5, 0)] {
            let said = world.read(reader, &COUNTED, list, &["count"]).await.code(0);
            assert_eq!(said.out.trim(), total.to_string(), "{reader:?}, list {list}: {}", said.err);
            Stats::of(&said).at_most(3, 3);
        }
        let said = world.read(reader, &COUNTED, 9, &["count"]).await.code(1);
        assert_eq!((&said.out[..], said.err.trim()), ("", "not counted yet"), "{reader:?}");
    }
    world.close().await;
}
