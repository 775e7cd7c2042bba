//! Text of any MySQL character set as UTF-8, and back: one function for the binlog and the snapshot.
//!
//! Both sides hand over the column's own bytes (the binlog always does; every session of ours has
//! `character_set_results = NULL`), so the same cell gives the same text by construction.
//!
//! The server that is migrated says what bytes mean. What is computed here (UTF-8, ASCII, UTF-16, UTF-32) is the same
//! on every server; every other set is a [`CodeTable`] that `ask` reads from the server.

pub(crate) mod ask;
mod table;

pub use table::CodeTable;

use crate::failpoints::Failpoints;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// A character set that we can decode, resolved once per column.
#[derive(Clone, Debug)]
pub enum Charset {
    /// utf8mb4, utf8mb3.
    Utf8,
    /// Bytes above 7F have no text.
    Ascii,
    /// UTF-16 without surrogates.
    Ucs2,
    /// MySQL's utf16.
    Utf16Be,
    /// MySQL's utf16le.
    Utf16Le,
    /// 4 bytes a character, big-endian.
    Utf32,
    /// As the server converts it. `keys`: bytes that do not come back from their text are refused.
    Table {
        /// Asked of the server that is migrated.
        table: Arc<CodeTable>,
        /// The column is part of a key.
        keys: bool,
    },
}

/// Why bytes have no text. Never holds them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// MySQL does not store such, except in columns that were filled through a `binary` connection or changed their
    /// set without conversion; or it stores them, and has no character for them.
    #[error("MySQL has no character for some of the {length} bytes of a {charset} text")]
    NoCharacter {
        /// Bytes of the whole text.
        length: usize,
        /// In MySQL's name.
        charset: String,
    },
    /// Two codes of one character would be one key in HBase, and MySQL would be asked for the other one.
    #[error(
        "a {charset} text of {length} bytes uses a second code for a character: its UTF-8 does not convert back \
         to the same bytes, as a key must"
    )]
    SecondCode {
        /// Bytes of the whole text.
        length: usize,
        /// In MySQL's name.
        charset: String,
    },
}

impl Charset {
    /// The text in UTF-8; borrowed where the bytes are that already.
    ///
    /// # Errors
    /// `NoCharacter`: never replaced, since two different keys could become one. `SecondCode` in a key.
    #[inline]
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, str>, NotText> {
        let text = match self {
            Charset::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Charset::Ascii => {
                std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()).map(Cow::Borrowed)
            }
            Charset::Ucs2 => ucs2(bytes).map(Cow::Owned),
            Charset::Utf16Be => utf16(bytes, u16::from_be_bytes).map(Cow::Owned),
            Charset::Utf16Le => utf16(bytes, u16::from_le_bytes).map(Cow::Owned),
            Charset::Utf32 => utf32(bytes).map(Cow::Owned),
            Charset::Table { table, keys } => {
                if *keys && !table.comes_back(bytes) {
                    return Err(NotText::SecondCode { length: bytes.len(), charset: self.name().to_owned() });
                }
                table.decode(bytes)
            }
        };
        text.ok_or_else(|| NotText::NoCharacter { length: bytes.len(), charset: self.name().to_owned() })
    }

    /// [`decode`](Charset::decode) of bytes that are given away, and given back where they are no text.
    pub fn decode_owned(&self, bytes: Vec<u8>) -> Result<String, (NotText, Vec<u8>)> {
        let bytes = match self {
            Charset::Utf8 => match String::from_utf8(bytes) {
                Ok(text) => return Ok(text),
                Err(error) => error.into_bytes(),
            },
            _ => bytes,
        };
        match self.decode(&bytes) {
            Ok(Cow::Owned(text)) => Ok(text),
            Ok(Cow::Borrowed(_)) => String::from_utf8(bytes).map_err(|error| {
                let length = error.as_bytes().len();
                (NotText::NoCharacter { length, charset: self.name().to_owned() }, error.into_bytes())
            }),
            Err(error) => Err((error, bytes)),
        }
    }

    /// The bytes that [`decode`](Charset::decode) makes `text` of, as a key has them; `None` when the set cannot hold it.
    pub fn encode(&self, text: &str) -> Option<Vec<u8>> {
        Some(match self {
            Charset::Utf8 => text.as_bytes().to_vec(),
            Charset::Ascii => text.is_ascii().then(|| text.as_bytes().to_vec())?,
            Charset::Ucs2 if text.chars().any(|c| u32::from(c) > 0xFFFF) => return None,
            Charset::Ucs2 | Charset::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Charset::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Charset::Utf32 => text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
            Charset::Table { table, .. } => table.encode(text)?,
        })
    }

    /// For a column of a key: every text that it decodes, [`encode`](Charset::encode) leads back to the same bytes.
    pub fn of_key(self) -> Charset {
        match self {
            Charset::Table { table, .. } => {
                let keys = table.has_second_codes() && !Failpoints::default().key_text_not_bytes();
                Charset::Table { table, keys }
            }
            other => other,
        }
    }

    fn name(&self) -> &str {
        match self {
            Charset::Utf8 => "utf8",
            Charset::Ascii => "ascii",
            Charset::Ucs2 => "ucs2",
            Charset::Utf16Be => "utf16",
            Charset::Utf16Le => "utf16le",
            Charset::Utf32 => "utf32",
            Charset::Table { table, .. } => table.name(),
        }
    }
}

