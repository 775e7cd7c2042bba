//! The program of `examples/lease` takes part in leases beside a running tailfill.

use crate::support::examples::Hold;
use crate::support::memcached;
use crate::support::scenario::Scenario;
use crate::support::shape::FOLLOWS;
use crate::support::wait::until_so;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The words for `hold.py`: a list of this mapping.
fn words<'a>(server: &'a str, mapping: &'a str, list: &'a str) -> Vec<&'a str> {
    vec!["--server", server, "--mapping", mapping, "--list", list, "--for", "120s"]
}

/// Whether HBase shows this item of this list, in the target in order.
async fn shows(scenario: &Scenario, list: &str, item: &str) -> bool {
    scenario.shown(0).await.keys().any(|(key, _, found)| key[0] == list && found[0] == item)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_list_that_another_program_holds_is_written_once_it_lets_go() {
    let mut scenario = Scenario::new("hold", &FOLLOWS).await.fill(20, 400).await;
    scenario.init().await;
    scenario.catch_up().await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;

    let server = scenario.lease_server();
    let mut hold = Hold::start(&words(&server, "lists", "3"));
    hold.until_it_holds().await;
    let insert = "INSERT INTO follows (followee_id, follower_id, created_at) VALUES";
    scenario.sql(&format!("{insert} (3, 900001, '2024-05-01')")).await;
    scenario.sql(&format!("{insert} (4, 900001, '2024-05-01')")).await;
    until_so("the change of another list", async || shows(&scenario, "4", "900001").await).await;
    let status = scenario.until_status("the tail to wait for the list", |status| {
        status["waits"].to_string().contains("the tail waits for 1 list that another program holds")
    });
    let status = status.await;
    assert!(status["leases"]["elsewhere"].as_u64() > Some(0), "{status}");
    assert!(!shows(&scenario, "3", "900001").await, "it was written while another program held the list");

    let said = hold.let_go().await.code(0);
    assert!(said.err.contains("hold: released; the list was left alone"), "{}", said.err);
    until_so("the change of the list", async || shows(&scenario, "3", "900001").await).await;
    run.interrupted().await;
    scenario.compare().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_another_program_holds_is_copied_once_it_lets_go() {
    let scenario = Scenario::new("holdcopy", &FOLLOWS).await.fill(20, 400).await;
    scenario.init().await;
    let server = scenario.lease_server();
    let mut hold = Hold::start(&words(&server, "lists", "3"));
    hold.until_it_holds().await;
    let run = scenario.start(&["run", "--until", "caught-up"]);
    scenario
        .until_status("the copy to wait for the list", |status| {
            status["waits"].to_string().contains("another program holds")
        })
        .await;
    assert!(!scenario.shown(0).await.keys().any(|(key, _, _)| key[0] == "3"), "it was copied all the same");
    hold.let_go().await.code(0);
    run.ended().await.expect_code(0);
    scenario.compare().await;
}

/// A mapping of which nobody else takes leases.
fn nobodys_mapping() -> String {
    format!("nobodys_{:016x}", rand::random::<u64>())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_refused_while_another_program_has_it() {
    let (server, mapping) = (memcached::address(), nobodys_mapping());
    let words = words(&server, &mapping, "7");
    let mut first = Hold::start(&words);
    first.until_it_holds().await;
    let second = Hold::start(&[&words[..], &["--wait", "0s"]].concat());
    let said = second.let_go().await.code(75);
    assert!(said.err.contains("somebody else has held tf1:nobodys"), "{}", said.err);
    first.let_go().await.code(0);
    let mut third = Hold::start(&words);
    third.until_it_holds().await;
    third.let_go().await.code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_learns_that_its_lease_has_vanished_and_leaves_that_of_another_alone() {
    let (server, mapping) = (memcached::address(), nobodys_mapping());
    let words = words(&server, &mapping, "7");
    let mut first = Hold::start(&words);
    first.until_it_holds().await;
    // the first 32 digits of the SHA-256 of eight bytes, 7
    let key = format!("tf1:{mapping}:a3eb8db89fc5123ccfd49585059f292b");
    assert_eq!(ask(&server, &format!("md {key}\r\n")).await, "HD\r\n", "it was not there, or is another");
    let mut second = Hold::start(&words);
    second.until_it_holds().await;
    let said = first.let_go().await.code(75);
    assert!(said.err.contains("hold: the lease vanished meanwhile"), "{}", said.err);
    let said = second.let_go().await.code(0);
    assert!(said.err.contains("hold: released"), "{}", said.err);
    assert_eq!(ask(&server, &format!("mg {key}\r\n")).await, "EN\r\n", "it was not given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_takes_longer_than_the_lease_is_ended() {
    let (server, mapping) = (memcached::address(), nobodys_mapping());
    let hold = Hold::start(&[&words(&server, &mapping, "7")[..], &["--for", "1s"]].concat());
    // its command goes on until it is let go, or ended
    until_so("the command to be ended", async || hold.said().contains("so it was ended")).await;
    hold.let_go().await.code(75);
}

/// The reply to one command, of one line.
async fn ask(server: &str, command: &str) -> String {
    let mut stream = TcpStream::connect(server).await.expect("memcached is up");
    stream.write_all(command.as_bytes()).await.expect("memcached is up");
    let mut reply = [0; 200];
    let length = stream.read(&mut reply).await.expect("memcached answers");
    String::from_utf8_lossy(&reply[..length]).into_owned()
}
