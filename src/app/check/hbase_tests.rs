//! Judging gateways and tables.

use super::*;
use crate::app::check::finding::Level;
use crate::error::Exit;
use crate::model::{CellForm, Layout, Tick, ValueEncoding};
use crate::sink::memory::MemorySink;
use crate::sink::{CountChange, CountedWrite, WriteRows};

const PURGE: Duration = Duration::from_secs(14 * 86_400);

fn target() -> Target {
    Target {
        id: TargetId(0),
        table: "followers".into(),
        family: "f".into(),
        layout: Layout::Tall,
        form: CellForm::Columns,
        columns: vec![],
        values: ValueEncoding::Utf8,
        salt_buckets: 16,
        ordered: true,
        segment: None,
        counted: false,
    }
}

fn state(settings: &[(&str, &str)], run: Option<&str>) -> TableState {
    let mut family: BTreeMap<String, String> = [
        ("VERSIONS", "1"),
        ("TTL", "2147483647"),
        (PURGE_DELETES, "1209600000"),
        ("NEW_VERSION_BEHAVIOR", "false"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, value) in settings {
        family.insert((*name).to_owned(), (*value).to_owned());
    }
    TableState::Present {
        family: Some(family),
        attributes: Some(run.map(|run| (RUN_ATTRIBUTE.to_owned(), run.to_owned())).into_iter().collect()),
        families: vec!["f".into()],
    }
}

fn ours() -> RunId {
    RunId::Known("ours".into())
}

fn judged(state: &TableState, run: &RunId) -> Vec<Finding> {
    table(&target(), state, Expected { purge: PURGE, stage: Stage::Run }, run)
}

fn level(findings: &[Finding], name: &str) -> Level {
    findings
        .iter()
        .find(|finding| finding.name().ends_with(name))
        .unwrap_or_else(|| panic!("no {name}"))
        .level
}

#[test]
fn our_own_table_is_fine() {
    let findings = judged(&state(&[], Some("ours")), &ours());
    assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:#?}");
}

#[test]
fn a_missing_table_is_to_do_for_a_check_and_refused_for_a_run() {
    let judge =
        |stage| table(&target(), &TableState::Missing, Expected { purge: PURGE, stage }, &ours())[0].level;
    assert_eq!((judge(Stage::Check), judge(Stage::Run)), (Level::Note, Level::Refusal));
}

#[test]
fn a_table_without_the_family_is_refused_with_those_it_has() {
    let state = TableState::Present {
        family: None,
        attributes: Some(BTreeMap::new()),
        families: vec!["a".into(), "b".into()],
    };
    let findings = judged(&state, &ours());
    assert_eq!(level(&findings, "family"), Level::Refusal);
    assert!(findings.iter().any(|finding| finding.actual == "the table has: a, b"));
}

#[test]
fn delete_markers_must_be_kept_at_least_as_long_as_configured() {
    let judge =
        |value: &str| level(&judged(&state(&[(PURGE_DELETES, value)], Some("ours")), &ours()), "purge delay");
    assert_eq!(judge("1209600000"), Level::Ok);
    assert_eq!(judge("9999999999"), Level::Ok);
    for bad in ["1209599999", "0", "", "soon", "-1"] {
        assert_eq!(judge(bad), Level::Refusal, "{bad:?}");
    }
    let mut without = state(&[], Some("ours"));
    if let TableState::Present { family: Some(family), .. } = &mut without {
        family.remove(PURGE_DELETES);
    }
    let findings = judged(&without, &ours());
    let finding = findings.iter().find(|finding| finding.name().ends_with("purge delay")).expect("listed");
    assert_eq!(finding.actual, "not set");
    assert!(finding.advice.contains("alter 'followers', {NAME => 'f', CONFIGURATION => {'hbase.hstore.time"));
}

#[test]
fn what_a_thrift1_gateway_does_not_tell_is_a_warning_that_says_where_to_look() {
    let settings =
        [("VERSIONS", "1"), ("TTL", "2147483647")].map(|(name, value)| (name.into(), value.into()));
    let state =
        TableState::Present { family: Some(settings.into()), attributes: None, families: vec!["f".into()] };
    let untold = [
        ("purge delay", "'hbase.hstore.time.to.purge.deletes' => '1209600000' or more in family 'f'"),
        ("NEW_VERSION_BEHAVIOR", "no NEW_VERSION_BEHAVIOR => 'true'"),
        (RUN_ATTRIBUTE, "'tailfill.run' => 'ours'"),
    ];
    let findings = judged(&state, &ours());
    for (name, shown) in untold {
        let finding = findings.iter().find(|finding| finding.name().ends_with(name)).expect("listed");
        assert_eq!((finding.level, finding.exit), (Level::Warning, None), "{name}");
        assert!(finding.advice.contains("HBase shell: describe 'followers'"), "{}", finding.advice);
        assert!(finding.advice.ends_with(shown), "{}", finding.advice);
    }
    assert_eq!(findings.iter().filter(|finding| finding.level != Level::Ok).count(), untold.len());
    assert_eq!(level(&judged(&state, &RunId::InUse), RUN_ATTRIBUTE), Level::Warning);
}

#[test]
fn settings_that_change_what_a_reader_sees_are_told() {
    let judge =
        |name: &str, value: &str| level(&judged(&state(&[(name, value)], Some("ours")), &ours()), name);
    assert_eq!(judge("NEW_VERSION_BEHAVIOR", "true"), Level::Refusal);
    assert_eq!(judge("VERSIONS", "3"), Level::Warning);
    assert_eq!(judge("TTL", "86400"), Level::Warning);
    assert_eq!(judge("TTL", "FOREVER"), Level::Ok);
    assert_eq!(judge("MIN_VERSIONS", "2"), Level::Note);
}

#[test]
fn a_table_of_another_run_or_of_nobody_is_refused() {
    let judge = |found, run: &RunId| level(&judged(&state(&[], found), run), RUN_ATTRIBUTE);
    assert_eq!(judge(Some("ours"), &ours()), Level::Ok);
    assert_eq!(judge(Some("theirs"), &ours()), Level::Refusal);
    assert_eq!(judge(None, &ours()), Level::Refusal);
    assert_eq!(judge(Some("theirs"), &RunId::NotYet), Level::Refusal);
    assert_eq!(judge(Some("theirs"), &RunId::InUse), Level::Note);
}

#[test]
fn rows_of_before_the_first_start_are_refused() {
    assert_eq!((empty(&target(), false).level, empty(&target(), true).level), (Level::Ok, Level::Refusal));
}

#[tokio::test]
async fn counts_of_before_the_first_start_are_rows_of_before() {
    let target = Target { layout: Layout::Wide, counted: true, ..target() };
    let sink = MemorySink::with_tables(std::slice::from_ref(&target), Arc::new(SteadyClock::start()));
    assert_eq!(check_no_rows(&sink, &target).await.level, Level::Ok);
    let write = CountedWrite {
        row: "list".into(),
        expected: None,
        tick: Tick(5),
        puts: vec![],
        delete_columns: vec![],
        count: CountChange::Set(0),
    };
    assert!(sink.write_counted(target.id, &write).await.expect("it writes"));
    assert_eq!(check_no_rows(&sink, &target).await.level, Level::Refusal);
    let plain = Target { counted: false, ..target };
    assert_eq!(check_no_rows(&sink, &plain).await.level, Level::Ok, "nobody reads them");
}

#[test]
fn a_gateway_that_is_away_is_a_warning_while_another_answers() {
    let judge = |error, spare| {
        let finding = gateway_failed(rule("gateway h:1", "thrift2"), error, spare);
        (finding.level, finding.exit)
    };
    let away = || SinkError::Unavailable { gateway: "h:1".into(), reason: "refused".into() };
    let wrong = || SinkError::WrongProtocol { gateway: "h:1".into(), reason: "framed".into() };
    assert_eq!(judge(away(), true), (Level::Warning, None));
    assert_eq!(judge(away(), false), (Level::Refusal, Some(Exit::Failed)));
    assert_eq!(judge(wrong(), true), (Level::Refusal, Some(Exit::Refused)));
}
