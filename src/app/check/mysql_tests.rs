//! Judging a server's facts.

use super::*;
use crate::app::check::finding::Level;

fn good() -> Facts {
    Facts {
        version: "8.4.3".into(),
        server_id: 1,
        log_bin: "ON".into(),
        binlog_format: "ROW".into(),
        binlog_row_image: "FULL".into(),
        binlog_row_metadata: "FULL".into(),
        binlog_checksum: "CRC32".into(),
        gtid_mode: "ON".into(),
        enforce_gtid_consistency: "ON".into(),
        binlog_expire_logs_seconds: 2_592_000,
        binlog_order_commits: "ON".into(),
        ..Facts::default()
    }
}

fn level(findings: &[Finding], name: &str) -> Level {
    findings.iter().find(|finding| finding.name() == name).unwrap_or_else(|| panic!("no {name}")).level
}

fn table(schema: &str) -> TableName {
    TableName { schema: schema.into(), table: "t".into() }
}

#[test]
fn good_settings_are_all_ok() {
    let findings = settings(&good(), 4242);
    assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:#?}");
}

#[test]
fn each_setting_that_would_lose_changes_is_refused_by_its_own_name() {
    let broken: [(&str, Facts); 7] = [
        ("version", Facts { version: "5.7.44".into(), ..good() }),
        ("log_bin", Facts { log_bin: "OFF".into(), ..good() }),
        ("binlog_format", Facts { binlog_format: "MIXED".into(), ..good() }),
        ("binlog_row_image", Facts { binlog_row_image: "MINIMAL".into(), ..good() }),
        ("gtid_mode", Facts { gtid_mode: "ON_PERMISSIVE".into(), ..good() }),
        ("enforce_gtid_consistency", Facts { enforce_gtid_consistency: "WARN".into(), ..good() }),
        ("server_id", Facts { server_id: 4242, ..good() }),
    ];
    for (name, facts) in broken {
        let findings = settings(&facts, 4242);
        let refused: Vec<&str> = findings.iter().filter(|f| f.refuses()).map(Finding::name).collect();
        assert_eq!(refused, [name]);
        let advice = &findings.iter().find(|f| f.name() == name).expect("it is listed").advice;
        assert!(!advice.is_empty(), "{name} says what to do");
    }
}

#[test]
fn what_only_costs_something_is_a_warning_or_a_note() {
    let of = |facts: Facts, name| level(&settings(&facts, 4242), name);
    assert_eq!(
        of(Facts { binlog_order_commits: "OFF".into(), ..good() }, "binlog_order_commits"),
        Level::Warning
    );
    assert_eq!(of(Facts { binlog_checksum: "NONE".into(), ..good() }, "binlog_checksum"), Level::Note);
    let partial = Facts { binlog_row_value_options: "PARTIAL_JSON".into(), ..good() };
    assert_eq!(of(partial, "binlog_row_value_options"), Level::Note);
    let minimal = Facts { binlog_row_metadata: "MINIMAL".into(), ..good() };
    assert_eq!(of(minimal, "binlog_row_metadata"), Level::Note);
    let replica = Logging { log_replica_updates: "OFF".into(), ..Logging::default() };
    assert_eq!(level(&logged(&replica), "log_replica_updates"), Level::Warning);
}

#[test]
fn a_database_that_a_filter_leaves_out_is_refused_by_name() {
    let filters = LogFilters { only: vec!["shop".into()], ignored: vec![] };
    assert_eq!(filtered(&filters, &[table("shop")]).level, Level::Ok);
    let finding = filtered(&filters, &[table("shop"), table("social"), table("social")]);
    assert_eq!((finding.level, finding.actual.as_str()), (Level::Refusal, "excluded: social"));
}

#[test]
fn the_binlog_must_be_kept_for_three_times_a_cautious_backfill() {
    let logging = Logging::default();
    let kept =
        |seconds, rows| retention(&Facts { binlog_expire_logs_seconds: seconds, ..good() }, &logging, rows);
    assert_eq!(kept(3_600, 0).level, Level::Ok);
    // 24 million rows: 12,000 s, three times that is 10 hours
    assert_eq!(kept(36_000, 24_000_000).level, Level::Ok);
    let short = kept(35_999, 24_000_000);
    assert_eq!(short.level, Level::Warning);
    assert_eq!(short.expected, "at least 10h (3 x 24000000 rows at 2000 rows/s)");
    assert!(short.advice.starts_with("SET PERSIST binlog_expire_logs_seconds = 36000"));
    assert_eq!(kept(0, u64::MAX).level, Level::Ok);
    let by_hand = Logging { expires_by_age: "OFF".into(), ..Logging::default() };
    assert_eq!(
        retention(&Facts { binlog_expire_logs_seconds: 1, ..good() }, &by_hand, 1 << 40).level,
        Level::Ok
    );
}

#[test]
fn every_grant_is_listed_and_a_missing_one_comes_with_its_statement() {
    let statement = "GRANT REPLICATION SLAVE ON *.* TO 'u'@'%'".to_owned();
    let missing = [MissingGrant { privilege: "REPLICATION SLAVE", needed_for: "the tail", statement }];
    let findings = global_grants(&missing);
    assert_eq!(findings.len(), GLOBAL_PRIVILEGES.len());
    assert_eq!(level(&findings, "grant REPLICATION SLAVE"), Level::Refusal);
    assert_eq!(level(&findings, "grant REPLICATION CLIENT"), Level::Ok);
    assert_eq!(findings[0].advice, "GRANT REPLICATION SLAVE ON *.* TO 'u'@'%';");
    assert_eq!(select_grant(&table("s"), &missing).level, Level::Ok);
    let select =
        MissingGrant { privilege: "SELECT", needed_for: "", statement: "GRANT SELECT ON s.t".into() };
    assert_eq!(select_grant(&table("s"), &[select]).level, Level::Refusal);
}

#[test]
fn another_replica_with_our_number_refuses_a_first_start_only() {
    let other = [Replica { server_id: 7, host: "h".into(), uuid: "u".into() }];
    let judge = |start, depth| replicas(&other, 7, start, depth).level;
    assert_eq!(replicas(&[], 7, Start::First, Depth::All).level, Level::Ok);
    assert_eq!(judge(Start::First, Depth::Quick), Level::Refusal);
    assert_eq!(judge(Start::First, Depth::All), Level::Refusal);
    assert_eq!(judge(Start::Again, Depth::All), Level::Warning);
    assert_eq!(judge(Start::Again, Depth::Quick), Level::Note);
    assert_eq!(judge(Start::Running, Depth::All), Level::Note);
}

#[test]
fn undecided_xa_transactions_refuse_a_first_start_only() {
    assert_eq!(prepared_xa(0, Start::First).level, Level::Ok);
    assert_eq!(prepared_xa(2, Start::First).level, Level::Refusal);
    assert_eq!(prepared_xa(2, Start::Again).level, Level::Note);
}
