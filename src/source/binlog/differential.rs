//! Our decoder against mysql_common's, on random bytes: both read the same value from the same
//! number of bytes, or both refuse.
//!
//! Left out or forgiven is what mysql_common 0.37 gets wrong, and why we decode ourselves: MEDIUMINT
//! -8388608 comes as 8388608; a negative TIME(1) or TIME(2) with a fraction, and a DECIMAL of damaged
//! bytes, overflow (a panic in a debug build, a wrong value else). The live tests compare those with
//! a SELECT.

use super::cursor::Cursor;
use super::decode::Decoder;
use super::guard::guarded;
use super::table_map::{WireColumn, wire};
use crate::model::{ColumnType, ColumnValue, Value};
use crate::source::text::Charset;
use mysql_common::Value as Theirs;
use mysql_common::binlog::value::BinlogValue;
use mysql_common::constants::ColumnType as TheirType;
use mysql_common::io::ParseBuf;
use proptest::prelude::*;

fn text() -> ColumnType {
    ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_bin".into() }
}

/// A column as the binlog and as the schema describe it.
fn column() -> impl Strategy<Value = (u8, [u8; 2], ColumnType)> {
    let integer = |bytes, unsigned| ColumnType::Integer { bytes, unsigned };
    prop_oneof![
        (0..4_usize, any::<bool>()).prop_map(move |(i, unsigned)| {
            let types = [(wire::TINY, 1), (wire::SHORT, 2), (wire::LONG, 4), (wire::LONGLONG, 8)];
            let (wire_type, bytes) = types[i];
            (wire_type, [0, 0], integer(bytes, unsigned))
        }),
        Just((wire::DOUBLE, [8, 0], ColumnType::Double)),
        Just((wire::FLOAT, [4, 0], ColumnType::Float)),
        Just((wire::NEWDATE, [0, 0], ColumnType::Date)),
        (1..=64_u8).prop_map(|bits| (wire::BIT, [bits % 8, bits / 8], ColumnType::Bit { bits })),
        (0..=6_u8).prop_map(|fraction| (wire::DATETIME2, [fraction, 0], ColumnType::DateTime { fraction })),
        (0..=6_u8).prop_map(|fraction| (wire::TIME2, [fraction, 0], ColumnType::Time { fraction })),
        any::<u16>().prop_map(|length| (wire::VARCHAR, length.to_le_bytes(), ColumnType::VarBinary)),
        (1..=4_u8).prop_map(|bytes| (wire::BLOB, [bytes, 0], ColumnType::VarBinary)),
        (0..4_u8, any::<u8>()).prop_map(|(high, low)| (wire::STRING, [0xFE ^ high << 4, low], text())),
    ]
}

fn same(ours: &Value, theirs: &Theirs) -> bool {
    match (ours, theirs) {
        (Value::Int(a), Theirs::Int(b)) => a == b,
        (Value::UInt(a), Theirs::UInt(b)) => a == b,
        (Value::UInt(a), Theirs::Int(b)) => i64::try_from(*a) == Ok(*b),
        (Value::Float(a), Theirs::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Double(a), Theirs::Double(b)) => a.to_bits() == b.to_bits(),
        (Value::Text(a), Theirs::Bytes(b)) => a.as_bytes() == b,
        (Value::Bytes(a), Theirs::Bytes(b)) => **a == **b,
        (Value::DateTime(a), Theirs::Date(year, month, day, hour, minute, second, micros)) => {
            (a.year, a.month, a.day, a.hour, a.minute, a.second, a.micros)
                == (*year, *month, *day, *hour, *minute, *second, *micros)
        }
        (Value::Time(a), Theirs::Time(negative, days, hours, minutes, seconds, micros)) => {
            let zero = a.micros_total() == 0;
            (a.negative || zero, u32::from(a.hours), a.minutes, a.seconds, a.micros)
                == (*negative || zero, days * 24 + u32::from(*hours), *minutes, *seconds, *micros)
        }
        _ => false,
    }
}

/// Field values that no server writes; what becomes of them is nobody's promise.
fn is_real(value: &Value) -> bool {
    match value {
        Value::DateTime(d) => {
            d.month <= 12
                && d.hour < 24
                && d.minute < 60
                && d.second < 60
                && d.micros < 1_000_000
                && d.year < 10_000
        }
        Value::Time(t) => t.hours < 839 && t.minutes < 60 && t.seconds < 60 && t.micros < 1_000_000,
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn both_decoders_read_the_same(
        (wire_type, meta, column_type) in column(),
        mut bytes in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        if let (wire::DATETIME2, Some(first)) = (wire_type, bytes.first_mut()) {
            *first |= 0x80;
        }
        let column = WireColumn { wire_type, meta };
        let ours = Decoder::new(column, &column_type, Some(Charset::Utf8)).expect("the types agree");
        let mut cursor = Cursor::new(&bytes);
        let mine = ours.decode(&mut cursor).map(ColumnValue::into_owned);
        let mut skipped = Cursor::new(&bytes);
        let skip = column.skip(&mut skipped);
        if mine.is_ok() {
            prop_assert_eq!(skip, Ok(()));
            prop_assert_eq!(skipped.rest().len(), cursor.rest().len());
        }
        let unsigned = matches!(column_type, ColumnType::Integer { unsigned: true, .. });
        let theirs = guarded(|| {
            let their_type = TheirType::try_from(wire_type).map_err(|error| error.to_string())?;
            let mut buffer = ParseBuf(&bytes);
            let value: BinlogValue<'_> =
                buffer.parse((their_type, &meta[..], unsigned, false)).map_err(|error| error.to_string())?;
            Ok((value.into_owned(), buffer.0.len()))
        });
        if let (Ok(mine), Ok((BinlogValue::Value(theirs), left))) = (mine, theirs) {
            prop_assert_eq!(left, cursor.rest().len());
            if is_real(&mine) {
                prop_assert!(same(&mine, &theirs), "{:?} {:?} {:?}", column_type, mine, theirs);
            }
        }
    }
}
