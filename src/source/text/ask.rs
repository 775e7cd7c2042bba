//! What a server is asked about one of its character sets, and what its answers mean.
//!
//! Each statement converts some codes to UTF-32, each code for itself. One that has no character is left out, and one
//! of which the server (outside its strict mode) cuts off what is no text. A set of two-byte codes is one statement of some 0.1 s and at most 24,000 rows.

use super::table::{CodeTable, FOUR, SUPPLEMENTARY, four_at};
use crate::source::SourceError;
use crate::source::connection::{Connection, number_at, text_at};

/// The table of the set `name`; `None` for one whose form is not known here.
///
/// # Errors
/// `Refused` where the answers are not what a character set can be.
pub(crate) async fn read(connection: &mut Connection, name: &str) -> Result<Option<CodeTable>, SourceError> {
    const WHAT: &str = "the codes of a character set";
    let refused = |reason: &str| SourceError::Refused {
        what: format!("the codes of the character set {name}"),
        reason: reason.to_owned(),
    };
    let found = connection.rows_with("the form of a character set", BYTES_MAX, (name,)).await?;
    let bytes_max = found.first().and_then(|row| number_at(row, 0)).unwrap_or(0);
    let Some(asked) = questions(name, bytes_max) else { return Ok(None) };
    let mut codes = Vec::new();
    for statement in asked.codes() {
        let rows = connection.rows(WHAT, &statement).await?;
        codes.extend(rows.iter().map(|row| (text_at(row, 0), text_at(row, 1))));
    }
    let mut table = asked.table(&codes).ok_or_else(|| refused("its answer does not read"))?;
    let ambiguous = table.ambiguous();
    if !ambiguous.is_empty() {
        let written = hex::decode(connection.text(WHAT, &asked.written(&ambiguous)).await?);
        table.choose(&ambiguous, &written.map_err(|_| refused("its answer does not read"))?);
    }
    if let Some(statement) = asked.supplementary()
        && connection.text(WHAT, &statement).await? != "0"
    {
        return Err(refused("it converts characters beyond U+FFFF in another order than GB 18030 does"));
    }
    Ok(Some(table))
}

/// Bytes of the longest character of a set.
const BYTES_MAX: &str = "SELECT MAXLEN FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME = ?";

/// Codes of one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Area {
    One,
    Two,
    /// Two bytes behind 8F.
    Three,
    /// From 81308130 on.
    Four,
}

/// What to ask about one character set.
#[derive(Clone, Debug)]
pub struct Questions {
    name: String,
    areas: &'static [Area],
}

/// The questions about the set `name`, which has at most `bytes_max` bytes a character
/// (`information_schema.CHARACTER_SETS`); `None` when its form is not known here.
pub fn questions(name: &str, bytes_max: u64) -> Option<Questions> {
    let areas: &[Area] = match (name, bytes_max) {
        ("binary", _) => return None,
        (_, 1) => &[Area::One],
        ("sjis" | "cp932" | "euckr" | "big5" | "gb2312" | "gbk", _) => &[Area::One, Area::Two],
        ("ujis" | "eucjpms", _) => &[Area::One, Area::Two, Area::Three],
        ("gb18030", _) => &[Area::One, Area::Two, Area::Four],
        _ => return None,
    };
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain.then(|| Questions { name: name.to_owned(), areas })
}

impl Questions {
    /// Statements whose rows are (code, character), both in hex, the character in UTF-32.
    pub fn codes(&self) -> Vec<String> {
        self.areas.iter().map(|area| self.statement(*area)).collect()
    }

    fn statement(&self, area: Area) -> String {
        let (code, which) = match area {
            Area::One => ("CHAR(n)", "n < 256".to_owned()),
            Area::Two => ("CHAR(n DIV 256, n MOD 256)", "n >= 32768".to_owned()),
            Area::Three => ("CHAR(143, n DIV 256, n MOD 256)", "n >= 32768".to_owned()),
            Area::Four => (
                "CHAR(129 + n DIV 12600, 48 + n DIV 1260 MOD 10, 129 + n DIV 10 MOD 126, 48 + n MOD 10)",
                format!("n < {FOUR}"),
            ),
        };
        format!(
            "SELECT HEX(code), utf32 FROM (SELECT code, HEX(CONVERT(CONVERT(code USING {}) USING utf32)) AS utf32 \
             FROM (SELECT {code} AS code FROM {} WHERE {which}) AS codes) AS converted \
             WHERE LENGTH(utf32) = 8 AND (utf32 <> '0000003F' OR code = X'3F') \
             AND LENGTH(CONVERT(code USING {})) = LENGTH(code)",
            self.name,
            numbers(),
            self.name
        )
    }

