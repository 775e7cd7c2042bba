//! Columns of random types, and random values for them, as SQL.

use super::repertoire::Repertoire;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// TINYINT to BIGINT by bytes.
    Integer {
        bytes: u32,
        unsigned: bool,
    },
    Year,
    Decimal {
        digits: u32,
        scale: u32,
    },
    Float,
    Double,
    Date,
    DateTime(u32),
    Timestamp(u32),
    Time(u32),
    /// CHAR, VARCHAR or TEXT.
    Text {
        sql: String,
        most: usize,
        charset: String,
        collation: Option<String>,
    },
    /// BINARY, VARBINARY or BLOB.
    Bytes {
        sql: String,
        most: usize,
    },
    /// ENUM or SET.
    Labels {
        set: bool,
        labels: Vec<String>,
        charset: String,
    },
    Json,
    Bit(u32),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    pub nullable: bool,
    /// The expression of a STORED generated column.
    pub generated: Option<String>,
    /// It must stay what a key can be made of: key, item and order.
    pub is_key: bool,
}

const LABELS: [&str; 12] =
    ["a", "B", "it''s", "x\"y", "NULL", "0", "A(b)", "c;d", "--e", "/*f*/", "#g", "größe"];

impl Column {
    pub fn definition(&self) -> String {
        let mut text = format!("{} {}", quoted(&self.name), self.kind.sql());
        if let Some(expression) = &self.generated {
            return format!("{text} GENERATED ALWAYS AS ({expression}) STORED");
        }
        text += if self.nullable { " NULL" } else { " NOT NULL" };
        text
    }

    /// With a default, so that rows that are there get a value in strict mode too.
    pub fn definition_with_default(&self, repertoire: &Repertoire, dice: &mut StdRng) -> String {
        let takes_none =
            matches!(&self.kind, Kind::Json | Kind::Text { .. } | Kind::Bytes { .. } | Kind::Labels { .. });
        match self.generated.is_some() || takes_none || dice.random() {
            true => self.definition(),
            false => format!("{} DEFAULT {}", self.definition(), self.kind.literal(repertoire, false, dice)),
        }
    }

    /// A value that an INSERT can write.
    pub fn value(&self, repertoire: &Repertoire, only_days: bool, dice: &mut StdRng) -> String {
        match self.nullable && dice.random_ratio(1, 5) {
            true => "NULL".to_owned(),
            false => self.kind.literal(repertoire, self.is_key || only_days, dice),
        }
    }
}

/// An identifier.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A charset, drawn so that those of several bytes, where conversions differ, come more often than their share.
fn charset(repertoire: &Repertoire, dice: &mut StdRng) -> String {
    let wide = [
        "sjis", "cp932", "ujis", "eucjpms", "big5", "gbk", "gb2312", "gb18030", "euckr", "utf16", "utf16le",
        "ucs2", "utf32",
    ];
    let all: Vec<&String> = repertoire.codes.keys().collect();
    match dice.random_range(0..10) {
        0..4 => (*wide.choose(dice).expect("there are some")).to_owned(),
        4..6 => "utf8mb4".to_owned(),
        _ => (*all.choose(dice).expect("there are some")).clone(),
    }
}

fn text(repertoire: &Repertoire, key: bool, dice: &mut StdRng) -> Kind {
    let charset = charset(repertoire, dice);
    let collation = dice
        .random::<bool>()
        .then(|| repertoire.collations[&charset].choose(dice).expect("every charset has one").clone());
    let most = dice.random_range(3..20);
    let sql = match dice.random_range(0..if key { 3 } else { 5 }) {
        0 => format!("CHAR({most})"),
        1 | 2 => format!("VARCHAR({most})"),
        3 => "TEXT".to_owned(),
        _ => "MEDIUMTEXT".to_owned(),
    };
    Kind::Text { sql, most, charset, collation }
}

fn bytes(key: bool, dice: &mut StdRng) -> Kind {
    let most = dice.random_range(2..20);
    let sql = match dice.random_range(0..if key { 2 } else { 3 }) {
        0 => format!("BINARY({most})"),
        1 => format!("VARBINARY({most})"),
        _ => "BLOB".to_owned(),
    };
    Kind::Bytes { sql, most }
}

fn integer(dice: &mut StdRng) -> Kind {
    Kind::Integer { bytes: *[1, 2, 3, 4, 8].choose(dice).expect("five"), unsigned: dice.random() }
}

