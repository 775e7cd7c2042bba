//! The tables that tests move: their columns, and which value each column has for a number.

/// How a column is read and compared, in words of docs/formats.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Unsigned,
    Signed,
    /// DATE, DATETIME: microseconds since 1970 in a key.
    Moment,
    Text,
    /// Variable-length binary; compared in hexadecimal.
    Binary,
}

/// A column, and its value for a number as a literal of SQL.
#[derive(Clone, Copy)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub literal: fn(u64) -> String,
}

/// A table of lists.
pub struct Shape {
    pub table: &'static str,
    /// What stands between the parentheses of CREATE TABLE.
    pub definition: &'static str,
    pub key: &'static [Column],
    pub item: &'static [Column],
    pub order: Column,
    pub descending: bool,
    /// Columns that may be NULL, and are in the target without order.
    pub values: &'static [Column],
    /// Columns beside: set by MySQL, and cells of the ordered target.
    pub automatic: &'static [Column],
}

const fn column(name: &'static str, kind: Kind, literal: fn(u64) -> String) -> Column {
    Column { name, kind, literal }
}

fn number(n: u64) -> String {
    n.to_string()
}

/// 0 and every third number: NULL.
fn or_null(n: u64, some: impl Fn(u64) -> String) -> String {
    if n.is_multiple_of(3) { "NULL".into() } else { some(n) }
}

/// Integer keys; the primary key begins with the list key.
pub static FOLLOWS: Shape = Shape {
    table: "follows",
    definition: "followee_id BIGINT UNSIGNED NOT NULL, follower_id BIGINT UNSIGNED NOT NULL, \
                 created_at DATETIME(3) NOT NULL, note VARCHAR(100) NULL, weight DECIMAL(9,2) NULL, \
                 PRIMARY KEY (followee_id, follower_id)",
    key: &[column("followee_id", Kind::Unsigned, number)],
    item: &[column("follower_id", Kind::Unsigned, |n| {
        // some above the largest signed number
        if n.is_multiple_of(7) { (u64::MAX - n).to_string() } else { n.to_string() }
    })],
    order: column("created_at", Kind::Moment, |n| {
        format!("'2024-01-01 00:00:00.123' + INTERVAL {} SECOND", n % 1_000_000)
    }),
    descending: true,
    values: &[
        column("note", Kind::Text, |n| {
            let notes = ["''", "'met at work'", "'Zoë'", "'友達 🎉'"];
            or_null(n, |n| notes[(n % 4) as usize].to_owned())
        }),
        column("weight", Kind::Text, |n| or_null(n / 3, |n| format!("{}.{:02}", n % 1000, n % 100))),
    ],
    automatic: &[],
};

/// A list key of two text columns, and a primary key that does not begin with it.
pub static LABELS: Shape = Shape {
    table: "labels",
    definition: "document INT NOT NULL, label VARCHAR(60) COLLATE utf8mb4_bin NOT NULL, \
                 lang CHAR(2) COLLATE utf8mb4_bin NOT NULL, score SMALLINT NOT NULL, \
                 remark TEXT NULL, checked YEAR NULL, PRIMARY KEY (document, label, lang)",
    key: &[
        column("label", Kind::Text, |n| match n % 5 {
            0 => format!("'a\\0b{n}'"), // holds the byte that ends a part
            1 => format!("'größe {n}'"),
            2 => format!("'友{n}'"),
            _ => format!("'label{n}'"),
        }),
        column("lang", Kind::Text, |n| ["'de'", "'en'", "''"][(n % 3) as usize].to_owned()),
    ],
    item: &[column("document", Kind::Signed, |n| {
        if n.is_multiple_of(2) { format!("-{n}") } else { n.to_string() }
    })],
    order: column("score", Kind::Signed, |n| (n as i64 % 60_000 - 30_000).to_string()),
    descending: false,
    values: &[
        column("remark", Kind::Text, |n| or_null(n, |n| format!("'remark {n} é'"))),
        column("checked", Kind::Text, |n| or_null(n / 3, |n| (1950 + n % 100).to_string())),
    ],
    automatic: &[],
};