    /// A statement that answers 0 where the server converts the four-byte codes of U+10000 to U+10FFFF in the order of
    /// their numbers, as this program does. It tries every sixteenth, with every last digit among them.
    pub fn supplementary(&self) -> Option<String> {
        self.areas.contains(&Area::Four).then(|| {
            let first = four_at(SUPPLEMENTARY) >> 24;
            format!(
                "SELECT COUNT(*) FROM (SELECT above, CHAR({first} + above DIV 12600, 48 + above DIV 1260 MOD 10, \
                 129 + above DIV 10 MOD 126, 48 + above MOD 10) AS code \
                 FROM (SELECT n * 16 + n MOD 16 AS above FROM {}) AS places) AS codes \
                 WHERE NOT HEX(CONVERT(CONVERT(code USING {}) USING utf32)) <=> LPAD(HEX(65536 + above), 8, '0')",
                numbers(),
                self.name
            )
        })
    }

    /// A statement whose answer is what the server writes for these characters, in hex.
    pub fn written(&self, characters: &[char]) -> String {
        let utf32: Vec<u8> = characters.iter().flat_map(|c| u32::from(*c).to_be_bytes()).collect();
        format!("SELECT HEX(CONVERT(CONVERT(X'{}' USING utf32) USING {}))", hex::encode(utf32), self.name)
    }

    /// The table that rows of [`codes`](Questions::codes) make; `None` where one of them is not of that form.
    pub fn table(&self, rows: &[(String, String)]) -> Option<CodeTable> {
        let number = |hex: &str| u32::from_str_radix(hex, 16).ok();
        let code = |(code, c): &(String, String)| Some((number(code)?, char::from_u32(number(c)?)?));
        let codes: Option<Vec<(u32, char)>> = rows.iter().map(code).collect();
        codes.filter(|codes| !codes.is_empty()).map(|codes| CodeTable::new(&self.name, codes))
    }
}

/// The numbers from 0 to 65535 as `n`.
fn numbers() -> String {
    let digits: Vec<String> = (0..16).map(|digit| format!("SELECT {digit} AS n")).collect();
    let digits = digits.join(" UNION ALL ");
    format!(
        "(SELECT a.n * 4096 + b.n * 256 + c.n * 16 + d.n AS n FROM ({digits}) AS a, ({digits}) AS b, \
         ({digits}) AS c, ({digits}) AS d) AS n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sets_of_a_known_form_are_asked_about() {
        assert!(questions("latin1", 1).is_some() && questions("cp932", 2).is_some());
        for (name, bytes) in [("binary", 1), ("klingon", 2), ("x'; DROP", 1), ("utf8mb4", 4)] {
            assert!(questions(name, bytes).is_none(), "{name}");
        }
        assert_eq!(questions("eucjpms", 3).expect("known").codes().len(), 3);
        assert!(questions("sjis", 2).expect("known").supplementary().is_none());
    }

    #[test]
    fn a_table_is_made_of_the_servers_rows() {
        let rows = |rows: &[(&str, &str)]| -> Vec<(String, String)> {
            rows.iter().map(|(code, c)| ((*code).to_owned(), (*c).to_owned())).collect()
        };
        let asked = questions("sjis", 2).expect("known");
        let table = asked.table(&rows(&[("61", "00000061"), ("8160", "0000301C")])).expect("whole");
        assert_eq!(table.decode(b"a\x81\x60").as_deref(), Some("a〜"));
        assert!(asked.table(&rows(&[("8160", "0011FFFF")])).is_none());
        assert!(asked.table(&[]).is_none());
        assert_eq!(
            asked.written(&['〜']),
            "SELECT HEX(CONVERT(CONVERT(X'0000301c' USING utf32) USING sjis))"
        );
    }
}
