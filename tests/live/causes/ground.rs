//! The lists that causes are planted in, and every byte of them in HBase: made by hand from docs/formats.md, with no code of
//! the program.

use crate::support::decode::crc32;
use crate::support::lists::{Cells, Form, Lists};
use crate::support::shape::{Column, FOLLOWS, Kind, Shape};
use crate::support::thrift::At;

/// Lists that `verify --business` chooses as the largest, 20 of each table, with so many items: more than any other list has.
const LARGEST: std::ops::RangeInclusive<u64> = 1..=20;
const LARGEST_ITEMS: u64 = 15;
const LARGEST_NAMES: [&str; 20] = [
    "Ada", "Bea", "Cai", "Dan", "Eve", "Fay", "Gus", "Hal", "Ida", "Jan", "Kim", "Leo", "Mia", "Ned", "Oda",
    "Pia", "Quy", "Ray", "Sue", "Tom",
];
const NAMED_ITEMS: u64 = 8;
/// Lists that are chosen at random or not at all; each cause has its own.
const SMALL: std::ops::RangeInclusive<u64> = 101..=114;
const SMALL_ITEMS: u64 = 5;
const NAMES: [&str; 2] = ["Ann", "Bob"];

const DAY_MICROS: u64 = 24 * 3_600 * 1_000_000;
/// Days of a segment.
const SEGMENT: u64 = 10;
const BUCKETS: u16 = 4;
/// 2024-01-01, in days since 1970.
const FIRST_DAY: u64 = 19_723;

/// Texts as list keys, by a collation for which `Ann` and `ann` are equal.
pub static OWNERS: Shape = Shape {
    table: "owners",
    definition: "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, \
                 owner VARCHAR(20) COLLATE utf8mb4_0900_ai_ci NOT NULL, follower_id BIGINT UNSIGNED NOT NULL, \
                 created_at DATETIME(3) NOT NULL, note VARCHAR(100) NULL, UNIQUE KEY one (owner, follower_id)",
    key: &[Column { name: "owner", kind: Kind::Text, literal: |n| format!("'{n}'") }],
    values: &[FOLLOWS.values[0]],
    ..FOLLOWS
};

/// A target, by the end of its table's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Tall, in order: answers `newest`.
    Ordered,
    /// Tall, without order: answers `follows`.
    Members,
    /// Tall, one value: answers no query.
    Packed,
    /// Wide, with segments, counted: answers `newest_days`, `size`.
    Days,
    /// Tall, in order, of [`OWNERS`]: answers `newest_of_name`.
    Named,
}

pub const QUERIES: &[(&str, &str)] = &[
    (
        "lists",
        "[[mapping.query]]\nname = \"newest\"\nkind = \"latest\"\nlimit = 3\n\
         [[mapping.query]]\nname = \"follows\"\nkind = \"has\"\n",
    ),
    (
        "days",
        "[[mapping.query]]\nname = \"newest_days\"\nkind = \"latest\"\nlimit = 3\n\
         [[mapping.query]]\nname = \"size\"\nkind = \"count\"\n",
    ),
    ("owners", "[[mapping.query]]\nname = \"newest_of_name\"\nkind = \"latest\"\nlimit = 3\n"),
];

/// The same, but that the application hides the item 5.
pub const QUERIES_WITH_SQL: &[(&str, &str)] = &[
    (
        "lists",
        "[[mapping.query]]\nname = \"newest\"\nkind = \"latest\"\nlimit = 3\n\
         sql = \"SELECT follower_id FROM follows WHERE followee_id = ? AND NOT (followee_id = 109 AND follower_id = 5) \
         ORDER BY created_at DESC, follower_id LIMIT 3\"\n",
    ),
    QUERIES[1],
    QUERIES[2],
];

/// What is moved.
pub fn lists() -> Vec<Lists> {
    let followers = Lists {
        name: "lists",
        shape: &FOLLOWS,
        targets: vec![
            Form::tall("o").columns(&["note", "created_at"]),
            Form::tall("m").columns(&["note"]).without_order(),
            Form::tall("p").columns(&["note", "created_at"]).packed(Cells::Json),
        ],
    };
    let by_days = Form::wide("d", Cells::Msgpack).columns(&["note"]);
    let days = Lists {
        name: "days",
        shape: &FOLLOWS,
        targets: vec![by_days.segmented("\"10d\"", SEGMENT * DAY_MICROS).counted()],
    };
    let named = Lists { name: "owners", shape: &OWNERS, targets: vec![Form::tall("n").columns(&["note"])] };
    vec![followers, days, named]
}

/// A list by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Number(u64),
    Name(&'static str),
}

/// An item, and where it lies; both sides are equal if each has what [`item`] makes.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    pub list: List,
    pub item: u64,
    /// Days behind 2024-01-01: the order.
    pub day: u64,
    /// What the row of the wide layout is further than its own.
    pub segments_on: u64,
    /// What the salt is taken modulo of.
    pub buckets: u16,
}

/// A qualifier and its value.
pub type Cell = (Vec<u8>, Vec<u8>);

