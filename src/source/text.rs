//! Text of any MySQL character set as UTF-8: one function for the binlog and the snapshot.
//!
//! Both sides hand over the column's own bytes (the binlog always does; the snapshot's session
//! sets `character_set_results = NULL`), so the same cell gives the same text by construction.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// A character set that we can decode, resolved once per column.
#[derive(Clone, Debug)]
pub enum Charset {
    /// utf8mb4, utf8mb3.
    Utf8,
    Ascii,
    /// ucs2, utf16.
    Utf16Be,
    Utf16Le,
    Utf32,
    /// One character per byte, as the server itself converts it.
    SingleByte(Arc<[char; 256]>),
    /// The multi-byte sets of East Asia.
    Encoding(&'static encoding_rs::Encoding),
}

/// Bytes that are no text in their character set. MySQL does not store such, except in columns
/// that were filled through a `binary` connection or changed their set without conversion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a text of {length} bytes is not valid {charset}")]
pub struct NotText {
    pub length: usize,
    pub charset: String,
}

impl Charset {
    /// The set called `name` (information_schema's spelling). `single_byte` holds the tables that
    /// [`SINGLE_BYTE_QUERY`] read from the server.
    pub fn find(name: &str, single_byte: &SingleByteTables) -> Option<Charset> {
        Some(match name {
            "utf8mb4" | "utf8mb3" | "utf8" => Charset::Utf8,
            "ascii" => Charset::Ascii,
            "ucs2" | "utf16" => Charset::Utf16Be,
            "utf16le" => Charset::Utf16Le,
            "utf32" => Charset::Utf32,
            "sjis" | "cp932" => Charset::Encoding(encoding_rs::SHIFT_JIS),
            "ujis" | "eucjpms" => Charset::Encoding(encoding_rs::EUC_JP),
            "euckr" => Charset::Encoding(encoding_rs::EUC_KR),
            "big5" => Charset::Encoding(encoding_rs::BIG5),
            "gb2312" | "gbk" => Charset::Encoding(encoding_rs::GBK),
            "gb18030" => Charset::Encoding(encoding_rs::GB18030),
            _ => Charset::SingleByte(single_byte.get(name)?.clone()),
        })
    }

    /// The text in UTF-8; borrowed where the bytes are that already.
    ///
    /// # Errors
    /// The bytes are not valid in this set: never replaced, since two different keys could become one.
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, str>, NotText> {
        let text = match self {
            Charset::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Charset::Ascii => {
                std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()).map(Cow::Borrowed)
            }
            Charset::Utf16Be => utf16(bytes, u16::from_be_bytes).map(Cow::Owned),
            Charset::Utf16Le => utf16(bytes, u16::from_le_bytes).map(Cow::Owned),
            Charset::Utf32 => utf32(bytes).map(Cow::Owned),
            Charset::SingleByte(table) => {
                bytes.iter().map(|byte| Some(table[usize::from(*byte)]).filter(|c| *c != UNDEFINED)).collect()
            }
            Charset::Encoding(encoding) => {
                encoding.decode_without_bom_handling_and_without_replacement(bytes)
            }
        };
        text.ok_or_else(|| NotText { length: bytes.len(), charset: self.name() })
    }

    /// [`decode`](Charset::decode) of bytes that are given away.
    pub fn decode_owned(&self, bytes: Vec<u8>) -> Result<String, NotText> {
        match self {
            Charset::Utf8 => String::from_utf8(bytes)
                .map_err(|error| NotText { length: error.as_bytes().len(), charset: self.name() }),
            _ => self.decode(&bytes).map(Cow::into_owned),
        }
    }

    fn name(&self) -> String {
        match self {
            Charset::Utf8 => "utf8".into(),
            Charset::Ascii => "ascii".into(),
            Charset::Utf16Be => "utf16".into(),
            Charset::Utf16Le => "utf16le".into(),
            Charset::Utf32 => "utf32".into(),
            Charset::SingleByte(_) => "single-byte text".into(),
            Charset::Encoding(encoding) => encoding.name().to_ascii_lowercase(),
        }
    }
}

