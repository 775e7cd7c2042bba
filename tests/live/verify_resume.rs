//! A full comparison that is interrupted and resumed, and one that waits for its pace, on real servers.

use super::verify::{copied_as, plant, rows};
use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use crate::support::tailfill::Tailfill;
use crate::support::wait::until_so;
use serde_json::Value as Json;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tailfill::model::TargetId;

const MEMBERS: TargetId = TargetId(1);
/// About 10,000 rows and 20,000 items take half a minute then: long enough to be saved before the end.
const SLOW: &str = "backfill.rows_per_second=1000";

fn pass_file(scenario: &Scenario) -> PathBuf {
    scenario.dir().join("state/verify.pass")
}

async fn throttle(scenario: &Scenario, arguments: &[&str]) {
    scenario.run(&[&["throttle"], arguments].concat()).await.expect_code(0);
}

/// A slow comparison that was saved at least once.
async fn saved(scenario: &Scenario) -> Tailfill {
    throttle(scenario, &["set", SLOW]).await;
    let verify = scenario.start(&["verify", "--full"]);
    let path = pass_file(scenario);
    until_so("the comparison is saved", async || path.exists()).await;
    throttle(scenario, &["unset", "backfill.rows_per_second"]).await;
    verify
}

/// Of both targets.
async fn items(scenario: &mut Scenario) -> u64 {
    let rows = scenario.ask("SELECT COUNT(*) FROM follows").await;
    2 * rows.parse::<u64>().expect("a number")
}

async fn resumed(scenario: &Scenario, code: i32) -> Json {
    let ended = scenario.run(&["verify", "--full", "--resume", "--json"]).await.expect_code(code);
    println!("{}{}", ended.out, ended.err);
    assert!(ended.err.contains("verify resumes what was interrupted at 20"), "{}", ended.err);
    serde_json::from_str(&ended.out).expect("--json is JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_is_killed_goes_on_while_the_application_writes() {
    let scenario = copied_as("vresume", &FOLLOWS, (200, 10_000), |_| ()).await;
    let victim = rows(&scenario, MEMBERS).await.swap_remove(500).row;
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;
    let application = scenario.application(4).await;
    saved(&scenario).await.kill().expect_kill();
    let report = resumed(&scenario, 0).await;
    assert_eq!(report["equal"], true, "{report}");
    assert!(report["began_ms"].as_u64() > Some(1_700_000_000_000), "{report}");
    assert!(report["mysql_rows_counted"].as_u64() > Some(10_000), "{report}");
    assert!(!pass_file(&scenario).exists(), "a comparison that has ended leaves nothing");
    // a difference that is there before the pass begins, wherever its walk was when it was killed
    plant(&scenario, MEMBERS, &victim, &[("stranger", "x")]).await;
    saved(&scenario).await.kill().expect_kill();
    let report = resumed(&scenario, 4).await;
    let found = ["missing", "extra", "different"].map(|name| report[name].as_u64().unwrap_or_default());
    assert_eq!((found.iter().sum::<u64>(), &report["judged"]), (1, &true.into()), "{report}");
    let history = scenario.run(&["verify", "history"]).await.expect_code(0).out;
    assert_eq!(history.matches("; resumed, begun at 20").count(), 2, "{history}");
    assert!(application.stop().await > 50, "the application hardly worked");
    run.interrupted().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_is_interrupted_says_how_to_go_on_and_refuses_what_it_did_not_begin() {
    let mut scenario = copied_as("vstop", &FOLLOWS, (200, 10_000), |_| ()).await;
    let resume = ["verify", "--full", "--resume"];
    let none = scenario.run(&resume).await.expect_code(0);
    assert!(none.err.contains("no verification was interrupted, so verify begins a new one"), "{}", none.err);
    // interrupted, and continued as the message says
    let ended = saved(&scenario).await.interrupted().await;
    let continues =
        "what was compared is saved: `tailfill verify --full --resume` continues it, with the same options";
    assert!(ended.err.contains(continues), "{}", ended.err);
    let mode = std::fs::metadata(pass_file(&scenario)).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let report = resumed(&scenario, 0).await;
    let items = items(&mut scenario).await;
    assert_eq!((&report["equal"], &report["items_compared"]), (&true.into(), &items.into()), "{report}");
    // a statement changes the table meanwhile
    saved(&scenario).await.interrupted().await;
    scenario.sql("ALTER TABLE follows ADD COLUMN spare INT NULL").await;
    let refused = scenario.run(&resume).await.expect_code(3).err;
    assert!(refused.contains("tailfill cannot resume the interrupted verification: "), "{refused}");
    assert!(refused.contains("`tailfill verify --full`, without --resume, begins a new one"), "{refused}");
    let anew = scenario.run(&["verify", "--full"]).await.expect_code(0);
    assert!(anew.err.contains("throws away the one that was interrupted at 20"), "{}", anew.err);
    assert!(!pass_file(&scenario).exists());
    // a disk that turns a bit
    saved(&scenario).await.kill().expect_kill();
    let mut bytes = std::fs::read(pass_file(&scenario)).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(pass_file(&scenario), bytes).expect("it can be written");
    let refused = scenario.run(&resume).await.expect_code(3).err;
    assert!(refused.contains("it is damaged: its checksum is another one"), "{refused}");
    // one that begins another and is stopped soon keeps it
    throttle(&scenario, &["set", SLOW]).await;
    let verify = scenario.start(&["verify"]);
    until_so("it begins", async || verify.err_so_far().contains("throws away")).await;
    let kept = verify.interrupted().await.err;
    assert!(kept.contains("the earlier comparison is kept: "), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_waits_for_a_signal_of_the_run_and_says_so() {
    let mut scenario = copied_as("vwait", &FOLLOWS, (50, 1_000), |_| ()).await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;
    let hold = scenario.dir().join("hold");
    std::fs::write(&hold, "").expect("it can be written");
    let limit = format!("throttle.file={}", hold.display());
    throttle(&scenario, &["set", &limit]).await;
    let mut verify = scenario.start(&["verify", "--full"]);
    let words =
        "MySQL 0 items (0/s) | HBase 0 items (0/s) | verify waits for its pace: throttle.file: the file ";
    until_so("it says what it waits for", async || verify.err_so_far().contains(words)).await;
    assert!(!verify.has_ended(), "{}", verify.err_so_far());
    std::fs::remove_file(&hold).expect("it can be removed");
    let ended = verify.ended().await.expect_code(0);
    let equal = format!("\nequal: {} items", items(&mut scenario).await);
    assert!(ended.out.contains(&equal), "{}", ended.out);
    run.interrupted().await;
}
