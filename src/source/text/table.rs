//! A character set as a table of its codes: of one to four bytes, in the forms that MySQL's sets have.

use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;

/// Bytes that two-byte codes can be made of.
const PAIRS: usize = 1 << 16;
/// The byte before the two others of a three-byte code (ujis, eucjpms).
const THREE: u8 = 0x8F;
/// Codes of four bytes from 81308130 on that are looked up (gb18030): 81 to 84 in the first byte.
pub(super) const FOUR: u32 = 4 * 12_600;
/// Where the four-byte codes of U+10000 to U+10FFFF stand, in the order of their numbers (gb18030: 90308130).
pub(super) const SUPPLEMENTARY: u32 = 189_000;

/// What a server makes of every code of one of its character sets, and which code it makes of every character.
#[derive(Clone, Debug)]
pub struct CodeTable {
    name: String,
    one: [Option<char>; 256],
    /// Of [`PAIRS`] elements, or of none.
    two: Vec<Option<char>>,
    /// Behind [`THREE`]: of [`PAIRS`] elements, or of none.
    three: Vec<Option<char>>,
    /// Of [`FOUR`] elements, or of none; then there are supplementary characters too.
    four: Vec<Option<char>>,
    /// ASCII is as in ASCII.
    ascii: bool,
    codes: FxHashMap<char, u32>,
    /// Codes whose character has another one, which the server would write.
    second: FxHashSet<u32>,
}

impl CodeTable {
    /// `codes`: the number of each code, its bytes read as a big-endian number, with its character.
    pub fn new(name: &str, codes: impl IntoIterator<Item = (u32, char)>) -> CodeTable {
        let mut table = CodeTable {
            name: name.to_owned(),
            one: [None; 256],
            two: Vec::new(),
            three: Vec::new(),
            four: Vec::new(),
            ascii: false,
            codes: FxHashMap::default(),
            second: FxHashSet::default(),
        };
        for (code, c) in codes {
            table.place(code, c);
            if let Some(first) = table.codes.insert(c, code) {
                table.second.extend([first, code]);
            }
        }
        table.ascii = (0..128).all(|byte: u8| table.one[usize::from(byte)] == Some(char::from(byte)));
        table
    }

    fn place(&mut self, code: u32, c: char) {
        let bytes = code.to_be_bytes();
        let (area, size, place) = match bytes {
            [0, 0, 0, one] => {
                self.one[usize::from(one)] = Some(c);
                return;
            }
            [0, 0, ..] => (&mut self.two, PAIRS, code as usize),
            [0, THREE, ..] => (&mut self.three, PAIRS, code as usize & 0xFFFF),
            _ => match place_of_four(&bytes).filter(|place| *place < FOUR) {
                Some(place) => (&mut self.four, FOUR as usize, place as usize),
                None => return,
            },
        };
        area.resize(size, None);
        area[place] = Some(c);
    }

    /// Characters with several codes.
    pub fn ambiguous(&self) -> Vec<char> {
        let mut found: Vec<char> =
            self.codes.iter().filter(|(_, code)| self.second.contains(code)).map(|(c, _)| *c).collect();
        found.sort_unstable();
        found
    }

