use super::fixtures::{World, edge};
use super::list::{Answers, Work};
use super::watched::Watched;
use super::{Question, Side, answer_question, answers_json, answers_text, work_text};
use crate::clock::SteadyClock;
use crate::model::{
    CellForm, Cursor, DateTime, Layout, Mapping, OrderKey, Target, TargetId, Tick, Value, ValueEncoding,
};
use crate::sink::layout::Codec;
use crate::sink::memory::MemorySink;
use crate::sink::{CountChange, CountedWrite, WriteRows};
use crate::verify::VerifyError;
use bytes::Bytes;
use futures::FutureExt;
use std::sync::Arc;

fn try_asking(
    world: &World,
    question: &Question,
    side: Side,
    table: Option<&str>,
) -> Result<(Answers, Work), VerifyError> {
    let key = [Value::UInt(7)];
    let asked = answer_question((world, &world.sink), (&world.mapping, &key), question, side, table);
    asked.now_or_never().expect("the doubles never wait")
}

fn asked(world: &World, question: &Question, side: Side) -> Answers {
    try_asking(world, question, side, None).unwrap().0
}

fn asked_of(world: &World, question: &Question, table: &str) -> (Answers, Work) {
    try_asking(world, question, Side::Both, Some(table)).unwrap()
}

/// Items 1 to 5 of list 7 at seconds 10, 20, 20, 30, 30; other lists beside it.
fn world(order: Option<OrderKey>) -> World {
    let mut world = World::new();
    world.mapping = Mapping { order, ..world.mapping };
    world.mapping.targets[0].ordered = order.is_some();
    fill(&world);
    world
}

fn fill(world: &World) {
    for (follower, second) in [(1, 10), (2, 20), (3, 20), (4, 30), (5, 30)] {
        world.change((7, follower), Some(edge(7, follower, second, (follower == 4).then_some("a\nb"))));
        world.change((6, follower), Some(edge(6, follower, second, None)));
        world.change((8, follower), Some(edge(8, follower, second, None)));
    }
}

/// Other targets than usual.
fn world_of(order: Option<OrderKey>, targets: Vec<Target>) -> World {
    let mut world = World::new();
    let targets = targets.into_iter().zip(0..).map(|(target, id)| Target { id: TargetId(id), ..target });
    world.mapping = Mapping { order, targets: targets.collect(), ..world.mapping };
    world.sink =
        Watched::new(MemorySink::with_tables(&world.mapping.targets, Arc::new(SteadyClock::start())));
    world
}

fn tall(table: &str, ordered: bool) -> Target {
    Target { table: table.into(), ordered, columns: vec![2, 3], ..World::new().mapping.targets.remove(0) }
}

fn wide(table: &str, ordered: bool, form: CellForm) -> Target {
    Target { layout: Layout::Wide, form, ..tall(table, ordered) }
}

/// By segments of ten seconds.
fn segmented(table: &str) -> Target {
    Target { segment: Some(10_000_000), ..wide(table, true, CellForm::Msgpack) }
}

/// Every layout that answers every question of a mapping with order, one way or the other.
fn every_layout() -> Vec<Target> {
    let bytes = Target { values: ValueEncoding::Bytes, ..tall("bytes", false) };
    let alone = Target { columns: vec![2], ..wide("alone", false, CellForm::Alone) };
    vec![
        tall("rows", true),
        tall("members", false),
        bytes,
        Target { form: CellForm::Msgpack, ..tall("packed", true) },
        Target { form: CellForm::Json, ..tall("packed members", false) },
        segmented("segments"),
        wide("whole", true, CellForm::Json),
        wide("wide members", false, CellForm::Msgpack),
        alone,
    ]
}

fn order(descending: bool) -> Option<OrderKey> {
    Some(OrderKey { column: 2, descending })
}

/// The followers in the order of the answer.
fn followers(answers: &Answers) -> Vec<u8> {
    let Answers::Items { pairs, .. } = answers else { panic!("{answers:?}") };
    let last = |bytes: &Bytes| bytes[bytes.len() - 1];
    pairs.iter().map(|pair| last(pair.address.cell.as_ref().unwrap_or(&pair.address.row))).collect()
}

