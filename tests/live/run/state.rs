//! The state's file in trouble: it cannot grow, it is torn, it is an older one.

use crate::support::scenario::{Scenario, both_work, chunks_done, gateway};
use crate::support::shape::FOLLOWS;
use crate::support::wait::until_so;
use std::fs;
use std::path::PathBuf;
use tailfill::sink::hbase::{HbaseOptions, HbaseSink};

async fn change(scenario: &Scenario, transactions: u64) {
    let application = scenario.application(2).await;
    until_so("the application to work", async || application.transactions() >= transactions).await;
    application.stop().await;
}

fn file(scenario: &Scenario) -> PathBuf {
    scenario.dir().join("state/state.redb")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_finds_no_room_ends_the_run_and_the_next_one_goes_on_once_there_is_room() {
    let mut scenario = Scenario::new("fullstate", &FOLLOWS).await.fill(100, 3_000).await;
    scenario.settings.chunk_rows = 20;
    scenario.settings.workers = 1;
    scenario.init().await;
    let application = scenario.application(2).await;
    let run = scenario.start(&["run"]);
    scenario.until_status("copy and tail to work", both_work(0)).await;
    run.limit_files(64 * 1024);
    let ended =
        run.ended().await.expect_code(1).says(&["the state in", "state.redb", "help: check that the disk"]);
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    let status = scenario.status().await.expect("the state can be looked at");
    assert!(chunks_done(&status) > 0, "nothing that was noted is lost: {status}");
    scenario.catch_up().await;
    application.stop().await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 1_000);
}

/// What can be wrong with a file, by name.
fn damages(whole: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let flipped = |from: usize, to: usize, step: usize| {
        let mut bytes = whole.to_vec();
        bytes[from..to].iter_mut().step_by(step).for_each(|byte| *byte ^= 0xff);
        bytes
    };
    vec![
        ("empty", Vec::new()),
        ("half of it", whole[..whole.len() / 2].to_vec()),
        ("its beginning alone", whole[..4096].to_vec()),
        ("without its beginning", flipped(0, 512, 1)),
        ("flipped in the middle", flipped(4096, whole.len() - 4096, 61)),
        ("another file", b"these are the settings of another program".repeat(1000)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_torn_is_refused_with_what_to_do_and_never_begun_anew() {
    let mut scenario = Scenario::new("torn", &FOLLOWS).await.fill(30, 500).await;
    scenario.init().await;
    scenario.catch_up().await;
    let older = fs::read(file(&scenario)).expect("there is a state");
    change(&scenario, 100).await;
    scenario.catch_up().await;
    let whole = fs::read(file(&scenario)).expect("there is a state");
    scenario.sql("DELETE FROM follows LIMIT 3").await;
    for (what, bytes) in damages(&whole) {
        println!("{what}");
        fs::write(file(&scenario), &bytes).expect("the test's folder can be written");
        for arguments in [&["run", "--until", "caught-up"][..], &["status"], &["init"]] {
            let ended = scenario.run(arguments).await.expect_code(1);
            let ended = ended.says(&["the state in", "state.redb", "damaged", "help: restore state_dir"]);
            assert!(!ended.err.contains("panicked"), "{what}: {}", ended.err);
        }
        assert!(fs::read(file(&scenario)).expect("it is there") == bytes, "{what}: the file was touched");
    }
    fs::write(file(&scenario), &whole).expect("the test's folder can be written");
    scenario.catch_up().await;
    scenario.compare().await;

    // a copy of the state, as a person restores it: what it does not know of is read and written again
    fs::write(file(&scenario), &older).expect("the test's folder can be written");
    change(&scenario, 20).await;
    scenario.catch_up().await;
    scenario.compare().await;
    scenario.run(&["verify", "--full"]).await.expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hbase_table_that_was_dropped_and_made_by_init_again_is_copied_anew() {
    let mut scenario = Scenario::new("remade", &FOLLOWS).await.fill(20, 200).await;
    scenario.init().await;
    scenario.catch_up().await;
    let sink = HbaseSink::connect(HbaseOptions::new(vec![gateway()]), Vec::new()).await.expect("it answers");
    sink.drop_table(&scenario.table(0)).await.expect("it is there");
    // the state is one that knows nothing of that: of a copy from before
    let state = scenario.dir().join("state/state.redb");
    let kept = fs::read(&state).expect("there is a state");
    scenario.init().await;
    fs::write(&state, kept).expect("the test's folder can be written");
    scenario.sql("UPDATE follows SET note = 'since' LIMIT 1").await;
    scenario.catch_up().await.says(&["the run copies all rows again"]);
    assert!(scenario.compare().await > 0);
    let again = scenario.catch_up().await;
    assert!(!again.err.contains("copies all rows again"), "{}", again.err);
}
