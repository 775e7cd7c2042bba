//! JSON as one compact text, from MySQL's binary form (binlog) and from its text form (SELECT).
//!
//! Both give the same bytes: keys in MySQL's order (shorter first, then by bytes), no space after
//! `:` and `,`, and every scalar exactly as MySQL prints it. The binary form (JSONB) is described in
//! MySQL's source, sql-common/json_binary.h; how scalars are printed in sql-common/json_dom.cc.

use super::binlog::cursor::{Cursor, Truncated};
use super::binlog::packed::{decimal_text, packed_datetime, packed_time};
use base64::Engine;
use std::fmt::Write;

/// MySQL refuses documents that are nested deeper.
const DEPTH_MAX: usize = 100;

/// A JSON document as MySQL stores it.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    /// A DECIMAL, already printed.
    Number(String),
    String(String),
    Array(Vec<Json>),
    /// Members in stored order.
    Object(Vec<(String, Json)>),
}

/// Bytes that are not JSONB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("{0}")]
    Truncated(#[from] Truncated),
    #[error("the document is nested deeper than MySQL allows")]
    TooDeep,
    #[error("unknown JSONB type {0}")]
    UnknownType(u8),
    #[error("a JSON string is not UTF-8")]
    NotUtf8,
    #[error("a JSON difference does not fit the document")]
    Difference,
}

impl Json {
    /// Decodes a JSONB value as it stands in a row image, without its length. No bytes are the
    /// JSON literal null, as for MySQL.
    pub fn from_jsonb(bytes: &[u8]) -> Result<Json, JsonError> {
        match bytes.split_first() {
            None => Ok(Json::Null),
            Some((kind, rest)) => value(*kind, rest, DEPTH_MAX),
        }
    }

    /// The compact text.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        self.print(&mut text);
        text
    }

    fn print(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Int(value) => write!(out, "{value}").unwrap_or_default(),
            Json::UInt(value) => write!(out, "{value}").unwrap_or_default(),
            Json::Double(value) => print_double(*value, out),
            Json::Number(text) => out.push_str(text),
            Json::String(text) => print_string(text, out),
            Json::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.print(out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (i, (key, member)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    print_string(key, out);
                    out.push(':');
                    member.print(out);
                }
                out.push('}');
            }
        }
    }
}

/// MySQL's text form without the spaces it prints after `:` and `,`.
pub fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_string = false;
    let mut escaped = false;
    for c in text.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c == '"' {
            in_string = true;
        } else if c == ' ' {
            continue;
        }
        out.push(c);
    }
    out
}

fn value(kind: u8, bytes: &[u8], depth: usize) -> Result<Json, JsonError> {
    let mut cursor = Cursor::new(bytes);
    Ok(match kind {
        0x0 => object(bytes, 2, depth)?,
        0x1 => object(bytes, 4, depth)?,
        0x2 => array(bytes, 2, depth)?,
        0x3 => array(bytes, 4, depth)?,
        0x4 => literal(cursor.u8()?)?,
        0x5 => Json::Int(i64::from(cursor.u16()? as i16)),
        0x6 => Json::UInt(u64::from(cursor.u16()?)),
        0x7 => Json::Int(i64::from(cursor.u32()? as i32)),
        0x8 => Json::UInt(u64::from(cursor.u32()?)),
        0x9 => Json::Int(cursor.u64()? as i64),
        0xA => Json::UInt(cursor.u64()?),
        0xB => Json::Double(f64::from_le_bytes(cursor.array()?)),
        0xC => {
            let length = variable_length(&mut cursor)?;
            Json::String(utf8(cursor.take(length)?)?)
        }
        0xF => {
            let field_type = cursor.u8()?;
            let length = variable_length(&mut cursor)?;
            opaque(field_type, cursor.take(length)?)?
        }
        other => return Err(JsonError::UnknownType(other)),
    })
}

fn literal(byte: u8) -> Result<Json, JsonError> {
    match byte {
        0 => Ok(Json::Null),
        1 => Ok(Json::Bool(true)),
        2 => Ok(Json::Bool(false)),
        other => Err(JsonError::UnknownType(other)),
    }
}

/// Seven bits a byte, low first; the high bit says that more follow; at most five bytes.
fn variable_length(cursor: &mut Cursor<'_>) -> Result<usize, JsonError> {
    let mut length = 0_u64;
    for shift in (0..35).step_by(7) {
        let byte = cursor.u8()?;
        length |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(length).map_err(|_| Truncated.into());
        }
    }
    Err(Truncated.into())
}