fn page(limit: u32, after: Option<(i64, u64)>) -> Question {
    let cursor = |(second, follower)| Cursor {
        order: Some(Value::DateTime(DateTime::from_micros_since_epoch(second * 1_000_000))),
        item: vec![Value::UInt(follower)],
    };
    Question::Page { limit, after: after.map(cursor) }
}

#[test]
fn both_sides_give_the_same_items_in_the_order_of_the_list_whatever_the_layout() {
    let cases: [(bool, [u8; 5]); 2] = [(true, [4, 5, 2, 3, 1]), (false, [1, 2, 3, 4, 5])];
    for (descending, list) in cases {
        let world = world_of(order(descending), every_layout());
        fill(&world);
        let reversed: Vec<u8> = list.iter().rev().copied().collect();
        let (latest, first) =
            if descending { (&list[..], &reversed[..]) } else { (&reversed[..], &list[..]) };
        for target in &world.mapping.targets {
            for side in [Side::Mysql, Side::Hbase, Side::Both] {
                let asked = |question| {
                    let (answers, _) = try_asking(&world, &question, side, Some(&target.table)).unwrap();
                    assert!(answers.equal(), "{} {side:?} {answers:?}", target.table);
                    followers(&answers)
                };
                let what = format!("{} {side:?} descending {descending}", target.table);
                assert_eq!(asked(Question::Latest(3)), latest[..3], "{what}");
                assert_eq!(asked(Question::First(3)), first[..3], "{what}");
                assert_eq!(asked(Question::Latest(9)), *latest, "{what}");
                assert_eq!(asked(page(2, None)), list[..2], "{what}");
                assert_eq!(
                    asked(page(2, Some((20, 2)))),
                    list[(if descending { 3 } else { 2 })..][..2],
                    "{what}"
                );
                // behind a place where nothing is
                assert_eq!(asked(page(9, Some((20, 9)))), list[(if descending { 4 } else { 3 })..], "{what}");
                assert_eq!(asked(Question::Has(vec![Value::UInt(3)])), [3], "{what}");
                assert!(asked(Question::Has(vec![Value::UInt(33)])).is_empty(), "{what}");
            }
            let (answers, _) = asked_of(&world, &Question::Count, &target.table);
            assert!(
                matches!(answers, Answers::Count { mysql: Some(5), .. }) && answers.equal(),
                "{answers:?}"
            );
        }
    }
}

#[test]
fn without_an_order_a_list_is_in_the_order_of_its_items() {
    let targets = vec![tall("rows", false), wide("cells", false, CellForm::Msgpack)];
    let world = world_of(None, targets);
    fill(&world);
    for table in ["rows", "cells"] {
        let asked = |question| followers(&asked_of(&world, &question, table).0);
        assert_eq!(asked(Question::First(3)), [1, 2, 3], "{table}");
        assert_eq!(asked(Question::Latest(3)), [5, 4, 3], "{table}");
        let after = Some(Cursor { order: None, item: vec![Value::UInt(3)] });
        assert_eq!(asked(Question::Page { limit: 9, after }), [4, 5], "{table}");
    }
}

#[test]
fn pages_lead_from_one_end_to_the_other() {
    let world = world_of(order(true), every_layout());
    fill(&world);
    for target in &world.mapping.targets {
        for side in [Side::Mysql, Side::Hbase, Side::Both] {
            let (mut seen, mut after) = (Vec::new(), None);
            for _ in 0..3 {
                let question = Question::Page { limit: 2, after: after.clone() };
                let (answers, _) = try_asking(&world, &question, side, Some(&target.table)).unwrap();
                seen.extend(followers(&answers));
                let Answers::Items { next, .. } = answers else { panic!("items") };
                after = next;
            }
            assert_eq!((seen, after), (vec![4, 5, 2, 3, 1], None), "{} {side:?}", target.table);
        }
    }
}