pub fn labels(set: bool, dice: &mut StdRng) -> Vec<String> {
    let number = dice.random_range(3..8);
    let mut chosen: Vec<String> =
        LABELS.choose_multiple(dice, number).map(|label| (*label).to_owned()).collect();
    if set {
        chosen.retain(|label| !label.contains(','));
    }
    chosen
}

impl Kind {
    /// One that may be in a key.
    pub fn for_key(repertoire: &Repertoire, dice: &mut StdRng) -> Kind {
        match dice.random_range(0..10) {
            0..3 => Kind::Integer { bytes: *[2, 4, 8].choose(dice).expect("three"), unsigned: dice.random() },
            3..7 => text(repertoire, true, dice),
            7 => bytes(true, dice),
            8 => Kind::Date,
            _ => Kind::DateTime(dice.random_range(0..=6)),
        }
    }

    pub fn for_order(dice: &mut StdRng) -> Kind {
        match dice.random_range(0..4) {
            0 => integer(dice),
            1 => Kind::Timestamp(dice.random_range(0..=6)),
            _ => Kind::DateTime(dice.random_range(0..=6)),
        }
    }

    pub fn random(repertoire: &Repertoire, dice: &mut StdRng) -> Kind {
        match dice.random_range(0..18) {
            0..2 => integer(dice),
            2 => Kind::Year,
            3 => {
                let digits = dice.random_range(1..=65);
                Kind::Decimal { digits, scale: dice.random_range(0..=digits.min(30)) }
            }
            4 => Kind::Float,
            5 => Kind::Double,
            6 => Kind::Date,
            7 => Kind::DateTime(dice.random_range(0..=6)),
            8 => Kind::Timestamp(dice.random_range(0..=6)),
            9 => Kind::Time(dice.random_range(0..=6)),
            10..13 => text(repertoire, false, dice),
            13 => bytes(false, dice),
            14 | 15 => {
                let set = dice.random();
                let charset =
                    (*["utf8mb4", "latin1", "latin2", "utf16", "utf8mb3"].choose(dice).expect("five"))
                        .to_owned();
                Kind::Labels { set, labels: labels(set, dice), charset }
            }
            16 => Kind::Json,
            _ => Kind::Bit(dice.random_range(1..=64)),
        }
    }

    pub fn sql(&self) -> String {
        match self {
            Kind::Integer { bytes, unsigned } => {
                let name = match bytes {
                    1 => "TINYINT",
                    2 => "SMALLINT",
                    3 => "MEDIUMINT",
                    4 => "INT",
                    _ => "BIGINT",
                };
                format!("{name}{}", if *unsigned { " UNSIGNED" } else { "" })
            }
            Kind::Year => "YEAR".into(),
            Kind::Decimal { digits, scale } => format!("DECIMAL({digits},{scale})"),
            Kind::Float => "FLOAT".into(),
            Kind::Double => "DOUBLE".into(),
            Kind::Date => "DATE".into(),
            Kind::DateTime(fraction) => format!("DATETIME({fraction})"),
            Kind::Timestamp(fraction) => format!("TIMESTAMP({fraction})"),
            Kind::Time(fraction) => format!("TIME({fraction})"),
            Kind::Text { sql, charset, collation, .. } => {
                let collation = collation.as_ref().map(|name| format!(" COLLATE {name}")).unwrap_or_default();
                format!("{sql} CHARACTER SET {charset}{collation}")
            }
            Kind::Bytes { sql, .. } => sql.clone(),
            Kind::Labels { set, labels, charset } => {
                let labels: Vec<String> = labels.iter().map(|label| format!("'{label}'")).collect();
                format!("{}({}) CHARACTER SET {charset}", if *set { "SET" } else { "ENUM" }, labels.join(","))
            }
            Kind::Json => "JSON".into(),
            Kind::Bit(bits) => format!("BIT({bits})"),
        }
    }

    pub fn charset(&self) -> Option<&str> {
        match self {
            Kind::Text { charset, .. } | Kind::Labels { charset, .. } => Some(charset),
            _ => None,
        }
    }

