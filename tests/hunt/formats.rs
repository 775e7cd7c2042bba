//! docs/formats.md written down a second time: from what MySQL shows of a value to bytes in HBase.
//!
//! A value is the text that [`Class::select`] has the server print of it. No code of the program is used.

use crate::support::decode::crc32;

/// How the formats treat a column, by its present definition in MySQL.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Class {
    Integer {
        unsigned: bool,
    },
    Decimal,
    Float,
    Double,
    /// DATE, DATETIME, TIMESTAMP.
    Moment,
    Time,
    Text,
    Json,
    Binary,
    /// BINARY(n), of fixed length in keys.
    Fixed,
    Bit {
        bits: u32,
    },
}

impl Class {
    /// By DATA_TYPE and COLUMN_TYPE of information_schema.
    pub fn of(data_type: &str, column_type: &str) -> Class {
        let unsigned = column_type.contains("unsigned");
        match data_type.to_ascii_lowercase().as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => Class::Integer { unsigned },
            "year" => Class::Integer { unsigned: true },
            "decimal" => Class::Decimal,
            "float" => Class::Float,
            "double" => Class::Double,
            "date" | "datetime" | "timestamp" => Class::Moment,
            "time" => Class::Time,
            "json" => Class::Json,
            "binary" => Class::Fixed,
            "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Class::Binary,
            "bit" => {
                let digits: String = column_type.chars().filter(char::is_ascii_digit).collect();
                Class::Bit { bits: digits.parse().expect("BIT has a length") }
            }
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => {
                Class::Text
            }
            other => panic!("the hunt makes no {other}"),
        }
    }

    /// An expression whose text says everything about the column's value.
    pub fn select(self, column: &str) -> String {
        match self {
            Class::Integer { .. } | Class::Decimal | Class::Double | Class::Moment | Class::Time => {
                format!("CAST({column} AS CHAR)")
            }
            Class::Float => format!("CAST(CAST({column} AS DOUBLE) AS CHAR)"),
            Class::Text => format!("HEX(CONVERT({column} USING utf8mb4))"),
            Class::Json => format!("HEX(CAST({column} AS CHAR CHARACTER SET utf8mb4))"),
            Class::Binary | Class::Fixed => format!("HEX({column})"),
            Class::Bit { bits } => format!("LPAD(HEX({column} + 0), {}, '0')", bits.div_ceil(8) * 2),
        }
    }

    /// A part of a key; `None` where the value has none.
    pub fn part(self, text: &str, descending: bool) -> Option<Vec<u8>> {
        let mut bytes = match self {
            Class::Integer { unsigned: true } => text.parse::<u64>().ok()?.to_be_bytes().to_vec(),
            Class::Integer { unsigned: false } => signed(text.parse().ok()?).to_vec(),
            Class::Moment => signed(micros(text)?).to_vec(),
            Class::Fixed => unhex(text),
            Class::Text | Class::Binary => {
                let mut part = Vec::new();
                for byte in unhex(text) {
                    part.push(byte);
                    if byte == 0 {
                        part.push(0xff);
                    }
                }
                [part, vec![0, 0]].concat()
            }
            _ => return None,
        };
        if descending {
            bytes.iter_mut().for_each(|byte| *byte = !*byte);
        }
        Some(bytes)
    }

    pub fn utf8(self, text: &str) -> Vec<u8> {
        match self {
            Class::Integer { .. } => text.parse::<i128>().expect("an integer").to_string().into_bytes(),
            Class::Decimal | Class::Moment | Class::Time => text.as_bytes().to_vec(),
            Class::Float => float_text(&format!("{:e}", float(text))).into_bytes(),
            Class::Double => float_text(&format!("{:e}", double(text))).into_bytes(),
            Class::Json => compact(&unhex(text)),
            Class::Text | Class::Binary | Class::Fixed | Class::Bit { .. } => unhex(text),
        }
    }

    /// `None` where this encoding has no form for the value.
    pub fn bytes(self, text: &str) -> Option<Vec<u8>> {
        Some(match self {
            Class::Integer { .. } => {
                (text.parse::<i128>().expect("an integer") as u64).to_be_bytes().to_vec()
            }
            Class::Decimal => big_decimal(text),
            Class::Float => float(text).to_be_bytes().to_vec(),
            Class::Double => double(text).to_be_bytes().to_vec(),
            Class::Moment => micros(text)?.to_be_bytes().to_vec(),
            Class::Time => time_micros(text)?.to_be_bytes().to_vec(),
            _ => self.utf8(text),
        })
    }

    /// The value in a MessagePack map.
    pub fn msgpack(self, text: &str) -> Vec<u8> {
        match self {
            Class::Integer { .. } => packed_integer(text.parse().expect("an integer")),
            Class::Float => [&[0xca][..], &float(text).to_be_bytes()].concat(),
            Class::Double => [&[0xcb][..], &double(text).to_be_bytes()].concat(),
            Class::Binary | Class::Fixed | Class::Bit { .. } => {
                sized([None, Some(0xc4), Some(0xc5), Some(0xc6)], &unhex(text))
            }
            _ => packed_text(&self.utf8(text)),
        }
    }

    /// The value in a JSON object.
    pub fn json(self, text: &str) -> Vec<u8> {
        match self {
            Class::Integer { .. } | Class::Float | Class::Double => self.utf8(text),
            Class::Binary | Class::Fixed | Class::Bit { .. } => {
                use base64::Engine;
                let text = base64::engine::general_purpose::STANDARD.encode(unhex(text));
                format!("\"{text}\"").into_bytes()
            }
            _ => json_string(&self.utf8(text)),
        }
    }

    /// The value that a segment is computed of.
    pub fn order_number(self, text: &str) -> Option<i128> {
        match self {
            Class::Integer { .. } => text.parse().ok(),
            Class::Moment => micros(text).map(i128::from),
            _ => None,
        }
    }
}

