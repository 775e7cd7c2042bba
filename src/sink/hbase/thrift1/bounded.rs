//! Binary Thrift whose lengths are not believed: what the `thrift` crate reads, without its allocations of
//! any size that the other side names (they panic or abort the process).

use super::socket::Incoming;
use crate::sink::hbase::line::REPLY_BYTES_MAX;
use std::io::Read;
use thrift::protocol::{
    TBinaryInputProtocol, TFieldIdentifier, TInputProtocol, TListIdentifier, TMapIdentifier,
    TMessageIdentifier, TMessageType, TSetIdentifier, TStructIdentifier,
};
use thrift::{Error, ProtocolError, ProtocolErrorKind, Result};

/// What an element of a list takes in memory beside its bytes, about: a cell with its name.
const ELEMENT_BYTES: usize = 72;

/// What a message of version 1 begins with.
const VERSION: [u8; 2] = [0x80, 0x01];

/// Reads messages that take at most [`REPLY_BYTES_MAX`] in memory, about.
pub struct Bounded<R: Read = Incoming> {
    inner: TBinaryInputProtocol<R>,
    /// What the present message may still take.
    left: usize,
}

impl<R: Read> Bounded<R> {
    pub fn new(incoming: R) -> Bounded<R> {
        Bounded { inner: TBinaryInputProtocol::new(incoming, true), left: 0 }
    }

    /// Takes so many things of so many bytes off what is left.
    fn take(&mut self, count: i32, bytes: usize) -> Result<usize> {
        let count = usize::try_from(count).ok();
        let rest = count.and_then(|count| self.left.checked_sub(count.checked_mul(bytes)?));
        match (count, rest) {
            (Some(count), Some(rest)) => {
                self.left = rest;
                Ok(count)
            }
            _ => Err(nonsense(ProtocolErrorKind::SizeLimit, "a length is negative or too large")),
        }
    }
}

fn nonsense(kind: ProtocolErrorKind, message: &str) -> Error {
    Error::Protocol(ProtocolError::new(kind, message))
}

impl<R: Read> TInputProtocol for Bounded<R> {
    fn read_message_begin(&mut self) -> Result<TMessageIdentifier> {
        self.left = REPLY_BYTES_MAX as usize;
        let mut head = [0; 4];
        self.inner.transport.read_exact(&mut head)?;
        if head[..2] != VERSION {
            return Err(nonsense(ProtocolErrorKind::BadVersion, "it is not binary Thrift"));
        }
        let message_type = TMessageType::try_from(head[3])?;
        let name = self.read_string()?;
        Ok(TMessageIdentifier::new(name, message_type, self.read_i32()?))
    }

    fn read_bytes(&mut self) -> Result<Vec<u8>> {
        let length = self.inner.read_i32()?;
        let mut bytes = vec![0; self.take(length, 1)?];
        self.inner.transport.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_string(&mut self) -> Result<String> {
        Ok(String::from_utf8(self.read_bytes()?)?)
    }

    fn read_list_begin(&mut self) -> Result<TListIdentifier> {
        let list = self.inner.read_list_begin()?;
        self.take(list.size, ELEMENT_BYTES).map(|_| list)
    }

    fn read_set_begin(&mut self) -> Result<TSetIdentifier> {
        let set = self.inner.read_set_begin()?;
        self.take(set.size, ELEMENT_BYTES).map(|_| set)
    }

    fn read_map_begin(&mut self) -> Result<TMapIdentifier> {
        let map = self.inner.read_map_begin()?;
        self.take(map.size, 2 * ELEMENT_BYTES).map(|_| map)
    }

    fn read_message_end(&mut self) -> Result<()> {
        self.inner.read_message_end()
    }

    fn read_struct_begin(&mut self) -> Result<Option<TStructIdentifier>> {
        self.inner.read_struct_begin()
    }

    fn read_struct_end(&mut self) -> Result<()> {
        self.inner.read_struct_end()
    }

    fn read_field_begin(&mut self) -> Result<TFieldIdentifier> {
        self.inner.read_field_begin()
    }

    fn read_field_end(&mut self) -> Result<()> {
        self.inner.read_field_end()
    }

    fn read_bool(&mut self) -> Result<bool> {
        self.inner.read_bool()
    }

    fn read_i8(&mut self) -> Result<i8> {
        self.inner.read_i8()
    }

    fn read_i16(&mut self) -> Result<i16> {
        self.inner.read_i16()
    }

    fn read_i32(&mut self) -> Result<i32> {
        self.inner.read_i32()
    }

    fn read_i64(&mut self) -> Result<i64> {
        self.inner.read_i64()
    }

    fn read_double(&mut self) -> Result<f64> {
        self.inner.read_double()
    }

    fn read_list_end(&mut self) -> Result<()> {
        self.inner.read_list_end()
    }

    fn read_set_end(&mut self) -> Result<()> {
        self.inner.read_set_end()
    }

    fn read_map_end(&mut self) -> Result<()> {
        self.inner.read_map_end()
    }

    fn read_byte(&mut self) -> Result<u8> {
        self.inner.read_byte()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hbase_thrift::hbase::TRowResult;

    /// `bytes` behind the header of a reply.
    fn reply(bytes: &[u8]) -> Bounded<std::io::Cursor<Vec<u8>>> {
        let message = [b"\x80\x01\x00\x02\x00\x00\x00\x01m\x00\x00\x00\x07", bytes].concat();
        let mut protocol = Bounded::new(std::io::Cursor::new(message));
        let head = protocol.read_message_begin().unwrap();
        assert_eq!((head.name.as_str(), head.sequence_number), ("m", 7));
        protocol
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        // Field 1, the key "r"; field 3, a list of one structure: "f:q", value "v" at 5.
        let bytes = b"\x0b\x00\x01\x00\x00\x00\x01r\x0f\x00\x03\x0c\x00\x00\x00\x01\x0b\x00\x01\x00\x00\x00\x03f:q\
            \x0c\x00\x02\x0b\x00\x01\x00\x00\x00\x01v\x0a\x00\x02\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00";
        let row = TRowResult::read_from_in_protocol(&mut reply(bytes)).unwrap();
        let columns = row.sorted_columns.unwrap();
        assert_eq!((row.row.as_deref(), columns.len()), (Some(&b"r"[..]), 1));
        assert_eq!(columns[0].cell.as_ref().and_then(|cell| cell.timestamp), Some(5));
    }

    #[test]
    fn lengths_that_are_negative_or_have_no_end_are_errors_and_no_panic() {
        let lists: [&[u8]; 4] = [
            b"\x0f\x00\x03\x0c\x7f\xff\xff\xff",
            b"\x0f\x00\x03\x0c\xff\xff\xff\xff",
            b"\x0b\x00\x01\x7f\xff\xff\xff",
            b"\x0b\x00\x01\x80\x00\x00\x00",
        ];
        for bytes in lists {
            let read = TRowResult::read_from_in_protocol(&mut reply(bytes));
            assert!(matches!(read, Err(Error::Protocol(_))), "{bytes:?}");
        }
        for bytes in [&b"HTTP/1.1 400"[..], b"\x82\x21\x01\x00", b"\x80\x01\x00\x02\xff\xff\xff\xff"] {
            let mut protocol = Bounded::new(std::io::Cursor::new(bytes.to_vec()));
            assert!(matches!(protocol.read_message_begin(), Err(Error::Protocol(_))), "{bytes:?}");
        }
    }
}
