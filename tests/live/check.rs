//! `tailfill check` on real servers: what it says, and its exit codes.

use crate::support::mysql::PrivateServer;
use crate::support::setup::{Run, Setup, closed_port, port};
use mysql_async::prelude::Queryable;
use std::time::{Duration, Instant};

/// Grants with which a run works; `%db` is the test's database.
const GRANTS: [&str; 2] =
    ["REPLICATION SLAVE, REPLICATION CLIENT, XA_RECOVER_ADMIN ON *.*", "SELECT ON `%db`.follows"];

/// A check on the shared server, repeated as long as another test has an XA transaction prepared there.
async fn check(setup: &Setup) -> Run {
    let begin = Instant::now();
    loop {
        let run = setup.tailfill(&["check"]).await;
        let disturbed = line(&run, "xa_recover").contains("refusal");
        if !disturbed || begin.elapsed() > Duration::from_secs(30) {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The line of a finding and what it advises.
fn line<'a>(run: &'a Run, name: &str) -> &'a str {
    let Some(start) = run.out.find(&format!(" {name} ")) else { return "" };
    let begin = run.out[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let mut end = begin;
    for (place, text) in run.out[begin..].split_inclusive('\n').enumerate() {
        if place > 0 && !text.trim_start().starts_with("->") {
            break;
        }
        end += text.len();
    }
    &run.out[begin..end]
}

/// Fails unless nothing but `names` was refused, each with one of these words.
#[track_caller]
fn refused(run: &Run, expected: &[(&str, &str)]) {
    let count = run.out.lines().filter(|line| line.trim_start().starts_with("refusal")).count();
    assert_eq!(count, expected.len(), "{}{}", run.out, run.err);
    for (name, words) in expected {
        let line = line(run, name);
        assert!(line.trim_start().starts_with("refusal"), "{name} is not refused: {line:?} in\n{}", run.out);
        assert!(line.contains(words), "{words:?} is not in {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_configuration_passes_before_and_after_init_and_after_a_run() {
    let mut setup = Setup::create("check_good").await;
    let user = setup.with_user(&GRANTS).await;
    setup.database.run("INSERT INTO follows VALUES (1, 2, NOW(3), 'x'), (3, 2, NOW(3), NULL)").await;
    let before = check(&setup).await.code(0).says(&["nothing is refused"]);
    assert!(
        line(&before, &format!("{} table", setup.table)).contains("run `tailfill init`"),
        "{}",
        before.out
    );
    setup.tailfill(&["init"]).await.code(0);
    let ready = check(&setup).await.code(0).says(&["nothing is refused", "rows at 2000 rows/s"]);
    assert!(!ready.out.contains("warning  "), "{}", ready.out);
    setup.tailfill(&["run", "--until", "caught-up"]).await.code(0);
    let after = check(&setup).await.code(0).says(&["a run can continue from it"]);
    println!(
        "check took {} ms, then {} ms, then {} ms",
        before.took.as_millis(),
        ready.took.as_millis(),
        after.took.as_millis()
    );
    setup.close(&[user]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_names_every_finding_once() {
    let mut setup = Setup::create("check_json").await;
    setup.with(r#"item = ["follower_id"]"#, r#"item = ["follower"]"#);
    let run = setup.tailfill(&["check", "--json"]).await.code(3);
    let json: serde_json::Value = serde_json::from_str(&run.out).expect("one JSON document");
    let findings = json["findings"].as_array().expect("a list");
    let mut ids: Vec<&str> = findings.iter().filter_map(|finding| finding["id"].as_str()).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    assert!(json["refused"].as_u64() >= Some(1) && json["warnings"].is_u64());
    for group in ["tailfill", "mysql", "mappings", "memcached", "hbase", "clocks"] {
        assert!(findings.iter().any(|finding| finding["group"] == group), "{group}");
    }
    let fault =
        findings.iter().find(|finding| finding["id"] == "mappings.followers item[0]").expect("it is named");
    assert_eq!(fault["level"], "refusal");
    assert!(fault["actual"].as_str().is_some_and(|text| text.contains("did you mean `follower_id`?")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_a_wrong_port_exit_with_1_and_the_others_are_still_looked_at() {
    let mut setup = Setup::create("check_login").await;
    let user = setup.with_user(&GRANTS).await;
    std::fs::write(setup.dir.path().join("password"), "wrong\n").expect("the folder can be written");
    let run = setup.tailfill(&["check"]).await.code(1).says(&["gateway 127.0.0.1", "memcached 1."]);
    refused(&run, &[("connection", "Access denied")]);
    assert!(!run.out.contains("wrong\n") && !run.out.contains("secret"), "{}", run.out);
    let mysql = setup.config.split("@127.0.0.1:").nth(1).expect("a URL")[..5].trim_matches('/').to_owned();
    setup.with(&format!("@127.0.0.1:{mysql}/"), &format!("@127.0.0.1:{}/", closed_port()));
    let run = setup.tailfill(&["check"]).await.code(1).says(&["gateway 127.0.0.1", "memcached 1."]);
    refused(&run, &[("connection", "refused")]);
    setup.close(&[user]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_database_table_or_column_exits_with_3_and_names_it() {
    let setup = Setup::create("check_absent").await;
    let table = format!("{}.follows", setup.table);
    let absent = format!("{}.fellows", setup.table);
    let cases = [
        (format!("/{}\"", setup.table), "/no_such_db\"", "database", "Unknown database 'no_such_db'"),
        (table, absent.as_str(), &format!("{absent} table"), "does not exist"),
        ("[\"followee_id\"]".into(), "[\"folowee_id\"]", "followers key[0]", "did you mean `followee_id`?"),
    ];
    for (part, by, name, words) in cases {
        assert!(setup.config.contains(&part), "{part}");
        let config = setup.config.replacen(&part, by, 1);
        let run = setup.tailfill_with(&config, &["check"]).await.code(3);
        refused(&run, &[(name, words)]);
        for command in ["init", "run"] {
            setup.tailfill_with(&config, &[command]).await.code(3).says(&[words]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_missing_grant_is_refused_with_the_statement_that_gives_it() {
    let mut setup = Setup::create("check_grants").await;
    let plain = setup.config.clone();
    let mut users = Vec::new();
    let select = "SELECT ON `%db`.follows";
    let table = format!("{}.follows", setup.table);
    let cases: [(&[&str], &str, &str); 4] = [
        (
            &["REPLICATION CLIENT, XA_RECOVER_ADMIN ON *.*", select],
            "grant REPLICATION SLAVE",
            "REPLICATION SLAVE ON *.*",
        ),
        (
            &["REPLICATION SLAVE, XA_RECOVER_ADMIN ON *.*", select],
            "grant REPLICATION CLIENT",
            "REPLICATION CLIENT ON *.*",
        ),
        (
            &["REPLICATION SLAVE, REPLICATION CLIENT ON *.*", select],
            "grant XA_RECOVER_ADMIN",
            "XA_RECOVER_ADMIN ON *.*",
        ),
        // the columns may be seen, so that the table is known
        (&[GRANTS[0], "INSERT ON `%db`.follows"], "SELECT", "SELECT ON"),
    ];
    for (grants, name, privilege) in cases {
        setup.config = plain.clone();
        let user = setup.with_user(grants).await;
        let run = setup.tailfill(&["check"]).await.code(3);
        let name = if name == "SELECT" { format!("grant SELECT on {table}") } else { name.to_owned() };
        let refusal = line(&run, &name);
        assert!(refusal.contains("missing"), "{name}: {}", run.out);
        assert!(refusal.contains(&format!("GRANT {privilege}")), "{refusal}");
        assert!(refusal.contains(&format!("TO '{user}'@'%';")), "{refusal}");
        users.push(user);
    }
    setup.config = plain;
    let user = setup.with_user(&[]).await;
    let run = setup.tailfill(&["check"]).await.code(3).says(&["gateway 127.0.0.1"]);
    for name in ["database", "grant REPLICATION SLAVE", "grant REPLICATION CLIENT", "grant XA_RECOVER_ADMIN"]
    {
        assert!(line(&run, name).contains("refusal"), "{name}: {}", run.out);
    }
    assert!(line(&run, &format!("grant SELECT on {table}")).contains("GRANT SELECT ON"), "{}", run.out);
    users.push(user);
    setup.close(&users).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_comes_by_an_active_role_counts() {
    let mut setup = Setup::create("check_role").await;
    let role = format!("tf_role_{:08x}", rand::random::<u32>());
    setup.database.run(&format!("CREATE ROLE '{role}'")).await;
    for grant in GRANTS {
        let grant = grant.replace("%db", &setup.table);
        setup.database.run(&format!("GRANT {grant} TO '{role}'")).await;
    }
    let user = setup.with_user(&[]).await;
    setup.database.run(&format!("GRANT '{role}' TO '{user}'@'%'")).await;
    setup.tailfill(&["check"]).await.code(3).says(&["GRANT REPLICATION SLAVE ON *.*"]);
    setup.database.run(&format!("SET DEFAULT ROLE ALL TO '{user}'@'%'")).await;
    check(&setup).await.code(0);
    setup.database.run(&format!("DROP ROLE '{role}'")).await;
    setup.close(&[user]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_lists_cannot_arrive_whole_is_refused() {
    let mut setup = Setup::create("check_tables").await;
    let table = format!("{}.follows", setup.table);
    let columns = "follower_id BIGINT UNSIGNED NOT NULL, followee_id BIGINT UNSIGNED NOT NULL, created_at DATETIME NOT NULL";
    let fill =
        "INSERT INTO follows (follower_id, followee_id, created_at) VALUES (1, 2, NOW()), (1, 2, NOW())";

    setup
        .with_table(&format!("CREATE TABLE follows ({columns}, id BIGINT AUTO_INCREMENT PRIMARY KEY)"))
        .await;
    setup
        .database
        .run("INSERT INTO follows (follower_id, followee_id, created_at) VALUES (1, 2, NOW())")
        .await;
    let said = "so far, but no unique index ensures it";
    refused(&check(&setup).await.code(3), &[("followers unique", said)]);
    let run = check(&setup).await.code(3);
    assert!(run.out.contains("ADD UNIQUE KEY (`followee_id`, `follower_id`)"), "{}", run.out);
    for command in [&["init"][..], &["run", "--until", "caught-up"]] {
        let said = ["followers unique", "no unique index", "ADD UNIQUE KEY (`followee_id`, `follower_id`)"];
        setup.tailfill(command).await.code(3).says(&said);
    }
    setup.database.run(fill).await;
    refused(&check(&setup).await.code(3), &[("followers unique", "several rows share key and item")]);

    setup.with_table(&format!("CREATE TABLE follows ({columns})")).await;
    let unique = ("followers unique", "so far, but no unique index");
    refused(&check(&setup).await.code(3), &[(&format!("{table} primary key"), "none"), unique]);

    let prefix =
        "name VARCHAR(40) NOT NULL, PRIMARY KEY (name(10)), UNIQUE KEY one (followee_id, follower_id)";
    setup.with_table(&format!("CREATE TABLE follows ({columns}, {prefix})")).await;
    let said = "it has only the beginning of a column: name(10)";
    refused(&check(&setup).await.code(3), &[(&format!("{table} primary key"), said)]);

    let nullable = columns.replace("followee_id BIGINT UNSIGNED NOT NULL", "followee_id BIGINT UNSIGNED");
    setup.with_table(&format!("CREATE TABLE follows ({nullable}, id BIGINT PRIMARY KEY)")).await;
    refused(&check(&setup).await.code(3), &[("followers key[0]", "it can be NULL")]);

    let double = columns.replace("followee_id BIGINT UNSIGNED", "followee_id DOUBLE");
    setup
        .with_table(&format!("CREATE TABLE follows ({double}, PRIMARY KEY (followee_id, follower_id))"))
        .await;
    refused(&check(&setup).await.code(3), &[("followers key[0]", "cannot be part of a key: its type is")]);

    let generated = format!("{columns}, twice BIGINT UNSIGNED AS (follower_id * 2) VIRTUAL");
    setup
        .with_table(&format!("CREATE TABLE follows ({generated}, PRIMARY KEY (followee_id, follower_id))"))
        .await;
    refused(&check(&setup).await.code(3), &[("followers target[0].columns", "virtual generated")]);

    let primary = "PRIMARY KEY (followee_id, follower_id)";
    setup.with_table(&format!("CREATE TABLE follows ({columns}, {primary}) ENGINE = MyISAM")).await;
    refused(&check(&setup).await.code(3), &[(&format!("{table} engine"), "MyISAM")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn spellings_that_a_collation_calls_equal_are_a_warning() {
    let mut setup = Setup::create("check_spellings").await;
    let columns = "follower_id BIGINT NOT NULL, followee_id VARCHAR(20) COLLATE utf8mb4_0900_ai_ci NOT NULL";
    setup
        .with_table(&format!(
            "CREATE TABLE follows ({columns}, created_at DATETIME NOT NULL, PRIMARY KEY (followee_id, follower_id))"
        ))
        .await;
    setup.database.run("INSERT INTO follows VALUES (1, 'bob', NOW()), (2, 'bob', NOW())").await;
    let run = check(&setup).await.code(0);
    assert!(line(&run, "followers spellings").contains(" ok "), "{}", run.out);
    setup.database.run("INSERT INTO follows VALUES (3, 'Bob', NOW())").await;
    let run = check(&setup).await.code(0);
    assert!(line(&run, "followers spellings").contains("warning"), "{}", run.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn memcached_that_is_away_is_a_warning_unless_leases_are_waited_for() {
    let mut setup = Setup::create("check_memcached").await;
    let away = closed_port();
    setup.with(&format!("127.0.0.1:{}", port("TAILFILL_MEMCACHED_PORT")), &format!("127.0.0.1:{away}"));
    let run = check(&setup).await.code(0);
    assert!(line(&run, &format!("127.0.0.1:{away} answers")).contains("warning"), "{}", run.out);
    setup.with("[lease]", "[lease]\non_loss = \"wait\"");
    refused(&check(&setup).await.code(1), &[(&format!("127.0.0.1:{away} answers"), "refused")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_another_kind_is_recognised_in_bounded_time() {
    let setup = Setup::create("check_gateway").await;
    let buffered = format!("127.0.0.1:{}", port("TAILFILL_THRIFT2_PORT"));
    let framed = format!("127.0.0.1:{}", port("TAILFILL_THRIFT2_FRAMED_PORT"));
    let thrift1 = format!("127.0.0.1:{}", port("TAILFILL_THRIFT1_PORT"));
    let mysql = format!("127.0.0.1:{}", port("TAILFILL_MYSQL_PORT"));
    let memcached = format!("127.0.0.1:{}", port("TAILFILL_MEMCACHED_PORT"));
    let nobody = format!("127.0.0.1:{}", closed_port());
    let cases = [
        ("", &framed, 3, "its transport is framed"),
        ("transport = \"framed\"", &buffered, 3, "its transport is buffered"),
        ("", &thrift1, 3, "Thrift1 gateway"),
        // other protocols: whatever they answer, it is said, and soon
        ("", &memcached, 0, ""),
        ("", &mysql, 0, ""),
        ("", &nobody, 1, "cannot connect"),
    ];
    let mut config;
    for (transport, address, code, said) in cases {
        config =
            setup.config.replace(&buffered, address).replace("[hbase]", &format!("[hbase]\n{transport}"));
        let run = setup.tailfill_with(&config, &["check"]).await;
        println!("{address} {transport}: {} ms, exit {}", run.took.as_millis(), run.code);
        refused(&run, &[(&format!("gateway {address}"), said)]);
        assert!(if code == 0 { [1, 3].contains(&run.code) } else { run.code == code }, "{}", run.out);
        assert!(run.took < Duration::from_secs(180), "{address}: {:?}", run.took);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loses_changes_is_refused_setting_by_setting() {
    let own = PrivateServer::start(&[
        "--binlog-format=STATEMENT",
        "--binlog-row-image=MINIMAL",
        "--gtid-mode=OFF_PERMISSIVE",
        "--enforce-gtid-consistency=WARN",
        "--innodb-native-foreign-keys=ON",
        "--binlog-expire-logs-seconds=60",
        "--binlog-order-commits=OFF",
        "--log-replica-updates=OFF",
    ])
    .await;
    let mut setup = Setup::create_at(own.port, "check_settings").await;
    setup.database.run("SET SESSION binlog_format = ROW").await;
    setup.database.run("CREATE TABLE users (id BIGINT UNSIGNED PRIMARY KEY)").await;
    setup
        .database
        .run("ALTER TABLE follows ADD CONSTRAINT gone FOREIGN KEY (followee_id) REFERENCES users (id) ON DELETE CASCADE")
        .await;
    let table = format!("{}.follows", setup.table);
    let run = setup.tailfill(&["check"]).await.code(3);
    refused(
        &run,
        &[
            ("binlog_format", "SET PERSIST binlog_format = 'ROW'"),
            ("binlog_row_image", "MINIMAL"),
            ("gtid_mode", "OFF_PERMISSIVE"),
            ("enforce_gtid_consistency", "WARN"),
            (&format!("{table} cascades"), "gone (from"),
        ],
    );
    for name in ["binlog_expire_logs_seconds", "binlog_order_commits", "log_replica_updates"] {
        assert!(line(&run, name).contains("warning"), "{name}: {}", run.out);
    }
    // `init` and `run` refuse alike, and nothing is made
    for command in ["init", "run"] {
        setup.tailfill(&[command]).await.code(3).says(&["mysql.binlog_format: STATEMENT", "cascades"]);
    }
    let config = setup.config.replace("server_id = ", "server_id = 1 #");
    let run = setup.tailfill_with(&config, &["check"]).await.code(3);
    assert!(line(&run, "server_id").contains("refusal"), "{}", run.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn undecided_xa_transactions_and_filtered_databases_are_refused() {
    let own = PrivateServer::start(&["--binlog-ignore-db=hidden", "--innodb-native-foreign-keys=OFF"]).await;
    let mut setup = Setup::create_at(own.port, "check_xa").await;
    let user = setup.with_user(&GRANTS).await;
    setup.tailfill(&["check"]).await.code(0);
    let mut conn = crate::support::mysql::connection(own.port).await;
    for statement in [
        format!("USE {}", setup.table),
        "XA START 'a'".into(),
        "INSERT INTO follows VALUES (1, 2, NOW(3), NULL)".into(),
        "XA END 'a'".into(),
        "XA PREPARE 'a'".into(),
    ] {
        conn.query_drop(statement).await.expect("a statement");
    }
    refused(&setup.tailfill(&["check"]).await.code(3), &[("xa_recover", "1 prepared")]);
    setup.tailfill(&["init"]).await.code(3).says(&["mysql.xa_recover: 1 prepared"]);
    conn.query_drop("XA ROLLBACK 'a'").await.expect("it was prepared");
    setup.tailfill(&["check"]).await.code(0);

    for statement in [
        "CREATE DATABASE hidden".to_owned(),
        format!("CREATE TABLE hidden.follows LIKE {}.follows", setup.table),
        format!("GRANT SELECT ON hidden.follows TO '{user}'@'%'"),
    ] {
        conn.query_drop(statement).await.expect("a statement");
    }
    let config = setup.config.replace(&format!("{}.follows", setup.table), "hidden.follows");
    let run = setup.tailfill_with(&config, &["check"]).await.code(3);
    refused(&run, &[("binlog_filters", "excluded: hidden")]);
}
