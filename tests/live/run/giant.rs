//! One list that is nearly the whole table: memory is bounded, rows of HBase are as large as their segments, and neither the
//! tail nor the copy of the list keeps the other away from it.

use crate::support::giant::{Application, GIANT, Layout, World, moment};
use crate::support::sums::{self, Sums};
use crate::support::tailfill::Tailfill;
use serde_json::Value as Json;
use std::time::{Duration, Instant};
use tailfill::model::TargetId;
use tailfill::sink::{CellNames, ReadRows};

/// Bytes of resident memory that a debug build may take, whatever a list holds: a million such items, which `--long`
/// has, are 300 MB of notes alone.
const MEMORY_MAX: u64 = 128 << 20;
/// The same for a table of 300 rows of 200 kB: what a worker holds at once is bounded in bytes.
const LONG_ROWS_MEMORY_MAX: u64 = 200 << 20;
/// A change of the giant that takes longer than this was kept waiting by the copy: several lives of a lease, which a machine
/// that is very busy may lose the reply for.
const LAG_MAX: Duration = Duration::from_secs(180);
const COPIED_WITHIN: Duration = Duration::from_secs(600);
const NOTE: &str = "note VARCHAR(400) NULL";
/// 300 bytes.
const NOTE_OF: &str = "RPAD(CONCAT('note ', i), 300, '.')";
/// Items that nobody else inserts.
const FIRST_PROBE: u64 = 1 << 40;

/// What was seen of a run that copies.
#[derive(Debug, Default)]
struct Seen {
    memory: u64,
    /// Commit to readable in HBase of items of the giant that arrived while a copy was under way.
    lags: Vec<Duration>,
}

impl Seen {
    fn say(&mut self, seconds: f64) {
        self.lags.sort_unstable();
        let at = |share: usize| self.lags.get(self.lags.len() * share / 100);
        println!(
            "copied in {seconds:.1} s, {} MiB of memory at most; {} items came meanwhile, half within {:?}, the last within {:?}",
            self.memory >> 20,
            self.lags.len(),
            at(50),
            self.lags.last()
        );
    }
}

