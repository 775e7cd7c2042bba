//! The shape of tables of many kinds.

use super::super::fixtures::{follows, table};
use super::super::table::OrderWish;
use super::*;

fn wish(list: &str, item: &str, order: OrderWish) -> ShapeWish {
    let names = |text: &str| text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    ShapeWish { list: names(list), item: names(item), order }
}

/// `LIST | ITEM | ORDER`.
fn shown(table: &Table, wish: &ShapeWish) -> String {
    let Shape { chosen, order, .. } =
        shape(table, wish, true).unwrap_or_else(|failure| panic!("{}", failure.render()));
    let order = order.map_or("-", |order| table.name(order.column));
    format!("{} | {} | {order}", table.names(&chosen.key), table.names(&chosen.item))
}

fn by_rule(table: &Table) -> String {
    shown(table, &ShapeWish::default())
}

fn refused(table: &Table, wish: &ShapeWish) -> String {
    shape(table, wish, true).expect_err("it is refused").render()
}

#[test]
fn follows_is_a_list_of_followers_by_time() {
    let table = follows();
    assert_eq!(by_rule(&table), "followee_id | follower_id | created_at");
    let shape = shape(&table, &ShapeWish::default(), true).expect("a shape");
    assert_eq!(shape.chosen.why, "the primary key begins with it");
    assert_eq!(shape.chosen.items_each, Some(50.0));
    assert_eq!(shape.why_order, "the index by_time has it behind the list");
    assert!(shape.order.is_some_and(|order| order.descending));
    assert!(shape.others.is_empty() && shape.other_orders.is_empty(), "{shape:?}");
}

#[test]
fn a_surrogate_key_is_the_item_and_an_index_names_the_list() {
    let columns = ["id int", "customer int", "status int", "created_at datetime", "paid_at datetime null"];
    let indexes = [
        "PRIMARY id:1000000",
        "index a_status status:5",
        "index by_customer customer:40000 created_at:1000000",
    ];
    let orders = table(1_000_000, &columns, &indexes);
    assert_eq!(by_rule(&orders), "customer | id | created_at");
    let others = shape(&orders, &ShapeWish::default(), true).expect("a shape").others;
    assert_eq!(others.iter().map(|other| orders.names(&other.key)).collect::<Vec<_>>(), ["status"]);
    let unique = table(0, &["id int", "a int", "b int"], &["PRIMARY id", "unique pair a b"]);
    assert_eq!(by_rule(&unique), "a | b | -", "a unique pair is better than a surrogate key");
}

#[test]
fn a_primary_key_of_three_columns_is_cut_where_lists_are_short_enough() {
    let columns = ["region text", "user binary", "follower int"];
    let cut = |each: &str| by_rule(&table(1_000_000, &columns, &[each]));
    assert_eq!(cut("PRIMARY region:5 user:50000 follower:1000000"), "region, user | follower | -");
    assert_eq!(cut("PRIMARY region:5000 user:50000 follower:1000000"), "region | user, follower | -");
    assert_eq!(cut("PRIMARY region:5 user:6 follower:1000000"), "region, user | follower | -");
    assert_eq!(
        by_rule(&table(10, &columns, &["PRIMARY region:1 user:2 follower:10"])),
        "region | user, follower | -"
    );
}

#[test]
fn what_hardly_names_lists_comes_last() {
    let columns = ["id int", "day datetime", "thread int"];
    let partitioned =
        table(1_000_000, &columns, &["PRIMARY id:1000000 day:1000000", "index by_thread thread:5000"]);
    assert_eq!(by_rule(&partitioned), "thread | id, day | day", "each list of ids would have one item");
    let mut rising = table(10, &columns, &["PRIMARY id day", "index by_thread thread"]);
    rising.build.auto_increment = Some(0);
    assert_eq!(by_rule(&rising), "thread | id, day | day");
}

