//! Keys and values read by what docs/formats.md says, each as text that MySQL prints of it.
//!
//! It shares no code with what writes them.

use super::lists::{Cells, Form};
use super::shape::Kind;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    Utf8,
    Bytes,
    Msgpack,
    Json,
}

impl Writing {
    pub fn of(form: &Form) -> Writing {
        match form.cells {
            Cells::Msgpack => Writing::Msgpack,
            Cells::Json => Writing::Json,
            Cells::Columns | Cells::Column(_) if form.bytes => Writing::Bytes,
            Cells::Columns | Cells::Column(_) => Writing::Utf8,
        }
    }
}

/// Takes a part from the front of `rest`: numbers in decimal, moments in microseconds, binary in hexadecimal.
pub fn part(kind: Kind, descending: bool, rest: &mut &[u8]) -> String {
    match kind {
        Kind::Unsigned => u64::from_be_bytes(eight(descending, rest)).to_string(),
        Kind::Signed | Kind::Moment => signed_part(descending, rest).to_string(),
        Kind::Text => String::from_utf8(terminated(descending, rest)).expect("text is UTF-8"),
        Kind::Binary => hex::encode_upper(terminated(descending, rest)),
        Kind::Fixed(length) => hex::encode_upper(taken(length, descending, rest)),
        Kind::Decimal | Kind::Double => panic!("{kind:?} is in no key"),
    }
}

pub fn signed_part(descending: bool, rest: &mut &[u8]) -> i64 {
    (u64::from_be_bytes(eight(descending, rest)) ^ (1 << 63)) as i64
}

fn taken(length: usize, descending: bool, rest: &mut &[u8]) -> Vec<u8> {
    let (head, tail) = rest.split_at_checked(length).expect("a part is whole");
    *rest = tail;
    head.iter().map(|byte| if descending { !byte } else { *byte }).collect()
}

fn eight(descending: bool, rest: &mut &[u8]) -> [u8; 8] {
    taken(8, descending, rest).try_into().expect("eight bytes")
}

/// 00 FF is a zero byte, 00 00 is the end.
fn terminated(descending: bool, rest: &mut &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    loop {
        match taken(1, descending, rest)[0] {
            0 => match taken(1, descending, rest)[0] {
                0xff => found.push(0),
                0 => return found,
                other => panic!("00 {other:02x} is no part of a string"),
            },
            byte => found.push(byte),
        }
    }
}