/// A list of 100 items at seconds 1 to 100.
fn hundred(targets: Vec<Target>) -> World {
    let world = world_of(order(true), targets);
    world.set_counting(false); // as before the count pass
    for number in 1..=100 {
        world.change((7, number), Some(edge(7, number, number as i64, None)));
    }
    world
}

/// Calls, and cells that they brought, names among them.
fn work_of(world: &World, question: &Question, table: &str) -> (u64, u64) {
    let (answers, work) = try_asking(world, question, Side::Hbase, Some(table)).unwrap();
    if let Answers::Items { pairs, .. } = &answers {
        assert!(pairs.iter().all(|pair| pair.hbase.is_some()));
    }
    let reads = work.reads.expect("the double counts");
    (reads.calls, reads.cells)
}

#[test]
fn no_more_is_read_than_the_layout_needs() {
    let packed = |target: Target| Target { form: CellForm::Msgpack, ..target };
    let world = hundred(vec![
        packed(tall("rows", true)),
        packed(tall("members", false)),
        segmented("segments"),
        wide("whole", true, CellForm::Msgpack),
        wide("cells", false, CellForm::Msgpack),
    ]);
    let (latest, first) = (Question::Latest(25), Question::First(25));
    let (page, has) = (page(25, Some((80, 80))), Question::Has(vec![Value::UInt(50)]));
    let cases = [
        ("rows", &latest, (1, 25)),
        ("rows", &first, (1, 25)),
        ("rows", &page, (1, 25)),
        // every key, then the row
        ("rows", &has, (2, 101)),
        ("members", &has, (1, 1)),
        ("members", &latest, (1, 100)),
        ("segments", &latest, (1, 25)),
        // four keys; of the last segments 9, 10 and 10 cells
        ("segments", &first, (4, 4 + 29)),
        ("segments", &page, (1, 25)),
        ("segments", &has, (2, 101)),
        ("whole", &latest, (1, 25)),
        ("whole", &first, (1, 100)),
        ("whole", &page, (1, 25)),
        ("cells", &has, (1, 1)),
        ("cells", &page, (1, 100)),
        ("cells", &Question::Count, (1, 100)),
    ];
    for (table, question, expected) in cases {
        assert_eq!(work_of(&world, question, table), expected, "{table} {question:?}");
    }
    // eleven segments, looked for by four and eight; ten of them read, since the last one holds an item that is not asked for
    assert_eq!(work_of(&world, &Question::First(99), "segments"), (2 + 10, 11 + 99));
}

#[test]
fn a_counted_list_is_counted_by_its_rows_once_all_have_a_count() {
    let world = hundred(vec![
        Target { counted: true, ..segmented("segments") },
        Target { counted: true, ..wide("whole", true, CellForm::Msgpack) },
    ]);
    let count = |table| {
        let (answers, work) = try_asking(&world, &Question::Count, Side::Both, Some(table)).unwrap();
        let text = answers_text(&world.mapping, &answers, Side::Both);
        let reads = work.reads.expect("the double counts");
        (text, (reads.calls, reads.cells))
    };
    let (text, _) = count("segments");
    assert_eq!(text, "MySQL  100\nHBase  100 (not counted yet: the cells of 11 rows were)\n");
    let (text, work) = count("whole");
    assert_eq!(text, "MySQL  100\nHBase  100 (not counted yet: the cells of 1 row were)\n");
    assert_eq!(work, (2, 100));
    for target in &world.mapping.targets {
        for (row, items) in items_by_row(&world, target) {
            let write = CountedWrite {
                row,
                expected: None,
                tick: Tick(1_000),
                puts: vec![],
                delete_columns: vec![],
                count: CountChange::Set(items),
            };
            assert!(world.sink.sink.write_counted(target.id, &write).now_or_never().unwrap().unwrap());
        }
    }
    let equal = "MySQL  100\nHBase  100\n".to_owned();
    assert_eq!(count("whole"), (equal.clone(), (1, 1)));
    assert_eq!(count("segments"), (equal, (2, 22)), "a count and a key for each segment");
}

