//! `tailfill suggest` on real servers: what it prints is a configuration with which a run ends equal.

use crate::support::mysql::mysql_port;
use crate::support::setup::{Run, Setup, closed_port, port};
use std::time::{Duration, Instant};
use tailfill::sink::hbase::{HbaseOptions, HbaseSink};

/// The grants of the README; `%db` is the test's database.
const GRANTS: [&str; 2] =
    ["REPLICATION SLAVE, REPLICATION CLIENT, XA_RECOVER_ADMIN ON *.*", "SELECT ON `%db`.follows"];

const QUERIES: &str = "latest:50,first:10,page:5,has,count";

/// `tailfill suggest` of the table follows, with what a test knows of the servers; the mapping is called as the database.
async fn suggest(setup: &Setup, source: &str, more: &[&str]) -> Run {
    let hbase = format!("127.0.0.1:{}", port("TAILFILL_THRIFT2_PORT"));
    let memcached = format!("127.0.0.1:{}", port("TAILFILL_MEMCACHED_PORT"));
    let server_id = (rand::random::<u32>() | 1 << 31).to_string();
    let mut arguments = vec!["suggest", "--source", source, "--table", "follows", "--name", &setup.table];
    arguments.extend(["--hbase", &hbase, "--memcached", &memcached, "--server-id", &server_id]);
    arguments.extend(more);
    setup.tailfill(&arguments).await
}

fn source(setup: &Setup) -> String {
    format!("mysql://root@127.0.0.1:{}/{}", mysql_port(), setup.table)
}

