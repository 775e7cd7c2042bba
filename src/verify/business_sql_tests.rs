//! Answers of MySQL by the application's own SELECT, against HBase's.

use super::business::BusinessReport;
use super::business_tests::{filled, judge, list_2_never_rests};
use super::fixtures::{Call, World, edge, mapping};
use super::{BusinessAsk, Query};
use crate::error::Exit;
use crate::model::{ListPart, QueryKind, Row, Value};
use crate::source::{ApplicationAsk, ApplicationSql, Reply};

fn asked(kind: QueryKind) -> BusinessAsk {
    let sql =
        ApplicationSql::parse("SELECT 1").expect("a SELECT").named(kind.name(), "mapping[0].query[0].sql");
    let query = Query { name: kind.name().to_owned(), kind, limit: 5, sql: Some(sql) };
    BusinessAsk { queries: vec![vec![query]], random: 100, seed: 7, since: None }
}

fn items(rows: Vec<Row>) -> Reply {
    Reply::Items(rows.into_iter().map(|row| vec![row[1].clone()]).collect())
}

/// What a SELECT returns that means the same as its kind, of the rows that `shows` lets through.
fn plain(shows: impl Fn(&Row) -> bool) -> impl Fn(&ApplicationAsk<'_>, Vec<Row>) -> Reply {
    move |ask, mut rows| {
        rows.retain(&shows);
        let reversed = ask.kind.is_at_end(&mapping());
        match ask.kind {
            QueryKind::Count => Reply::Number(Some(rows.len() as u64)),
            QueryKind::Has => {
                rows.retain(|row| row[1] == ask.item[0]);
                Reply::Number(Some(rows.len() as u64))
            }
            _ => items(ListPart { reversed, after: None, limit: 5 }.of(&mapping(), rows)),
        }
    }
}

fn report_of(world: &World, kind: QueryKind) -> BusinessReport {
    judge(&world.verification(true), &asked(kind))
}

#[test]
fn a_select_that_means_the_same_answers_alike_and_the_report_says_who_was_asked() {
    for kind in [QueryKind::Latest, QueryKind::First, QueryKind::Has, QueryKind::Count] {
        let world = filled(World::new());
        world.application(plain(|_| true));
        let report = report_of(&world, kind);
        assert_eq!((report.different, report.unsettled, report.exit()), (0, 0, Exit::Done), "{report}");
        assert!(report.answers >= 10 && report.mappings[0].queries[0].sql, "{report:?}");
        let line = format!("  MySQL was asked with the application's SQL: {}\n", kind.name());
        assert!(report.to_string().contains(&line), "{report}");
    }
}

#[test]
fn a_filter_shows_as_items_that_only_hbase_has() {
    let world = filled(World::new());
    world.application(plain(|row| row[1] != Value::UInt(1)));
    // item 1 is old: of the longer lists, the newest five are without it
    let report = report_of(&world, QueryKind::Latest);
    assert_eq!((report.different, report.exit()), (5, Exit::Differences), "{report}");
    let finding = &report.mappings[0].findings[0];
    assert_eq!(finding.what, "item 2 of 2: HBase has followee_id=1 follower_id=1, MySQL has none");
    let report = report_of(&world, QueryKind::Count);
    assert_eq!(report.different, 9, "all lists but the one without item 1: {report}");
    let report = report_of(&world, QueryKind::Has);
    assert_eq!(report.different, 2, "item 1 is asked for in list 1, and then in list 2: {report}");
}

#[test]
fn a_lost_item_is_found_through_the_select_too() {
    let world = filled(World::new());
    world.application(plain(|_| true));
    world.lose(&world.mapping.targets[0].clone(), &edge(2, 1, 0, Some("note")));
    let report = report_of(&world, QueryKind::Latest);
    assert_eq!((report.different, report.mappings[0].random.confirmed), (1, 1), "{report}");
}

#[test]
fn an_item_that_is_no_row_of_the_list_is_a_difference_and_so_is_one_too_many() {
    let with = |more: Option<Vec<Value>>| {
        let world = filled(World::new());
        world.application(move |_, rows| {
            let Reply::Items(mut found) = items(rows) else { panic!("items") };
            found.truncate(1);
            found.push(more.clone().unwrap_or_else(|| found[0].clone()));
            Reply::Items(found)
        });
        report_of(&world, QueryKind::Latest)
    };
    for (item, shown) in [(Value::UInt(777), "777"), (Value::Null, "NULL")] {
        let report = with(Some(vec![item]));
        assert_eq!((report.different, report.exit()), (10, Exit::Differences), "{report}");
        let what = &report.mappings[0].findings[0].what;
        let says = "item 2: the application's SQL returns followee_id=0 follower_id=";
        assert_eq!(*what, format!("{says}{shown}, which is no row of s.follows"));
    }
    let report = with(None);
    assert_eq!(report.different, 10, "{report}");
    assert!(report.mappings[0].findings[0].what.starts_with("item 2 of 2: MySQL has"), "{report}");
}

#[test]
fn a_count_without_a_number_is_a_difference() {
    let world = filled(World::new());
    world.application(|_, _| Reply::Number(None));
    let report = report_of(&world, QueryKind::Count);
    assert_eq!(report.different, 10, "{report}");
    assert!(report.mappings[0].findings[0].what.ends_with("returns no number of items"), "{report}");
}

#[test]
fn each_answer_has_a_read_view_of_its_own() {
    let world = filled(World::new());
    world.application(plain(|_| true));
    // in the binlog and in HBase, and not committed in the engine
    world.log((2, 1), Some(edge(2, 1, 0, Some("ahead"))));
    world.tail();
    for _ in 0..2 {
        world.before(Call::Positions, World::commit);
    }
    let report = report_of(&world, QueryKind::Latest);
    assert_eq!((report.different, report.exit()), (0, Exit::Done), "{report}");
}

fn restless() -> World {
    let world = filled(World::new());
    list_2_never_rests(&world);
    world
}

#[test]
fn a_list_that_never_rests_is_judged_by_its_kind_where_the_select_means_the_same() {
    for is_wrong in [false, true] {
        let world = restless();
        world.application(plain(|_| true));
        if is_wrong {
            world.forget_changes_of((2, 2));
            world.change((2, 2), None);
        }
        let report = report_of(&world, QueryKind::Latest);
        assert_eq!((report.different, report.unsettled), (u64::from(is_wrong), 0), "{report}");
    }
}

#[test]
fn a_list_that_never_rests_is_not_judged_where_the_select_means_something_else() {
    let world = restless();
    world.application(plain(|row| row[..2] != [Value::UInt(2), Value::UInt(1)]));
    let report = report_of(&world, QueryKind::Latest);
    assert_eq!((report.different, report.unsettled, report.judged), (0, 1, false), "{report}");
}

#[test]
fn a_list_that_is_held_up_and_has_not_changed_since_is_judged_by_the_select() {
    let world = filled(World::new());
    // the answers of the rounds differ from each other; the one beside the hold shows no item 1
    let calls = std::sync::atomic::AtomicU64::new(0);
    world.application(move |ask, rows| {
        let is_it = ask.key == [Value::UInt(2)];
        let call = if is_it { calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) } else { 0 };
        plain(move |row| !is_it || row[1] != Value::UInt(call % 2 + 1))(ask, rows)
    });
    let report = report_of(&world, QueryKind::Latest);
    assert_eq!((report.different, report.unsettled), (1, 0), "{report}");
}