/// Stands in a table for a byte that means nothing in its set.
const UNDEFINED: char = char::REPLACEMENT_CHARACTER;

/// The tables of the single-byte character sets, by name.
pub type SingleByteTables = HashMap<String, Arc<[char; 256]>>;

/// Lists the single-byte character sets of the server (`ascii` and `binary` are known without).
pub const SINGLE_BYTE_QUERY: &str = "SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS \
     WHERE MAXLEN = 1 AND CHARACTER_SET_NAME NOT IN ('ascii', 'binary')";

/// A statement that converts all 256 bytes of one single-byte set to UTF-32 (4 bytes each), so that
/// the server's own table is used and not somebody's idea of it. `None` for a name that is not one.
pub fn single_byte_table_query(charset: &str) -> Option<String> {
    let plain = charset.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let all: Vec<u8> = (0..=255).collect();
    plain.then(|| {
        let bytes = hex::encode(all);
        format!("SELECT HEX(CONVERT(CONVERT(X'{bytes}' USING {charset}) USING utf32))")
    })
}

/// The table in the answer to [`single_byte_table_query`]. The server answers `?` for a byte that is
/// not defined.
pub fn single_byte_table(answer: &str) -> Option<Arc<[char; 256]>> {
    let text = utf32(&hex::decode(answer).ok()?)?;
    let defined = |(byte, c)| if c == '?' && byte != usize::from(b'?') { UNDEFINED } else { c };
    let chars: Vec<char> = text.chars().enumerate().map(defined).collect();
    Some(Arc::new(chars.try_into().ok()?))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    let units = pairs.map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).collect::<Result<String, _>>().ok()
}

fn utf32(bytes: &[u8]) -> Option<String> {
    let quads = bytes.chunks_exact(4);
    if !quads.remainder().is_empty() {
        return None;
    }
    quads.map(|quad| char::from_u32(u32::from_be_bytes([quad[0], quad[1], quad[2], quad[3]]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_of_character_sets_decodes_and_refuses_what_is_no_text() {
        let none = SingleByteTables::new();
        let set = |name: &str| Charset::find(name, &none).expect("known");
        assert_eq!(set("utf8mb4").decode("aß€😀".as_bytes()).unwrap(), "aß€😀");
        assert_eq!(set("ucs2").decode(&[0, 0x61, 0x20, 0xAC]).unwrap(), "a€");
        assert_eq!(set("utf16le").decode(&[0x3D, 0xD8, 0x00, 0xDE]).unwrap(), "😀");
        assert_eq!(set("utf32").decode(&[0, 1, 0xF6, 0]).unwrap(), "😀");
        assert_eq!(set("sjis").decode(&[0x83, 0x65]).unwrap(), "テ");
        assert_eq!(set("gb18030").decode(&[0xC4, 0xE3]).unwrap(), "你");
        for (name, bad) in [
            ("utf8mb4", &[0xFF][..]),
            ("ascii", &[0x80]),
            ("utf16", &[0]),
            ("utf16", &[0xD8, 0]),
            ("utf32", &[0, 0x11, 0, 0]),
            ("gbk", &[0x81]),
        ] {
            assert!(set(name).decode(bad).is_err(), "{name}");
        }
        assert!(Charset::find("latin1", &none).is_none());
    }

    #[test]
    fn a_single_byte_table_is_read_from_the_servers_answer() {
        let answer: String = (0..256).map(|n: u32| format!("{n:08X}")).collect();
        let tables = SingleByteTables::from([("latin1".into(), single_byte_table(&answer).unwrap())]);
        let latin1 = Charset::find("latin1", &tables).unwrap();
        assert_eq!(latin1.decode(&[0x61, 0xFC]).unwrap(), "aü");
        assert!(single_byte_table("00").is_none());
        assert!(single_byte_table_query("x'; DROP").is_none());
    }
}
