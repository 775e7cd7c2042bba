//! Queries on real servers: what each layout answers, what is read for it, and what is refused beforehand.

use crate::support::calls::Calls;
use crate::support::setup::{Run, Setup, port};
use serde_json::Value as Json;
use tailfill::model::{CellForm, Layout, Target, TargetId, Tick, ValueEncoding};
use tailfill::sink::hbase::{HbaseOptions, HbaseSink};
use tailfill::sink::{CountChange, CountedWrite, ReadCounts, ScanRange, WriteRows};

/// A mapping with several targets; their tables go with it.
struct Lists {
    setup: Setup,
    tables: Vec<String>,
}

/// What is asked of every mapping here.
const QUERIES: [(&str, &str, Option<u32>); 5] = [
    ("latest", "latest", Some(5_000)),
    ("first", "first", Some(100)),
    ("pages", "page", Some(7)),
    ("member", "has", None),
    ("size", "count", None),
];

impl Lists {
    /// Targets by the ends of their tables' names and their other settings.
    async fn new(test: &str, targets: &[(&str, &str)]) -> Lists {
        let mut setup = Setup::create(test).await;
        let table = setup.table.clone();
        let given = format!("[[mapping.target]]\ntable = \"{table}\"\nsalt_buckets = 4\n");
        let mut text = String::new();
        for (name, settings) in targets {
            text += &format!(
                "[[mapping.target]]\ntable = \"{table}_{name}\"\nsalt_buckets = 4\n{}\n",
                settings.replace("; ", "\n")
            );
        }
        for (name, kind, limit) in QUERIES {
            text += &format!("[[mapping.query]]\nname = \"{name}\"\nkind = \"{kind}\"\n");
            text += &limit.map(|limit| format!("limit = {limit}\n")).unwrap_or_default();
        }
        setup.with(&given, &text);
        let tables = targets.iter().map(|(name, _)| format!("{table}_{name}")).collect();
        Lists { setup, tables }
    }

    /// A list `followee` with an item every `seconds`, from the beginning of 2024 on; one more list of one item.
    async fn fill(&mut self, followee: u64, items: u64, seconds: u64) {
        let database = &mut self.setup.database;
        database.run(&format!("SET cte_max_recursion_depth = {items}")).await;
        database
            .run(&format!(
                "INSERT INTO follows WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {items}) \
                 SELECT i, {followee}, '2024-01-01' + INTERVAL i * {seconds} SECOND, IF(i % 3, 'a note', NULL) FROM n"
            ))
            .await;
        database.run("INSERT INTO follows VALUES (5, 1, '2024-01-01', NULL)").await;
    }

    async fn copy(&self) {
        self.setup.tailfill(&["init"]).await.code(0);
        let run = self.setup.tailfill(&["run", "--until", "caught-up"]).await.code(0);
        println!("copied in {:?}: {}", run.took, run.out);
    }

    /// Takes the count of the first counted row away, as if it were not counted yet.
    async fn forget_a_count(&self, table: String) {
        let target = Target {
            id: TargetId(0),
            table,
            family: "f".into(),
            layout: Layout::Wide,
            columns: vec![],
            form: CellForm::Msgpack,
            values: ValueEncoding::Utf8,
            salt_buckets: 4,
            ordered: true,
            segment: None,
            counted: true,
        };
        let gateway = format!("127.0.0.1:{}", port("TAILFILL_THRIFT2_PORT"));
        let sink = HbaseSink::connect(HbaseOptions::new(vec![gateway]), vec![target]).await;
        let sink = sink.expect("the gateway answers");
        let everything = ScanRange { limit: usize::MAX, ..ScanRange::default() };
        let rows = sink.scan_counts(TargetId(0), &everything).await.expect("counts can be read");
        // the list of one item has a row too
        let row = rows.into_iter().find(|row| row.count > Some(1)).expect("a counted row");
        let write = CountedWrite {
            row: row.row,
            expected: row.tick,
            tick: Tick(row.tick.expect("it was written").0 + 1),
            puts: vec![],
            delete_columns: vec![],
            count: CountChange::Remove,
        };
        assert!(sink.write_counted(TargetId(0), &write).await.expect("it can be written"));
    }

    fn table(&self, name: &str) -> String {
        format!("{}_{name}", self.setup.table)
    }

