//! Thrift's binary protocol, for the gateways of both interfaces: calls written into buffers, and replies read out of them.
//!
//! Promises: a reply is read only once its end is known, so no length in it is believed (see [`Extent`]); a connection is
//! used again only after a reply that was read to its end. Refuses to know: HBase, time-outs of calls, pools of gateways.
//!
//! A field is its type (1 byte), id (2) and value; a structure ends with a 0 byte; binary is a length (4) and bytes; a
//! list is the elements' type (1), their number (4) and the elements; a map is two types, the number of pairs, and the
//! pairs; numbers are big-endian (Thrift's doc/specs/thrift-binary-protocol.md).

mod connection;
mod error;
mod extent;
mod reader;
mod request;
pub mod write;

pub use connection::Connections;
pub use error::Error;
pub use reader::Reader;
pub use request::Request;

/// How messages are put on the wire; the protocol is binary with both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Unframed: what a gateway started without options speaks.
    Buffered,
    /// Each message behind its length (gateway options `-f`, `-threadedselector`, `-nonblocking`, `-hsha`).
    Framed,
}

/// Types of values, and what ends a structure.
pub mod kind {
    pub const STOP: u8 = 0;
    pub const BOOLEAN: u8 = 2;
    pub const BYTE: u8 = 3;
    pub const DOUBLE: u8 = 4;
    pub const SHORT: u8 = 6;
    pub const INT: u8 = 8;
    pub const LONG: u8 = 10;
    pub const BINARY: u8 = 11;
    pub const STRUCTURE: u8 = 12;
    pub const MAP: u8 = 13;
    pub const SET: u8 = 14;
    pub const LIST: u8 = 15;
}
