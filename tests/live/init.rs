//! `tailfill init` on real servers: what it makes, what it refuses, and that it can be repeated.

use crate::support::proxy::{Bite, Proxy};
use crate::support::setup::{Setup, closed_port, port};
use crate::support::{shell, thrift};
use bytes::Bytes;
use tailfill::model::{CellForm, Layout, Target, TargetId, Tick, ValueEncoding};
use tailfill::sink::hbase::{HbaseOptions, HbaseSink};
use tailfill::sink::{PackedRows, RUN_ATTRIBUTE, RowWrite, TABLE_ATTRIBUTE, TableState, Tables, WriteRows};

const PURGE_DELETES_MS: u64 = 14 * 86_400_000;

fn target(setup: &Setup) -> Target {
    Target {
        id: TargetId(0),
        table: setup.table.clone(),
        family: "f".into(),
        layout: Layout::Tall,
        form: CellForm::Columns,
        columns: vec![],
        values: ValueEncoding::Utf8,
        salt_buckets: 4,
        ordered: true,
        segment: None,
        counted: false,
    }
}

async fn sink(setup: &Setup) -> HbaseSink {
    let gateway = format!("127.0.0.1:{}", port("TAILFILL_THRIFT2_PORT"));
    HbaseSink::connect(HbaseOptions::new(vec![gateway]), vec![target(setup)])
        .await
        .expect("the gateway answers")
}

