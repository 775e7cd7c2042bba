//! Filters in the language of HBase's reference guide ("Filter Language"; ParseFilter in hbase-client): names,
//! arguments in single quotes, any byte in them, a quote doubled.

use bytes::Bytes;

/// Only cells with a qualifier above `after`; only their names.
pub fn of(after: Option<&Bytes>, names_only: bool) -> Option<Bytes> {
    // from the next possible name on: an empty bound would mean none
    let next = after.map(|after| quoted(&[after, &b"\0"[..]].concat()));
    let after = next.map(|next| [b"ColumnRangeFilter (", &next[..], b", true, '', true)"].concat());
    match (after, names_only) {
        (Some(after), true) => Some([&after[..], b" AND KeyOnlyFilter ()"].concat().into()),
        (Some(after), false) => Some(after.into()),
        (None, true) => Some(Bytes::from_static(b"KeyOnlyFilter ()")),
        (None, false) => None,
    }
}

/// One cell of each row, without its value.
pub fn first_names() -> Bytes {
    Bytes::from_static(b"FirstKeyOnlyFilter () AND KeyOnlyFilter ()")
}

fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut text = vec![b'\''];
    for &byte in bytes {
        text.push(byte);
        if byte == b'\'' {
            text.push(byte);
        }
    }
    text.push(b'\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_can_be_compared() {
        let filter = of(Some(&Bytes::from_static(b"a'\0\xff\\")), false).unwrap();
        assert_eq!(&filter[..], b"ColumnRangeFilter ('a''\0\xff\\\0', true, '', true)");
        assert_eq!(of(None, false), None);
    }
}