/// A primary key of its own (AUTO_INCREMENT), and a unique key of list and item.
pub static ENTRIES: Shape = Shape {
    table: "entries",
    definition: "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, wall INT NOT NULL, \
                 token VARBINARY(12) NOT NULL, day DATE NOT NULL, body VARCHAR(50) NULL, \
                 data VARBINARY(20) NULL, UNIQUE KEY one (wall, token)",
    key: &[column("wall", Kind::Signed, |n| (n as i64 - 100).to_string())],
    item: &[column("token", Kind::Binary, |n| {
        // of several lengths, and with zero bytes
        let bytes = n.to_be_bytes();
        let begin = bytes.iter().position(|byte| *byte != 0).unwrap_or(7);
        format!("X'{}'", hex::encode(&bytes[begin..]))
    })],
    order: column("day", Kind::Moment, |n| format!("'1969-11-01' + INTERVAL {} DAY", n % 20_000)),
    descending: true,
    values: &[
        column("body", Kind::Text, |n| or_null(n, |n| format!("'entry {n}'"))),
        column("data", Kind::Binary, |n| or_null(n / 3, |n| format!("X'00ff{:04x}00'", n % 65_536))),
    ],
    automatic: &[column("id", Kind::Text, number)],
};

impl Shape {
    /// Columns that become cells: with the order column and what MySQL sets, or without.
    pub fn cells(&self, ordered: bool) -> Vec<Column> {
        let mut cells: Vec<Column> = self.values.to_vec();
        if ordered {
            cells.push(self.order);
            cells.extend(self.automatic);
        }
        cells
    }

    /// `key = ...` of list number `list`.
    pub fn is_list(&self, list: u64) -> String {
        equal(self.key, list, " AND ")
    }

    /// The condition for one item.
    pub fn is_item(&self, list: u64, item: u64) -> String {
        format!("{} AND {}", self.is_list(list), equal(self.item, item, " AND "))
    }

    /// `(list, item, order, values)` for an INSERT; `dice` decides order and values.
    pub fn row(&self, list: u64, item: u64, dice: u64) -> String {
        let keys = self.key.iter().map(|column| (column.literal)(list));
        let items = self.item.iter().map(|column| (column.literal)(item));
        let order = std::iter::once((self.order.literal)(dice));
        let values = self.values.iter().map(|column| (column.literal)(dice));
        let all: Vec<String> = keys.chain(items).chain(order).chain(values).collect();
        format!("({})", all.join(", "))
    }

    /// `INSERT INTO t (columns) VALUES`.
    pub fn insert(&self) -> String {
        let columns = self.key.iter().chain(self.item).chain([&self.order]).chain(self.values);
        let names: Vec<&str> = columns.map(|column| column.name).collect();
        format!("INSERT INTO {} ({}) VALUES ", self.table, names.join(", "))
    }

    /// Sets every value column, for an UPDATE; `None`: to NULL.
    pub fn set_values(&self, dice: Option<u64>) -> String {
        let set = |column: &Column| {
            let value = dice.map_or("NULL".into(), |dice| (column.literal)(dice));
            format!("{} = {value}", column.name)
        };
        self.values.iter().map(set).collect::<Vec<_>>().join(", ")
    }
}

/// `a = 1<between>b = 2`.
pub fn equal(columns: &[Column], number: u64, between: &str) -> String {
    let parts: Vec<String> =
        columns.iter().map(|column| format!("{} = {}", column.name, (column.literal)(number))).collect();
    parts.join(between)
}

/// How many items each list has: one giant in the middle, a few large, many small. Lists are numbered
/// from 0, items of a list from 1.
pub fn skewed(lists: u64, rows: u64) -> Vec<u64> {
    let harmonic: f64 = (1..=lists).map(|rank| 1.0 / rank as f64).sum();
    let mut sizes = vec![0; lists as usize];
    for rank in 1..=lists {
        let place = ((rank * 7_919) % lists) as usize;
        sizes[place] += (rows as f64 * 0.7 / harmonic / rank as f64).max(1.0) as u64;
    }
    sizes[lists as usize / 2] += rows * 3 / 10;
    sizes
}
