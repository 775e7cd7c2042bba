//! The hottest list is fair: it is written to without pause while it is copied, and neither tail nor copy waits for the other
//! for long.

use crate::support::mysql;
use crate::support::scenario::{Scenario, chunks_done, copied};
use crate::support::shape::{FOLLOWS, LABELS, Shape};
use mysql_async::Error;
use mysql_async::prelude::Queryable;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const LISTS: u64 = 21;

/// Within this the list is copied, on a machine with other work.
const COPIED_WITHIN: Duration = Duration::from_secs(600);

/// What the tail may be behind at any moment.
const LAG_SECONDS_MAX: f64 = 120.0;

/// Writers of some lists that never pause.
struct Writers {
    stop: Arc<AtomicBool>,
    commits: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

impl Writers {
    async fn start(scenario: &Scenario, lists: Range<u64>, connections: u64) -> Writers {
        let (stop, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let shape = scenario.shape;
        let lists: Vec<(u64, u64)> = lists.map(|list| (list, scenario.sizes[list as usize])).collect();
        let mut tasks = JoinSet::new();
        for connection in 0..connections {
            let mut conn = mysql::connect(scenario.settings.mysql_port, Some(&scenario.database)).await;
            let (lists, stop, commits) = (lists.clone(), stop.clone(), commits.clone());
            tasks.spawn(async move {
                for number in (connection..).step_by(connections as usize) {
                    if stop.load(Relaxed) {
                        return;
                    }
                    let (list, size) = lists[number as usize % lists.len()];
                    let statement = one_write(shape, list, size, number / lists.len() as u64);
                    match conn.query_drop(statement).await {
                        Ok(()) => drop(commits.fetch_add(1, Relaxed)),
                        // a deadlock of two writers
                        Err(Error::Server(error)) if error.code == 1213 => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
        Writers { stop, commits, tasks }
    }

    fn commits(&self) -> u64 {
        self.commits.load(Relaxed)
    }

    async fn stop(mut self) {
        self.stop.store(true, Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("it writes");
        }
    }
}

/// Items of the list come, go and change, all over it.
fn one_write(shape: &Shape, list: u64, size: u64, number: u64) -> String {
    let (item, table) = (number % size + 1, shape.table);
    let is = shape.is_item(list, item);
    match number / size % 3 {
        0 => format!("UPDATE {table} SET {} WHERE {is}", shape.set_values(Some(number))),
        1 => format!("DELETE FROM {table} WHERE {is}"),
        _ => format!("REPLACE {}{}", &shape.insert()["INSERT ".len()..], shape.row(list, item, number)),
    }
}

/// Of 21 lists, the one in the middle holds a third of all rows; `hot` are written to.
async fn is_fair(test: &str, shape: &'static Shape, hot: Range<u64>) {
    let mut scenario = Scenario::new(test, shape).await.fill(LISTS, 3_000).await;
    scenario.settings.chunk_rows = 20;
    scenario.init().await;
    let writers = Writers::start(&scenario, hot, 4).await;
    let run = scenario.start(&["run"]);
    let begin = Instant::now();
    let (mut worst_lag, mut batches) = (0.0f64, 0);
    let status = loop {
        if let Some(status) = scenario.status().await {
            worst_lag = worst_lag.max(status["lag"]["seconds"].as_f64().unwrap_or(0.0));
            if copied(&status) {
                break status;
            }
            batches = status["tail"]["batches"].as_u64().unwrap_or(0);
            assert!(
                begin.elapsed() < COPIED_WITHIN,
                "{} chunks in {COPIED_WITHIN:?}: {status}",
                chunks_done(&status)
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let (commits, seconds) = (writers.commits(), begin.elapsed().as_secs_f64());
    println!(
        "{} chunks in {seconds:.1} s beside {commits} commits to their lists; lag {worst_lag:.1} s at most; {}",
        chunks_done(&status),
        status["leases"]
    );
    assert!(batches > 0 && commits > 100, "they were written to all the while: {batches} {commits}");
    assert!(worst_lag < LAG_SECONDS_MAX, "the tail was {worst_lag} s behind");
    writers.stop().await;
    scenario.comes_to_rest(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_written_to_without_pause_is_copied_and_tailed_alike() {
    is_fair("hotlead", &FOLLOWS, LISTS / 2..LISTS / 2 + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_are_lists_across_the_primary_key_that_are_all_written_to_and_of_which_a_chunk_needs_many() {
    is_fair("hotcross", &LABELS, 0..LISTS).await;
}
