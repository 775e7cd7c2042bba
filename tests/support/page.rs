//! docs/formats.md, as tests read it: what it shows is checked, not repeated.

const FORMATS: &str = include_str!("../../docs/formats.md");

/// The rows of the table whose header begins with `header`, cell by cell, without backquotes around a cell.
pub fn table(header: &str) -> Vec<Vec<String>> {
    let rows = FORMATS.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let cells = |line: &str| {
        let line = line.trim().trim_matches('|');
        line.split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let rows: Vec<Vec<String>> = rows.take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(!rows.is_empty(), "formats.md has no table {header}");
    rows
}

/// The bytes that a cell of a table shows in hexadecimal, by parts; `None`: there is no such form.
pub fn bytes(shown: &str) -> Option<Vec<u8>> {
    match shown {
        "none" => None,
        "(empty)" => Some(Vec::new()),
        digits => Some(hex::decode(digits.replace(' ', "")).expect("formats.md shows bytes in hexadecimal")),
    }
}

/// The bytes that a cell of a table shows as text, or, where it is none, in hexadecimal behind `0x`.
pub fn text(shown: &str) -> Vec<u8> {
    match shown.strip_prefix("0x") {
        Some(digits) => hex::decode(digits).expect("formats.md shows bytes in hexadecimal"),
        None if shown == "(empty)" => Vec::new(),
        None => shown.as_bytes().to_vec(),
    }
}
