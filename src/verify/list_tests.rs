use super::fixtures::{World, edge};
use super::{Answers, Question, Side, answers_json, answers_text, ask};
use crate::model::{Mapping, OrderKey, Value};
use crate::sink::layout;
use crate::verify::VerifyError;
use bytes::Bytes;
use futures::FutureExt;

fn try_asking(world: &World, question: &Question, side: Side) -> Result<Answers, VerifyError> {
    let key = [Value::UInt(7)];
    let asked = ask((world, &world.sink), &world.mapping, &key, question, side);
    asked.now_or_never().expect("the doubles never wait")
}

fn asked(world: &World, question: &Question, side: Side) -> Answers {
    try_asking(world, question, side).unwrap()
}

/// Items 1 to 5 of list 7 at seconds 10, 20, 20, 30, 30; other lists beside it.
fn world(order: Option<OrderKey>) -> World {
    let mut world = World::new();
    world.mapping = Mapping { order, ..world.mapping };
    world.mapping.targets[0].ordered = order.is_some();
    for (follower, second) in [(1, 10), (2, 20), (3, 20), (4, 30), (5, 30)] {
        world.change((7, follower), Some(edge(7, follower, second, (follower == 4).then_some("a\nb"))));
        world.change((6, follower), Some(edge(6, follower, second, None)));
        world.change((8, follower), Some(edge(8, follower, second, None)));
    }
    world
}

fn order(descending: bool) -> Option<OrderKey> {
    Some(OrderKey { column: 2, descending })
}

/// The followers in the order of the answer.
fn followers(answers: &Answers) -> Vec<u8> {
    let Answers::Items { pairs, .. } = answers else { panic!("{answers:?}") };
    pairs.iter().map(|pair| pair.row[pair.row.len() - 1]).collect()
}

#[test]
fn both_sides_give_the_same_items_in_the_order_of_the_layout() {
    let cases: [(Option<OrderKey>, &[u8], &[u8]); 3] = [
        (order(true), &[1, 3, 2], &[4, 5, 2]),
        (order(false), &[1, 2, 3], &[5, 4, 3]),
        (None, &[1, 2, 3], &[5, 4, 3]),
    ];
    for (order, first, latest) in cases {
        let world = world(order);
        for side in [Side::Mysql, Side::Hbase, Side::Both] {
            let answers = asked(&world, &Question::First(3), side);
            assert_eq!(followers(&answers), first, "{order:?} {side:?}");
            assert!(answers.equal());
            assert_eq!(followers(&asked(&world, &Question::Latest(3), side)), latest, "{order:?} {side:?}");
            assert_eq!(followers(&asked(&world, &Question::Latest(9), side)).len(), 5);
        }
    }
}

#[test]
fn items_are_shown_side_by_side_with_what_differs() {
    let world = world(order(true));
    let target = world.mapping.targets[0].clone();
    let address = |follower, second| {
        layout::address(&world.mapping, &target, &edge(7, follower, second, None)).unwrap().row
    };
    world.lose(&target, &edge(7, 5, 30, None));
    let note = |text: &'static str| vec![(Bytes::from("note"), Bytes::from(text))];
    world.write(&target, address(4, 30), note("c\\d"), vec![], false);
    let created_at = (Bytes::from("created_at"), Bytes::from("1970-01-01 00:00:25"));
    world.write(&target, address(9, 25), vec![created_at], vec![], false);
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
    let json = answers_json(&world.mapping, &answers, Side::Hbase);
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
    assert!(matches!(answers, Answers::Count { mysql: Some(5), hbase: Some(5) }));
    world.lose(&world.mapping.targets[0].clone(), &edge(7, 5, 30, None));
    let answers = asked(&world, &Question::Count, Side::Both);
    assert!(!answers.equal());
    let text = answers_text(&world.mapping, &answers, Side::Both);
    assert_eq!(text, "MySQL  5\nHBase  4\nthey DIFFER\n");
    assert_eq!(
        answers_json(&world.mapping, &answers, Side::Both),
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
fn an_order_that_no_target_keeps_is_answered_by_mysql_alone() {
    let mut world = world(order(true));
    world.mapping.targets.remove(0);
    assert_eq!(followers(&asked(&world, &Question::Latest(2), Side::Mysql)), [4, 5]);
    let error = try_asking(&world, &Question::Latest(2), Side::Both).unwrap_err();
    assert_eq!(error.to_string(), "mapping followers has no target that keeps its order");
    assert!(matches!(asked(&world, &Question::Count, Side::Both), Answers::Count { hbase: Some(5), .. }));
}
