use super::*;
use crate::sink::hbase::calls::{Scan, scanner_results, server_type};
use crate::sink::hbase::thrift::Request;
use crate::sink::hbase::thrift1::replies::{describe, scanner_list};
use bytes::Bytes;
use proptest::prelude::*;

const BYTES_MAX: usize = 1 << 20;

/// A reply to call 7 of `method`: its result structure has `fields`.
fn reply(method: &str, fields: &[u8]) -> Vec<u8> {
    let name = [&(method.len() as i32).to_be_bytes(), method.as_bytes()].concat();
    [b"\x80\x01\x00\x02", &name[..], b"\x00\x00\x00\x07", fields, b"\x00"].concat()
}

fn find(bytes: &[u8]) -> Result<Option<usize>, Error> {
    Extent::message(BYTES_MAX).find(bytes)
}

/// Field 0: a list of two rows, one with a cell. A field that nobody knows in each: a map, a set and a double.
const RESULTS: &[u8] = b"\x0f\x00\x00\x0c\x00\x00\x00\x02\
    \x0b\x00\x01\x00\x00\x00\x01r\x0d\x00\x09\x0b\x08\x00\x00\x00\x01\x00\x00\x00\x01k\x00\x00\x00\x05\
    \x0f\x00\x02\x0c\x00\x00\x00\x01\
    \x0b\x00\x01\x00\x00\x00\x01f\x0b\x00\x02\x00\x00\x00\x01q\x0b\x00\x03\x00\x00\x00\x01v\
    \x0a\x00\x04\x00\x00\x00\x00\x00\x00\x00\x05\x04\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
    \x0e\x00\x07\x06\x00\x00\x00\x02\x00\x01\x00\x02\x0f\x00\x02\x0c\x00\x00\x00\x00\x00";

#[test]
fn the_end_of_a_message_is_found_wherever_its_bytes_are_cut() {
    let message = reply("getScannerResults", RESULTS);
    let mut whole = Extent::message(BYTES_MAX);
    for come in 0..message.len() {
        assert_eq!(whole.find(&message[..come]).unwrap(), None, "{come}");
        assert_eq!(find(&message[..come]).unwrap(), None, "{come}");
    }
    assert_eq!(whole.find(&message).unwrap(), Some(message.len()));
    let longer = [&message[..], b"next"].concat();
    assert_eq!(find(&longer).unwrap(), Some(message.len()));
}

#[test]
fn a_row_is_read_as_it_was_written_and_what_is_unknown_is_passed_over() {
    let message = Bytes::from(reply("getScannerResults", RESULTS));
    let rows = scanner_results(b"t", &Scan::default()).answer(7, message).unwrap();
    assert_eq!(rows.iter().map(|row| row.cells.len()).collect::<Vec<_>>(), [1, 0]);
    assert_eq!((rows[0].row.as_deref(), rows[1].row.as_deref()), (Some(&b"r"[..]), None));
    let cell = &rows[0].cells[0];
    assert_eq!((&cell.family[..], &cell.qualifier[..], &cell.value[..]), (&b"f"[..], &b"q"[..], &b"v"[..]));
    assert_eq!(cell.timestamp, Some(5));
}

#[test]
fn lengths_that_are_negative_or_have_no_end_are_errors_as_soon_as_they_are_seen() {
    let fields: [&[u8]; 8] = [
        b"\x0f\x00\x00\x0c\x7f\xff\xff\xff",
        b"\x0f\x00\x00\x0c\xff\xff\xff\xff",
        b"\x0f\x00\x00\x0f\x00\x0f\xff\xff",
        b"\x0e\x00\x00\x02\x00\x10\x00\x00",
        b"\x0d\x00\x00\x0b\x0b\x7f\xff\xff\xff",
        b"\x0b\x00\x00\x7f\xff\xff\xff",
        b"\x0b\x00\x00\x80\x00\x00\x00",
        b"\x11\x00\x00",
    ];
    for fields in fields {
        let message = reply("m", fields);
        assert!(matches!(find(&message[..message.len() - 1]), Err(Error::Protocol(_))), "{fields:?}");
    }
    for head in [&b"HTTP/1.1 400"[..], b"\x82\x21\x01\x00", b"\x80\x01\x00\x02\xff\xff\xff\xff"] {
        assert!(matches!(find(head), Err(Error::Protocol(_))), "{head:?}");
    }
    // a name that claims to have two gigabytes
    assert!(matches!(find(b"\x80\x01\x00\x02\x7f\xff\xff\xffget"), Err(Error::Protocol(_))));
}

#[test]
fn structures_within_structures_have_a_bound() {
    let deep = reply("m", &b"\x0c\x00\x01".repeat(1_000));
    assert!(matches!(find(&deep), Err(Error::Protocol(_))));
    let lists = reply("m", &[&b"\x0f\x00\x01"[..], &b"\x0f\x00\x00\x00\x01".repeat(1_000)].concat());
    assert!(matches!(find(&lists), Err(Error::Protocol(_))));
}

#[test]
fn what_small_elements_take_in_memory_is_bounded_too() {
    let rows = |count: usize| {
        let empty = b"\x00".repeat(count);
        reply("m", &[b"\x0f\x00\x00\x0c", &(count as i32).to_be_bytes()[..], &empty].concat())
    };
    assert!(find(&rows(10_000)).unwrap().is_some());
    assert!(matches!(find(&rows(20_000)), Err(Error::Protocol(_))), "20 kB that would take 1.4 MB");
}

proptest! {
    #[test]
    fn bytes_of_a_gateway_never_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        cut: proptest::sample::Index,
        which in 0..5_usize,
    ) {
        let methods = ["getScannerResults", "getThriftServerType", "scannerGetList", "getColumnDescriptors", "disableTable"];
        let mut message = reply(methods[which], RESULTS);
        for (at, byte) in changes {
            let at = at.index(message.len());
            message[at] = byte;
        }
        message.truncate(cut.index(message.len()) + 1);
        let _ = find(&message);
        // also where the end was not looked for before
        let bytes = Bytes::from(message);
        let _ = match which {
            0 => scanner_results(b"t", &Scan::default()).answer(7, bytes).is_ok(),
            1 => server_type().answer(7, bytes).is_ok(),
            2 => scanner_list(1, 1).answer(7, bytes).is_ok(),
            3 => describe(b"t").answer(7, bytes).is_ok(),
            _ => Request::to_do("disableTable", vec![0]).answer(7, bytes).is_ok(),
        };
    }
}
