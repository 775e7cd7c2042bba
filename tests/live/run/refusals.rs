//! What cannot work is refused before anything is written: each cause with its own message and exit code.

use crate::support::lists::{Cells, Form, Lists};
use crate::support::own::Own;
use crate::support::scenario::{Scenario, gateway};
use crate::support::setup::Setup;
use crate::support::shape::FOLLOWS;
use crate::support::shell;
use mysql_async::prelude::Queryable;
use tailfill::model::{TargetId, Tick};
use tailfill::sink::hbase::{HbaseOptions, HbaseSink};
use tailfill::sink::{PackedRows, RowWrite, WriteRows};

/// `init`, `run` and `check` end with this code and say these words.
async fn refused(scenario: &Scenario, code: i32, words: &[&str]) {
    let check = scenario.run(&["check"]).await.expect_code(code);
    // a mapping is called by its name there
    let said = check.out.to_lowercase().replace("lists target[0]", "mapping[0].target[0]");
    for word in words {
        let word = word.to_lowercase();
        let word = word.strip_prefix("help: ").unwrap_or(&word);
        assert!(said.contains(word), "{word:?} is not in what check says:\n{}", check.out);
    }
    for arguments in [&["init"][..], &["run", "--until", "caught-up"]] {
        scenario.run(arguments).await.expect_code(code).says(words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_to_be_one_and_not_printed() {
    let mut scenario = Scenario::new("password", &FOLLOWS).await;
    std::fs::write(scenario.dir().join("password"), "hunter2\n").expect("the folder can be written");
    scenario.settings.source = "password_file = \"password\"".into();
    refused(&scenario, 1, &["refused the login of root", "help: check the user of source.url"]).await;
    let said = scenario.run(&["run"]).await;
    assert!(!said.err.contains("hunter2") && !said.out.contains("hunter2"));
    scenario.settings.source = String::new();
    scenario.settings.user = "nobody".into();
    refused(&scenario, 1, &["refused the login of nobody"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_where_no_mysql_is_is_named() {
    let mut scenario = Scenario::new("port", &FOLLOWS).await;
    let right = scenario.settings.mysql_port;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    scenario.settings.mysql_port = closed.local_addr().expect("it is bound").port();
    drop(closed);
    let address = format!("mysql at 127.0.0.1:{}", scenario.settings.mysql_port);
    refused(&scenario, 1, &[&address, "help: check that the server is up"]).await;
    scenario.settings.mysql_port = right;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_away_or_of_another_protocol_is_named() {
    let mut scenario = Scenario::new("nogateway", &FOLLOWS).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let away = closed.local_addr().expect("it is bound").to_string();
    scenario.settings.gateways = vec![away.clone()];
    drop(closed);
    refused(&scenario, 1, &[&away, "help: check that the thrift gateway is up"]).await;
    let framed =
        std::env::var("TAILFILL_THRIFT2_FRAMED_PORT").expect("TAILFILL_THRIFT2_FRAMED_PORT is not set");
    scenario.settings.gateways = vec![format!("127.0.0.1:{framed}")];
    refused(&scenario, 3, &["framed", "help: set hbase.kind and hbase.transport"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_table_or_column_that_is_not_there_is_named() {
    let mut scenario = Scenario::new("missing", &FOLLOWS).await;
    scenario.settings.url_database = Some("tf_nowhere".into());
    refused(&scenario, 3, &["tf_nowhere", "source.url"]).await;
    scenario.settings.url_database = None;
    scenario.settings.table = Some("tf_nowhere.follows".into());
    refused(&scenario, 3, &["database tf_nowhere does not exist"]).await;
    scenario.settings.table = Some(format!("{}.followers", scenario.database));
    refused(&scenario, 3, &["followers", "table does not exist"]).await;
    scenario.settings.table = None;
    scenario.sql("ALTER TABLE follows RENAME COLUMN weight TO mass").await;
    refused(&scenario, 3, &["mapping[0].target[0].columns", "weight"]).await;
    scenario.sql("ALTER TABLE follows RENAME COLUMN mass TO weight").await;
    scenario.sql("ALTER TABLE follows MODIFY created_at DATETIME(3) NULL").await;
    refused(&scenario, 3, &["created_at", "null"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_init_has_not_made_are_refused() {
    let scenario = Scenario::new("noinit", &FOLLOWS).await.fill(3, 10).await;
    let said = ["hbase", "tailfill init"];
    scenario.run(&["run", "--until", "caught-up"]).await.expect_code(3).says(&said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_format_that_is_not_row_is_refused() {
    let mysql = Own::mysql(&["--binlog-format=MIXED"]).await;
    let scenario = Scenario::on(mysql.port, "mixed", &FOLLOWS).await.fill(3, 10).await;
    refused(&scenario, 3, &["binlog_format", "mixed", "row"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_logged_as_such_halts_the_run() {
    // others would have to prove that it leaves their tables alone
    let mysql = Own::mysql(&[]).await;
    let mut scenario = Scenario::on(mysql.port, "statement", &FOLLOWS).await.fill(3, 10).await;
    scenario.init().await;
    scenario.catch_up().await;
    scenario.conn.query_drop("SET SESSION binlog_format = STATEMENT").await.expect("root may");
    scenario.sql("UPDATE follows SET note = 'unknown'").await;
    for _ in 0..2 {
        let said = ["follows", "parked", "statement format", "set binlog_format = row"];
        scenario.run(&["run", "--until", "caught-up"]).await.expect_code(1).says(&said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_no_toml_or_has_unknown_keys_is_a_usage_error() {
    let scenario = Scenario::new("config", &FOLLOWS).await;
    let good = scenario.config_text();
    let path = scenario.dir().join("bad.toml");
    let bad = [
        (good.replace("[lease]", "[lease"), vec!["bad.toml"]),
        (good.replace("chunk_rows", "chunk_row"), vec!["backfill.chunk_row", "chunk_rows"]),
        (good.replace("workers = 2", "workers = 0"), vec!["backfill.workers"]),
        (good.replace("server_id", "server"), vec!["source.server_id", "missing"]),
    ];
    for (text, words) in bad {
        std::fs::write(&path, text).expect("the folder can be written");
        for command in ["init", "run", "status"] {
            let run =
                crate::support::tailfill::Tailfill::start(scenario.dir(), "bad", &path, &[command], &[]);
            run.ended().await.expect_code(2).says(&words);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_disabled_and_a_namespace_that_is_missing_are_called_so() {
    let scenario = Scenario::new("disabled", &FOLLOWS).await.fill(3, 10).await;
    scenario.init().await;
    let table = scenario.table(0);
    shell::run(&format!("disable '{table}'")).await;
    refused(&scenario, 3, &["disabled", &format!("enable '{table}'")]).await;
    shell::run(&format!("enable '{table}'")).await;
    scenario.catch_up().await;
    // also once the copy has begun
    shell::run(&format!("disable '{table}'")).await;
    refused(&scenario, 3, &["disabled", &format!("enable '{table}'")]).await;
    shell::run(&format!("enable '{table}'")).await;
    scenario.catch_up().await;

    let mut setup = Setup::create("nonamespace").await;
    let (here, there) = (format!("table = \"{}\"\nsalt", setup.table), "table = \"tf_nowhere:t\"\nsalt");
    setup.with(&here, there);
    let said = ["tf_nowhere:t", "the namespace does not exist", "create_namespace"];
    setup.tailfill(&["init"]).await.code(3).says(&said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counted_target_without_its_family_is_refused() {
    let mut scenario = Scenario::new("nofamily", &FOLLOWS).await.fill(3, 10).await;
    let wide = |form: Form| Lists { name: "lists", shape: &FOLLOWS, targets: vec![form] };
    scenario.lists = vec![wide(Form::wide("all", Cells::Json))];
    scenario.init().await;
    scenario.lists = vec![wide(Form::wide("all", Cells::Json).counted())];
    refused(&scenario, 3, &["the table has no family c", "count = false"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_holds_rows_before_its_copy_begins_is_refused() {
    let mut scenario = Scenario::new("joins", &FOLLOWS).await.fill(3, 10).await;
    scenario.init().await;
    let all = scenario.lists.clone();
    scenario.lists[0].targets.truncate(1);
    scenario.catch_up().await;
    scenario.lists = all;
    let key = bytes::Bytes::from_static(b"\x00 a row of somebody else");
    let put = (bytes::Bytes::from_static(b"note"), bytes::Bytes::from_static(b"x"));
    let row =
        RowWrite { row: key, tick: Tick(7), delete_family: false, puts: vec![put], delete_columns: vec![] };
    let target = scenario.lists[0].targets[1].to_read(0, scenario.table(1));
    let sink =
        HbaseSink::connect(HbaseOptions::new(vec![gateway()]), vec![target]).await.expect("it answers");
    sink.write(TargetId(0), &PackedRows::of([&row]).writes()).await.expect("it writes");
    refused(&scenario, 3, &["rows", "there are some", "truncate_preserve"]).await;
    // the advice
    shell::run(&format!("truncate_preserve '{}'", scenario.table(1))).await;
    scenario.catch_up().await;
    assert!(scenario.compare().await > 0);
}
