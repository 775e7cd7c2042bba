//! Differences between two JSON documents, as PARTIAL_JSON logs them instead of the new document.
//!
//! A difference is: operation (1: replace, insert, remove), path (lenenc string), and unless it is a
//! removal the new value as JSONB behind its length (lenenc). MySQL source, sql-common/json_diff.h.

use super::binlog::cursor::Cursor;
use super::json::{Json, JsonError};
use std::iter::Peekable;
use std::str::Chars;

/// Applies differences, one after the other.
///
/// # Errors
/// `Difference` when a path does not fit the document: then it is not the document that they were made for.
pub fn apply(document: &mut Json, differences: &[u8]) -> Result<(), JsonError> {
    const REPLACE: u8 = 0;
    const INSERT: u8 = 1;
    const REMOVE: u8 = 2;
    let mut cursor = Cursor::new(differences);
    while !cursor.is_empty() {
        let operation = cursor.u8()?;
        let length = cursor.length()?;
        let path = std::str::from_utf8(cursor.take(length)?).map_err(|_| JsonError::NotUtf8)?;
        let legs = legs(path)?;
        match operation {
            REPLACE => *find(document, &legs)? = value(&mut cursor)?,
            INSERT => insert(document, &legs, value(&mut cursor)?)?,
            REMOVE => remove(document, &legs)?,
            _ => return Err(JsonError::Difference),
        }
    }
    Ok(())
}

fn value(cursor: &mut Cursor<'_>) -> Result<Json, JsonError> {
    let length = cursor.length()?;
    Json::from_jsonb(cursor.take(length)?)
}

/// One step of a path: `.key` or `[index]`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Leg {
    Key(String),
    Index(usize),
}

/// The steps of a path like `$.a."b c"[3]`. A quoted key is a JSON string.
fn legs(path: &str) -> Result<Vec<Leg>, JsonError> {
    let mut chars = path.chars().peekable();
    if chars.next() != Some('$') {
        return Err(JsonError::Difference);
    }
    let mut legs = Vec::new();
    while let Some(c) = chars.next() {
        legs.push(match c {
            '.' if chars.peek() == Some(&'"') => Leg::Key(quoted_key(&mut chars)?),
            '.' => {
                let mut key = String::new();
                while let Some(c) = chars.next_if(|c| !matches!(c, '.' | '[')) {
                    key.push(c);
                }
                Leg::Key(key)
            }
            '[' => {
                let mut digits = String::new();
                while let Some(c) = chars.next_if(char::is_ascii_digit) {
                    digits.push(c);
                }
                if chars.next() != Some(']') {
                    return Err(JsonError::Difference);
                }
                Leg::Index(digits.parse().map_err(|_| JsonError::Difference)?)
            }
            _ => return Err(JsonError::Difference),
        });
    }
    Ok(legs)
}

fn quoted_key(chars: &mut Peekable<Chars<'_>>) -> Result<String, JsonError> {
    let mut literal = String::new();
    literal.extend(chars.next());
    loop {
        let c = chars.next().ok_or(JsonError::Difference)?;
        literal.push(c);
        match c {
            '\\' => literal.push(chars.next().ok_or(JsonError::Difference)?),
            '"' => return serde_json::from_str(&literal).map_err(|_| JsonError::Difference),
            _ => {}
        }
    }
}

fn find<'a>(document: &'a mut Json, legs: &[Leg]) -> Result<&'a mut Json, JsonError> {
    legs.iter().try_fold(document, |at, leg| {
        match (at, leg) {
            (Json::Object(members), Leg::Key(key)) => {
                members.iter_mut().find(|(name, _)| name == key).map(|(_, member)| member)
            }
            (Json::Array(items), Leg::Index(index)) => items.get_mut(*index),
            // A value that is no array counts as an array of itself.
            (scalar, Leg::Index(0)) => Some(scalar),
            _ => None,
        }
        .ok_or(JsonError::Difference)
    })
}

fn insert(document: &mut Json, legs: &[Leg], new: Json) -> Result<(), JsonError> {
    let (last, parents) = legs.split_last().ok_or(JsonError::Difference)?;
    match (find(document, parents)?, last) {
        (Json::Array(items), Leg::Index(index)) => items.insert((*index).min(items.len()), new),
        (Json::Object(members), Leg::Key(key)) => {
            // MySQL orders keys by length, then by bytes.
            let at = members.partition_point(|(name, _)| (name.len(), name.as_str()) < (key.len(), key));
            match members.get_mut(at).filter(|(name, _)| name == key) {
                Some((_, member)) => *member = new,
                None => members.insert(at, (key.clone(), new)),
            }
        }
        _ => return Err(JsonError::Difference),
    }
    Ok(())
}

fn remove(document: &mut Json, legs: &[Leg]) -> Result<(), JsonError> {
    let (last, parents) = legs.split_last().ok_or(JsonError::Difference)?;
    match (find(document, parents)?, last) {
        (Json::Array(items), Leg::Index(index)) if *index < items.len() => drop(items.remove(*index)),
        (Json::Object(members), Leg::Key(key)) => {
            let at = members.iter().position(|(name, _)| name == key).ok_or(JsonError::Difference)?;
            members.remove(at);
        }
        _ => return Err(JsonError::Difference),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Json {
        let list = Json::Array(vec![Json::Int(1), Json::Int(2)]);
        Json::Object(vec![("a".into(), list), ("b c".into(), Json::Null)])
    }

    fn difference(operation: u8, path: &str, value: Option<&[u8]>) -> Vec<u8> {
        let mut bytes = vec![operation, path.len() as u8];
        bytes.extend(path.as_bytes());
        if let Some(value) = value {
            bytes.push(value.len() as u8);
            bytes.extend(value);
        }
        bytes
    }

    #[test]
    fn replace_insert_and_remove_change_the_document() {
        let seven = [5, 7, 0];
        let mut all = difference(0, "$.a[1]", Some(&seven));
        all.extend(difference(1, "$.a[0]", Some(&seven)));
        all.extend(difference(1, "$.aa", Some(&seven)));
        all.extend(difference(2, "$.\"b c\"", None));
        let mut changed = document();
        apply(&mut changed, &all).unwrap();
        assert_eq!(changed.to_text(), r#"{"a":[7,1,7],"aa":7}"#);
    }

    #[test]
    fn a_difference_that_does_not_fit_is_an_error() {
        for (operation, path) in
            [(0, "$.x"), (2, "$.a[9]"), (2, "$"), (0, "$["), (0, "a"), (9, "$.a"), (0, "$.\"a")]
        {
            let bytes = difference(operation, path, (operation != 2).then_some(&[5, 7, 0]));
            assert!(apply(&mut document(), &bytes).is_err(), "{operation} {path}");
        }
    }
}
