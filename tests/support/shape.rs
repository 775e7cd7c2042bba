//! The tables that tests move: their columns, and which value each column has for a number.

/// How a column is read and compared, in words of docs/formats.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// YEAR is one too.
    Unsigned,
    Signed,
    Decimal,
    Double,
    /// DATE, DATETIME, TIMESTAMP: microseconds since 1970 in a key.
    Moment,
    Text,
    /// Variable-length binary; compared in hexadecimal.
    Binary,
    /// BINARY(n).
    Fixed(usize),
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
        column("weight", Kind::Decimal, |n| or_null(n / 3, |n| format!("{}.{:02}", n % 1000, n % 100))),
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
        column("checked", Kind::Unsigned, |n| or_null(n / 3, |n| (1950 + n % 100).to_string())),
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
    automatic: &[column("id", Kind::Unsigned, number)],
};

/// The table of [`FOLLOWS`], for the lists of those that somebody follows, the oldest first.
pub static FOLLOWEES: Shape = Shape { key: FOLLOWS.item, item: FOLLOWS.key, descending: false, ..FOLLOWS };

/// The table of [`ENTRIES`], in the order of an unsigned number that MySQL sets.
pub static ENTRIES_BY_ID: Shape = Shape {
    order: ENTRIES.automatic[0],
    descending: false,
    values: &[ENTRIES.order, ENTRIES.values[0], ENTRIES.values[1]],
    automatic: &[],
    ..ENTRIES
};

/// Two columns name a list, two an item, text and binary; the order is an integer on both sides of zero.
pub static STOCK: Shape = Shape {
    table: "stock",
    definition: "region VARCHAR(30) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL, shop BINARY(3) NOT NULL, \
                 sku VARBINARY(9) NOT NULL, size SMALLINT NOT NULL, seq BIGINT NOT NULL, title VARCHAR(40) NULL, \
                 price DECIMAL(12,3) NULL, score DOUBLE NULL, sold TIMESTAMP(2) NULL, photo VARBINARY(300) NULL, \
                 pieces BIGINT NULL, PRIMARY KEY (region, shop, sku, size)",
    key: &[
        column("region", Kind::Text, |n| match n % 3 {
            0 => format!("'größe\\0{n}'"),
            _ => format!("'north{n}'"),
        }),
        column("shop", Kind::Fixed(3), |n| format!("X'{:06x}'", n << 8 & 0xff_ffff)),
    ],
    item: &[
        column("sku", Kind::Binary, |n| format!("X'00{n:04x}'")),
        column("size", Kind::Signed, |n| (20 - n as i64 % 40).to_string()),
    ],
    order: column("seq", Kind::Signed, |n| (n as i64 % 4_000_000 - 2_000_000).to_string()),
    descending: true,
    values: &[
        column("title", Kind::Text, |n| {
            let titles = ["''", "'chair'", "'say \"ah\" \\\\ \\n'", "'友達 🎉'"];
            or_null(n, |n| titles[(n % 4) as usize].to_owned())
        }),
        column("price", Kind::Decimal, |n| {
            or_null(n / 3, |n| format!("{}.{:03}", n as i64 % 2_000_000 - 1_000_000, n % 1000))
        }),
        column("score", Kind::Double, |n| or_null(n / 9, |n| (n as f64 / 8.0 - 3_000.0).to_string())),
        column("sold", Kind::Moment, |n| {
            or_null(n / 27, |n| format!("'2024-01-01 00:00:00.12' + INTERVAL {} SECOND", n % 1_000_000))
        }),
        column("photo", Kind::Binary, |n| {
            or_null(n, |n| format!("REPEAT(X'00ff{:02x}', {})", n % 256, n % 97))
        }),
        column("pieces", Kind::Signed, |n| {
            // of every length that MessagePack has
            or_null(n, |n| ((n as i64 - 500_000_000) << (n % 32) >> (n / 32 % 60)).to_string())
        }),
    ],
    automatic: &[],
};

impl Shape {
    pub fn create(&self) -> String {
        format!("CREATE TABLE {} ({})", self.table, self.definition)
    }

    /// All columns but those of key and item, as the table has them.
    pub fn other_columns(&self) -> Vec<Column> {
        [self.automatic, &[self.order], self.values].concat()
    }

    pub fn column(&self, name: &str) -> Column {
        let keys = self.key.iter().chain(self.item).copied();
        let found = keys.chain(self.other_columns()).find(|column| column.name == name);
        found.unwrap_or_else(|| panic!("{name} is no column of {}", self.table))
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
