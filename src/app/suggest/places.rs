//! Places that lie evenly between the smallest and the largest value of a column. Pure.

use crate::model::{Column, ColumnType, DateTime, Value};

/// Characters of a text, behind what the smallest and the largest have in common, that places differ in.
const DIGITS: usize = 5;
/// Printable ASCII: other characters count as the nearest of these.
const FIRST: u8 = b' ';
const BASE: i128 = 95;

/// So many places, in rising order, the ends left out.
pub fn between(low: &Value, high: &Value, count: usize) -> Vec<Value> {
    let spread = |low: i128, high: i128| {
        let step = move |place: i128| low + (high - low) * place / (count as i128 + 1);
        (1..=count as i128).map(step)
    };
    match (low, high) {
        (Value::Int(low), Value::Int(high)) => spread(i128::from(*low), i128::from(*high))
            .filter_map(|n| Some(Value::Int(n.try_into().ok()?)))
            .collect(),
        (Value::UInt(low), Value::UInt(high)) => spread(i128::from(*low), i128::from(*high))
            .filter_map(|n| Some(Value::UInt(n.try_into().ok()?)))
            .collect(),
        (Value::DateTime(low), Value::DateTime(high)) => {
            let (Some(low), Some(high)) = (low.micros_since_epoch(), high.micros_since_epoch()) else {
                return Vec::new();
            };
            let micros = spread(i128::from(low), i128::from(high)).filter_map(|n| n.try_into().ok());
            micros.map(|micros| Value::DateTime(DateTime::from_micros_since_epoch(micros))).collect()
        }
        (Value::Text(low), Value::Text(high)) => {
            let common = common_bytes(low.as_bytes(), high.as_bytes());
            let common =
                (0..=common).rev().find(|at| low.is_char_boundary(*at) && high.is_char_boundary(*at));
            let common = common.unwrap_or(0);
            let (from, to) = (number(&low.as_bytes()[common..]), number(&high.as_bytes()[common..]));
            spread(from.min(to), from.max(to))
                .map(|n| Value::Text(format!("{}{}", &low[..common], text(n)).into()))
                .collect()
        }
        (Value::Bytes(low), Value::Bytes(high)) => {
            let common = common_bytes(low, high);
            let eight = |bytes: &[u8]| {
                let byte = |at| bytes.get(at).copied().unwrap_or(0);
                u64::from_be_bytes(std::array::from_fn(|at| byte(common + at)))
            };
            let places = spread(i128::from(eight(low)), i128::from(eight(high)));
            let bytes = places
                .filter_map(|n| u64::try_from(n).ok())
                .map(|n| [&low[..common], &n.to_be_bytes()].concat());
            bytes.map(|bytes| Value::Bytes(bytes.into())).collect()
        }
        _ => Vec::new(),
    }
}

/// A small value of a column: what stands behind a place in a key of several columns.
pub fn smallest(column: &Column) -> Option<Value> {
    Some(match &column.column_type {
        ColumnType::Integer { unsigned: true, .. } | ColumnType::Year => Value::UInt(0),
        ColumnType::Integer { bytes, .. } => Value::Int(i64::MIN >> (64 - 8 * u32::from(*bytes).clamp(1, 8))),
        ColumnType::Date | ColumnType::DateTime { .. } | ColumnType::Timestamp { .. } => {
            Value::DateTime(DateTime::from_micros_since_epoch(1_000_000))
        }
        ColumnType::Text { .. } => Value::Text("".into()),
        ColumnType::Binary { .. } | ColumnType::VarBinary => Value::Bytes(Vec::new().into()),
        _ => return None,
    })
}

fn common_bytes(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

fn number(bytes: &[u8]) -> i128 {
    let digit = |at: usize| i128::from(bytes.get(at).copied().unwrap_or(FIRST).clamp(FIRST, b'~') - FIRST);
    (0..DIGITS).fold(0, |number, at| number * BASE + digit(at))
}

fn text(mut number: i128) -> String {
    let mut bytes = [FIRST; DIGITS];
    for byte in bytes.iter_mut().rev() {
        *byte = FIRST + u8::try_from(number.rem_euclid(BASE)).unwrap_or(0);
        number = number.div_euclid(BASE);
    }
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lie_evenly_between_two_values() {
        assert_eq!(between(&Value::UInt(0), &Value::UInt(100), 3), [25, 50, 75].map(Value::UInt));
        let whole = between(&Value::Int(i64::MIN), &Value::Int(i64::MAX), 1);
        assert!(matches!(whole[..], [Value::Int(-1..=1)]), "{whole:?}");
        assert_eq!(
            between(&Value::Text("user:a".into()), &Value::Text("user:c".into()), 1),
            [Value::Text("user:b    ".into())]
        );
        let bytes = between(&Value::Bytes(vec![7, 0].into()), &Value::Bytes(vec![7, 255].into()), 1);
        assert_eq!(bytes, [Value::Bytes(vec![7, 127, 128, 0, 0, 0, 0, 0, 0].into())]);
        assert!(
            between(&Value::Text("é".into()), &Value::Text("è".into()), 2).len() == 2,
            "no place splits a character"
        );
        assert!(between(&Value::Null, &Value::Null, 5).is_empty());
    }

    #[test]
    fn the_smallest_integer_is_that_of_its_width() {
        let column = |bytes, unsigned| Column {
            name: "c".into(),
            column_type: ColumnType::Integer { bytes, unsigned },
            nullable: false,
            declared: String::new(),
            virtual_generated: false,
        };
        assert_eq!(smallest(&column(2, false)), Some(Value::Int(-32_768)));
        assert_eq!(smallest(&column(8, false)), Some(Value::Int(i64::MIN)));
        assert_eq!(smallest(&column(8, true)), Some(Value::UInt(0)));
    }
}
