//! Every layout and every question.

use super::*;
use crate::model::{CellForm, OrderKey};
use crate::sink::fixtures::{followers, target};

const LIMIT: u32 = 50;
const KINDS: [QueryKind; 5] =
    [QueryKind::Latest, QueryKind::First, QueryKind::Page, QueryKind::Has, QueryKind::Count];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Descending,
    Ascending,
    None,
}

fn mapping(order: Order) -> Mapping {
    let key = OrderKey { column: 2, descending: order == Order::Descending };
    Mapping { order: (order != Order::None).then_some(key), ..followers() }
}

fn tall(ordered: bool) -> Target {
    target(0, "t", ordered)
}

fn wide(ordered: bool, segment: Option<u64>) -> Target {
    Target { layout: Layout::Wide, form: CellForm::Msgpack, segment, ..target(0, "w", ordered) }
}

/// Short for an answer: `50r` rows, `50c` cells, `50c+` and a segment, `1n` counts, `*n` a row of counts a segment, `scan`,
/// `not`.
fn short(answer: &Answer) -> String {
    match answer {
        Answer::Not { .. } => "not".into(),
        Answer::Scan { reads, .. } => {
            assert_eq!(reads.extent, Extent::List);
            "scan".into()
        }
        Answer::Bounded(reads) => {
            let unit = match reads.unit {
                Unit::Rows => "r",
                Unit::Cells => "c",
                Unit::Counts => "n",
            };
            match reads.extent {
                Extent::AtMost(limit) => format!("{limit}{unit}"),
                Extent::AndSegment(limit) => format!("{limit}{unit}+"),
                Extent::Segments => format!("*{unit}"),
                Extent::List => panic!("not bounded"),
            }
        }
    }
}

#[test]
fn every_layout_answers_as_far_as_its_addresses_go() {
    use Order::{Ascending, Descending, None as No};
    let counted = |target: Target| Target { counted: true, ..target };
    let without_time = |target: Target| Target { columns: vec![3], ..target };
    // latest, first, page, has, count
    let cases = [
        (Descending, tall(true), ["50r", "50r", "50r", "scan", "scan"]),
        (Ascending, tall(true), ["50r", "50r", "50r", "scan", "scan"]),
        (Descending, tall(false), ["scan", "scan", "scan", "1r", "scan"]),
        (Ascending, without_time(tall(false)), ["not", "not", "not", "1r", "scan"]),
        (No, tall(false), ["50r", "50r", "50r", "1r", "scan"]),
        (Descending, wide(true, None), ["50c", "scan", "50c", "scan", "scan"]),
        (Ascending, wide(true, None), ["scan", "50c", "50c", "scan", "scan"]),
        (Descending, wide(true, Some(9)), ["50c", "50c+", "50c", "scan", "scan"]),
        (Ascending, wide(true, Some(9)), ["50c+", "50c", "50c", "scan", "scan"]),
        (Descending, counted(wide(true, Some(9))), ["50c", "50c+", "50c", "scan", "*n"]),
        (Ascending, counted(wide(true, None)), ["scan", "50c", "50c", "scan", "1n"]),
        (Descending, wide(false, None), ["scan", "scan", "scan", "1c", "scan"]),
        (Ascending, without_time(counted(wide(false, None))), ["not", "not", "not", "1c", "1n"]),
        (No, wide(false, None), ["scan", "50c", "50c", "1c", "scan"]),
    ];
    for (order, target, expected) in cases {
        let mapping = mapping(order);
        let ask = |kind| answer(&mapping, &target, Ask { kind, limit: LIMIT });
        assert_eq!(KINDS.map(|kind| short(&ask(kind))), expected, "{order:?} {target:?}");
    }
}

#[test]
fn an_order_column_among_the_item_columns_is_in_every_address() {
    let mapping = Mapping { item: vec![2, 1], ..mapping(Order::Descending) };
    let target = Target { columns: vec![], ..tall(false) };
    let answer = answer(&mapping, &target, Ask { kind: QueryKind::Latest, limit: 1 });
    assert_eq!(short(&answer), "scan");
}

