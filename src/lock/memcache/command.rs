//! Commands of memcached's meta protocol, as bytes (memcached's doc/protocol.txt, "Meta commands").
//!
//! All are quiet (`q`): the server says nothing of a stored or deleted item and nothing of a read that
//! misses. What it says carries the place of its command (`O`, an opaque that is echoed). `mn` ends a
//! round: its answer says that all commands before it are done.

use super::super::{LeaseKeys, Token};

/// The end of a round.
pub(super) const END: &[u8] = b"mn\r\n";

/// `ms` commands that store one token with one expiry.
pub(super) struct Store {
    /// ` <bytes> T<seconds>`
    size_and_expiry: Vec<u8>,
    /// `\r\n<token>\r\n`
    data: Vec<u8>,
}

impl Store {
    pub(super) fn new(token: &Token, expiry_seconds: u32) -> Store {
        let size_and_expiry = format!(" {} T{expiry_seconds}", token.0.len()).into_bytes();
        Store { size_and_expiry, data: format!("\r\n{}\r\n", token.0).into_bytes() }
    }

    /// Stores it unless the key exists (mode `E`, add): silence, or `NS`.
    pub(super) fn add(&self, keys: LeaseKeys<'_>, place: usize, out: &mut Vec<u8>) {
        self.begin(keys, place, out);
        out.extend_from_slice(b" ME");
        self.end(place, out);
    }

    /// Stores it if nobody changed the item since its CAS was read: silence, or `EX` or `NF`.
    pub(super) fn swap(&self, keys: LeaseKeys<'_>, place: usize, cas: u64, out: &mut Vec<u8>) {
        self.begin(keys, place, out);
        out.extend_from_slice(b" C");
        put_number(cas, out);
        self.end(place, out);
    }

    fn begin(&self, keys: LeaseKeys<'_>, place: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(b"ms ");
        keys.put(place, out);
        out.extend_from_slice(&self.size_and_expiry);
    }

    fn end(&self, place: usize, out: &mut Vec<u8>) {
        put_quiet(place, out);
        out.extend_from_slice(&self.data);
    }
}

/// Reads value and CAS: `VA`, or silence.
pub(super) fn read(keys: LeaseKeys<'_>, place: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"mg ");
    keys.put(place, out);
    out.extend_from_slice(b" v c");
    put_quiet(place, out);
    out.extend_from_slice(b"\r\n");
}

/// Deletes the item if nobody changed it since its CAS was read: silence, or `EX`; `NF` where it is gone
/// (1.6.18 says so, the document leaves it open).
pub(super) fn delete(keys: LeaseKeys<'_>, place: usize, cas: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"md ");
    keys.put(place, out);
    out.extend_from_slice(b" C");
    put_number(cas, out);
    put_quiet(place, out);
    out.extend_from_slice(b"\r\n");
}

fn put_quiet(place: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b" q O");
    put_number(place as u64, out);
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::super::super::{KeyNames, ListId};
    use super::*;

    #[test]
    fn commands_are_spelled_as_the_protocol_has_them() {
        let (names, list) = (KeyNames::new(["m"]), [ListId { mapping: 0, hash: [0xa5; 16] }]);
        let (keys, store) = (names.of(&list), Store::new(&Token("abc".to_owned()), 10));
        let key = format!("tf1:m:{}", "a5".repeat(16));
        let mut out = Vec::new();
        store.add(keys, 0, &mut out);
        store.swap(keys, 0, u64::MAX, &mut out);
        read(keys, 0, &mut out);
        delete(keys, 0, 1_230, &mut out);
        let expected = format!(
            "ms {key} 3 T10 ME q O0\r\nabc\r\nms {key} 3 T10 C18446744073709551615 q O0\r\nabc\r\n\
             mg {key} v c q O0\r\nmd {key} C1230 q O0\r\n"
        );
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
