//! The characters of a statement's text: how many bytes each has, and names as UTF-8.
//!
//! A statement is cut into tokens by its bytes, as the server's own lexer does it (`my_ismbchar` of the client's
//! character set): in gbk, big5, sjis, cp932 and gb18030 the second byte of a character can be a backslash.

use crate::source::text::{Charset, Charsets};
use mysql_common::collations::{Collation, CollationId};

/// Stands in a name for one character that is not known.
pub const UNREADABLE: char = char::REPLACEMENT_CHARACTER;
/// Stands for a name of which nothing is known.
pub const ANYTHING: char = '\u{FFFF}';

/// The blank that does not break lines, in sets that have it.
const HARD_BLANK: u8 = 0xA0;
const WITH_HARD_BLANK: [&str; 10] =
    ["latin1", "latin2", "latin5", "latin7", "cp1250", "cp1251", "cp1256", "cp1257", "greek", "hebrew"];

/// A client's character set.
#[derive(Clone, Debug)]
pub struct Letters {
    length: fn(&[u8]) -> usize,
    charset: Option<Charset>,
    /// Whether character ends are known.
    known: bool,
    /// The byte A0 is a blank, as in latin1.
    has_hard_blank: bool,
}

impl Letters {
    /// Of the collation's id; `None` where an event does not say. Characters outside ASCII are known of the sets in
    /// `charsets`.
    pub fn of(collation: Option<u16>, charsets: &Charsets) -> Letters {
        let name = collation.map(|id| Collation::resolve(CollationId::from(id)).charset().to_owned());
        match name.as_deref() {
            // swe7 has letters in the place of brackets
            None | Some("unknown" | "ucs2" | "utf16" | "utf16le" | "utf32" | "swe7") => {
                Letters { length: single, charset: None, known: false, has_hard_blank: false }
            }
            // names are taken as they come from such a client
            Some("binary") => Letters::utf8(),
            Some(name) => Letters {
                length: length_in(name),
                charset: charsets.find(name),
                known: true,
                has_hard_blank: WITH_HARD_BLANK.contains(&name),
            },
        }
    }

    pub fn utf8() -> Letters {
        Letters { length: single, charset: Some(Charset::Utf8), known: true, has_hard_blank: false }
    }

    /// Whether the ends of all characters in `text` are known.
    pub fn can_cut(&self, text: &[u8]) -> bool {
        self.known || text.is_ascii()
    }

    /// Whether the byte separates words.
    #[inline]
    pub fn is_blank(&self, byte: u8) -> bool {
        byte <= b' ' || (byte == HARD_BLANK && self.has_hard_blank)
    }

    /// The bytes of the first character of `rest`, which is not empty: 1, or what a whole multi-byte character has.
    #[inline]
    pub fn length(&self, rest: &[u8]) -> usize {
        if rest[0] < 0x80 { 1 } else { (self.length)(rest) }
    }

    /// The text as UTF-8. What is not known of it becomes [`UNREADABLE`] or [`ANYTHING`].
    pub fn decode(&self, bytes: &[u8]) -> String {
        if bytes.is_ascii() {
            return bytes.iter().copied().map(char::from).collect();
        }
        match &self.charset {
            Some(charset) => {
                charset.decode(bytes).map_or_else(|_| ANYTHING.to_string(), std::borrow::Cow::into_owned)
            }
            None if self.known => self.outline(bytes),
            None => ANYTHING.to_string(),
        }
    }

    /// ASCII, and a mark for each other character.
    fn outline(&self, mut bytes: &[u8]) -> String {
        let mut text = String::new();
        while let Some(first) = bytes.first() {
            text.push(if first.is_ascii() { char::from(*first) } else { UNREADABLE });
            bytes = &bytes[self.length(bytes)..];
        }
        text
    }
}

/// The function that knows a set's multi-byte characters (strings/ctype-*.cc of MySQL). Without it a character would
/// count as many, so that a name is taken for another one. UTF-8 needs none: its characters are decoded.
fn length_in(charset: &str) -> fn(&[u8]) -> usize {
    match charset {
        "big5" => |rest| match rest {
            [0xA1..=0xF9, 0x40..=0x7E | 0xA1..=0xFE, ..] => 2,
            _ => 1,
        },
        "gbk" => |rest| match rest {
            [0x81..=0xFE, 0x40..=0x7E | 0x80..=0xFE, ..] => 2,
            _ => 1,
        },
        "sjis" | "cp932" => |rest| match rest {
            [0x81..=0x9F | 0xE0..=0xFC, 0x40..=0x7E | 0x80..=0xFC, ..] => 2,
            _ => 1,
        },
        "gb18030" => |rest| match rest {
            [0x81..=0xFE, 0x40..=0x7E | 0x80..=0xFE, ..] => 2,
            [0x81..=0xFE, b'0'..=b'9', 0x81..=0xFE, b'0'..=b'9', ..] => 4,
            _ => 1,
        },
        "ujis" | "eucjpms" => |rest| match rest {
            [0x8E, 0xA1..=0xDF, ..] | [0xA1..=0xFE, 0xA1..=0xFE, ..] => 2,
            [0x8F, 0xA1..=0xFE, 0xA1..=0xFE, ..] => 3,
            _ => 1,
        },
        "euckr" => |rest| match rest {
            [0x81..=0xFE, 0x41..=0x5A | 0x61..=0x7A | 0x81..=0xFE, ..] => 2,
            _ => 1,
        },
        "gb2312" => |rest| match rest {
            [0xA1..=0xF7, 0xA1..=0xFE, ..] => 2,
            _ => 1,
        },
        _ => single,
    }
}

fn single(_: &[u8]) -> usize {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collation ids of big5, sjis, gbk, cp932, gb18030.
    const WITH_BACKSLASHES: [u16; 5] = [1, 13, 28, 95, 248];

    #[test]
    fn a_backslash_can_be_the_second_byte_of_a_character() {
        let none = Charsets::default();
        for id in WITH_BACKSLASHES {
            let letters = Letters::of(Some(id), &none);
            assert_eq!(letters.length(&[0xE8, 0x5C]), 2, "{id}");
            assert_eq!(letters.length(&[0xE8]), 1, "{id}");
            assert_eq!(letters.length(b"\\'"), 1, "{id}");
        }
        assert_eq!(Letters::of(Some(248), &none).length(&[0x81, 0x30, 0x81, 0x30]), 4);
        assert_eq!(Letters::of(Some(8), &none).length(&[0xE8, 0x5C]), 1);
    }

    #[test]
    fn what_cannot_be_read_is_marked() {
        let none = Charsets::default();
        assert_eq!(Letters::of(Some(8), &none).decode(b"follows"), "follows");
        assert_eq!(Letters::of(Some(8), &none).decode(b"stra\xDFe"), "stra\u{FFFD}e", "no table is known");
        assert_eq!(Letters::of(Some(28), &none).decode(b"a\xD5\x5Cb"), "a\u{FFFD}b");
        assert_eq!(Letters::of(Some(45), &none).decode("straße".as_bytes()), "straße");
        for unknown in [None, Some(0), Some(60_000), Some(35), Some(10)] {
            let letters = Letters::of(unknown, &none);
            assert!(letters.can_cut(b"BEGIN") && !letters.can_cut(&[0xE8]), "{unknown:?}");
            assert!(letters.decode(&[0xE8]).contains(ANYTHING));
        }
    }
}