    /// Takes in what the server writes for [`ambiguous`](CodeTable::ambiguous) characters, one code behind the other. A
    /// character that it writes otherwise is in no key.
    pub fn choose(&mut self, asked: &[char], written: &[u8]) {
        let mut rest = written;
        for c in asked {
            let Some((code, length, read)) = self.first(rest) else { return };
            rest = &rest[length..];
            if read == *c {
                self.second.remove(&code);
                self.codes.insert(read, code);
            }
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn has_second_codes(&self) -> bool {
        !self.second.is_empty()
    }

    /// The text; `None` where a code has no character.
    #[inline]
    pub fn decode<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        if self.ascii && bytes.is_ascii() {
            return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
        }
        self.convert(bytes).map(Cow::Owned)
    }

    fn convert(&self, bytes: &[u8]) -> Option<String> {
        // most characters that are not ASCII take two bytes for one (alphabets), or three for two (East Asia)
        let mut text = String::with_capacity(bytes.len() * 2);
        let mut rest = bytes;
        while let Some(byte) = rest.first() {
            let (length, c) = match self.one[usize::from(*byte)] {
                Some(c) => (1, c),
                None => self.first(rest).map(|(_, length, c)| (length, c))?,
            };
            text.push(c);
            rest = &rest[length..];
        }
        Some(text)
    }

    /// Whether all codes are those that [`encode`](CodeTable::encode) gives.
    pub fn comes_back(&self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while let Some((code, length, _)) = self.first(rest) {
            if self.second.contains(&code) {
                return false;
            }
            rest = &rest[length..];
        }
        true // what is left has no character, which is another fault
    }

    /// The bytes of `text`; `None` where the set lacks a character.
    pub fn encode(&self, text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(text.len());
        for c in text.chars() {
            let code = match self.codes.get(&c) {
                Some(code) => *code,
                None if !self.four.is_empty() && u32::from(c) >= 0x1_0000 => {
                    four_at(u32::from(c) - 0x1_0000 + SUPPLEMENTARY)
                }
                None => return None,
            };
            let leading = (code.leading_zeros() / 8).min(3) as usize;
            bytes.extend(&code.to_be_bytes()[leading..]);
        }
        Some(bytes)
    }

    /// The first code of `bytes`, its length, and its character.
    fn first(&self, bytes: &[u8]) -> Option<(u32, usize, char)> {
        let one = *bytes.first()?;
        if let Some(c) = self.one[usize::from(one)] {
            return Some((u32::from(one), 1, c));
        }
        let two = u16::from_be_bytes([one, *bytes.get(1)?]);
        if let Some(c) = at(&self.two, usize::from(two)) {
            return Some((u32::from(two), 2, c));
        }
        if one == THREE && !self.three.is_empty() {
            let pair = u16::from_be_bytes([bytes[1], *bytes.get(2)?]);
            let c = at(&self.three, usize::from(pair))?;
            return Some((u32::from(THREE) << 16 | u32::from(pair), 3, c));
        }
        if self.four.is_empty() {
            return None;
        }
        let four: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
        let place = place_of_four(&four)?;
        let c = match place.checked_sub(SUPPLEMENTARY) {
            Some(above) => char::from_u32(above.checked_add(0x1_0000)?)?,
            None => at(&self.four, place as usize)?,
        };
        Some((u32::from_be_bytes(four), 4, c))
    }
}

fn at(area: &[Option<char>], place: usize) -> Option<char> {
    area.get(place).copied().flatten()
}

/// The number of a four-byte code of GB 18030, from 81308130 on.
fn place_of_four(bytes: &[u8; 4]) -> Option<u32> {
    let digit = |byte: u8, from: u8, to: u8| (from..=to).contains(&byte).then(|| u32::from(byte - from));
    let (one, two) = (digit(bytes[0], 0x81, 0xFE)?, digit(bytes[1], 0x30, 0x39)?);
    let (three, four) = (digit(bytes[2], 0x81, 0xFE)?, digit(bytes[3], 0x30, 0x39)?);
    Some(((one * 10 + two) * 126 + three) * 10 + four)
}

/// The inverse of [`place_of_four`].
pub(super) fn four_at(place: u32) -> u32 {
    let bytes =
        [0x81 + place / 12_600, 0x30 + place / 1_260 % 10, 0x81 + place / 10 % 126, 0x30 + place % 10];
    bytes.iter().fold(0, |code, byte| code << 8 | byte)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn ascii() -> impl Iterator<Item = (u32, char)> {
        (0..128).map(|byte: u8| (u32::from(byte), char::from(byte)))
    }

    /// A few codes of cp932: a half-width kana, and a character with two codes, of which the server writes 81BE.
    pub fn cp932() -> CodeTable {
        let more = [(0xB1, 'ｱ'), (0x81BE, '∪'), (0x879B, '∪'), (0x8365, 'テ')];
        let mut table = CodeTable::new("cp932", ascii().chain(more));
        assert_eq!(table.ambiguous(), ['∪']);
        table.choose(&['∪'], b"\x81\xBE");
        table
    }

    #[test]
    fn codes_of_one_to_four_bytes_are_told_apart_and_lead_back() {
        let ujis = [(0x8EB1, 'ｱ'), (0xA4A2, 'あ'), (0x8F_A2B7, '～')];
        let gb18030 = [(0xC4E3, '你'), (0x8130_8130, '\u{80}'), (0x8431_A437, '\u{FFFD}')];
        for (name, codes, bytes, text) in [
            ("ujis", ujis, &b"a\x8E\xB1\xA4\xA2\x8F\xA2\xB7z"[..], "aｱあ～z"),
            ("gb18030", gb18030, b"\xC4\xE30\x81\x30\x81\x30\x84\x31\xA4\x37", "你0\u{80}\u{FFFD}"),
            ("gb18030", gb18030, b"\x90\x30\x81\x30\xE3\x32\x9A\x35", "\u{10000}\u{10FFFF}"),
        ] {
            let table = CodeTable::new(name, ascii().chain(codes));
            assert_eq!(table.decode(bytes).as_deref(), Some(text), "{name}");
            assert_eq!(table.encode(text).as_deref(), Some(bytes), "{name}");
            assert!(table.comes_back(bytes));
        }
    }

    #[test]
    fn a_code_without_a_character_and_a_character_without_a_code_are_refused() {
        let gb18030 = CodeTable::new("gb18030", ascii().chain([(0xC4E3, '你'), (0x8130_8130, '\u{80}')]));
        for bad in [
            &b"\x80"[..],
            b"\xC4",
            b"\xC4\xE4",
            b"\x81\x30\x81",
            b"\x81\x30\x81\x31",
            b"\x85\x30\x81\x30",
            b"\xE3\x32\x9A\x36",
            b"\xFE\x39\xFE\x39",
        ] {
            assert_eq!(gb18030.decode(bad), None, "{bad:02x?}");
        }
        assert_eq!(gb18030.encode("好"), None);
    }

    #[test]
    fn only_ascii_is_borrowed_and_only_where_it_is_ascii() {
        let table = cp932();
        assert!(matches!(table.decode(b"abc"), Some(Cow::Borrowed("abc"))));
        let swe7 = CodeTable::new(
            "swe7",
            (0..128).map(|b: u8| (u32::from(b), if b == b'[' { 'Ä' } else { b.into() })),
        );
        assert_eq!(swe7.decode(b"[a").as_deref(), Some("Äa"));
    }

    #[test]
    fn a_character_that_the_server_writes_otherwise_is_in_no_key() {
        let mut table = CodeTable::new("odd", ascii().chain([(0x81BE, '∪'), (0x879B, '∪')]));
        table.choose(&['∪'], b"?");
        assert!(!table.comes_back(b"\x81\xBE") && !table.comes_back(b"\x87\x9B") && table.comes_back(b"?a"));
    }

    #[test]
    fn four_byte_codes_are_numbered_in_order() {
        for place in [0, 1, 9, 10, 1_259, 1_260, 12_600, FOUR - 1, SUPPLEMENTARY, SUPPLEMENTARY + 0xF_FFFF] {
            assert_eq!(place_of_four(&four_at(place).to_be_bytes()), Some(place));
        }
        assert_eq!((four_at(SUPPLEMENTARY), four_at(0)), (0x9030_8130, 0x8130_8130));
    }
}
