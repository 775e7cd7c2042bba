//! What text can be written in each charset of the server, as the server itself says.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use std::collections::BTreeMap;

/// One character: its bytes in the charset, and in UTF-8.
#[derive(Clone, Debug)]
pub struct Code {
    pub bytes: Vec<u8>,
    /// Another code becomes the same character, or it becomes none: it does not come back from UTF-8 as it was.
    pub is_one_way: bool,
}

/// Characters of every charset, and the collations that belong to it.
pub struct Repertoire {
    pub codes: BTreeMap<String, Vec<Code>>,
    pub collations: BTreeMap<String, Vec<String>>,
}

/// How many random codes of several bytes are tried in each charset.
const TRIED: usize = 700;

impl Repertoire {
    pub async fn ask(conn: &mut Conn, dice: &mut StdRng) -> Repertoire {
        let pairs: Vec<(String, String)> = conn
            .query("SELECT CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLLATIONS WHERE CHARACTER_SET_NAME <> 'binary'")
            .await
            .expect("collations can be read");
        let mut collations: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (charset, collation) in pairs {
            collations.entry(charset).or_default().push(collation);
        }
        let mut codes = BTreeMap::new();
        for charset in collations.keys() {
            let known = known_codes(conn, charset, &candidates(charset, dice)).await;
            assert!(known.len() > 20, "{charset} has {} characters", known.len());
            codes.insert(charset.clone(), known);
        }
        Repertoire { codes, collations }
    }

    /// Some characters in the bytes of a charset.
    pub fn text(&self, charset: &str, most: usize, one_way: bool, dice: &mut StdRng) -> Vec<u8> {
        let codes = &self.codes[charset];
        let length = dice.random_range(0..=most);
        let one = |dice: &mut StdRng| loop {
            let code = codes.choose(dice).expect("every charset has characters");
            if one_way || !code.is_one_way {
                return code.bytes.clone();
            }
        };
        (0..length).flat_map(|_| one(dice)).collect()
    }
}

/// Bytes that may be characters of the charset.
fn candidates(charset: &str, dice: &mut StdRng) -> Vec<Vec<u8>> {
    let mut tried: Vec<Vec<u8>> = Vec::new();
    let wide = match charset {
        "ucs2" | "utf16" | "utf16le" => Some(2),
        "utf32" => Some(4),
        _ => None,
    };
    if let Some(width) = wide {
        for _ in 0..TRIED {
            let code = dice.random_range(1..if width == 4 { 0x11_0000_u32 } else { 0x1_0000 });
            let bytes = code.to_be_bytes();
            tried.push(bytes[4 - width..].to_vec());
        }
        for _ in 0..40 {
            let (high, low) = (dice.random_range(0xd800..0xdc00_u16), dice.random_range(0xdc00..0xe000_u16));
            let flip = |unit: u16| if charset == "utf16le" { unit.to_le_bytes() } else { unit.to_be_bytes() };
            tried.push([flip(high), flip(low)].concat());
        }
        // ASCII, in both orders of bytes; what is none is refused
        tried.extend((0x20..0x7f_u8).map(|byte| match (width, charset) {
            (4, _) => vec![0, 0, 0, byte],
            (_, "utf16le") => vec![byte, 0],
            _ => vec![0, byte],
        }));
        return tried;
    }
    tried.extend((0x01..=0xff_u8).map(|byte| vec![byte]));
    if charset.starts_with("utf8") {
        let characters = (0..TRIED).filter_map(|_| char::from_u32(dice.random_range(0x80..0x11_0000)));
        tried.extend(characters.map(|character| character.to_string().into_bytes()));
        let plane = (0..TRIED).filter_map(|_| char::from_u32(dice.random_range(0x80..0x3000)));
        tried.extend(plane.map(|character| character.to_string().into_bytes()));
        return tried;
    }
    // the rows of signs, where tables differ, whole in the first of them
    for lead in [0x81_u8, 0xa1, 0xa2] {
        tried.extend((0x40..=0xfe_u8).map(|trail| vec![lead, trail]));
    }
    for _ in 0..TRIED {
        tried.push(vec![dice.random_range(0x81..=0xfe), dice.random_range(0x40..=0xfe)]);
    }
    for _ in 0..TRIED / 2 {
        let three = [0x8f, dice.random_range(0xa1..=0xfe), dice.random_range(0xa1..=0xfe)];
        let four = [
            dice.random_range(0x81..=0x84_u8),
            dice.random_range(0x30..=0x39),
            dice.random_range(0x81..=0xfe),
            dice.random_range(0x30..=0x39),
        ];
        match charset {
            "ujis" | "eucjpms" => tried.push(three.to_vec()),
            "gb18030" => tried.push(four.to_vec()),
            _ => {}
        }
    }
    tried
}

/// Those that are one character for the server and that it can convert to UTF-8.
async fn known_codes(conn: &mut Conn, charset: &str, tried: &[Vec<u8>]) -> Vec<Code> {
    let list: Vec<String> = tried.iter().map(|bytes| format!("\"{}\"", hex::encode_upper(bytes))).collect();
    let text = format!("CONVERT(UNHEX(h) USING {charset})");
    let query = format!(
        "SELECT h, HEX(CONVERT({text} USING utf8mb4)), HEX(CONVERT(CONVERT({text} USING utf8mb4) USING {charset})), \
         HEX({text}), CHAR_LENGTH({text}) FROM JSON_TABLE('[{}]', '$[*]' COLUMNS (h VARCHAR(20) PATH '$')) AS t",
        list.join(",")
    );
    type Known = (String, Option<String>, Option<String>, Option<String>, Option<u64>);
    let rows: Vec<Known> = conn.query(query).await.unwrap_or_else(|error| panic!("{charset}: {error}"));
    let known = rows.into_iter().filter_map(|(code, utf8, back, again, characters)| {
        let (utf8, bytes) = (utf8?, hex::decode(&code).expect("it was made by hex"));
        let question = utf8 == "3F" && !bytes.contains(&b'?');
        let is_one = characters == Some(1) && again.as_deref() == Some(&code) && !utf8.is_empty();
        (is_one && !question).then(|| Code { bytes, is_one_way: back.as_deref() != Some(&code) })
    });
    known.collect()
}

/// A statement in the bytes of a session's charset, as the server converts it; `None` where it cannot be said there.
pub async fn in_charset(conn: &mut Conn, statement: &str, charset: &str) -> Option<Vec<u8>> {
    if statement.is_ascii() || charset == "utf8mb4" {
        return Some(statement.as_bytes().to_vec());
    }
    let text = format!("_utf8mb4 x'{}'", hex::encode(statement));
    let query = format!(
        "SELECT CAST(CONVERT({text} USING {charset}) AS BINARY), \
         CAST(CONVERT(CONVERT({text} USING {charset}) USING utf8mb4) AS BINARY)"
    );
    let (there, back): (Vec<u8>, Vec<u8>) = conn.query_first(query).await.ok()??;
    (back == statement.as_bytes()).then_some(there)
}