async fn run_attribute(setup: &Setup) -> Option<String> {
    match sink(setup).await.describe(TargetId(0)).await.expect("the gateway answers") {
        TableState::Missing => None,
        TableState::Present { attributes, .. } => attributes?.get(RUN_ATTRIBUTE).cloned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_creates_what_a_run_needs_and_can_be_repeated() {
    let mut setup = Setup::create("init_twice").await;
    setup.database.run("INSERT INTO follows VALUES (1, 2, NOW(3), 'x')").await;
    let first = setup.tailfill(&["init"]).await.code(0);
    assert_eq!(first.out, format!("{}: created\n", setup.table));
    let again = setup.tailfill(&["init"]).await.code(0);
    assert_eq!(again.out, format!("{}: already there, and as it must be\n", setup.table));
    println!("init took {} ms, then {} ms", first.took.as_millis(), again.took.as_millis());
    setup.tailfill(&["run", "--until", "caught-up"]).await.code(0).says(&["1 rows copied"]);
    setup.tailfill(&["init"]).await.code(0).says(&["as it must be"]);
    setup.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_init_is_refused_with_what_to_do() {
    let setup = Setup::create("init_not").await;
    setup.tailfill(&["run", "--until", "caught-up"]).await.code(3).says(&["run `tailfill init`"]);
    assert_eq!(run_attribute(&setup).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_runs_table_is_refused_until_it_is_adopted() {
    let setup = Setup::create("init_adopt").await;
    let (target, sink) = (target(&setup), sink(&setup).await);
    sink.create(&target, "somebody else", PURGE_DELETES_MS).await.expect("the table can be created");
    let before = sink.describe(target.id).await.expect("the table is there");
    for command in ["init", "run", "check"] {
        setup.tailfill(&[command]).await.code(3).says(&["of another state (somebody else)", "--adopt"]);
    }
    assert_eq!(run_attribute(&setup).await.as_deref(), Some("somebody else"));
    setup.tailfill(&["init", "--adopt"]).await.code(0).says(&["taken over"]);
    let (
        TableState::Present { family, families, .. },
        TableState::Present { family: now, families: families_now, .. },
    ) = (before, sink.describe(target.id).await.expect("the table is there"))
    else {
        panic!("the table is there")
    };
    assert_eq!((family, families), (now, families_now), "nothing else has changed");
    setup.tailfill(&["init"]).await.code(0).says(&["as it must be"]);
    setup.tailfill(&["run", "--until", "caught-up"]).await.code(0);
    setup.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_forgets_deletes_too_early_is_refused_by_check_init_and_run() {
    let setup = Setup::create("init_purge").await;
    sink(&setup).await.create(&target(&setup), "x", 3_600_000).await.expect("the table can be created");
    for command in [&["check"][..], &["init"], &["init", "--adopt"], &["run"]] {
        setup.tailfill(command).await.code(3).says(&[
            "purge delay",
            "1h",
            "hbase.hstore.time.to.purge.deletes",
        ]);
    }
    assert_eq!(
        run_attribute(&setup).await.as_deref(),
        Some("x"),
        "a table that is refused is not taken over"
    );
    setup.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_before_the_first_start_are_refused() {
    let setup = Setup::create("init_rows").await;
    setup.tailfill(&["init"]).await.code(0);
    let write = RowWrite {
        row: Bytes::from_static(b"\x00stranger"),
        tick: Tick(1_700_000_000_000),
        delete_family: false,
        puts: vec![("q".into(), "v".into())],
        delete_columns: vec![],
    };
    sink(&setup)
        .await
        .write(TargetId(0), &PackedRows::of(&[write]).writes())
        .await
        .expect("the write succeeds");
    for command in ["check", "init", "run"] {
        setup.tailfill(&[command]).await.code(3).says(&["none before its copy begins", "truncate_preserve"]);
    }
    setup.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_family_is_refused() {
    let mut setup = Setup::create("init_family").await;
    setup.tailfill(&["init"]).await.code(0);
    setup.with("salt_buckets = 4", "salt_buckets = 4\nfamily = \"g\"");
    for command in ["check", "init", "run"] {
        setup.tailfill(&[command]).await.code(3).says(&["family", "the table has: f"]);
    }
    // the advice
    let table = setup.table.clone();
    sink(&setup).await.drop_table(&table).await.expect("the table can be dropped");
    setup.tailfill(&["init"]).await.code(0).says(&["created"]);
    setup.tailfill(&["run", "--until", "caught-up"]).await.code(0);
    setup.tailfill(&["verify", "--full"]).await.code(0);
    setup.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_framed_gateway_gets_statements_for_the_shell() {
    let mut setup = Setup::create("init_framed").await;
    let (buffered, framed) = (port("TAILFILL_THRIFT2_PORT"), port("TAILFILL_THRIFT2_FRAMED_PORT"));
    setup.with(&format!("127.0.0.1:{buffered}"), &format!("127.0.0.1:{framed}"));
    setup.with("[hbase]", "[hbase]\ntransport = \"framed\"");
    let said = format!("create '{}', {{NAME => 'f', VERSIONS => 1", setup.table);
    setup.tailfill(&["init"]).await.code(3).says(&[&said, "HBase shell", "init again"]);
    setup.tailfill(&["run"]).await.code(3).says(&["run `tailfill init`"]);
    sink(&setup)
        .await
        .create(&target(&setup), "x", PURGE_DELETES_MS)
        .await
        .expect("the table can be created");
    let alter = format!("alter '{}', METADATA => {{'tailfill.run' => '", setup.table);
    setup.tailfill(&["init", "--adopt"]).await.code(3).says(&[&alter]);
    setup.close(&[]).await;
}

/// Where the regions of a table begin, as Thrift1 tells.
fn regions(table: &str) -> Vec<Vec<u8>> {
    let gateway = format!("127.0.0.1:{}", port("TAILFILL_THRIFT1_PORT"));
    thrift::regions(&gateway, table).expect("the table is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statements_for_the_shell_do_in_the_shell_what_init_does_itself() {
    let mut setup = Setup::create("init_shell").await;
    let (buffered, framed) = (port("TAILFILL_THRIFT2_PORT"), port("TAILFILL_THRIFT2_FRAMED_PORT"));
    setup.with("salt_buckets = 4", "salt_buckets = 256");
    let (by_init, own) = (format!("{}_init", setup.table), setup.table.clone());
    let config = setup.config.replace(&format!("table = \"{own}\"\n"), &format!("table = \"{by_init}\"\n"));
    setup.tailfill_with(&config, &["init"]).await.code(0);

    setup.with(&format!("127.0.0.1:{buffered}"), &format!("127.0.0.1:{framed}"));
    setup.with("[hbase]", "[hbase]\ntransport = \"framed\"");
    let said = setup.tailfill(&["init"]).await.code(3).out;
    let create = said.lines().find(|line| line.starts_with("create ")).expect("a statement is printed");
    shell::run(create).await;
    setup.tailfill(&["init"]).await.code(0).says(&["already there, and as it must be"]);
    let target = |table: &str| Target { table: table.into(), ..target(&setup) };
    let tables = [target(&own), Target { id: TargetId(1), ..target(&by_init) }];
    let gateway = format!("127.0.0.1:{buffered}");
    let sink =
        HbaseSink::connect(HbaseOptions::new(vec![gateway]), tables.to_vec()).await.expect("it answers");
    let mut states = (sink.describe(TargetId(0)).await.unwrap(), sink.describe(TargetId(1)).await.unwrap());
    assert_ne!(table_id(&mut states.0), table_id(&mut states.1), "each table has an id of its own");
    assert!(matches!(states.0, TableState::Present { family: Some(_), .. }));
    assert_eq!(states.0, states.1, "both have the same settings, and are of the same state");
    assert_eq!(regions(&own), regions(&by_init));
    assert_eq!(regions(&own).len(), 16);

    // another state takes the table over
    std::fs::remove_dir_all(setup.dir.path().join("state")).expect("there is a state");
    let refused = setup.tailfill(&["init", "--adopt"]).await.code(3).err;
    let alter = refused.find("alter '").map(|start| refused[start..].lines().next().unwrap_or_default());
    shell::run(alter.expect("a statement is printed")).await;
    setup.tailfill(&["init"]).await.code(0).says(&["already there, and as it must be"]);
    sink.drop_table(&by_init).await.expect("the table can be dropped");
    setup.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_thrift1_a_table_is_ready_with_what_a_person_has_to_look_at() {
    let mut setup = Setup::create("init_thrift1").await;
    setup.database.run("INSERT INTO follows VALUES (1, 2, NOW(3), 'x'), (1, 3, NOW(3), NULL)").await;
    let (thrift2, thrift1) = (port("TAILFILL_THRIFT2_PORT"), port("TAILFILL_THRIFT1_PORT"));
    let with_thrift2 = setup.config.clone();
    setup.with(&format!("127.0.0.1:{thrift2}"), &format!("127.0.0.1:{thrift1}"));
    setup.with("[hbase]", "[hbase]\nkind = \"thrift1\"");
    let said = format!("create '{}', {{NAME => 'f', VERSIONS => 1", setup.table);
    setup.tailfill(&["init"]).await.code(3).says(&[
        &said,
        "a Thrift1 gateway cannot create it",
        "init again",
    ]);
    setup.tailfill(&["run"]).await.code(3).says(&["run `tailfill init`"]);
    setup.tailfill_with(&with_thrift2, &["init"]).await.code(0);

    let look = format!("check in the HBase shell: describe '{}' must show", setup.table);
    let untold = [
        "tailfill.run",
        "purge delay",
        "NEW_VERSION_BEHAVIOR",
        "a Thrift1 gateway does not report it",
        &look,
    ];
    let init =
        setup.tailfill(&["init"]).await.code(0).says(&["already there; read these warnings"]).says(&untold);
    assert_eq!(init.out.matches(&look).count(), 3, "{}", init.out);
    let check = setup.tailfill(&["check"]).await.code(0).says(&untold).says(&["thrift1, buffered"]);
    assert_eq!(check.out.matches("a Thrift1 gateway does not report it").count(), 3, "{}", check.out);
    let run = setup.tailfill(&["run", "--until", "caught-up"]).await.code(0);
    assert_eq!(run.err.matches("a Thrift1 gateway does not report it").count(), 3, "{}", run.err);
    setup.tailfill(&["get", "followers", "1", "--latest", "5"]).await.code(0);

    let alter = format!("alter '{}', METADATA => {{'tailfill.run' => '", setup.table);
    let refused =
        setup.tailfill(&["init", "--adopt"]).await.code(3).says(&[&alter, "init without --adopt"]).err;
    shell::run(refused[refused.find("alter '").expect("a statement")..].lines().next().expect("a line"))
        .await;
    setup.tailfill(&["init"]).await.code(0);
    setup.with("salt_buckets = 4", "salt_buckets = 4\nlayout = \"wide\"\ncount = true");
    setup
        .tailfill(&["check"])
        .await
        .code(2)
        .says(&["mapping[0].target[0].count", "hbase.kind = \"thrift1\""]);
    setup.close(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_told_and_nothing_is_made() {
    let setup = Setup::create("init_away").await;
    let mysql = format!("127.0.0.1:{}", port("TAILFILL_MYSQL_PORT"));
    let gateway = format!("127.0.0.1:{}", port("TAILFILL_THRIFT2_PORT"));
    for address in [mysql, gateway] {
        let away = format!("127.0.0.1:{}", closed_port());
        let config = setup.config.replace(&address, &away);
        setup.tailfill_with(&config, &["init"]).await.code(1).says(&[&away]);
    }
    assert_eq!(run_attribute(&setup).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_does_not_answer_is_asked_again_and_init_says_so() {
    let mut setup = Setup::create("init_late").await;
    setup.tailfill(&["init"]).await.code(0);
    let port = port("TAILFILL_THRIFT2_PORT");
    let proxy = Proxy::meeting(port, "getTableDescriptor").await;
    setup.with(&format!("127.0.0.1:{port}"), &proxy.address());
    proxy.bite(Bite::Lost);
    let init = setup.tailfill(&["init"]).await.code(0);
    assert_eq!(init.out, format!("{}: already there, and as it must be\n", setup.table));
    assert_eq!(proxy.hits(), 1, "one reply was lost");
    let said = format!("init waits for HBase, table {}: ", setup.table);
    assert!(init.err.contains(&said), "{}", init.err);
    setup.close(&[]).await;
}

/// Takes the id of a table out of what is known of it.
fn table_id(state: &mut TableState) -> String {
    let TableState::Present { attributes: Some(attributes), .. } = state else { panic!("{state:?}") };
    attributes.remove(TABLE_ATTRIBUTE).expect("init gives each table one")
}