/// An item as it should be.
pub fn item(list: List, item: u64) -> Item {
    Item { list, item, day: item, segments_on: 0, buckets: BUCKETS }
}

/// Every item of the tables `follows` or `owners`.
pub fn items(place: Place) -> Vec<Item> {
    let of = |lists: Vec<List>, count: u64| {
        lists.into_iter().flat_map(move |list| (1..=count).map(move |number| item(list, number)))
    };
    match place {
        Place::Named => of(LARGEST_NAMES.map(List::Name).to_vec(), NAMED_ITEMS)
            .chain(of(NAMES.map(List::Name).to_vec(), SMALL_ITEMS))
            .collect(),
        _ => of(LARGEST.map(List::Number).collect(), LARGEST_ITEMS)
            .chain(of(SMALL.map(List::Number).collect(), SMALL_ITEMS))
            .collect(),
    }
}

/// INSERTs of everything.
pub fn inserts() -> [String; 2] {
    let rows = |place| items(place).iter().map(Item::row_of_mysql).collect::<Vec<_>>().join(", ");
    [
        format!("INSERT INTO follows {FOLLOWS_COLUMNS} VALUES {}", rows(Place::Ordered)),
        format!("INSERT INTO owners {OWNERS_COLUMNS} VALUES {}", rows(Place::Named)),
    ]
}

pub const FOLLOWS_COLUMNS: &str = "(followee_id, follower_id, created_at, note)";
pub const OWNERS_COLUMNS: &str = "(owner, follower_id, created_at, note)";

impl Place {
    pub const ALL: [Place; 5] = [Place::Ordered, Place::Members, Place::Packed, Place::Days, Place::Named];

    /// Its number over all mappings.
    pub fn number(self) -> usize {
        Place::ALL.iter().position(|place| *place == self).expect("all of them")
    }
}

impl List {
    fn part(self) -> Vec<u8> {
        match self {
            List::Number(number) => number.to_be_bytes().to_vec(),
            List::Name(name) => [name.as_bytes(), &[0, 0]].concat(),
        }
    }

    fn literal(self) -> String {
        match self {
            List::Number(number) => number.to_string(),
            List::Name(name) => format!("'{name}'"),
        }
    }

    /// As a report names it.
    pub fn named(self) -> String {
        match self {
            List::Number(number) => format!("followee_id={number}"),
            List::Name(name) => format!("owner={name}"),
        }
    }
}

impl Item {
    /// As a report names it.
    pub fn named(&self) -> String {
        format!("{} follower_id={}", self.list.named(), self.item)
    }

    pub fn note(&self) -> String {
        format!("n{}", self.item)
    }

    fn created_at(&self) -> String {
        format!("2024-01-{:02} 00:00:00.000", self.day + 1)
    }

    /// `(list, item, order, note)`.
    pub fn row_of_mysql(&self) -> String {
        format!("({}, {}, '{}', '{}')", self.list.literal(), self.item, self.created_at(), self.note())
    }

    /// Its row key, and its cells with their qualifiers.
    pub fn stored(&self, place: Place) -> (Vec<u8>, Vec<Cell>) {
        let order = descending(signed((FIRST_DAY + self.day) * DAY_MICROS));
        let address = self.item.to_be_bytes();
        let note = || (b"note".to_vec(), self.note().into_bytes());
        let (behind, cells) = match place {
            Place::Ordered => (
                [order, address].concat(),
                vec![note(), (b"created_at".to_vec(), self.created_at().into_bytes())],
            ),
            Place::Named => ([order, address].concat(), vec![note()]),
            Place::Members => (address.to_vec(), vec![note()]),
            Place::Packed => {
                let json = format!(r#"{{"note":"{}","created_at":"{}"}}"#, self.note(), self.created_at());
                ([order, address].concat(), vec![(Vec::new(), json.into_bytes())])
            }
            Place::Days => {
                let note = self.note();
                let map = [b"\x81\xa4note", &[0xa0 | note.len() as u8][..], note.as_bytes()].concat();
                (self.segment_part().to_vec(), vec![([order, address].concat(), map)])
            }
        };
        ([self.salted_list(), behind].concat(), cells)
    }

    /// The segment of its row, and the row's key.
    pub fn row_of_days(&self) -> (u64, Vec<u8>) {
        (self.segment(), [self.salted_list(), self.segment_part().to_vec()].concat())
    }

    /// Where the row of the wide layout says how many items it has.
    pub fn count(&self) -> At {
        At { row: self.row_of_days().1, family: "c", qualifier: b"n".to_vec(), timestamp: None }
    }

    fn segment(&self) -> u64 {
        (FIRST_DAY + self.day) / SEGMENT + self.segments_on
    }

    fn segment_part(&self) -> [u8; 8] {
        descending(signed(self.segment()))
    }

    fn salted_list(&self) -> Vec<u8> {
        let list = self.list.part();
        let salt = (crc32(&list) % u32::from(self.buckets)) as u8;
        [vec![salt], list].concat()
    }
}

fn signed(number: u64) -> [u8; 8] {
    (number ^ 1 << 63).to_be_bytes()
}

fn descending(part: [u8; 8]) -> [u8; 8] {
    part.map(|byte| !byte)
}