fn utf8(bytes: &[u8]) -> Result<String, JsonError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| JsonError::NotUtf8)
}

/// `width`: bytes of a count, size or offset; 2 in the small format, 4 in the large.
struct Container<'a> {
    bytes: &'a [u8],
    count: usize,
    entries: Cursor<'a>,
    width: usize,
}

fn container(bytes: &[u8], width: usize, entry_bytes: usize) -> Result<Container<'_>, JsonError> {
    let mut entries = Cursor::new(bytes);
    let count = entries.uint(width)? as usize;
    let size = entries.uint(width)? as usize;
    let bytes = bytes.get(..size).ok_or(Truncated)?;
    // Each element needs its entry, so a count that the bytes cannot hold is refused before use.
    let header = count.checked_mul(entry_bytes).and_then(|n| n.checked_add(2 * width)).ok_or(Truncated)?;
    if header > size {
        return Err(Truncated.into());
    }
    Ok(Container { bytes, count, entries, width })
}

impl Container<'_> {
    /// Reads one value entry: a type, and the value itself when it is small, else its offset.
    fn element(&mut self, depth: usize) -> Result<Json, JsonError> {
        let kind = self.entries.u8()?;
        let inline = self.entries.take(self.width)?;
        let inlined = matches!(kind, 0x4..=0x6) || (self.width == 4 && matches!(kind, 0x7 | 0x8));
        if inlined {
            return value(kind, inline, depth);
        }
        let offset = Cursor::new(inline).uint(self.width)? as usize;
        value(kind, self.bytes.get(offset..).ok_or(Truncated)?, depth)
    }
}

fn array(bytes: &[u8], width: usize, depth: usize) -> Result<Json, JsonError> {
    let depth = depth.checked_sub(1).ok_or(JsonError::TooDeep)?;
    let mut container = container(bytes, width, width + 1)?;
    let items = (0..container.count).map(|_| container.element(depth)).collect::<Result<_, _>>()?;
    Ok(Json::Array(items))
}

fn object(bytes: &[u8], width: usize, depth: usize) -> Result<Json, JsonError> {
    let depth = depth.checked_sub(1).ok_or(JsonError::TooDeep)?;
    let mut container = container(bytes, width, 2 * width + 3)?;
    let mut keys = Vec::with_capacity(container.count);
    for _ in 0..container.count {
        let offset = container.entries.uint(width)? as usize;
        let length = usize::from(container.entries.u16()?);
        let key = container.bytes.get(offset..).and_then(|rest| rest.get(..length)).ok_or(Truncated)?;
        keys.push(utf8(key)?);
    }
    let members =
        keys.into_iter().map(|key| Ok((key, container.element(depth)?))).collect::<Result<_, JsonError>>()?;
    Ok(Json::Object(members))
}

/// A value of a MySQL type that JSON does not have: DECIMAL as a number, dates and times as
/// strings with six digits, anything else as `base64:typeN:...`.
fn opaque(field_type: u8, bytes: &[u8]) -> Result<Json, JsonError> {
    const TIMESTAMP: u8 = 7;
    const DATE: u8 = 10;
    const TIME: u8 = 11;
    const DATETIME: u8 = 12;
    const NEWDECIMAL: u8 = 246;
    let packed = || Cursor::new(bytes).u64().map(|packed| packed as i64);
    Ok(match field_type {
        NEWDECIMAL => {
            let mut cursor = Cursor::new(bytes);
            let (precision, scale) = (cursor.u8()?, cursor.u8()?);
            Json::Number(decimal_text(precision, scale, &mut cursor)?)
        }
        DATE => {
            let d = packed_datetime(packed()?);
            Json::String(format!("{:04}-{:02}-{:02}", d.year, d.month, d.day))
        }
        DATETIME | TIMESTAMP => {
            let d = packed_datetime(packed()?);
            Json::String(format!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}",
                d.year, d.month, d.day, d.hour, d.minute, d.second, d.micros
            ))
        }
        TIME => {
            let t = packed_time(packed()?);
            let sign = if t.negative { "-" } else { "" };
            Json::String(format!("{sign}{:02}:{:02}:{:02}.{:06}", t.hours, t.minutes, t.seconds, t.micros))
        }
        other => {
            let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
            Json::String(format!("base64:type{other}:{encoded}"))
        }
    })
}