/// A check on the shared server, repeated as long as another test has an XA transaction prepared there.
async fn check(setup: &Setup, config: &str) -> Run {
    let begin = Instant::now();
    loop {
        let run = setup.tailfill_with(config, &["check"]).await;
        if !run.out.contains(" prepared ") || begin.elapsed() > Duration::from_secs(30) {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The suggestion passes the check, and a run with it ends equal.
async fn works(setup: &Setup, suggested: &str) {
    let config = suggested.replace("\n[[mapping]]", "\n[admin]\nlisten = \"127.0.0.1:0\"\n\n[[mapping]]");
    let checked = check(setup, &config).await.code(0).says(&["nothing is refused"]);
    assert!(!checked.out.contains("a scan of the whole list, "), "{}", checked.out);
    for command in [&["init"][..], &["run", "--until", "caught-up"], &["verify", "--full"]] {
        setup.tailfill_with(&config, command).await.code(0);
    }
}

async fn close(setup: Setup, users: &[String]) {
    let gateway = format!("127.0.0.1:{}", port("TAILFILL_THRIFT2_PORT"));
    let sink =
        HbaseSink::connect(HbaseOptions::new(vec![gateway]), vec![]).await.expect("the gateway answers");
    for suffix in ["_has", "_counts"] {
        let _ = sink.drop_table(&format!("{}{suffix}", setup.table)).await; // not every suggestion has both
    }
    setup.close(users).await;
}

/// A table, and what is suggested for it.
async fn suggested(test: &str, table: &str, rows: &str, queries: &str, expected: &[&str]) {
    let mut setup = Setup::create(test).await;
    setup.with_table(table).await;
    setup.database.run(rows).await;
    let run = suggest(&setup, &source(&setup), &["--queries", queries]).await.code(0).says(expected);
    println!("{} in {} ms:\n{}", setup.table, run.took.as_millis(), run.out);
    works(&setup, &run.out).await;
    close(setup, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_follows_is_suggested_checked_and_copied_with_the_grants_of_the_readme() {
    let mut setup = Setup::create("suggest_follows").await;
    setup
        .with_table(
            "CREATE TABLE follows (followee_id BIGINT UNSIGNED NOT NULL, follower_id BIGINT UNSIGNED NOT NULL, created_at \
             DATETIME(3) NOT NULL, note VARCHAR(80), PRIMARY KEY (followee_id, follower_id), KEY by_time (followee_id, \
             created_at))",
        )
        .await;
    setup
        .database
        .run("INSERT INTO follows VALUES (7, 1, NOW(3), 'x'), (7, 2, NOW(3), NULL), (9, 1, NOW(3), '')")
        .await;
    setup.database.run("UPDATE follows SET note = 'y' WHERE followee_id = 7").await;
    setup.database.run("DELETE FROM follows WHERE followee_id = 9").await;
    let user = setup.with_user(&GRANTS).await;
    let with_password = format!("mysql://{user}:secret@127.0.0.1:{}/{}", mysql_port(), setup.table);
    let run = suggest(&setup, &with_password, &["--queries", QUERIES]).await.code(0);
    assert!(!run.out.contains("secret") && !run.err.contains("secret"), "{}{}", run.out, run.err);
    run.says(&["password_env = \"TAILFILL_PASSWORD\""]);

    let file = setup.dir.path().join("password").display().to_string();
    let without = with_password.replace(":secret", "");
    let run =
        suggest(&setup, &without, &["--queries", QUERIES, "--password-file", &file]).await.code(0).says(&[
            "key = [\"followee_id\"]",
            "item = [\"follower_id\"]",
            "order = { by = \"created_at\", descending = true }",
            "2 rows; ",
            "the largest lists: 7 (2)",
        ]);
    println!("in {} ms:\n{}", run.took.as_millis(), run.out);
    works(&setup, &run.out).await;
    // other tests may write more than it reads
    if !run.out.contains("reading stopped") {
        let run = Run { out: run.out.replace("\n#  ", ""), ..run };
        run.says(&["3 inserts, 2 updates, 1 deletes", "the most of these changes: 7 (4), 9 (2)"]);
    }
    let json = suggest(&setup, &without, &["--json", "--password-file", &file]).await.code(0);
    let json: serde_json::Value = serde_json::from_str(&json.out).expect("one JSON document");
    assert_eq!((json["rows"].as_u64(), json["lists"].as_u64()), (Some(2), Some(1)));
    close(setup, &[user]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn composite_and_text_keys_are_suggested_checked_and_copied() {
    let columns = "region VARCHAR(20) CHARACTER SET latin1 NOT NULL, shop BINARY(3) NOT NULL, sku VARCHAR(40) NOT NULL, at \
                   TIMESTAMP(6) NOT NULL, price DECIMAL(10,2), doubled DECIMAL(10,2) AS (price * 2) VIRTUAL";
    suggested(
        "suggest_composite",
        &format!("CREATE TABLE follows ({columns}, PRIMARY KEY (region, shop, sku), KEY by_time (region, at))"),
        "INSERT INTO follows (region, shop, sku, at, price) VALUES ('größe', 0x010203, 'a', NOW(6), 1), ('größe', 0x010203, \
         'b', NOW(6), NULL), ('süd', 0x010203, 'a', NOW(6), 2)",
        QUERIES,
        &[
            "key = [\"region\"]",
            "item = [\"shop\", \"sku\"]",
            "by = \"at\"",
            "columns = [\"at\", \"price\"]",
            "the largest lists: größe (2), süd (1)",
        ],
    )
    .await;
    suggested(
        "suggest_surrogate",
        "CREATE TABLE follows (id BIGINT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(60) NOT NULL, seen DATETIME NULL, KEY \
         by_email (email))",
        "INSERT INTO follows (email) VALUES ('a@x'), ('a@x'), ('b@x')",
        "latest:10,has",
        &["key = [\"email\"]", "item = [\"id\"]", "by = \"id\"", "it rises with each row"],
    )
    .await;
    suggested(
        "suggest_plain",
        "CREATE TABLE follows (a INT NOT NULL, b SMALLINT NOT NULL, PRIMARY KEY (a, b), KEY back (b))",
        "INSERT INTO follows VALUES (1, -2), (1, 3), (2, 3)",
        "first:10,has,count",
        &["key = [\"a\"]", "no column orders the lists", "Other lists: of b, with the items a"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_table_is_sampled_and_says_so() {
    let mut setup = Setup::create("suggest_large").await;
    setup.database.run("INSERT INTO follows VALUES (1, 1, NOW(3), 'x'), (2, 1, NOW(3), 'y')").await;
    for power in 0..17 {
        let (step, lists) = (1_u64 << (power + 1), 1 + 7 * (power % 3));
        let double = format!(
            "INSERT INTO follows SELECT follower_id + {step}, IF(followee_id = 1, 1, followee_id + {lists}), created_at, note \
             FROM follows"
        );
        setup.database.run(&double).await;
    }
    setup.database.run("ANALYZE TABLE follows").await;
    let run = suggest(&setup, &source(&setup), &["--queries", QUERIES]).await.code(0).says(&[
        "by InnoDB's estimate",
        "places that lie evenly",
        "key = [\"followee_id\"]",
    ]);
    println!("in {} ms:\n{}", run.took.as_millis(), run.out);
    assert!(run.took < Duration::from_secs(60), "{:?}", run.took);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_suggested_is_refused_with_what_to_do() {
    let mut setup = Setup::create("suggest_refused").await;
    let here = source(&setup);
    let ask = async |setup: &Setup, source: &str, table: &str, more: &[&str]| {
        setup.tailfill(&[&["suggest", "--source", source, "--table", table], more].concat()).await
    };
    ask(&setup, &here, "folows", &[])
        .await
        .code(3)
        .says(&[&format!("did you mean {}.follows?", setup.table)]);
    ask(&setup, &here, "no_such_db.follows", &[]).await.code(3).says(&["does not exist", "help: "]);
    ask(&setup, &here, "follows", &["--queries", "lastest:3"]).await.code(2).says(&["did you mean latest?"]);
    ask(&setup, &here, "follows", &["--list", "folowee_id"])
        .await
        .code(2)
        .says(&["did you mean followee_id?"]);
    ask(&setup, "mysql://root@h/d?x=1", "follows", &[]).await.code(2).says(&["--source: "]);
    let nobody = format!("mysql://root:hunter2@127.0.0.1:{}/d", closed_port());
    let run = ask(&setup, &nobody, "follows", &[]).await.code(1).says(&["refused", "help: "]);
    assert!(!run.err.contains("hunter2"), "{}", run.err);
    let wrong = format!("mysql://nobody_here:hunter2@127.0.0.1:{}/d", mysql_port());
    let run = ask(&setup, &wrong, "follows", &[]).await.code(1).says(&["help: "]);
    assert!(!run.err.contains("hunter2"), "{}", run.err);

    setup.with_table("CREATE TABLE follows (a INT NOT NULL, b INT NOT NULL, UNIQUE KEY u (a, b))").await;
    let key = format!("ALTER TABLE `{}`.`follows` ADD PRIMARY KEY (`a`, `b`)", setup.table);
    ask(&setup, &here, "follows", &[]).await.code(3).says(&["no primary key", &key]);
    setup.with_table("CREATE TABLE follows (a DOUBLE NOT NULL, b INT NOT NULL, PRIMARY KEY (a, b))").await;
    ask(&setup, &here, "follows", &[]).await.code(3).says(&["shows lists", "a: its type is double"]);
    setup.with_table("CREATE TABLE follows (id INT PRIMARY KEY, a INT)").await;
    ask(&setup, &here, "follows", &[]).await.code(3).says(&["it names single rows", "--list"]);
    setup.with_table("CREATE TABLE follows (a INT, b INT, PRIMARY KEY (a, b)) ENGINE = MyISAM").await;
    ask(&setup, &here, "follows", &[]).await.code(3).says(&["a table of MyISAM"]);
}