/// The value of one column in `utf8` or `bytes`. Binary comes back in hexadecimal, a moment in `bytes` in microseconds.
pub fn value(kind: Kind, writing: Writing, bytes: &[u8]) -> String {
    let eight = || <[u8; 8]>::try_from(bytes).expect("eight bytes");
    match (kind, writing) {
        (Kind::Binary | Kind::Fixed(_), _) => hex::encode_upper(bytes),
        (Kind::Unsigned, Writing::Bytes) => u64::from_be_bytes(eight()).to_string(),
        (Kind::Signed | Kind::Moment, Writing::Bytes) => i64::from_be_bytes(eight()).to_string(),
        (Kind::Double, Writing::Bytes) => f64::from_be_bytes(eight()).to_string(),
        (Kind::Decimal, Writing::Bytes) => big_decimal(bytes),
        (_, Writing::Utf8 | Writing::Bytes) => text(bytes),
        (_, Writing::Msgpack | Writing::Json) => panic!("{writing:?} holds all columns in one"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("values are text")
}

/// Java's BigDecimal: scale in four bytes, unscaled value in as few as it takes.
fn big_decimal(bytes: &[u8]) -> String {
    let (scale, unscaled) = bytes.split_first_chunk::<4>().expect("a scale");
    let scale = u32::from_be_bytes(*scale) as usize;
    let negative = unscaled.first().expect("an unscaled value") & 0x80 != 0;
    let fill = if negative { !0 } else { 0 };
    let number = unscaled.iter().fold(fill, |number: i128, byte| number << 8 | i128::from(*byte));
    assert!(
        unscaled.len() == 1 || !fits(number, unscaled.len() - 1),
        "{} has spare bytes",
        hex::encode(bytes)
    );
    let digits = format!("{:0>1$}", number.unsigned_abs(), scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if negative { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn fits(number: i128, bytes: usize) -> bool {
    let bound = 1_i128 << (8 * bytes - 1);
    (-bound..bound).contains(&number)
}

/// The columns of a packed value, by name in the order that they have there; binary is in hexadecimal (`msgpack`) or base64
/// (`json`).
pub fn packed(
    writing: Writing,
    kind_of: impl Fn(&str) -> Option<Kind>,
    bytes: &[u8],
) -> Vec<(String, String)> {
    let kind = |name: &str| kind_of(name).unwrap_or_else(|| panic!("{name} is no column of the target"));
    if writing == Writing::Json {
        let map: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(bytes).expect("a JSON object");
        let read = |(name, value): (String, serde_json::Value)| {
            let value = json_text(kind(&name), value);
            (name, value)
        };
        return map.into_iter().map(read).collect();
    }
    let mut rest = bytes;
    let columns = map_length(&mut rest);
    let mut found = Vec::new();
    for _ in 0..columns {
        let Packed::Text(name) = Packed::take(&mut rest) else { panic!("a column has a name") };
        let value = Packed::take(&mut rest).text(kind(&name));
        found.push((name, value));
    }
    assert!(rest.is_empty(), "{} bytes behind a map", rest.len());
    found
}

fn json_text(kind: Kind, value: serde_json::Value) -> String {
    let is_number = matches!(kind, Kind::Unsigned | Kind::Signed | Kind::Double);
    match value {
        serde_json::Value::Number(number) if is_number => number.to_string(),
        serde_json::Value::String(text) if !is_number => text,
        other => panic!("{other} for {kind:?}"),
    }
}

/// A value of MessagePack.
#[derive(Debug)]
enum Packed {
    Integer(i128),
    Double(f64),
    Text(String),
    Binary(Vec<u8>),
}

impl Packed {
    fn take(rest: &mut &[u8]) -> Packed {
        match take(1, rest)[0] {
            byte @ 0x00..=0x7f => Packed::Integer(byte.into()),
            byte @ 0xe0..=0xff => Packed::Integer((byte as i8).into()),
            byte @ 0xa0..=0xbf => Packed::Text(text(take(usize::from(byte & 0x1f), rest))),
            0xc4 => Packed::Binary(sized(1, 0, rest).to_vec()),
            0xc5 => Packed::Binary(sized(2, 1 << 8, rest).to_vec()),
            0xcb => Packed::Double(f64::from_be_bytes(take(8, rest).try_into().expect("eight bytes"))),
            byte @ 0xcc..=0xcf => Packed::Integer(unsigned(1 << (byte - 0xcc), rest)),
            byte @ 0xd0..=0xd3 => Packed::Integer(negative(1 << (byte - 0xd0), rest)),
            0xd9 => Packed::Text(text(sized(1, 32, rest))),
            0xda => Packed::Text(text(sized(2, 1 << 8, rest))),
            other => panic!("{other:02x} begins no value that the tests' columns have"),
        }
    }

    fn text(self, kind: Kind) -> String {
        match (kind, self) {
            (Kind::Unsigned | Kind::Signed, Packed::Integer(number)) => number.to_string(),
            (Kind::Double, Packed::Double(number)) => number.to_string(),
            (Kind::Binary | Kind::Fixed(_), Packed::Binary(bytes)) => hex::encode_upper(bytes),
            (Kind::Text | Kind::Moment | Kind::Decimal, Packed::Text(text)) => text,
            (kind, other) => panic!("{other:?} for {kind:?}"),
        }
    }
}

fn take<'a>(length: usize, rest: &mut &'a [u8]) -> &'a [u8] {
    let (head, tail) = rest.split_at_checked(length).expect("MessagePack is whole");
    *rest = tail;
    head
}

fn big_endian(bytes: &[u8]) -> i128 {
    bytes.iter().fold(0, |number, byte| number << 8 | i128::from(*byte))
}

/// Bytes behind a length of `width` bytes, which must not fit into a shorter form (below `least`).
fn sized<'a>(width: usize, least: usize, rest: &mut &'a [u8]) -> &'a [u8] {
    let length = big_endian(take(width, rest)) as usize;
    assert!(length >= least, "a length of {length} has a shorter form");
    take(length, rest)
}

fn unsigned(width: usize, rest: &mut &[u8]) -> i128 {
    let number = big_endian(take(width, rest));
    let least = if width == 1 { 128 } else { 1 << (4 * width) };
    assert!(number >= least, "{number} has a shorter form");
    number
}

/// A signed integer; those that are not negative have an unsigned form.
fn negative(width: usize, rest: &mut &[u8]) -> i128 {
    let number = big_endian(take(width, rest)) - (1 << (8 * width));
    let below = if width == 1 { -32 } else { -(1 << (4 * width - 1)) };
    assert!(number < below && number >= -(1 << (8 * width - 1)), "{number} has another form");
    number
}

fn map_length(rest: &mut &[u8]) -> usize {
    match take(1, rest)[0] {
        byte @ 0x80..=0x8f => usize::from(byte & 0x0f),
        0xde => big_endian(take(2, rest)) as usize,
        other => panic!("{other:02x} begins no map"),
    }
}

/// IEEE 802.3, bit by bit.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
