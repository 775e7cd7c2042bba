//! Where a value or a message ends, found while its bytes come.

use super::Error;
use super::kind::{BINARY, BOOLEAN, BYTE, DOUBLE, INT, LIST, LONG, MAP, SET, SHORT, STOP, STRUCTURE};

/// What an element of a list takes in memory beside its bytes, about: a cell with its names.
const ELEMENT_BYTES: usize = 72;

/// Structures and lists within each other. Replies of HBase have five.
const DEPTH_MAX: usize = 32;

/// What a message of version 1 begins with.
const VERSION: [u8; 2] = [0x80, 0x01];

/// Passes over a value, as far as its bytes have come. What it and its elements take in memory is bounded by `bytes_max`:
/// a length beyond that is an error as soon as it is seen, and nothing is allocated for it.
pub struct Extent {
    /// Everything before is passed over. May lie behind what has come.
    at: usize,
    open: Vec<Open>,
    /// Elements of lists and maps so far.
    elements: usize,
    bytes_max: usize,
}

/// A value that has begun.
enum Open {
    /// A message whose head has not come.
    Message,
    Structure,
    /// `left` more values; `kinds[left % 2]` is the type of the next one.
    Elements {
        kinds: [u8; 2],
        left: usize,
    },
}

impl Extent {
    /// Of a message that begins at the first byte.
    pub fn message(bytes_max: usize) -> Extent {
        Extent { at: 0, open: vec![Open::Message], elements: 0, bytes_max }
    }

    /// Of a value of type `kind` that begins at `at`.
    pub fn value(kind: u8, at: usize, bytes_max: usize) -> Extent {
        Extent { at, open: vec![Open::Elements { kinds: [kind; 2], left: 1 }], elements: 0, bytes_max }
    }

    /// The place behind the last byte; `None` while it has not come. `bytes` is all that came so far, each time.
    ///
    /// # Errors
    /// `Protocol` as soon as it is seen that this is no value, or one that is too large.
    pub fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        while self.at <= bytes.len() {
            let Some(innermost) = self.open.len().checked_sub(1) else { return Ok(Some(self.at)) };
            let passed = match self.open[innermost] {
                Open::Message => self.head(bytes)?,
                Open::Structure => self.field(bytes)?,
                Open::Elements { left: 0, .. } => self.close(self.at)?,
                Open::Elements { kinds, left } => {
                    let passed = self.pass(kinds[left % 2], self.at, bytes)?;
                    if let (true, Open::Elements { left, .. }) = (passed, &mut self.open[innermost]) {
                        *left -= 1;
                    }
                    passed
                }
            };
            if !passed {
                break;
            }
        }
        Ok(None)
    }

    /// Version and type (4 bytes), the method's name, a sequence number; then a structure.
    fn head(&mut self, bytes: &[u8]) -> Result<bool, Error> {
        if bytes.len() >= VERSION.len() && !bytes.starts_with(&VERSION) {
            return Err(Error::Protocol("it is not binary Thrift"));
        }
        let Some(name) = length(bytes, 4)? else { return Ok(false) };
        self.open = vec![Open::Structure];
        self.go(4 + 4 + name + 4)
    }

    fn field(&mut self, bytes: &[u8]) -> Result<bool, Error> {
        match bytes.get(self.at) {
            None => Ok(false),
            Some(&STOP) => self.close(self.at + 1),
            Some(&kind) => self.pass(kind, self.at + 3, bytes),
        }
    }

    /// Passes over the value of type `kind` that begins at `from`, or over its head if it holds others. False when that has
    /// not come.
    fn pass(&mut self, kind: u8, from: usize, bytes: &[u8]) -> Result<bool, Error> {
        if let Some(size) = size(kind) {
            return self.go(from + size);
        }
        match kind {
            BINARY => length(bytes, from)?.map_or(Ok(false), |length| self.go(from + 4 + length)),
            STRUCTURE => self.begin(Open::Structure, from),
            LIST | SET => {
                let Some(count) = length(bytes, from + 1)? else { return Ok(false) };
                self.elements = self.elements.saturating_add(count);
                self.begin(Open::Elements { kinds: [bytes[from]; 2], left: count }, from + 5)
            }
            MAP => {
                let Some(pairs) = length(bytes, from + 2)? else { return Ok(false) };
                self.elements = self.elements.saturating_add(2 * pairs);
                let kinds = [bytes[from], bytes[from + 1]];
                self.begin(Open::Elements { kinds, left: 2 * pairs }, from + 6)
            }
            _ => Err(Error::Protocol("a value has no type of Thrift's")),
        }
    }

    fn begin(&mut self, open: Open, at: usize) -> Result<bool, Error> {
        if self.open.len() == DEPTH_MAX {
            return Err(Error::Protocol("values lie too deep within each other"));
        }
        self.open.push(open);
        self.go(at)
    }

    fn close(&mut self, at: usize) -> Result<bool, Error> {
        self.open.pop();
        self.go(at)
    }

    fn go(&mut self, at: usize) -> Result<bool, Error> {
        self.at = at;
        match self.elements.saturating_mul(ELEMENT_BYTES).saturating_add(at) <= self.bytes_max {
            true => Ok(true),
            false => Err(Error::Protocol("a length is too large")),
        }
    }
}

/// The bytes of a value that holds no others, where its type says it.
pub fn size(kind: u8) -> Option<usize> {
    match kind {
        BOOLEAN | BYTE => Some(1),
        SHORT => Some(2),
        INT => Some(4),
        LONG | DOUBLE => Some(8),
        _ => None,
    }
}

/// The length at `at`, if it has come.
fn length(bytes: &[u8], at: usize) -> Result<Option<usize>, Error> {
    let Some(found) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else { return Ok(None) };
    let length = usize::try_from(i32::from_be_bytes(*found));
    length.map(Some).map_err(|_| Error::Protocol("a length is negative"))
}

#[cfg(test)]
#[path = "extent_tests.rs"]
mod tests;