#[test]
fn the_order_is_the_date_behind_the_list_before_any_other_date() {
    let columns =
        ["a int", "b int", "updated_at datetime", "created_at datetime", "rank int", "seen datetime null"];
    assert_eq!(by_rule(&table(0, &columns, &["PRIMARY a b"])), "a | b | created_at");
    assert_eq!(by_rule(&table(0, &columns, &["PRIMARY a b", "index i a rank"])), "a | b | rank");
    assert_eq!(
        by_rule(&table(0, &columns, &["PRIMARY a b", "index i a seen"])),
        "a | b | created_at",
        "NULL has no order"
    );
    let mut updated = table(0, &columns, &["PRIMARY a b", "index i a updated_at"]);
    assert_eq!(by_rule(&updated), "a | b | updated_at");
    updated.build.changed_by_updates = vec![2];
    assert_eq!(by_rule(&updated), "a | b | created_at", "each UPDATE would move the item");
    let mut numbered = table(0, &["a int", "id int"], &["PRIMARY id", "index i a"]);
    assert_eq!(by_rule(&numbered), "a | id | -");
    numbered.build.auto_increment = Some(1);
    assert_eq!(by_rule(&numbered), "a | id | id");
}

#[test]
fn a_wish_overrides_each_rule() {
    let table = follows();
    let by = |name: &str| OrderWish::By(name.to_owned());
    assert_eq!(shown(&table, &wish("", "", OrderWish::None)), "followee_id | follower_id | -");
    assert_eq!(
        shown(&table, &wish("FOLLOWER_ID", "", OrderWish::ByRule)),
        "follower_id | followee_id | created_at"
    );
    assert_eq!(
        shown(&table, &wish("", "follower_id,created_at", by("follower_id"))),
        "followee_id | follower_id, created_at | follower_id"
    );
    let why = shape(&table, &wish("follower_id", "", OrderWish::ByRule), true).expect("a shape").chosen.why;
    assert!(why.contains("no index begins with it"), "{why}");
    for (list, item, order, words) in [
        ("folower_id", "", OrderWish::ByRule, "did you mean follower_id?"),
        ("note", "", OrderWish::ByRule, "it can be NULL"),
        ("followee_id", "followee_id", OrderWish::ByRule, "also a column of --list"),
        ("followee_id,followee_id", "", OrderWish::ByRule, "twice"),
        ("followee_id", "created_at", OrderWish::ByRule, "says that followee_id, created_at name one row"),
        ("followee_id,follower_id", "", OrderWish::ByRule, "names the items of the lists"),
        ("", "created_at", OrderWish::ByRule, "says that created_at name one row"),
        ("", "", by("note"), "cannot be the order: it can be NULL"),
        ("", "", by("followee_id"), "the same for a whole list"),
        ("", "", by("when"), "has no column \"when\""),
    ] {
        let refusal = refused(&table, &wish(list, item, order.clone()));
        assert!(refusal.contains(words) && refusal.contains("help: "), "{list} {item} {order:?}: {refusal}");
    }
}

#[test]
fn a_table_without_lists_is_refused_with_what_it_has() {
    let columns = ["id int", "score double", "a int null", "b int"];
    let refusal = refused(&table(0, &columns, &["PRIMARY id", "index i a"]), &ShapeWish::default());
    assert!(refusal.contains("shows lists") && refusal.contains("a: it can be NULL"), "{refusal}");
    let refusal = refused(&table(0, &columns, &["PRIMARY score id"]), &ShapeWish::default());
    assert!(refusal.contains("score: its type is double"), "{refusal}");
    let refusal = refused(&table(0, &columns, &["unique u id b"]), &ShapeWish::default());
    assert!(
        refusal.contains("no primary key") && refusal.contains("ADD PRIMARY KEY (`id`, `b`)"),
        "{refusal}"
    );
    let refusal = refused(&table(0, &columns, &[]), &ShapeWish::default());
    assert!(
        refusal.contains("no primary key") && refusal.contains("add a primary key of columns"),
        "{refusal}"
    );
}
