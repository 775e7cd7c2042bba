//! Judging queries.

use super::*;
use crate::app::check::finding::Level;
use crate::app::check::mysql::Start;
use crate::error::Exit;
use crate::model::{
    CellForm, Column, ColumnType, Layout, MappingId, OrderKey, QueryKind, TableId, TableName, TableSchema,
    ValueEncoding,
};
use crate::source::ApplicationSql;
use crate::source::facts_list::SegmentSizes;
use std::sync::Arc;

/// A list of followers in the order of `at`, descending; its targets as tests want them.
fn mapping(targets: Vec<Target>) -> Mapping {
    let column = |name: &str| Column {
        name: name.into(),
        column_type: ColumnType::Integer { bytes: 8, unsigned: true },
        nullable: false,
        declared: String::new(),
        virtual_generated: false,
    };
    let schema = TableSchema {
        name: TableName { schema: "s".into(), table: "t".into() },
        columns: vec![column("followee"), column("follower"), column("at"), column("note")],
        primary_key: vec![0, 1],
        unique_keys: vec![],
    };
    let order = Some(OrderKey { column: 2, descending: true });
    let targets = targets.into_iter().zip(0..).map(|(target, id)| Target { id: TargetId(id), ..target });
    Mapping {
        id: MappingId(0),
        name: "followers".into(),
        table: TableId(0),
        schema: Arc::new(schema),
        key: vec![0],
        item: vec![1],
        order,
        targets: targets.collect(),
    }
}

fn tall(table: &str, ordered: bool) -> Target {
    Target {
        id: TargetId(0),
        table: table.into(),
        family: "f".into(),
        layout: Layout::Tall,
        form: CellForm::Columns,
        columns: vec![2, 3],
        values: ValueEncoding::Utf8,
        salt_buckets: 1,
        ordered,
        segment: None,
        counted: false,
    }
}

fn wide(table: &str, segment: Option<u64>) -> Target {
    Target { layout: Layout::Wide, form: CellForm::Msgpack, segment, ..tall(table, true) }
}

fn query(kind: QueryKind, limit: Option<u32>) -> Query {
    Query { name: "asked".into(), kind, limit, sql: None }
}

fn scope(depth: Depth, accept_unanswered: bool) -> Scope {
    Scope { start: Start::First, depth, accept_unanswered }
}

fn million(mapping: &Mapping) -> Sizes {
    let segments = mapping.targets.iter().filter(|target| target.segment.is_some());
    let segments = segments.map(|_| Some(SegmentSizes { count: 30, largest: 33_334 })).collect();
    sizes_of(mapping, &LargestList { items: 1_000_000, segments })
}

fn lines(findings: &[Finding]) -> Vec<(&str, Level, &str, &str)> {
    findings
        .iter()
        .map(|finding| (finding.name(), finding.level, finding.actual.as_str(), finding.advice.as_str()))
        .collect()
}

#[test]
fn each_target_says_how_it_answers_and_the_best_one_is_named() {
    let mapping = mapping(vec![wide("whole", None), wide("months", Some(9)), tall("rows", true)]);
    let first =
        judge(&mapping, &query(QueryKind::First, Some(100)), &million(&mapping), scope(Depth::All, false));
    assert_eq!(
        lines(&first),
        [
            ("followers asked", Level::Ok, "best rows: 100 rows", ""),
            ("followers asked on whole", Level::Note, "a scan of the whole list: 1000000 cells", ""),
            ("followers asked on months", Level::Ok, "a bounded read: 33434 cells", ""),
            ("followers asked on rows", Level::Ok, "a bounded read: 100 rows", ""),
        ]
    );
    assert_eq!(first[0].expected, "first 100: a bounded read");
    let quick =
        judge(&mapping, &query(QueryKind::First, Some(100)), &Sizes::new(), scope(Depth::Quick, false));
    assert_eq!(lines(&quick), [("followers asked", Level::Ok, "best rows: 100 rows", "")]);
}

