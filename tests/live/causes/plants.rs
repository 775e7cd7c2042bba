//! Each cause of `tailfill::model::causes` as changes to MySQL and HBase, with what the checks then have to name.

use super::ground::{FOLLOWS_COLUMNS, Item, List, OWNERS_COLUMNS, Place, QUERIES, QUERIES_WITH_SQL, item};
use crate::support::thrift::At;

/// Later than any mark: milliseconds since 1970, in the year 2106.
const FUTURE: i64 = 4_294_967_295_000;

/// What is done.
#[derive(Clone, Debug)]
pub enum Edit {
    Put(Place, At, Vec<u8>),
    Delete(Place, At),
    /// A family that no target has.
    AddFamily(Place, &'static str),
    /// A statement that the binlog does not show.
    Sql(String),
    /// A statement of the application, and the tail has written what it changes.
    Application(String),
    /// The queries of the configuration.
    Ask(&'static [(&'static str, &'static str)]),
    /// HBase has this value, or nothing, there: what is planted is so.
    Has(Place, At, Option<Vec<u8>>),
    /// HBase forgets every delete of this table.
    PurgeMarkers(Place),
}

/// One way to make a cause.
pub struct Plant {
    /// As the table names it.
    pub cause: &'static str,
    pub edits: Vec<Edit>,
    /// Differences that a full comparison names: kind and key. Empty: it says "equal".
    pub differences: Vec<String>,
    pub later: Option<Later>,
    /// Queries whose answers differ where the list is chosen; of this list.
    pub answers: Vec<&'static str>,
    pub list: List,
    /// Whether the list is chosen, however few are drawn at random.
    pub always_chosen: bool,
    /// What makes both sides equal again, after a repair.
    pub undo: Vec<Edit>,
}

/// What comes of a cause that no check sees, when something happens: so it was there.
pub struct Later {
    pub edits: Vec<Edit>,
    pub differences: Vec<String>,
}

impl Plant {
    fn new(cause: &'static str, list: List) -> Plant {
        let (edits, differences, answers, undo) = Default::default();
        Plant { cause, edits, differences, later: None, answers, list, always_chosen: false, undo }
    }

    fn edits(self, edits: impl IntoIterator<Item = Vec<Edit>>) -> Plant {
        Plant { edits: edits.into_iter().flatten().collect(), ..self }
    }

    fn differs(mut self, kind: &str, items: impl IntoIterator<Item = String>) -> Plant {
        self.differences.extend(items.into_iter().map(|item| format!("{kind} {item}")));
        self
    }

    fn answers(self, queries: &[&'static str]) -> Plant {
        Plant { answers: queries.to_vec(), ..self }
    }

    fn always_chosen(self) -> Plant {
        Plant { always_chosen: true, ..self }
    }

    fn undo(self, edits: impl IntoIterator<Item = Vec<Edit>>) -> Plant {
        Plant { undo: edits.into_iter().flatten().collect(), ..self }
    }

    fn later(self, edits: Vec<Edit>, differences: &[String]) -> Plant {
        Plant { later: Some(Later { edits, differences: differences.to_vec() }), ..self }
    }
}

fn at(row: Vec<u8>, qualifier: &[u8]) -> At {
    At { row, family: "f", qualifier: qualifier.to_vec(), timestamp: None }
}

/// The item as it should be, in one target.
fn put(place: Place, item: &Item) -> Vec<Edit> {
    let (row, cells) = item.stored(place);
    cells.into_iter().map(|(name, value)| Edit::Put(place, at(row.clone(), &name), value)).collect()
}

fn delete(place: Place, item: &Item) -> Vec<Edit> {
    let (row, cells) = item.stored(place);
    cells.into_iter().map(|(name, _)| Edit::Delete(place, at(row.clone(), &name))).collect()
}

/// Another value in the item's first cell.
fn change(place: Place, item: &Item, value: &str) -> Vec<Edit> {
    let (row, cells) = item.stored(place);
    vec![Edit::Put(place, at(row, &cells[0].0), value.as_bytes().to_vec())]
}

fn count(item: &Item, items: u64) -> Vec<Edit> {
    vec![Edit::Put(Place::Days, item.count(), items.to_be_bytes().to_vec())]
}

fn segment(item: &Item) -> String {
    format!("{} segment {}", item.list.named(), item.row_of_days().0)
}

fn sql(statement: impl Into<String>) -> Vec<Edit> {
    vec![Edit::Sql(statement.into())]
}

fn application(statement: impl Into<String>) -> Vec<Edit> {
    vec![Edit::Application(statement.into())]
}

fn is_it(item: &Item) -> String {
    let List::Number(list) = item.list else { panic!("{item:?} is no row of follows") };
    format!("followee_id = {list} AND follower_id = {}", item.item)
}

fn insert(item: &Item) -> String {
    format!("INSERT INTO follows {FOLLOWS_COLUMNS} VALUES {}", item.row_of_mysql())
}

/// Causes in items of one target, or of all.
pub fn of_items() -> Vec<Plant> {
    let (place, four) = (Place::Ordered, |list| item(List::Number(list), 4));
    let of = |cause, list| Plant::new(cause, List::Number(list));
    let lost = four(113);
    let extra = Item { day: 6, ..item(List::Number(110), 99) };
    let elsewhere = Item { day: 9, ..four(111) };
    let (further, second) = (Item { segments_on: 1, ..four(104) }, Item { segments_on: 1, ..four(105) });
    let stranger = at(four(108).stored(place).0, b"stranger");
    let whole: Vec<Item> = (1..=5).map(|number| item(List::Number(106), number)).collect();
    let of_whole = |edit: fn(Place, &Item) -> Vec<Edit>| {
        let places = [Place::Ordered, Place::Members, Place::Packed, Place::Days];
        let edits = places.into_iter().flat_map(|place| whole.iter().flat_map(move |item| edit(place, item)));
        edits.collect::<Vec<_>>()
    };
    vec![
        of("a lost put: HBase lacks an item", 112)
            .edits([delete(place, &four(112))])
            .differs("missing", [four(112).named()])
            .answers(&["newest"]),
        of("a lost delete: HBase still has an item that MySQL has deleted", 113)
            .edits([sql(format!("DELETE FROM follows WHERE {}", is_it(&lost)))])
            .differs("extra", std::iter::repeat_n(lost.named(), 4))
            .differs("miscounted", [segment(&lost)])
            .answers(&["newest", "newest_days", "size"])
            .undo([application(insert(&lost))]),
        of("an extra row: HBase has an item that MySQL never had", 110)
            .edits([put(place, &extra)])
            .differs("extra", [extra.named()])
            .answers(&["newest"]),
        of("a wrong value", 109)
            .edits([change(place, &four(109), "another")])
            .differs("different", [four(109).named()])
            .answers(&["newest"]),
        of("an extra cell: a column that the target does not have", 108)
            .edits([vec![Edit::Put(place, stranger, b"x".to_vec())]])
            .differs("different", [four(108).named()])
            .answers(&["newest"]),
        of("a wrong order key: the item is at another place of its list", 111)
            .edits([delete(place, &four(111)), put(place, &elsewhere)])
            .differs("missing", [four(111).named()])
            .differs("extra", [four(111).named()])
            .answers(&["newest"]),
        of("a wrong segment: the item is in another row of its list", 104)
            .edits([
                delete(Place::Days, &four(104)),
                put(Place::Days, &further),
                count(&four(104), 4),
                count(&further, 1),
            ])
            .differs("missing", [four(104).named()])
            .differs("extra", [four(104).named()])
            .differs("miscounted", [segment(&four(104)), segment(&further)])
            .answers(&["newest_days"]),
        of("an item twice, in two segments", 105)
            .edits([put(Place::Days, &second), count(&second, 1)])
            .differs("extra", [four(105).named()])
            .differs("miscounted", [segment(&second)])
            .answers(&["newest_days", "size"]),
        of("a list that HBase lacks", 106)
            .edits([of_whole(delete), vec![Edit::Delete(Place::Days, whole[0].count())]])
            .differs("missing", whole.iter().flat_map(|item| std::iter::repeat_n(item.named(), 4)))
            .answers(&["newest", "follows", "newest_days", "size"]),
        of("a wrong item behind the limit of every query", 5)
            .edits([change(place, &item(List::Number(5), 8), "another")])
            .differs("different", [item(List::Number(5), 8).named()]),
        of("a wrong item of a target that answers no query", 114)
            .edits([change(Place::Packed, &four(114), r#"{"note":"another"}"#)])
            .differs("different", [four(114).named()]),
    ]
}

/// Causes in keys, in counts, in the configuration, outside the mapping, and in time.
pub fn of_the_rest() -> Vec<Plant> {
    let (place, four) = (Place::Ordered, |list| item(List::Number(list), 4));
    let of = |cause, list| Plant::new(cause, List::Number(list));
    let (gone, never) = (item(List::Number(900), 1), item(List::Number(901), 1));
    let (ann, respelled) = (item(List::Name("Ann"), 4), item(List::Name("ann"), 4));
    let bob = item(List::Name("Bob"), 4);
    let salted = Item { buckets: 3, ..four(110) };
    let nobody = item(List::Number(902), 1);
    let (row, cells) = four(111).stored(place);
    let note = at(row, b"note");
    let now = |value: &[u8]| vec![Edit::Put(place, note.clone(), value.to_vec())];
    let late = at(four(103).stored(place).0, b"note");
    let future = At { timestamp: Some(FUTURE), ..late.clone() };
    let reader = Item { buckets: 16, ..four(107) };
    vec![
        of("a list that only HBase has", 900)
            .edits([
                application(insert(&gone)),
                application(format!("DELETE FROM follows WHERE {}", is_it(&gone))),
                put(place, &gone),
            ])
            .differs("extra", [gone.named()])
            .answers(&["newest"])
            .always_chosen(),
        of("a list that only HBase has", 901).edits([put(place, &never)]).differs("extra", [never.named()]),
        Plant::new("another spelling of a key, which MySQL's collation takes as equal", ann.list)
            .edits([delete(Place::Named, &ann), put(Place::Named, &respelled)])
            .differs("missing", [ann.named()])
            .differs("extra", [respelled.named()])
            .answers(&["newest_of_name"]),
        of("a row key that is none of the mapping, such as one with another salt", 110)
            .edits([put(place, &salted)])
            .differs("extra", [format!("row {}", hex::encode(salted.stored(place).0))])
            .undo([delete(place, &salted)]),
        Plant::new("two rows of MySQL at one address of HBase", bob.list)
            .edits([
                sql("ALTER TABLE owners DROP INDEX one"),
                sql(format!("INSERT INTO owners {OWNERS_COLUMNS} VALUES {}", bob.row_of_mysql())),
            ])
            .differs("repeated", [bob.named()])
            .answers(&["newest_of_name"])
            .undo([
                sql("DELETE FROM owners WHERE owner = 'Bob' AND follower_id = 4 ORDER BY id DESC LIMIT 1"),
                sql("ALTER TABLE owners ADD UNIQUE KEY one (owner, follower_id)"),
            ]),
        of("a stale count", 106)
            .edits([count(&four(106), 7)])
            .differs("miscounted", [segment(&four(106))])
            .answers(&["size"]),
        of("a count that is missing", 107)
            .edits([vec![Edit::Delete(Place::Days, four(107).count())]])
            .differs("miscounted", [segment(&four(107))]),
        of("a count of a list that MySQL does not have", 902)
            .edits([count(&nobody, 3)])
            .differs("miscounted", [segment(&nobody)]),
        of("a SELECT of your application that does more than the kind of its query", 109),
        of("a SELECT of your application that does more than the kind of its query", 109)
            .edits([vec![Edit::Ask(QUERIES_WITH_SQL)]])
            .answers(&["newest"])
            .undo([vec![Edit::Ask(QUERIES)]]),
        of("a timestamp in the future, which will hide later changes", 103)
            .edits([vec![Edit::Put(place, future.clone(), four(103).note().into_bytes())]])
            .later(
                application(format!("UPDATE follows SET note = 'new' WHERE {}", is_it(&four(103)))),
                &[format!("different {}", four(103).named())],
            )
            .undo([
                vec![Edit::Delete(place, future)],
                application(format!("UPDATE follows SET note = 'n4' WHERE {}", is_it(&four(103)))),
            ]),
        of("an older state that a reader got a moment ago", 111).edits([
            now(b"older"),
            vec![Edit::Has(place, note.clone(), Some(b"older".to_vec()))],
            now(&cells[0].1),
        ]),
        of("a column or a family outside the mapping", 102)
            .edits([
                sql(format!("UPDATE follows SET weight = 7 WHERE {}", is_it(&four(102)))),
                vec![
                    Edit::AddFamily(place, "other"),
                    Edit::Put(place, At { family: "other", ..note.clone() }, b"x".to_vec()),
                ],
            ])
            .undo([sql("UPDATE follows SET weight = NULL")]),
        of("a reader that expects other bytes, such as another salt", 107).edits([vec![
            Edit::Has(place, at(reader.stored(place).0, b"note"), None),
            Edit::Has(place, at(four(107).stored(place).0, b"note"), Some(four(107).note().into_bytes())),
        ]]),
    ]
}

/// Beside a pilot: a row of a list that it does not move, and a delete whose marker HBase has purged, so that a late write
/// of an older state brings the item back.
pub fn beside_a_pilot(copied_at: i64) -> Vec<Plant> {
    let place = Place::Ordered;
    let (gone, stranger) = (item(List::Number(101), 4), item(List::Number(102), 4));
    let (row, cells) = gone.stored(place);
    let late = At { timestamp: Some(copied_at), ..at(row, b"note") };
    let deleted = application(format!("DELETE FROM follows WHERE {}", is_it(&gone)));
    vec![
        Plant::new("a row of a list outside the pilot", stranger.list)
            .edits([put(place, &stranger)])
            .undo([delete(place, &stranger)]),
        Plant::new("a delete marker that HBase has purged too early", gone.list)
            .edits([deleted, vec![Edit::PurgeMarkers(place)]])
            .later(
                vec![Edit::Put(place, late.clone(), cells[0].1.clone())],
                &[format!("extra {}", gone.named())],
            )
            .undo([vec![Edit::Delete(place, late)], application(insert(&gone))]),
    ]
}
