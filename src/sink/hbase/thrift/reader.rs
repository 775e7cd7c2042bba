//! Reading values out of a reply that has come whole.

use super::Error;
use super::extent::{self, Extent};
use super::kind::{BINARY, STOP};
use bytes::Bytes;

/// A place in a reply. Binary values are parts of it, not copies.
pub struct Reader {
    bytes: Bytes,
    at: usize,
}

impl Reader {
    pub fn new(bytes: Bytes) -> Reader {
        Reader { bytes, at: 0 }
    }

    /// Id and type of the next field of a structure, whose value is to be read or skipped; `None` at its end.
    pub fn field(&mut self) -> Result<Option<(i16, u8)>, Error> {
        match self.array()? {
            [STOP] => Ok(None),
            [kind] => Ok(Some((i16::from_be_bytes(self.array()?), kind))),
        }
    }

    pub fn skip(&mut self, kind: u8) -> Result<(), Error> {
        let end = match extent::size(kind) {
            Some(size) => Some(self.at + size),
            None => Extent::value(kind, self.at, usize::MAX).find(&self.bytes)?,
        };
        self.at = end.filter(|end| *end <= self.bytes.len()).ok_or(SHORT)?;
        Ok(())
    }

    pub fn boolean(&mut self) -> Result<bool, Error> {
        self.array().map(|[byte]| byte != 0)
    }

    pub fn byte(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    pub fn int(&mut self) -> Result<i32, Error> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn long(&mut self) -> Result<i64, Error> {
        self.array().map(i64::from_be_bytes)
    }

    pub fn binary(&mut self) -> Result<Bytes, Error> {
        let length = self.length()?;
        let (from, to) = (self.at, self.at.checked_add(length).ok_or(SHORT)?);
        if to > self.bytes.len() {
            return Err(SHORT);
        }
        self.at = to;
        Ok(self.bytes.slice(from..to))
    }

    /// Text, whatever is not UTF-8 replaced.
    pub fn text(&mut self) -> Result<String, Error> {
        self.binary().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A list (or set) whose elements have type `kind`.
    pub fn list<T>(
        &mut self,
        kind: u8,
        mut read: impl FnMut(&mut Reader) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let found = self.byte()?;
        let count = self.length()?;
        if count > 0 && found != kind {
            return Err(Error::Protocol("the elements of a list are of another type"));
        }
        // an element has a byte at least
        let mut list = Vec::with_capacity(count.min(self.bytes.len() - self.at));
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }

    /// The pairs of a map from binary to values of type `kind`, in their order.
    pub fn map<T>(
        &mut self,
        kind: u8,
        mut read: impl FnMut(&mut Reader) -> Result<T, Error>,
    ) -> Result<Vec<(Bytes, T)>, Error> {
        let found = self.array()?;
        let pairs = self.length()?;
        if pairs > 0 && found != [BINARY, kind] {
            return Err(Error::Protocol("the pairs of a map are of other types"));
        }
        let mut map = Vec::with_capacity(pairs.min(self.bytes.len() - self.at));
        for _ in 0..pairs {
            map.push((self.binary()?, read(self)?));
        }
        Ok(map)
    }

    fn length(&mut self) -> Result<usize, Error> {
        usize::try_from(self.int()?).map_err(|_| Error::Protocol("a length is negative"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let found = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()).ok_or(SHORT)?;
        self.at += N;
        Ok(*found)
    }
}

const SHORT: Error = Error::Protocol("a reply ends before its values do");