#[test]
fn what_does_not_answer_well_says_what_to_change() {
    let mapping = mapping(Order::Descending);
    let change = |target: Target, kind| match answer(&mapping, &target, Ask { kind, limit: 1 }) {
        Answer::Bounded(_) => panic!("nothing to change"),
        Answer::Scan { change, .. } | Answer::Not { change, .. } => change,
    };
    let columnless = Target { columns: vec![], ..wide(false, None) };
    let cases = [
        (tall(true), QueryKind::Has, "add a target with `ordered = false`"),
        (tall(true), QueryKind::Count, "add a wide target with `count = true`"),
        (wide(true, None), QueryKind::Count, "give the target `count = true`"),
        (wide(true, None), QueryKind::First, "give the target `segment`, or add a tall target"),
        (tall(false), QueryKind::Latest, "add a target without `ordered = false`: it keeps the order"),
        (columnless, QueryKind::Page, "`ordered = false`, or created_at to the columns of this one"),
    ];
    for (target, kind, part) in cases {
        assert!(change(target.clone(), kind).contains(part), "{}", change(target, kind));
    }
}

#[test]
fn the_cost_is_for_the_largest_list() {
    let reads = |unit, extent| Reads { unit, extent };
    let of = |items, segments: Option<(u64, u64)>| {
        let segments = segments.map(|(count, largest)| Segments { count, largest });
        Some(ListSize { items, segments })
    };
    let cases = [
        (reads(Unit::Rows, Extent::AtMost(50)), of(9, None), "9 rows"),
        (reads(Unit::Rows, Extent::AtMost(50)), of(1_000, None), "50 rows"),
        (reads(Unit::Cells, Extent::AtMost(1)), None, "1 cell"),
        (reads(Unit::Cells, Extent::List), of(1_000_000, None), "1000000 cells"),
        (reads(Unit::Rows, Extent::List), None, "a row for each item"),
        (reads(Unit::Cells, Extent::AndSegment(50)), of(1_000, Some((12, 90))), "140 cells"),
        (reads(Unit::Cells, Extent::AndSegment(50)), of(100, Some((2, 90))), "100 cells"),
        (
            reads(Unit::Cells, Extent::AndSegment(50)),
            of(1_000, None),
            "50 cells and at most one segment more",
        ),
        (reads(Unit::Counts, Extent::Segments), of(1_000, Some((12, 90))), "12 rows of counts"),
        (reads(Unit::Counts, Extent::Segments), None, "a row of counts for each segment"),
    ];
    for (reads, size, said) in cases {
        assert_eq!(reads.words(size), said, "{reads:?}");
    }
}

#[test]
fn the_best_target_is_bounded_then_cheap_then_first() {
    let mut mapping = mapping(Order::Descending);
    let named = |table: &str, target: Target| Target { table: table.into(), ..target };
    mapping.targets = vec![
        named("wide", wide(true, None)),
        named("segments", wide(true, Some(9))),
        named("tall", tall(true)),
        named("members", Target { columns: vec![], ..tall(false) }),
        named("counted", Target { counted: true, ..wide(false, None) }),
    ];
    let best_for = |kind| {
        let (target, answer) =
            best(&mapping, Ask { kind, limit: LIMIT }, |_| None).expect("there are targets");
        (target.table.clone(), short(&answer))
    };
    let expected = [("wide", "50c"), ("tall", "50r"), ("wide", "50c"), ("members", "1r"), ("counted", "1n")];
    for (kind, (table, answer)) in KINDS.into_iter().zip(expected) {
        assert_eq!(best_for(kind), (table.to_owned(), answer.to_owned()), "{kind:?}");
    }
    mapping.targets.clear();
    assert!(best(&mapping, Ask { kind: QueryKind::Has, limit: 0 }, |_| None).is_none());
}