/// The character sets that columns in use have, as their server converts them.
#[derive(Clone, Debug, Default)]
pub struct Charsets {
    tables: HashMap<String, Arc<CodeTable>>,
}

impl Charsets {
    /// The set called `name` (information_schema's spelling); `None` for one that is not known here.
    pub fn find(&self, name: &str) -> Option<Charset> {
        Some(match name {
            "utf8mb4" | "utf8mb3" | "utf8" => Charset::Utf8,
            "ascii" => Charset::Ascii,
            "ucs2" => Charset::Ucs2,
            "utf16" => Charset::Utf16Be,
            "utf16le" => Charset::Utf16Le,
            "utf32" => Charset::Utf32,
            _ => Charset::Table { table: self.tables.get(name)?.clone(), keys: false },
        })
    }

    /// Replaces an earlier table of the same set.
    pub fn add(&mut self, table: CodeTable) {
        self.tables.insert(table.name().to_owned(), Arc::new(table));
    }
}

/// Two bytes a character. The server takes a surrogate for no character, also where two of them stand together.
fn ucs2(bytes: &[u8]) -> Option<String> {
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| char::from_u32(u32::from(u16::from_be_bytes([pair[0], pair[1]])))).collect()
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

    fn set(name: &str) -> Charset {
        Charsets::default().find(name).expect("known without a server")
    }

    #[test]
    fn what_is_computed_decodes_and_leads_back_and_refuses_what_is_no_text() {
        for (name, bytes, text) in [
            ("utf8mb4", "aß€😀".as_bytes(), "aß€😀"),
            ("ucs2", &[0, 0x61, 0x20, 0xAC], "a€"),
            ("utf16", &[0, 0x61, 0xD8, 0x3D, 0xDE, 0x00], "a😀"),
            ("utf16le", &[0x3D, 0xD8, 0x00, 0xDE], "😀"),
            ("utf32", &[0, 1, 0xF6, 0], "😀"),
            ("ascii", b"abc", "abc"),
        ] {
            assert_eq!(set(name).decode(bytes).unwrap(), text, "{name}");
            assert_eq!(set(name).encode(text).as_deref(), Some(bytes), "{name}");
        }
        for (name, bad) in [
            ("utf8mb4", &[0xFF][..]),
            ("ascii", &[0x80]),
            ("ucs2", &[0xD8, 0x3D, 0xDE, 0x00]),
            ("utf16", &[0]),
            ("utf16", &[0xD8, 0]),
            ("utf32", &[0, 0x11, 0, 0]),
        ] {
            assert!(matches!(set(name).decode(bad), Err(NotText::NoCharacter { .. })), "{name}");
        }
        assert_eq!((set("ascii").encode("ü"), set("ucs2").encode("😀")), (None, None));
        for asked in ["latin1", "sjis", "gb18030", "klingon"] {
            assert!(Charsets::default().find(asked).is_none(), "{asked} is asked of the server");
        }
    }

    #[test]
    fn a_second_code_of_a_character_is_a_value_and_no_key() {
        let mut charsets = Charsets::default();
        charsets.add(table::tests::cp932());
        let values = charsets.find("cp932").expect("it was added");
        let keys = values.clone().of_key();
        for bytes in [&b"a\x81\xBE"[..], b"\xB1"] {
            let text = keys.decode(bytes).expect("the server's own code");
            assert_eq!(keys.encode(&text).as_deref(), Some(bytes));
        }
        assert_eq!(values.decode(b"a\x87\x9B").unwrap(), "a∪");
        assert!(matches!(keys.decode(b"a\x87\x9B"), Err(NotText::SecondCode { length: 3, .. })));
    }
}
