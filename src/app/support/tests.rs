//! Bundles without servers: of a stopped state whose servers accept and never answer, and of a configuration with faults.

use super::*;
use crate::store::{Commit, Outcome, Space, Store};
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::TcpListener;

const CONFIG: &str = r#"
state_dir = "state" # hunter2 in a comment
[source]
url = "mysql://hunter2@MYSQL/social"
password_file = "mysql.password"
cert = "cert.pem"
key = "key.pem"
server_id = 7
[lease]
servers = ["MEMCACHED"]
[hbase]
gateways = ["GATEWAY"]
[throttle]
tail_lag = "2s"
[[throttle.replica]]
url = "mysql://ann@REPLICA"
password_file = "replica.password"
[[mapping]]
name = "followers"
table = "follows"
key = ["followee_id"]
item = ["follower_id"]
[[mapping.target]]
table = "followers"
"#;

/// A folder with this configuration and everything that it names.
fn folder_with(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let pem = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
    let events = format!("{{\"event\":\"paused\",\"reason\":\"https://ann:hunter2@wiki {}\"}}\n", "hunter2");
    std::fs::create_dir(folder.path().join("state")).expect("a folder");
    for (name, text) in [
        ("tailfill.toml", config),
        ("mysql.password", "hunter2-mysql\n"),
        ("replica.password", "hunter2-replica\n"),
        ("cert.pem", "a certificate"),
        ("key.pem", pem),
        ("state/admin.token", "hunter2-token\n"),
        ("state/events.jsonl", &events.replace(" hunter2", " hunter2-token")),
        ("run.log", &format!("{pem} password hunter2-mysql, mysql://root:hunter2@db/\n")),
    ] {
        std::fs::write(folder.path().join(name), text).expect("it can be written");
    }
    folder
}

async fn made(folder: &Path) -> BTreeMap<String, String> {
    let output = folder.join("bundle.tar.gz");
    let options = SupportOptions { output: Some(output.clone()), log: Some(folder.join("run.log")) };
    bundle(&folder.join("tailfill.toml"), options)
        .await
        .map_err(|failure| failure.render())
        .expect("a bundle");
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(output).expect("it was written")));
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("a file");
        let name = entry.path().expect("a name").file_name().expect("a name").to_string_lossy().into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        assert!(!text.contains("hunter2"), "{name} holds a secret:\n{text}");
        files.insert(name, text);
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_state_is_bundled_although_no_server_answers() {
    let silent: Vec<TcpListener> =
        (0..4).map(|_| TcpListener::bind("127.0.0.1:0").expect("loopback has a free port")).collect();
    let names = ["MYSQL", "MEMCACHED", "GATEWAY", "REPLICA"];
    let config = names.iter().zip(&silent).fold(CONFIG.to_owned(), |config, (name, listener)| {
        config.replace(name, &listener.local_addr().expect("it is bound").to_string())
    });
    let folder = folder_with(&config);
    drop(RedbStore::open(&folder.path().join("state")).await.expect("a state"));
    let begin = std::time::Instant::now();
    let files = made(folder.path()).await;
    assert!(begin.elapsed().as_secs() < 20, "nobody is waited for");

    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let expected = [
        "README.txt",
        "config.toml",
        "events.jsonl",
        "log.txt",
        "positions.jsonl",
        "status.json",
        "status.txt",
        "system.txt",
    ];
    assert_eq!(names, expected);
    assert!(files["status.json"].contains("\"stopped\""), "{}", files["status.json"]);
    assert!(files["config.toml"].contains("mysql.password"), "{}", files["config.toml"]);
    assert!(files["log.txt"].contains("mysql://(removed)@db/"), "{}", files["log.txt"]);
    let unknown = files["system.txt"].lines().filter(|line| line.contains("unknown: ")).count();
    assert_eq!(unknown, 3, "{}", files["system.txt"]);
    for words in ["is stopped", "metrics.txt", "events.jsonl.1", "not in it"] {
        assert!(files["README.txt"].contains(words), "{words:?} is not in {}", files["README.txt"]);
    }
    let again = SupportOptions { output: Some(folder.path().join("bundle.tar.gz")), log: None };
    let refused = bundle(&folder.path().join("tailfill.toml"), again).await.expect_err("it is there already");
    assert!(refused.render().contains("--output FILE.tar.gz"), "{}", refused.render());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_faults_is_left_out_and_its_faults_are_in() {
    let faulty = CONFIG.replace("server_id = 7", "password = \"hunter2\"\npasword = \"hunter2\"");
    let files = made(folder_with(&faulty.replace("MYSQL", "ann:hunter2@db")).path()).await;
    assert!(!files.contains_key("config.toml"), "{:?}", files.keys());
    let faults = &files["config-faults.txt"];
    assert!(faults.contains("source.password: must not be"), "{faults}");
    assert!(files["events.jsonl"].contains("paused"), "the state is found all the same");
    let folder = folder_with("this is not TOML: hunter2");
    let refused = bundle(&folder.path().join("tailfill.toml"), SupportOptions::default()).await;
    let said = refused.expect_err("nobody can know its secrets").render();
    assert!(said.contains("not TOML") && !said.contains("hunter2"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_is_read_and_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let (live, left) = (folder.path().join("live"), folder.path().join("left"));
    let store = RedbStore::open(&live).await.expect("a state");
    let put = vec![(Space::Meta, b"key".to_vec(), b"value".to_vec())];
    let committed = store.commit(Commit { put, ..Commit::default() }).await.expect("it commits");
    assert_eq!(committed, Outcome::Committed);
    std::fs::create_dir(&left).expect("a folder");
    let file = left.join("state.redb");
    std::fs::copy(live.join("state.redb"), &file).expect("a copy");
    let before = std::fs::read(&file).expect("it is there");
    let killed = RedbStore::open_unchanged(&left).await.expect("it opens");
    let found = killed.get(Space::Meta, b"key").await.expect("it reads");
    assert_eq!(found.as_deref(), Some(b"value".as_slice()));
    drop(killed);
    assert!(std::fs::read(&file).expect("it is there") == before, "the file was changed");
    assert!(RedbStore::open_unchanged(&live).await.is_err(), "a run has it");
}