#[test]
fn a_query_that_only_a_scan_answers_is_a_warning_with_what_to_change() {
    let mapping = mapping(vec![tall("rows", true)]);
    let findings =
        judge(&mapping, &query(QueryKind::Count, None), &million(&mapping), scope(Depth::All, false));
    let change = "add a wide target with `count = true`";
    assert_eq!(
        lines(&findings),
        [
            ("followers asked", Level::Warning, "best rows: a scan of the whole list, 1000000 rows", change),
            ("followers asked on rows", Level::Note, "a scan of the whole list: 1000000 rows", change),
        ]
    );
    let unknown = judge(&mapping, &query(QueryKind::Count, None), &Sizes::new(), scope(Depth::Quick, false));
    assert_eq!(unknown[0].actual, "best rows: a scan of the whole list, a row for each item");
}

#[test]
fn a_query_that_no_target_answers_is_refused_unless_that_is_accepted() {
    let members = Target { columns: vec![3], ..tall("members", false) };
    let mapping = mapping(vec![members.clone(), Target { family: "g".into(), ..members }]);
    let judged = |accept| {
        judge(&mapping, &query(QueryKind::Latest, Some(5)), &Sizes::new(), scope(Depth::Quick, accept))
            .remove(0)
    };
    let refused = judged(false);
    assert_eq!((refused.level, refused.exit), (Level::Refusal, Some(Exit::Refused)));
    let said = "no target answers it; members:f: it holds at neither in its addresses nor in its cells";
    assert_eq!(refused.actual, said);
    assert!(
        refused.advice.contains("or at to the columns of this one; or accept this with"),
        "{}",
        refused.advice
    );
    let accepted = judged(true);
    assert_eq!((accepted.level, accepted.exit, accepted.actual.as_str()), (Level::Warning, None, said));
}

#[test]
fn the_largest_list_is_said_or_why_it_is_not_known() {
    let mapping = mapping(vec![tall("rows", true), wide("months", Some(9)), wide("days", Some(1))]);
    let sizes = |found| largest(&mapping, &Ok(found));
    let segments = vec![Some(SegmentSizes { count: 12, largest: 90 }), None];
    let known = sizes(Some(LargestList { items: 1_000, segments }));
    assert_eq!(
        (known.level, known.actual.as_str()),
        (
            Level::Ok,
            "1000 items; in months 12 segments, of up to 90; its segments in days were not counted within 5 s"
        )
    );
    let unknown = sizes(None);
    assert_eq!((unknown.level, unknown.exit), (Level::Unknown, None));
    assert_eq!(unknown.actual, "MySQL did not find it within 5 s");
    let away = SourceError::Unavailable { address: "h:1".into(), reason: "gone".into() };
    assert_eq!(largest(&mapping, &Err(away)).level, Level::Unknown);
}

#[test]
fn an_own_select_is_refused_with_its_path_and_a_scan_is_a_warning() {
    let mapping = mapping(vec![tall("rows", true)]);
    let sql = ApplicationSql::parse("SELECT folower FROM t WHERE followee = ?").expect("a SELECT");
    let sql = sql.named("asked", "mapping[0].query[0].sql");
    let query = Query { sql: Some(sql.clone()), ..query(QueryKind::Latest, Some(5)) };
    let judged = |plan| own_select(&mapping, &query, &plan);
    let whole = |tables: &[&str]| {
        let tables = tables.iter().map(|table| (*table).to_owned()).collect();
        Ok(ApplicationPlan { read_whole: Some(tables) })
    };
    let refused = judged(Err(sql.unusable("Unknown column 'folower' in 'field list' (error 1054)")));
    assert_eq!((refused.name(), refused.exit), ("followers asked sql", Some(Exit::Refused)));
    assert!(refused.actual.contains("query asked (mapping[0].query[0].sql): Unknown column"), "{refused:?}");
    let scan = judged(whole(&["t"]));
    assert_eq!((scan.level, scan.exit), (Level::Warning, None));
    assert_eq!(scan.actual, "EXPLAIN: MySQL reads t whole for each list");
    assert_eq!(judged(whole(&[])).level, Level::Ok);
    assert_eq!(judged(Ok(ApplicationPlan { read_whole: None })).level, Level::Ok);
    let away = SourceError::Unavailable { address: "h:1".into(), reason: "gone".into() };
    assert_eq!((judged(Err(away)).level), Level::Unknown);
}