pub fn salt(list: &[u8], buckets: u32) -> u8 {
    (crc32(list) % buckets) as u8
}

/// A signed integer as a part.
pub fn signed(number: i64) -> [u8; 8] {
    (number as u64 ^ 1 << 63).to_be_bytes()
}

pub fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).expect("HEX prints hexadecimal")
}

fn float(text: &str) -> f32 {
    double(text) as f32
}

fn double(text: &str) -> f64 {
    text.parse().expect("a number")
}

/// From Rust's shortest digits (`-1.25e-7`) to the layout of ECMAScript.
fn float_text(shortest: &str) -> String {
    let (mantissa, exponent) = shortest.split_once('e').expect("it was printed with one");
    let exponent: i32 = exponent.parse().expect("a number");
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    let point = exponent + 1; // digits before the point
    let count = digits.len() as i32;
    let text = match point {
        _ if digits == "0" => "0".to_owned(),
        _ if count <= point && point <= 21 => digits.clone() + &"0".repeat((point - count) as usize),
        1..=21 => format!("{}.{}", &digits[..point as usize], &digits[point as usize..]),
        -5..=0 => format!("0.{}{digits}", "0".repeat(-point as usize)),
        _ => {
            let fraction = if count > 1 { format!(".{}", &digits[1..]) } else { String::new() };
            format!("{}{fraction}e{}{}", &digits[..1], if exponent < 0 { "-" } else { "+" }, exponent.abs())
        }
    };
    format!("{sign}{text}")
}

/// Microseconds since 1970 of `2024-01-01[ 00:00:00[.123]]`; `None` for what is no day.
fn micros(text: &str) -> Option<i64> {
    let (date, clock) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if day < 1 || day > length {
        return None;
    }
    let before: i64 = lengths[..month as usize - 1].iter().sum();
    let past = year - 1;
    let days =
        365 * year + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) + before + day - 1;
    const UNTIL_1970: i64 = 365 * 1970 + 1969 / 4 - 1969 / 100 + 1969 / 400;
    Some((days - UNTIL_1970) * 86_400_000_000 + time_micros(clock)?)
}

