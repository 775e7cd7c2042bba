//! One run alone works with a state and a `server_id`; and it gets the connections that it needs, or says the number.

use crate::support::scenario::Scenario;
use crate::support::setup::Setup;
use crate::support::shape::FOLLOWS;
use crate::support::tailfill::{Ended, Tailfill};
use std::path::Path;

/// The scenario's program with another configuration.
async fn run_with(scenario: &Scenario, name: &str, config: &Path, arguments: &[&str]) -> Ended {
    Tailfill::start(scenario.dir(), name, config, arguments, &[]).ended().await
}

/// What `check` says stands on standard output.
fn answers(check: &Ended, words: &[&str]) {
    for word in words {
        assert!(check.out.contains(word), "{word:?} is not in what check says:\n{}", check.out);
    }
}

fn written(scenario: &Scenario, name: &str, text: &str) -> std::path::PathBuf {
    let path = scenario.dir().join(name);
    std::fs::write(&path, text).expect("the test's folder can be written");
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_state_does_not_run_beside_the_original() {
    let scenario = Scenario::new("copied", &FOLLOWS).await.fill(5, 50).await;
    scenario.init().await;
    scenario.catch_up().await;
    std::fs::create_dir(scenario.dir().join("copy")).expect("the test's folder can be written");
    for file in std::fs::read_dir(scenario.dir().join("state")).expect("there is a state").flatten() {
        let to = scenario.dir().join("copy").join(file.file_name());
        std::fs::copy(file.path(), to).expect("it can be copied");
    }
    let config = scenario.config_text().replace("state_dir = \"state\"", "state_dir = \"copy\"");
    let config = written(&scenario, "copy.toml", &config);
    let run = scenario.start(&["run"]);
    scenario.until_status("the original to tail", |status| status["phase"] == "tailing").await;
    let said = ["another run uses this state", "MySQL's session", "a copy of a state_dir"];
    run_with(&scenario, "copy", &config, &["run", "--until", "caught-up"]).await.expect_code(3).says(&said);
    answers(&run_with(&scenario, "check", &config, &["check"]).await.expect_code(3), &said);
    run.interrupted().await;
    // nobody else has it any more
    run_with(&scenario, "after", &config, &["run", "--until", "caught-up"]).await.expect_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_states_with_one_server_id_do_not_run_side_by_side_after_a_kill() {
    let scenario = Scenario::new("oneid", &FOLLOWS).await.fill(5, 50).await;
    scenario.init().await;
    scenario.catch_up().await;
    let tables = scenario.table(0);
    let prefix = tables.strip_suffix(scenario.lists[0].targets[0].name).expect("it begins with the prefix");
    let config = scenario.config_text().replace("state_dir = \"state\"", "state_dir = \"other\"");
    let config = written(&scenario, "other.toml", &config.replace(prefix, &format!("{prefix}b_")));
    run_with(&scenario, "init", &config, &["init"]).await.expect_code(0);
    run_with(&scenario, "first", &config, &["run", "--until", "caught-up"]).await.expect_code(0);
    let run = scenario.start(&["run"]);
    scenario.until_status("the first one to tail", |status| status["phase"] == "tailing").await;
    run.kill().expect_kill();
    let run = scenario.start(&["run"]);
    scenario.until_status("it to tail again", |status| status["phase"] == "tailing").await;
    let said = ["another run uses this server_id", "source.server_id"];
    answers(&run_with(&scenario, "check", &config, &["check"]).await.expect_code(3), &said);
    let arguments = ["run", "--until", "caught-up"];
    run_with(&scenario, "second", &config, &arguments).await.expect_code(3).says(&said);
    run.interrupted().await;
    run_with(&scenario, "last", &config, &["run", "--until", "caught-up"]).await.expect_code(0);
    let sink = scenario.hbase().await;
    for form in &scenario.lists[0].targets {
        sink.drop_table(&format!("{prefix}b_{}", form.name)).await.expect("the table can be dropped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_too_few_connections_is_refused_with_the_number_that_is_enough() {
    let mut setup = Setup::create("connections").await;
    let grants =
        ["REPLICATION SLAVE, REPLICATION CLIENT, XA_RECOVER_ADMIN ON *.*", "SELECT ON `%db`.follows"];
    let user = setup.with_user(&grants).await;
    setup.database.run("INSERT INTO follows VALUES (1, 2, NOW(3), 'x'), (3, 2, NOW(3), NULL)").await;
    setup.tailfill(&["init"]).await.code(0);
    // four workers
    let limit = format!("ALTER USER '{user}'@'%' WITH MAX_USER_CONNECTIONS");
    setup.database.run(&format!("{limit} 11")).await;
    let said = ["MAX_USER_CONNECTIONS of this account is 11", "MAX_USER_CONNECTIONS 12"];
    for arguments in [&["check"][..], &["init"], &["run", "--until", "caught-up"]] {
        setup.tailfill(arguments).await.code(3).says(&said);
    }
    setup.database.run(&format!("{limit} 12")).await;
    setup.tailfill(&["run", "--until", "caught-up"]).await.code(0);
    setup.close(&[user]).await;
}