    /// `get followers LIST ... --stats --json`, which must find both sides equal.
    async fn get(&self, config: &str, list: &str, arguments: &[&str]) -> Json {
        let all = ["get", "followers", list, "--stats", "--json"];
        let all: Vec<&str> = all.iter().chain(arguments).copied().collect();
        let run = self.setup.tailfill_with(config, &all).await.code(0);
        serde_json::from_str(&run.out).expect("get --json is JSON")
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        let tables = self.tables.clone();
        let gateway = format!("127.0.0.1:{}", port("TAILFILL_THRIFT2_PORT"));
        let cleaning = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else {
                return;
            };
            runtime.block_on(async {
                if let Ok(sink) = HbaseSink::connect(HbaseOptions::new(vec![gateway]), vec![]).await {
                    futures::future::join_all(tables.iter().map(|table| sink.drop_table(table))).await;
                }
            });
        });
        let _ = cleaning.join();
    }
}

/// The line of a finding, and the line that advises.
fn finding(run: &Run, name: &str) -> String {
    let mut lines = run.out.lines().skip_while(|line| !line.contains(&format!(" {name} ")));
    let first = lines.next().unwrap_or_else(|| panic!("no {name} in\n{}", run.out));
    let advice = lines.next().filter(|line| line.trim_start().starts_with("->")).unwrap_or_default();
    format!("{}\n{}", first.trim(), advice.trim())
}

fn followers(items: &Json) -> Vec<u64> {
    let items = items.as_array().expect("items");
    let id = |item: &Json| item["key"]["follower_id"].as_str().and_then(|id| id.parse().ok());
    items.iter().map(|item| id(item).expect("a number")).collect()
}