/// Looks at a run until it ends, and sends items after the changes of the giant.
async fn watch(world: &mut World, run: &mut Tailfill, limit: Duration) -> Seen {
    let sink = sums::reader(world, Layout::Unordered).await;
    let (mut seen, begin) = (Seen::default(), Instant::now());
    // before there is a mark, what is committed may be of the copy
    world.until(run, |status| status["phase"] == "tailing" && status["mark"].is_object()).await;
    for item in FIRST_PROBE.. {
        let created = moment(&(item * 77_777).to_string());
        world
            .database
            .run(&format!("INSERT INTO follows VALUES ({GIANT}, {item}, {created}, 'probe')"))
            .await;
        let (committed, list) = (Instant::now(), GIANT.to_be_bytes());
        let row = [&[(crc32fast::hash(&list) % 4) as u8][..], &list].concat().into();
        let address = [CellNames { row, qualifiers: vec![item.to_be_bytes().to_vec().into()] }];
        loop {
            seen.memory = seen.memory.max(run.memory_high().unwrap_or(0));
            if run.has_ended() {
                seen.say(begin.elapsed().as_secs_f64());
                return seen;
            }
            assert!(begin.elapsed() < limit, "the copy did not end within {limit:?}");
            if sink.read_cells(TargetId(0), &address).await.expect("hbase answers")[0].is_some() {
                break;
            }
            assert!(committed.elapsed() < LAG_MAX, "an item of the giant did not come within {LAG_MAX:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let lag = committed.elapsed();
        let status = world.status().await;
        if status.is_some_and(|status| is_copying(&status)) {
            seen.lags.push(lag);
        }
    }
    unreachable!("a run ends before 2^64 items")
}

fn is_copying(status: &Json) -> bool {
    let targets = status["targets"].as_array().expect("targets");
    status["phase"] == "tailing" && targets.iter().any(|target| target["life_cycle"] == "backfilling")
}

/// Ends the application, lets the tail bring the rest, and compares every layout.
async fn ends_equal(world: &World, application: Application, run: &[&str], is_moved: impl Fn(u64) -> bool) {
    let transactions = application.stop().await;
    world.start(run).ended().await.expect_code(0);
    for layout in &world.layouts {
        let mut mysql = sums::of_mysql(world, layout.ordered()).await;
        mysql.retain(|(list, _), _| is_moved(*list));
        let shown = sums::of_hbase(world, *layout).await;
        assert_same(*layout, &mysql, &shown.sums);
        let largest = match layout {
            Layout::Tall => 2,
            Layout::Segments => mysql.values().map(|sum| sum.0).max().unwrap_or(0),
            Layout::Wide | Layout::Unordered => of_giant(&mysql),
        };
        println!(
            "{layout:?}: {} rows, the largest of {} cells; {transactions} transactions",
            shown.rows, shown.largest_row
        );
        assert_eq!(shown.largest_row, largest, "{layout:?}");
    }
}

fn of_giant(sums: &Sums) -> u64 {
    sums.iter().filter(|((list, _), _)| *list == GIANT).map(|(_, sum)| sum.0).sum()
}

fn assert_same(layout: Layout, mysql: &Sums, hbase: &Sums) {
    let differ: Vec<_> =
        mysql.keys().chain(hbase.keys()).filter(|key| mysql.get(key) != hbase.get(key)).collect();
    let first = differ.first().map(|key| (key, mysql.get(key), hbase.get(key)));
    assert!(
        differ.is_empty(),
        "{layout:?}: {} of {} groups differ, the first {first:?}",
        differ.len(),
        mysql.len()
    );
}

async fn is_copied_beside_its_changes(rows: u64, items: u64, limit: Duration) {
    let mut world = World::new("giant", &Layout::ALL, NOTE).await;
    world.fill(rows, items, NOTE_OF).await;
    world.init().await;
    let application = world.application(items).await;
    let summary = world.summary();
    let summary_path = summary.to_str().expect("a plain path");
    let mut run = world.start(&["run", "--until", "caught-up", "--summary", summary_path]);
    let seen = watch(&mut world, &mut run, limit).await;
    run.ended().await.expect_code(0);
    // the copy came to its end while the list changed all the time
    application.goes_on(20).await;
    let summary = std::fs::read_to_string(&summary).expect("the run wrote its summary");
    let summary: Json = serde_json::from_str(&summary).expect("a summary is JSON");
    assert!(summary["deletes_while_copying"].as_u64() > Some(10), "nothing was put to the test: {summary}");
    assert!(seen.lags.len() >= 5, "{} changes arrived while the list was copied", seen.lags.len());
    assert!(seen.memory < MEMORY_MAX, "{} MiB", seen.memory >> 20);
    ends_equal(&world, application, &["run", "--until", "caught-up"], |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_giant_list_is_copied_into_every_layout_beside_its_own_changes() {
    is_copied_beside_its_changes(58_000, 50_000, COPIED_WITHIN).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: a list of a million items in four layouts"]
async fn a_list_of_a_million_items_takes_no_more_memory() {
    is_copied_beside_its_changes(1_200_000, 1_000_000, Duration::from_secs(3_600)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pilot_of_a_giant_list_takes_no_more_memory() {
    let mut world = World::new("giantpilot", &[Layout::Unordered, Layout::Segments], NOTE).await;
    world.fill(58_000, 50_000, NOTE_OF).await;
    world.init().await;
    let application = world.application(50_000).await;
    let only = GIANT.to_string();
    let pilot = ["run", "--only", &only, "--until", "caught-up"];
    let mut run = world.start(&pilot);
    let seen = watch(&mut world, &mut run, COPIED_WITHIN).await;
    run.ended().await.expect_code(0);
    assert!(seen.memory < MEMORY_MAX, "{} MiB", seen.memory >> 20);
    assert!(!seen.lags.is_empty(), "no change arrived while the list was copied");
    ends_equal(&world, application, &pilot, |list| list == GIANT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_rows_make_smaller_chunks() {
    let mut world = World::new("longrows", &[Layout::Tall], "note MEDIUMTEXT NULL").await;
    // 300 rows of 200 kB and more: 63 MB in the one list
    world.fill(300, 300, "REPEAT(CONCAT('long ', 100000 + i, ' '), 17500)").await;
    world.init().await;
    let mut run = world.start(&["run"]);
    let copied = world.until(&mut run, |status| status["targets"][0]["life_cycle"] == "caught_up").await;
    // 1,000 rows by the settings, 16 MiB by their length
    let chunks = copied["targets"][0]["chunks_done"].as_u64();
    assert!(chunks >= Some(4), "{chunks:?} chunks");
    let memory_of_copy = run.memory_high().expect("it runs");
    world.database.run("UPDATE follows SET note = CONCAT(note, '!')").await;
    let written =
        |status: &Json| status["tail"]["updates"].as_u64() == Some(300) && status["tail"]["queued_rows"] == 0;
    world.until(&mut run, written).await;
    let memory = run.memory_high().expect("it runs");
    println!(
        "{chunks:?} chunks, at most {} MiB of memory, {} with the tail",
        memory_of_copy >> 20,
        memory >> 20
    );
    assert!(memory < LONG_ROWS_MEMORY_MAX, "{} MiB", memory >> 20);
    run.interrupted().await;
    world.start(&["run", "--until", "caught-up"]).ended().await.expect_code(0);
    let (mysql, shown) = (sums::of_mysql(&world, true).await, sums::of_hbase(&world, Layout::Tall).await);
    assert_same(Layout::Tall, &mysql, &shown.sums);
}
