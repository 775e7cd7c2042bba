//! `tailfill support-bundle`, as an operator makes it: beside a run, after one that was killed, and without servers. A
//! configuration with secrets of all kinds; no archive holds one.

use crate::support::mysql::mysql_port;
use crate::support::scenario::{Scenario, copied};
use crate::support::setup::closed_port;
use crate::support::shape::FOLLOWS;
use crate::support::tailfill::{Ended, Tailfill};
use flate2::read::GzDecoder;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Each of them begins so.
const SECRET: &str = "hunter2";
const PASSWORD: &str = "hunter2-in-the-environment";
const ENV: [(&str, &str); 1] = [("TAILFILL_SUPPORT_PASSWORD", PASSWORD)];
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nhunter2InAKey\n-----END PRIVATE KEY-----\n";

/// A mapping whose configuration has a password in the environment, one in a file, one in a comment, and a private key.
async fn scenario() -> (Scenario, String) {
    let mut scenario = Scenario::on(mysql_port(), "support", &FOLLOWS).await.fill(20, 400).await;
    let user = format!("tf_support_{:08x}", rand::random::<u32>());
    scenario.sql(&format!("CREATE USER '{user}'@'%' IDENTIFIED BY '{PASSWORD}'")).await;
    scenario.sql(&format!("GRANT ALL ON *.* TO '{user}'@'%'")).await;
    scenario.settings.user.clone_from(&user);
    scenario.settings.source = "password_env = \"TAILFILL_SUPPORT_PASSWORD\" # hunter2-in-a-comment\n\
                                cert = \"cert.pem\"\nkey = \"key.pem\"\n"
        .to_owned();
    scenario.settings.mapping =
        "[[throttle.replica]]\nurl = \"mysql://root@127.0.0.1:1\"\npassword_file = \"replica.password\"\n";
    for (name, text) in
        [("cert.pem", "a certificate"), ("key.pem", KEY), ("replica.password", "hunter2-in-a-file\n")]
    {
        std::fs::write(scenario.dir().join(name), text).expect("the test's folder can be written");
    }
    scenario.start_with(&["init"], &ENV).ended().await.expect_code(0);
    (scenario, user)
}

/// The files of an archive. None holds a secret, nor the token of the run.
fn unpacked(path: &Path, token: Option<&str>) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(path).expect("it was written")));
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("a file");
        let name = entry.path().expect("a name").file_name().expect("a name").to_string_lossy().into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        assert!(!text.contains(SECRET), "{name} holds a secret:\n{text}");
        assert!(token.is_none_or(|token| !text.contains(token)), "{name} holds the token");
        files.insert(name, text);
    }
    files
}