fn items_by_row(world: &World, target: &Target) -> std::collections::BTreeMap<Bytes, u64> {
    let mut rows = std::collections::BTreeMap::new();
    for number in 1..=100 {
        let row = edge(7, number, number as i64, None);
        let address = Codec::of(&world.mapping, target).address(&row).unwrap();
        *rows.entry(address.row).or_default() += 1;
    }
    rows
}

#[test]
fn items_are_shown_side_by_side_with_what_differs() {
    let world = world(order(true));
    let target = world.mapping.targets[0].clone();
    let address = |follower, second| {
        Codec::of(&world.mapping, &target).address(&edge(7, follower, second, None)).unwrap().row
    };
    world.lose(&target, &edge(7, 5, 30, None));
    let note = |text: &'static str| vec![(Bytes::from("note"), Bytes::from(text))];
    world.write(&target, address(4, 30), note("c\\d"), vec![]);
    let created_at = (Bytes::from("created_at"), Bytes::from("1970-01-01 00:00:25"));
    world.write(&target, address(9, 25), vec![created_at], vec![]);
    let answers = asked(&world, &Question::Latest(3), Side::Both);
    assert!(!answers.equal());
    let text = answers_text(&world.mapping, &answers, Side::Both);
    assert_eq!(
        text,
        r"MySQL                                        HBase
created_at           follower_id  note       created_at           follower_id  note
1970-01-01 00:00:30  4            a\nb *  |  1970-01-01 00:00:30  4            c\\d *
1970-01-01 00:00:30  5            NULL    <
                                          >  1970-01-01 00:00:25  9            NULL
1970-01-01 00:00:20  2            NULL       1970-01-01 00:00:20  2            NULL
4 items
3 DIFFER (| and *: other cells, <: only in MySQL, >: only in HBase)
"
    );
}

#[test]
fn one_side_is_a_plain_table_and_json_has_every_cell() {
    let world = world(order(true));
    let answers = asked(&world, &Question::Latest(1), Side::Hbase);
    assert_eq!(
        answers_text(&world.mapping, &answers, Side::Hbase),
        "created_at           follower_id  note\n1970-01-01 00:00:30  4            a\\nb\n1 item\n"
    );
    let json = answers_json(&world.mapping, &answers, Side::Hbase, None);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["hbase"][0]["key"]["follower_id"], "4");
    assert_eq!(json["hbase"][0]["cells"]["created_at"], "1970-01-01 00:00:30");
    assert_eq!(json["hbase"][0]["cells"]["note"], "a\nb");
    assert!(json.get("mysql").is_none() && json.get("equal").is_none());
}

#[test]
fn counts_are_of_one_list_and_say_when_they_differ() {
    let world = world(order(true));
    let answers = asked(&world, &Question::Count, Side::Both);
    assert!(matches!(answers, Answers::Count { mysql: Some(5), hbase: Some(count) } if count.items == 5));
    world.lose(&world.mapping.targets[0].clone(), &edge(7, 5, 30, None));
    let answers = asked(&world, &Question::Count, Side::Both);
    assert!(!answers.equal());
    let text = answers_text(&world.mapping, &answers, Side::Both);
    assert_eq!(text, "MySQL  5\nHBase  4\nthey DIFFER\n");
    assert_eq!(
        answers_json(&world.mapping, &answers, Side::Both, None),
        "{\"mapping\":\"followers\",\"equal\":false,\"mysql\":5,\"hbase\":4}\n"
    );
}

#[test]
fn membership_is_one_row_of_the_target_without_order_or_a_search() {
    let mut world = world(order(true));
    for targets in [2, 1] {
        world.mapping.targets.truncate(targets);
        let has = |follower| asked(&world, &Question::Has(vec![Value::UInt(follower)]), Side::Both);
        assert_eq!((followers(&has(3)), has(3).equal()), (vec![3], true));
        assert_eq!((followers(&has(33)).len(), has(33).equal()), (0, true));
    }
    world.lose(&world.mapping.targets[0].clone(), &edge(7, 3, 20, None));
    assert!(!asked(&world, &Question::Has(vec![Value::UInt(3)]), Side::Both).equal());
}