/// A double as MySQL's my_gcvt prints it (strings/dtoa.cc): the shortest digits that read back
/// equal, with an exponent below 1e-15 and for whole numbers from 1e15 on; `.0` after a whole number.
fn print_double(value: f64, out: &mut String) {
    if value.is_sign_negative() {
        out.push('-');
    }
    let (digits, point) = shortest_digits(value.abs());
    // A number with digits behind its point is plain however large it is.
    let plain = point >= -14 && (point <= 15 || digits.len() as i32 > point);
    match usize::try_from(point) {
        _ if !plain => {
            out.push_str(&digits[..1]);
            if digits.len() > 1 {
                out.push('.');
                out.push_str(&digits[1..]);
            }
            write!(out, "e{}", point - 1).unwrap_or_default();
        }
        Ok(point) if point >= digits.len() => {
            out.push_str(&digits);
            out.extend(std::iter::repeat_n('0', point - digits.len()));
            out.push_str(".0");
        }
        Ok(point) if point > 0 => {
            out.push_str(&digits[..point]);
            out.push('.');
            out.push_str(&digits[point..]);
        }
        _ => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', point.unsigned_abs() as usize));
            out.push_str(&digits);
        }
    }
}

/// The shortest digits of a positive number, and how many of them stand before the point (MySQL's
/// `decpt`). Ryu, because it settles ties as MySQL's dtoa does (to even), which std does not.
fn shortest_digits(value: f64) -> (String, i32) {
    let mut buffer = ryu::Buffer::new();
    let printed = buffer.format(value);
    let (mantissa, exponent) = printed.split_once('e').unwrap_or((printed, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let zeros = all.len() - significant.len();
    let digits = significant.trim_end_matches('0');
    if digits.is_empty() {
        return ("0".into(), 1);
    }
    let exponent: i32 = exponent.parse().unwrap_or(0);
    (digits.to_owned(), whole.len() as i32 - zeros as i32 + exponent)
}

fn print_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(value: f64) -> String {
        let mut out = String::new();
        print_double(value, &mut out);
        out
    }

    #[test]
    fn doubles_are_printed_as_mysql_prints_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (100.0, "100.0"),
            (1e14, "100000000000000.0"),
            (1e15, "1e15"),
            (123_456_789_012_345_680.0, "1.2345678901234568e17"),
            (0.1, "0.1"),
            (0.000_123, "0.000123"),
            (1e-15, "0.000000000000001"),
            (1e-16, "1e-16"),
            (1.5e-20, "1.5e-20"),
            (f64::MAX, "1.7976931348623157e308"),
            (-1_388_639_381_052_724.2, "-1388639381052724.2"),
            // A tie: ...12 and ...13 read back equal, and are equally near.
            (1_913_079_193_941_249.0 / 8.0, "239134899242656.12"),
        ] {
            assert_eq!(double(value), text);
        }
    }

    #[test]
    fn compacting_touches_only_spaces_outside_strings() {
        assert_eq!(compact(r#"{"a b": [1, "x, \" y"], "c": null}"#), r#"{"a b":[1,"x, \" y"],"c":null}"#);
        assert_eq!(compact(r#"["\\", " "]"#), r#"["\\"," "]"#);
    }

    #[test]
    fn small_documents_decode_from_jsonb() {
        // {"a": 1, "bb": [true, "x"]}
        let array = [2, 0, 12, 0, 4, 1, 0, 0x0C, 10, 0, 1, b'x'];
        let mut object = vec![0, 2, 0, 33, 0, 18, 0, 1, 0, 19, 0, 2, 0, 5, 1, 0, 2, 21, 0];
        object.extend(b"abb");
        object.extend(array);
        assert_eq!(Json::from_jsonb(&object).unwrap().to_text(), r#"{"a":1,"bb":[true,"x"]}"#);
        assert_eq!(Json::from_jsonb(&[]).unwrap(), Json::Null);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic_or_loop() {
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            let mut bytes = Vec::new();
            for _ in 0..24 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                bytes.push(((seed >> 33) % 19) as u8);
            }
            let _ = Json::from_jsonb(&bytes);
        }
        // An array whose only element is itself.
        assert_eq!(Json::from_jsonb(&[2, 1, 0, 7, 0, 2, 0, 0]), Err(JsonError::TooDeep));
    }

    #[test]
    fn strings_are_escaped_as_mysql_escapes_them() {
        let text = Json::String("a\"\\/\u{8}\u{c}\n\r\t\u{1}\u{7f}€".into()).to_text();
        assert_eq!(text, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\u{7f}€\"");
    }
}