/// Latest 5,000 and first 100 of a million items, tall and wide: what is read does not grow with the list.
#[tokio::test(flavor = "multi_thread")]
async fn latest_and_first_of_a_million_items_read_what_the_layout_needs() {
    const ITEMS: u64 = 1_000_000;
    // a day has 2,880 items, but the first, which begins with an item less, and the last
    const A_DAY: u64 = 2_880;
    let mut lists = Lists::new(
        "million",
        &[
            ("rows", "value = \"msgpack\""),
            ("days", "layout = \"wide\"; segment = \"1d\""),
            ("whole", "layout = \"wide\""),
        ],
    )
    .await;
    lists.fill(7, ITEMS, 86_400 / A_DAY).await;
    lists.copy().await;

    let check = lists.setup.tailfill(&["check"]).await.code(0);
    println!("check took {:?}", check.took);
    let segments = ITEMS / A_DAY + 1;
    let size = format!("{ITEMS} items; in {} {segments} segments, of up to {A_DAY}", lists.table("days"));
    assert!(finding(&check, "followers largest list").contains(&size), "{}", check.out);
    let first = |table: &str| finding(&check, &format!("followers first on {}", lists.table(table)));
    assert!(first("rows").ends_with("a bounded read: 100 rows\n"), "{}", first("rows"));
    assert!(
        first("days").ends_with(&format!("a bounded read: {} cells\n", 100 + A_DAY)),
        "{}",
        first("days")
    );
    assert!(
        first("whole").ends_with(&format!("a scan of the whole list: {ITEMS} cells\n")),
        "{}",
        first("whole")
    );
    let latest = finding(&check, "followers latest");
    assert!(
        latest.starts_with("ok") && latest.contains(&format!("best {}: 5000 rows", lists.table("rows"))),
        "{latest}"
    );

    let gateway = port("TAILFILL_THRIFT2_PORT");
    let calls = Calls::start(gateway).await;
    let config =
        lists.setup.config.replace(&format!("127.0.0.1:{gateway}"), &format!("127.0.0.1:{}", calls.port));
    // query, target, calls at most, rows and cells at most
    let cases = [
        ("latest", "rows", 2, 5_000, 5_000),
        ("first", "rows", 1, 100, 100),
        ("latest", "days", 2, 8, 10_000),
        // four keys of segments, and the first day
        ("first", "days", 3, 4 + 2, 4 + A_DAY),
        ("latest", "whole", 3, 3, 5_000),
    ];
    for (query, target, calls_max, rows_max, cells_max) in cases {
        calls.take();
        let json = lists.get(&config, "7", &["--query", query, "--target", &lists.table(target)]).await;
        let (sent, received) = calls.take();
        println!("{query} of {target}: {}, {received} bytes", json["work"]);
        let expected: Vec<u64> = match query {
            "latest" => (ITEMS - 4_999..=ITEMS).rev().collect(),
            _ => (1..=100).collect(),
        };
        assert_eq!((followers(&json["mysql"]), followers(&json["hbase"])), (expected.clone(), expected));
        let read = |name: &str| json["work"]["hbase"][name].as_u64().expect("a number");
        assert_eq!(read("calls"), sent, "{query} of {target}");
        assert!(sent <= calls_max, "{sent} calls for {query} of {target}");
        assert!(read("rows") <= rows_max && read("cells") <= cells_max, "{}", json["work"]);
        let selects = &json["work"]["mysql"];
        let limit = if query == "latest" { 5_000 } else { 100 };
        assert_eq!((&selects["selects"], &selects["rows"]), (&1.into(), &limit.into()), "{selects}");
        assert!(received < 2 << 20, "{received} bytes came for {query} of {target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_layout_answers_every_query_by_name_as_mysql_does() {
    let members = "ordered = false";
    let mut lists = Lists::new(
        "layouts",
        &[
            ("rows", ""),
            ("packed", "value = \"json\"; ordered = false"),
            ("bytes", "values = \"bytes\"; ordered = false"),
            ("days", "layout = \"wide\"; segment = \"1d\"; value = \"json\""),
            ("whole", "layout = \"wide\""),
            ("members", members),
            ("cells", "layout = \"wide\"; ordered = false"),
        ],
    )
    .await;
    lists.fill(7, 50, 6_000).await;
    lists.copy().await;
    let config = lists.setup.config.clone();
    for table in lists.tables.clone() {
        let get = async |arguments: &[&str]| {
            let all: Vec<&str> = arguments.iter().chain(&["--target", &table]).copied().collect();
            lists.get(&config, "7", &all).await
        };
        let both = |json: &Json| {
            assert_eq!(json["equal"], true, "{table} {json}");
            assert_eq!(followers(&json["mysql"]), followers(&json["hbase"]), "{table}");
            followers(&json["hbase"])
        };
        let reversed: Vec<u64> = (1..=50).rev().collect();
        assert_eq!(both(&get(&["--query", "latest"]).await), reversed);
        assert_eq!(both(&get(&["--query", "first"]).await), (1..=50).collect::<Vec<_>>());
        assert_eq!(both(&get(&["--query", "member", "--has", "33"]).await), [33]);
        assert!(both(&get(&["--query", "member", "--has", "333"]).await).is_empty());
        let size = get(&["--query", "size"]).await;
        assert_eq!((&size["mysql"], &size["hbase"]), (&50.into(), &50.into()), "{table}");
        // page after page
        let (mut seen, mut json) = (Vec::new(), get(&["--query", "pages"]).await);
        loop {
            seen.extend(both(&json));
            if json["next"].is_null() {
                break;
            }
            let next = json["next"].to_string();
            json = get(&["--query", "pages", "--after", &next]).await;
        }
        assert_eq!(seen, reversed, "{table}");
    }
    let text = lists.setup.tailfill(&["get", "followers", "7", "--query", "pages", "--stats"]).await.code(0);
    let said = [
        "both sides are equal",
        "next page: --after '[\"2024-01-04 01:20:00.000\",\"44\"]'",
        "MySQL read 7 rows in 1 SELECT",
        "HBase read 7 rows with 12 cells in 1 call",
    ];
    text.says(&said);
    lists
        .setup
        .tailfill(&["get", "followers", "7", "--query", "nothing"])
        .await
        .code(2)
        .says(&["its queries: latest, first"]);
    lists
        .setup
        .tailfill(&["get", "followers", "7", "--count", "--target", "x"])
        .await
        .code(2)
        .says(&["is not a table of"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counted_list_is_counted_by_a_row_for_each_segment_and_says_where_one_is_not_counted_yet() {
    const ITEMS: u64 = 500;
    const SEGMENTS: u64 = 4;
    let counted = [
        ("days", "layout = \"wide\"; segment = \"1d\"; count = true"),
        ("whole", "layout = \"wide\"; count = true"),
    ];
    let mut lists = Lists::new("counted", &counted).await;
    lists.fill(7, ITEMS, SEGMENTS * 86_400 / (ITEMS + 1)).await;
    lists.copy().await;
    let config = lists.setup.config.clone();
    let size = async |name: &str| {
        lists.get(&config, "7", &["--query", "size", "--target", &lists.table(name)]).await
    };
    for (name, calls, cells) in [("days", 2, 3 * SEGMENTS), ("whole", 1, 2)] {
        let json = size(name).await;
        assert_eq!((&json["mysql"], &json["hbase"]), (&ITEMS.into(), &ITEMS.into()), "{name} {json}");
        assert!(json["rows_uncounted"].is_null(), "{name} {json}");
        // c:n and c:t of each row, and where there are segments the name of each row's first cell
        let work = &json["work"]["hbase"];
        assert_eq!((&work["calls"], &work["cells"]), (&calls.into(), &cells.into()), "{name} {json}");
    }
    let check = lists.setup.tailfill(&["check"]).await.code(0);
    let best = finding(&check, "followers size");
    assert!(best.starts_with("ok") && best.contains("_whole: 1 row of counts"), "{best}");

    lists.forget_a_count(lists.table("days")).await;
    let json = size("days").await;
    assert_eq!((&json["hbase"], &json["rows_uncounted"]), (&ITEMS.into(), &1.into()), "{json}");
    assert!(json["work"]["hbase"]["cells"].as_u64() < Some(ITEMS / 2), "one segment alone is read: {json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_no_target_answers_is_refused_by_check_init_and_run_unless_accepted() {
    let mut lists = Lists::new("unanswered", &[("members", "ordered = false; columns = [\"note\"]")]).await;
    lists.fill(7, 3, 60).await;
    let said = ["no target answers it", "holds created_at neither in its addresses nor in its cells"];
    for command in [&["check"][..], &["init"], &["run", "--until", "caught-up"]] {
        lists
            .setup
            .tailfill(command)
            .await
            .code(3)
            .says(&said)
            .says(&["or created_at to the columns", "--accept-unanswered"]);
    }
    let accept = "--accept-unanswered";
    let check = lists.setup.tailfill(&["check", accept]).await.code(0);
    for query in ["latest", "first", "pages"] {
        let line = finding(&check, &format!("followers {query}"));
        assert!(line.starts_with("warning") && line.contains("-> add a target"), "{line}");
    }
    assert!(finding(&check, "followers member").starts_with("ok"), "{}", check.out);
    lists.setup.tailfill(&["init", accept]).await.code(0).says(&said);
    lists.setup.tailfill(&["run", "--until", "caught-up", accept]).await.code(0).says(&said);
    // what is not answered is said so, and MySQL answers alone
    let latest = ["get", "followers", "7", "--query", "latest"];
    lists.setup.tailfill(&latest).await.code(2).says(&["cannot answer this", "--from mysql"]);
    let of_mysql: Vec<&str> = latest.iter().chain(&["--from", "mysql"]).copied().collect();
    lists.setup.tailfill(&of_mysql).await.code(0).says(&["3 items"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_only_a_scan_answers_is_a_warning_with_what_to_change() {
    let mut lists = Lists::new("scanned", &[("whole", "layout = \"wide\"")]).await;
    lists.fill(7, 3, 60).await;
    let check = lists.setup.tailfill(&["check"]).await.code(0);
    let cases = [
        ("latest", "ok", "3 cells"),
        ("pages", "ok", "3 cells"),
        (
            "first",
            "warning",
            "a scan of the whole list, 3 cells\n-> give the target `segment`, or add a tall target",
        ),
        ("member", "warning", "-> add a target with `ordered = false`"),
        ("size", "warning", "-> give the target `count = true`"),
    ];
    for (query, level, said) in cases {
        let line = finding(&check, &format!("followers {query}"));
        assert!(line.starts_with(level) && line.contains(said), "{query}: {line}");
    }
    let json = lists.setup.tailfill(&["check", "--json"]).await.code(0);
    let json: Json = serde_json::from_str(&json.out).expect("one JSON document");
    let ids: Vec<&str> =
        json["findings"].as_array().expect("a list").iter().filter_map(|f| f["id"].as_str()).collect();
    assert!(
        ids.contains(&"queries.followers first") && ids.contains(&"queries.followers largest list"),
        "{ids:?}"
    );
}