fn time_micros(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
    Some(sign * (((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction))
}

/// Scale, and the shortest two's complement; numbers of up to 65 digits.
fn big_decimal(text: &str) -> Vec<u8> {
    let (sign, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut number = vec![0_u8; 32]; // big-endian, wide enough for 65 digits and a sign
    for digit in whole.bytes().chain(fraction.bytes()) {
        let mut carry = u32::from(digit - b'0');
        for byte in number.iter_mut().rev() {
            let sum = u32::from(*byte) * 10 + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
    }
    if sign {
        let mut carry = true;
        for byte in number.iter_mut().rev() {
            let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (sum, over);
        }
    }
    while number.len() > 1
        && ((number[0] == 0 && number[1] < 0x80) || (number[0] == 0xff && number[1] >= 0x80))
    {
        number.remove(0);
    }
    [&(fraction.len() as u32).to_be_bytes()[..], &number].concat()
}

/// MySQL prints `{"a": [1, 2]}`; without the blanks outside of strings.
fn compact(text: &[u8]) -> Vec<u8> {
    let (mut inside, mut escaped) = (false, false);
    let keeps = |byte: &&u8| {
        let keep = inside || **byte != b' ';
        match **byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
        keep
    };
    text.iter().filter(keeps).copied().collect()
}

pub fn json_string(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            0x08 => out.extend(b"\\b"),
            0x09 => out.extend(b"\\t"),
            0x0a => out.extend(b"\\n"),
            0x0c => out.extend(b"\\f"),
            0x0d => out.extend(b"\\r"),
            0..0x20 => out.extend(format!("\\u{byte:04x}").bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
    out
}

pub fn packed_text(text: &[u8]) -> Vec<u8> {
    sized([Some(0xa0), Some(0xd9), Some(0xda), Some(0xdb)], text)
}

/// Heads of a length in five bits, one, two and four bytes.
fn sized(heads: [Option<u8>; 4], bytes: &[u8]) -> Vec<u8> {
    let [fix, one, two, four] = heads;
    let length = bytes.len();
    let head = match length {
        0..32 if fix.is_some() => vec![fix.expect("it is some") | length as u8],
        0..0x100 => vec![one.expect("all have it"), length as u8],
        0x100..0x1_0000 => [&[two.expect("all have it")][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[four.expect("all have it")][..], &(length as u32).to_be_bytes()].concat(),
    };
    [head, bytes.to_vec()].concat()
}

pub fn packed_map(length: usize) -> Vec<u8> {
    match length {
        0..16 => vec![0x80 | length as u8],
        _ => [&[0xde][..], &(length as u16).to_be_bytes()].concat(),
    }
}

fn packed_integer(number: i128) -> Vec<u8> {
    match number {
        -32..128 => vec![number as i8 as u8],
        128..0x100 => vec![0xcc, number as u8],
        0x100..0x1_0000 => [&[0xcd][..], &(number as u16).to_be_bytes()].concat(),
        0x1_0000..0x1_0000_0000 => [&[0xce][..], &(number as u32).to_be_bytes()].concat(),
        0x1_0000_0000.. => [&[0xcf][..], &(number as u64).to_be_bytes()].concat(),
        -0x80..-32 => vec![0xd0, number as i8 as u8],
        -0x8000..-0x80 => [&[0xd1][..], &(number as i16).to_be_bytes()].concat(),
        -0x8000_0000..-0x8000 => [&[0xd2][..], &(number as i32).to_be_bytes()].concat(),
        _ => [&[0xd3][..], &(number as i64).to_be_bytes()].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_examples_of_the_documentation() {
        let moment = "2024-01-01 00:00:00.123";
        let part =
            |class: Class, text: &str, descending| hex::encode(class.part(text, descending).expect("a part"));
        assert_eq!(part(Class::Moment, moment, true), "7ff9f228efdcff87");
        assert_eq!(part(Class::Integer { unsigned: false }, "-1", false), "7fffffffffffffff");
        assert_eq!(part(Class::Text, "610062", true), "9eff009dffff");
        assert_eq!(part(Class::Moment, "1000-01-01", false), "7f934029d7fc2000");
        assert_eq!(Class::Moment.part("2024-02-30", false), None);
        let texts =
            [("1e-7", "1e-7"), ("0.000001", "0.000001"), ("1e21", "1e+21"), ("-2.5", "-2.5"), ("-0", "-0")];
        for (text, expected) in texts.into_iter().chain([("123456789012345680000", "123456789012345680000")])
        {
            assert_eq!(String::from_utf8(Class::Double.utf8(text)).expect("text"), expected);
        }
        assert_eq!(Class::Float.utf8("-3.4000000000000000e38"), b"-3.4e+38");
        for (text, expected) in
            [("-12.30", "00000002fb32"), ("128", "000000000080"), ("-0.999", "00000003fc19")]
        {
            assert_eq!(hex::encode(Class::Decimal.bytes(text).expect("a number")), expected);
        }
        assert_eq!(hex::encode(Class::Time.bytes("-12:34:56.78").expect("a time")), "fffffff57419fd20");
        assert_eq!(hex::encode(Class::Integer { unsigned: false }.msgpack("-33")), "d0df");
        assert_eq!(
            Class::Json.utf8(&hex::encode(r#"{"a b": "c: \" d", "x": [1, 2]}"#)),
            br#"{"a b":"c: \" d","x":[1,2]}"#
        );
        assert_eq!(salt(&7_u64.to_be_bytes(), 16), 0x0a);
    }
}
