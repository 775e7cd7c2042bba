//! A call: its arguments as bytes, and how its reply is read.

use super::kind::{BINARY, INT, STRUCTURE};
use super::{Error, Reader};
use bytes::Bytes;

/// Types of messages.
const CALL: u8 = 1;
const REPLY: u8 = 2;
const EXCEPTION: u8 = 3;

/// A call that is answered with a `T`.
pub struct Request<T> {
    method: &'static str,
    /// The fields of the call's argument structure, its end included.
    arguments: Bytes,
    answer: Answer<T>,
}

/// What field 0 of a reply is.
enum Answer<T> {
    Value {
        kind: u8,
        read: fn(&mut Reader) -> Result<T, Error>,
    },
    /// Nothing, or nothing that is read.
    Done(T),
}

impl<T> Request<T> {
    /// One that is answered with a value of type `kind`.
    pub fn new(
        method: &'static str,
        arguments: impl Into<Bytes>,
        kind: u8,
        read: fn(&mut Reader) -> Result<T, Error>,
    ) -> Request<T> {
        Request { method, arguments: arguments.into(), answer: Answer::Value { kind, read } }
    }

    pub fn arguments(&self) -> &[u8] {
        &self.arguments
    }

    /// What stands before the arguments: version, type, name, number.
    pub fn head(&self, number: i32) -> Vec<u8> {
        let length = i32::try_from(self.method.len()).expect("a method has a short name");
        [&[0x80, 1, 0, CALL][..], &length.to_be_bytes(), self.method.as_bytes(), &number.to_be_bytes()]
            .concat()
    }

    /// What a whole reply to call `number` says.
    pub(super) fn answer(self, number: i32, reply: Bytes) -> Result<T, Error> {
        let mut reader = Reader::new(reply);
        let [_, _, _, message] = reader.int()?.to_be_bytes();
        let is_ours = (reader.binary()? == self.method.as_bytes()) & (reader.int()? == number);
        match message {
            _ if !is_ours => Err(Error::Protocol("the reply does not belong to the call")),
            REPLY => self.result(&mut reader),
            EXCEPTION => Err(application(&mut reader)?),
            _ => Err(Error::Protocol("the reply is no reply")),
        }
    }

    /// A structure with one field: 0 is the value, the others are exceptions that the call declares.
    fn result(self, reader: &mut Reader) -> Result<T, Error> {
        match (reader.field()?, self.answer) {
            (Some((0, found)), Answer::Value { kind, read }) if found == kind => read(reader),
            (None | Some((0, _)), Answer::Done(done)) => Ok(done),
            (Some((1.., STRUCTURE)), _) => Err(declared(reader)?),
            _ => Err(Error::Protocol("the reply has no answer of the call's")),
        }
    }
}

impl Request<()> {
    /// One whose answer says no more than that it is done.
    pub fn to_do(method: &'static str, arguments: impl Into<Bytes>) -> Request<()> {
        Request { method, arguments: arguments.into(), answer: Answer::Done(()) }
    }
}

/// Each declared exception has its message in field 1.
fn declared(reader: &mut Reader) -> Result<Error, Error> {
    let mut message = String::new();
    while let Some(field) = reader.field()? {
        match field {
            (1, BINARY) => message = reader.text()?,
            (_, kind) => reader.skip(kind)?,
        }
    }
    Ok(Error::Declared { message })
}

fn application(reader: &mut Reader) -> Result<Error, Error> {
    let (mut message, mut number) = (String::new(), 0);
    while let Some(field) = reader.field()? {
        match field {
            (1, BINARY) => message = reader.text()?,
            (2, INT) => number = reader.int()?,
            (_, kind) => reader.skip(kind)?,
        }
    }
    Ok(Error::Application { kind: number, message })
}
