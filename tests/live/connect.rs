//! Connecting, and what a server says about itself.

use crate::support::mysql::{Database, mysql_port, options};
use crate::support::own::Own;
use tailfill::error::{Disposition, Exit};
use tailfill::model::TableName;
use tailfill::source::preflight::Uniqueness;
use tailfill::source::{MysqlOptions, MysqlSource, Source, SourceError, TlsFiles, TlsMode};

#[tokio::test]
async fn a_wrong_password_is_a_refused_login() {
    let options = MysqlOptions { password: Some("wrong".into()), ..options() };
    let error = MysqlSource::connect(options).await.err().expect("refused");
    assert!(matches!(error, SourceError::LoginRefused { .. }), "{error}");
    assert_eq!(error.disposition(), Disposition::Halt(Exit::Failed));
    assert!(!format!("{error} {error:?}").contains("wrong"));
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unavailable() {
    let error = MysqlSource::connect(MysqlOptions::new("127.0.0.1", 1, "root")).await.err().expect("refused");
    assert!(matches!(error, SourceError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_unavailable_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = silent.local_addr().expect("bound").port();
    let options = MysqlOptions {
        connect_timeout: std::time::Duration::from_millis(300),
        ..MysqlOptions::new("127.0.0.1", port, "root")
    };
    let error = MysqlSource::connect(options).await.err().expect("no answer");
    assert!(matches!(error, SourceError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn an_unknown_database_and_an_unknown_table_are_told_apart() {
    let options = MysqlOptions { database: Some("tf_no_such_db".into()), ..options() };
    let error = MysqlSource::connect(options).await.err().expect("refused");
    assert!(
        matches!(error, SourceError::Refused { .. }) && error.to_string().contains("does not exist"),
        "{error}"
    );

    let database = Database::create("schema").await;
    let (source, _) = database.source(&[]).await;
    let no_table = source.schema(&database.table("nope")).await.expect_err("no table");
    assert!(
        matches!(no_table, SourceError::Schema { .. })
            && no_table.to_string().contains("table does not exist")
    );
    let nowhere = TableName { schema: "tf_nope".into(), table: "t".into() };
    let no_database = source.schema(&nowhere).await.expect_err("no database");
    assert!(no_database.to_string().contains("database tf_nope does not exist"), "{no_database}");
}

#[tokio::test]
async fn tls_is_used_when_asked_for_and_a_certificate_of_nobody_is_refused() {
    let with = |tls| MysqlOptions { tls, ..options() };
    for tls in [TlsMode::Disabled, TlsMode::Preferred, TlsMode::Required(TlsFiles::default())] {
        MysqlSource::connect(with(tls.clone())).await.unwrap_or_else(|error| panic!("{tls:?}: {error}"));
    }
    for tls in [TlsMode::VerifyCa(TlsFiles::default()), TlsMode::VerifyIdentity(TlsFiles::default())] {
        let error = MysqlSource::connect(with(tls)).await.err().expect("self-signed");
        assert!(matches!(error, SourceError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("TLS"), "{error}");
    }
}

#[tokio::test]
async fn the_servers_settings_and_clock_are_read() {
    let source = MysqlSource::connect(options()).await.expect("connect");
    let facts = source.facts().await.expect("facts");
    assert_eq!(facts.server_uuid, source.server_uuid().await.expect("uuid"));
    assert_eq!((facts.binlog_format.as_str(), facts.binlog_row_image.as_str()), ("ROW", "FULL"));
    assert_eq!((facts.gtid_mode.as_str(), facts.log_bin.as_str()), ("ON", "ON"));
    assert_eq!((facts.binlog_checksum.as_str(), facts.binlog_order_commits.as_str()), ("CRC32", "ON"));
    assert!(facts.binlog_expire_logs_seconds > 0 && facts.server_id == 1);
    let ours = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let clock = source.clock().await.expect("clock");
    assert!((ours.as_micros() as i64 - clock.micros as i64).abs() < 2_000_000);
    let files = source.binlog_files().await.expect("files");
    let (file, offset) = source.binlog_end().await.expect("end");
    assert!(files.iter().any(|f| f.name == file) && offset > 4);
    assert!(source.replicas_with_our_id().await.is_ok());
}

#[tokio::test]
async fn each_missing_grant_comes_with_the_statement_that_gives_it() {
    let mut database = Database::create("grants").await;
    let user = format!("u_{:08x}", rand::random::<u32>());
    database.run("CREATE TABLE t (id INT PRIMARY KEY)").await;
    database.run(&format!("CREATE USER '{user}'@'%' IDENTIFIED BY 'secret'")).await;
    database.run(&format!("CREATE ROLE 'r{user}'")).await;
    let options = MysqlOptions {
        password: Some("secret".into()),
        ..MysqlOptions::new("127.0.0.1", mysql_port(), &user)
    };
    let source = MysqlSource::connect(options.clone()).await.expect("connect");
    let table = database.table("t");
    let missing = source.missing_grants(std::slice::from_ref(&table)).await.expect("grants");
    let statements: Vec<String> = missing.iter().map(|grant| grant.statement.clone()).collect();
    assert_eq!(statements.len(), 4, "{statements:?}");
    assert_eq!(statements[0], format!("GRANT REPLICATION SLAVE ON *.* TO '{user}'@'%'"));
    assert_eq!(statements[3], format!("GRANT SELECT ON {} TO '{user}'@'%'", table.quoted()));
    for statement in statements {
        database.run(&statement).await;
    }
    assert_eq!(source.missing_grants(std::slice::from_ref(&table)).await.expect("grants"), []);
    // The same by a role that is active.
    database.run(&format!("REVOKE REPLICATION SLAVE ON *.* FROM '{user}'@'%'")).await;
    assert_eq!(source.missing_grants(&[]).await.expect("grants").len(), 1);
    database.run(&format!("GRANT REPLICATION SLAVE ON *.* TO 'r{user}'")).await;
    database.run(&format!("GRANT 'r{user}' TO '{user}'@'%'")).await;
    database.run(&format!("SET DEFAULT ROLE 'r{user}' TO '{user}'@'%'")).await;
    assert_eq!(source.missing_grants(&[]).await.expect("grants"), []);
    database.run(&format!("DROP USER '{user}'@'%'")).await;
    database.run(&format!("DROP ROLE 'r{user}'")).await;
}

#[tokio::test]
async fn uniqueness_spellings_and_cascades_are_found() {
    let mut database = Database::create("facts").await;
    database.run("CREATE TABLE p (id INT PRIMARY KEY)").await;
    database
        .run("CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9) NOT NULL, b INT NOT NULL, c INT, UNIQUE (b, a), KEY (a), \
              FOREIGN KEY k (c) REFERENCES p (id) ON DELETE CASCADE)")
        .await;
    database.run("INSERT INTO t VALUES (1, 'bob', 1, NULL), (2, 'Bob', 2, NULL), (3, 'eve', 1, NULL)").await;
    let (source, schemas) = database.source(&["t"]).await;
    let schema = &schemas[0];
    assert_eq!(schema.primary_key, [0]);
    let mut keys = schema.unique_keys.clone();
    keys.sort();
    assert_eq!(keys, [vec![0], vec![2, 1]]);
    assert_eq!(source.uniqueness(schema, &[1, 2]).await.expect("proof"), Uniqueness::ByIndex);
    assert_eq!(source.uniqueness(schema, &[1]).await.expect("proof"), Uniqueness::AtPresent);
    assert_eq!(source.uniqueness(schema, &[2]).await.expect("proof"), Uniqueness::Duplicates);
    assert_eq!(source.equal_spellings(schema, &[1]).await.expect("spellings"), Some(true));
    assert_eq!(source.equal_spellings(schema, &[2]).await.expect("spellings"), Some(false));
    let cascades = source.cascades_onto(&database.table("t")).await.expect("cascades");
    assert_eq!(
        (cascades.len(), cascades[0].parent.table.as_str(), cascades[0].on_delete.as_str()),
        (1, "p", "CASCADE")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_ca_asks_for_the_chain_and_not_for_the_name_that_mysql_s_own_certificates_lack() {
    let mysql = Own::mysql(&[]).await;
    let made_by_mysql =
        |name: &str| TlsFiles { ca: Some(mysql.dir().join("data").join(name)), ..TlsFiles::default() };
    let with = |tls| MysqlOptions { tls, ..MysqlOptions::new("127.0.0.1", mysql.port, "root") };
    let of_ca = TlsMode::VerifyCa(made_by_mysql("ca.pem"));
    MysqlSource::connect(with(of_ca)).await.unwrap_or_else(|error| panic!("its own CA: {error}"));
    for (tls, why) in [
        (TlsMode::VerifyIdentity(made_by_mysql("ca.pem")), "not valid for name"),
        (TlsMode::VerifyCa(made_by_mysql("client-cert.pem")), "UnknownIssuer"),
    ] {
        let error = MysqlSource::connect(with(tls)).await.err().expect("not to be trusted");
        assert!(error.to_string().contains(why), "{error}");
    }
}