#[test]
fn packed_columns_are_shown_like_cells_and_those_that_differ_are_marked() {
    let world = world_of(order(true), vec![segmented("segments")]);
    fill(&world);
    let target = &world.mapping.targets[0];
    let other = Codec::of(&world.mapping, target).item_write(&edge(7, 4, 30, Some("c\\d"))).unwrap();
    world.write(target, other.address.row.clone(), other.puts, vec![]);
    let lost = Codec::of(&world.mapping, target).address(&edge(7, 5, 30, None)).unwrap();
    world.write(target, lost.row, vec![], lost.cell.into_iter().collect());
    let unreadable = Codec::of(&world.mapping, target).address(&edge(7, 2, 20, None)).unwrap();
    let puts = vec![(unreadable.cell.unwrap(), Bytes::from_static(b"\x01"))];
    world.write(target, unreadable.row, puts, vec![]);
    let answers = asked(&world, &Question::Latest(4), Side::Both);
    assert_eq!(
        answers_text(&world.mapping, &answers, Side::Both),
        r"MySQL                                                                       HBase
created_at           follower_id  created_at             note    ?          created_at           follower_id  created_at           note    ?
1970-01-01 00:00:30  4            1970-01-01 00:00:30    a\nb *  NULL    |  1970-01-01 00:00:30  4            1970-01-01 00:00:30  c\\d *  NULL
1970-01-01 00:00:30  5            1970-01-01 00:00:30    NULL    NULL    <
1970-01-01 00:00:20  2            1970-01-01 00:00:20 *  NULL    NULL *  |  1970-01-01 00:00:20  2            NULL *               NULL    0x01 *
1970-01-01 00:00:20  3            1970-01-01 00:00:20    NULL    NULL       1970-01-01 00:00:20  3            1970-01-01 00:00:20  NULL    NULL
1970-01-01 00:00:10  1            1970-01-01 00:00:10    NULL    NULL       1970-01-01 00:00:10  1            1970-01-01 00:00:10  NULL    NULL
5 items
3 DIFFER (| and *: other cells, <: only in MySQL, >: only in HBase)
"
    );
    let json = answers_json(&world.mapping, &answers, Side::Both, None);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["hbase"][0]["cells"]["note"], "c\\d");
    assert_eq!(json["hbase"][0]["row"], hex::encode(&other.address.row));
    assert_eq!(json["hbase"][0]["cell"], hex::encode(other.address.cell.unwrap()));
}

#[test]
fn an_order_that_no_target_keeps_is_answered_by_mysql_alone() {
    let mut world = world(order(true));
    world.mapping.targets.remove(0);
    assert_eq!(followers(&asked(&world, &Question::Latest(2), Side::Mysql)), [4, 5]);
    let error = try_asking(&world, &Question::Latest(2), Side::Both, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "has of mapping followers cannot answer this: it holds created_at neither in its addresses nor in its cells"
    );
    assert!(error.advice().is_some_and(|advice| advice.starts_with("ask with `--from mysql`; add a target")));
    let answers = asked(&world, &Question::Count, Side::Both);
    assert!(matches!(answers, Answers::Count { hbase: Some(count), .. } if count.items == 5));
}

#[test]
fn a_table_that_is_none_of_the_mapping_is_named() {
    let error = try_asking(&world(order(true)), &Question::Count, Side::Hbase, Some("nowhere")).unwrap_err();
    assert_eq!(error.to_string(), "nowhere is not a table of mapping followers");
    assert_eq!(error.advice(), Some("its tables are: followers, has"));
}

#[test]
fn what_was_done_is_said() {
    let world = world(order(true));
    let (_, work) = try_asking(&world, &Question::Latest(2), Side::Both, None).unwrap();
    assert_eq!(
        work_text(&work),
        "MySQL read 2 rows in 1 SELECT\nHBase answered from followers by a bounded read: 2 rows\n\
         HBase read 2 rows with 3 cells in 1 call\n"
    );
}