async fn bundled(scenario: &Scenario, name: &str, more: &[&str]) -> (PathBuf, Ended) {
    let path = scenario.dir().join(name);
    let arguments =
        [["support-bundle", "--output", path.to_str().expect("a plain name")].as_slice(), more].concat();
    let ended = scenario.start_with(&arguments, &ENV).ended().await.expect_code(0);
    assert!(ended.out.contains("README.txt"), "{}", ended.out);
    (path, ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_a_live_run_holds_no_secret() {
    let (mut scenario, user) = scenario().await;
    let run = scenario.start_with(&["run"], &ENV);
    scenario.until_status("the run to have copied", copied).await;
    let reason = format!("see https://ann:hunter2-in-a-url@wiki/x, or log in with {PASSWORD}");
    scenario.run(&["pause", "--reason", &reason]).await.expect_code(0);
    scenario.run(&["resume"]).await.expect_code(0);
    let token = std::fs::read_to_string(scenario.dir().join("state/admin.token")).expect("a token");
    let token = token.trim();

    // the advice: add the log
    let log = scenario.dir().join("tailfill.log");
    let text = format!("{}token {token}\n{KEY}", run.err_so_far());
    std::fs::write(&log, text).expect("the test's folder can be written");
    let (path, ended) =
        bundled(&scenario, "live.tar.gz", &["--log", log.to_str().expect("a plain name")]).await;
    println!("{}", ended.out);
    let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let files = unpacked(&path, Some(token));
    let status: Json = serde_json::from_str(&files["status.json"]).expect("JSON");
    assert_eq!((&status["phase"], copied(&status)), (&"tailing".into(), true), "{status}");
    let version = scenario.ask("SELECT @@version").await;
    for (name, words) in [
        ("status.txt", "tailing"),
        ("config.toml", "TAILFILL_SUPPORT_PASSWORD"),
        ("events.jsonl", "(removed)@wiki/x"),
        ("positions.jsonl", "\"cause\":\"pause\""),
        ("metrics.txt", "tailfill_lag_seconds"),
        ("system.txt", version.as_str()),
        ("system.txt", "answers (thrift2, buffered)"),
        ("system.txt", "memcached 127.0.0.1"),
        ("log.txt", "the admin server listens"),
        ("README.txt", "The run is live: tailing"),
    ] {
        assert!(files[name].contains(words), "{words:?} is not in {name}:\n{}", files[name]);
    }
    // without the log, the list says how to add it; and what check says is to be sent beside
    let (path, _) = bundled(&scenario, "live-2.tar.gz", &[]).await;
    let readme = &unpacked(&path, Some(token))["README.txt"];
    assert!(
        readme.contains("support-bundle --log tailfill.log") && readme.contains("tailfill check"),
        "{readme}"
    );
    scenario.start_with(&["check"], &ENV).ended().await.expect_code(0);

    // secrets in the file itself, which is a fault; the run goes on with what it has read
    let faulty = scenario.config_text().replace("[lease]", "password = \"hunter2-in-the-file\"\n[lease]");
    let faulty = faulty.replace(&format!("{user}@"), &format!("{user}:hunter2-in-the-file@"));
    let config = scenario.dir().join("faulty.toml");
    std::fs::write(&config, faulty).expect("the test's folder can be written");
    let path = scenario.dir().join("faulty.tar.gz");
    let arguments = ["support-bundle", "--output", path.to_str().expect("a plain name")];
    Tailfill::start(scenario.dir(), "faulty", &config, &arguments, &ENV).ended().await.expect_code(0);
    let files = unpacked(&path, Some(token));
    assert!(files["config-faults.txt"].contains("source.url: must not hold a password"), "{files:?}");
    assert!(files["status.json"].contains("tailing"), "{files:?}");
    run.interrupted().await;
    scenario.sql(&format!("DROP USER '{user}'@'%'")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_a_killed_run_without_servers_changes_nothing_and_does_not_wait() {
    let (mut scenario, user) = scenario().await;
    scenario.start_with(&["run", "--until", "caught-up"], &ENV).ended().await.expect_code(0);
    let run = scenario.start_with(&["run"], &ENV);
    scenario.until_status("the run to tail", |status| status["phase"] == "tailing").await;
    let token = std::fs::read_to_string(scenario.dir().join("state/admin.token")).expect("a token");
    run.kill();
    scenario.sql(&format!("DROP USER '{user}'@'%'")).await;
    scenario.settings.mysql_through = Some(closed_port());
    scenario.settings.gateways = vec![format!("127.0.0.1:{}", closed_port())];
    scenario.settings.memcached = Some(format!("127.0.0.1:{}", closed_port()));

    let state = scenario.dir().join("state");
    let before = contents(&state);
    let begin = Instant::now();
    let (path, ended) = bundled(&scenario, "killed.tar.gz", &[]).await;
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    println!("{}", ended.out);
    assert!(contents(&state) == before, "a file of the state was changed");
    let files = unpacked(&path, Some(token.trim()));
    let status: Json = serde_json::from_str(&files["status.json"]).expect("JSON");
    assert_eq!((&status["phase"], copied(&status)), (&"stopped".into(), true), "{status}");
    assert!(files["positions.jsonl"].lines().count() >= 2, "{}", files["positions.jsonl"]);
    assert_eq!(files["system.txt"].matches("unknown: ").count(), 3, "{}", files["system.txt"]);
    assert!(!files.contains_key("metrics.txt") && files["README.txt"].contains("no run has the state"));
    let path = path.to_str().expect("a plain name");
    let again = scenario.start_with(&["support-bundle", "--output", path], &ENV).ended().await;
    again.expect_code(1).says(&["cannot write", "--output FILE.tar.gz"]);
    let nothing = scenario.start_with(&["support-bundle", "--log", "no-such.log"], &ENV).ended().await;
    nothing.expect_code(2).says(&["no-such.log cannot be read"]);
}

/// Every file of a folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("an entry").path());
    entries.map(|path| (path.clone(), std::fs::read(&path).expect("readable"))).collect()
}