    /// A value; one of a key never names no day, and comes back from UTF-8 as it was.
    pub fn literal(&self, repertoire: &Repertoire, key: bool, dice: &mut StdRng) -> String {
        match self {
            Kind::Integer { bytes, unsigned } => integer_literal(*bytes, *unsigned, dice).to_string(),
            Kind::Year => dice.random_range(1901..2156).to_string(),
            Kind::Decimal { digits, scale } => decimal_literal(*digits, *scale, dice),
            Kind::Float => {
                format!("{:e}", f32::from_bits(dice.random_range(0..0x7f00_0000)) * sign(dice) as f32)
            }
            Kind::Double => {
                format!("{:e}", f64::from_bits(dice.random_range(0..0x7fe0_0000_0000_0000)) * sign(dice))
            }
            Kind::Date => format!("'{}'", date(key, dice)),
            Kind::DateTime(fraction) => format!("'{} {}'", date(key, dice), clock(*fraction, dice)),
            Kind::Timestamp(fraction) => {
                let year = dice.random_range(1971..2037);
                format!(
                    "'{year}-0{}-1{} {}'",
                    dice.random_range(4..9),
                    dice.random_range(0..9),
                    clock(*fraction, dice)
                )
            }
            Kind::Time(fraction) => {
                let sign = if dice.random() { "-" } else { "" };
                let hours = dice.random_range(0..838);
                format!("'{sign}{hours:02}:{}'", &clock(*fraction, dice)[3..])
            }
            Kind::Text { most, charset, .. } => {
                let bytes = repertoire.text(charset, *most, !key, dice);
                format!("_{charset} x'{}'", hex::encode(bytes))
            }
            Kind::Bytes { most, .. } => {
                let length = dice.random_range(0..=*most);
                let bytes: Vec<u8> =
                    (0..length).map(|_| *[0, 1, 0xff, dice.random()].choose(dice).expect("four")).collect();
                format!("x'{}'", hex::encode(bytes))
            }
            Kind::Labels { set, labels, .. } => {
                let number = if *set { dice.random_range(0..3) } else { 1 };
                let chosen: Vec<&str> = labels.choose_multiple(dice, number).map(String::as_str).collect();
                format!("'{}'", chosen.join(","))
            }
            Kind::Json => json_literal(dice),
            Kind::Bit(bits) => {
                let number = dice.random::<u64>() >> (64 - bits);
                format!("b'{number:b}'")
            }
        }
    }
}

fn sign(dice: &mut StdRng) -> f64 {
    if dice.random() { 1.0 } else { -1.0 }
}

fn integer_literal(bytes: u32, unsigned: bool, dice: &mut StdRng) -> i128 {
    let bits = 8 * bytes;
    let (least, most) = match unsigned {
        true => (0, (1_i128 << bits) - 1),
        false => (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1),
    };
    match dice.random_range(0..6) {
        0 => least,
        1 => most,
        2 => dice.random_range(least..=most),
        _ => dice.random_range(least.max(-20)..=most.min(100)),
    }
}

fn decimal_literal(digits: u32, scale: u32, dice: &mut StdRng) -> String {
    let mut run = |length: u32| -> String {
        (0..length).map(|_| char::from(b'0' + dice.random_range(0..10_u8))).collect()
    };
    let (whole, fraction) = (run(digits - scale), run(scale));
    let sign = if whole.len() % 2 == 0 { "-" } else { "" };
    format!(
        "{sign}{}.{}",
        if whole.is_empty() { "0" } else { &whole },
        if fraction.is_empty() { "0" } else { &fraction }
    )
}

/// A day; outside of keys now and then one that is none (sessions in strict mode refuse it).
fn date(key: bool, dice: &mut StdRng) -> String {
    match dice.random_range(0..30) {
        0 if !key => "0000-00-00".into(),
        1 if !key => "2024-00-10".into(),
        2 => "1000-01-01".into(),
        3 => "9999-12-31".into(),
        4 => "1969-12-31".into(),
        _ => format!(
            "{}-{:02}-{:02}",
            dice.random_range(1960..2040),
            dice.random_range(1..13),
            dice.random_range(1..29)
        ),
    }
}

fn clock(fraction: u32, dice: &mut StdRng) -> String {
    let text = format!(
        "{:02}:{:02}:{:02}",
        dice.random_range(0..24),
        dice.random_range(0..60),
        dice.random_range(0..60)
    );
    match fraction {
        0 => text,
        digits => {
            format!("{text}.{:0width$}", dice.random_range(0..10_u32.pow(digits)), width = digits as usize)
        }
    }
}

fn json_literal(dice: &mut StdRng) -> String {
    let number = dice.random_range(-1000..1000);
    let texts = [
        "null",
        "true",
        "[]",
        "{}",
        r#""grüße: a, b""#,
        r#"{"bb": [1, -2, "x y", {"ü": null}], "a": "c: d"}"#,
    ];
    match dice.random_range(0..3) {
        0 => format!("'{number}'"),
        1 => format!("'{{\"key\": {number}, \"k\": [\"a b\", {number}]}}'"),
        _ => format!("'{}'", texts.choose(dice).expect("some")),
    }
}
