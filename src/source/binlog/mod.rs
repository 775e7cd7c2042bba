//! The binlog: from the bytes of one server's replication stream to the changes of mapped tables.
//!
//! `dump` asks for it and bounds every wait, `stream` passes on what is followed; `transaction` is the pure state machine that turns
//! events into transactions and refuses what it does not know (I9), `followed` what it knows of tables;
//! `table_map`, `plan`, `fits`, `packed` and `decode` read row images; `statement` says what a statement can touch,
//! `prepared` what XA transactions change, `untouched` whether a change in statement format is harmless; `proof` finds out which definition
//! holds, both by a look `ahead`; `scan`, `moment` and `recent` find positions; `touches` finds the tables of a transaction; `crc` proves that an event arrived whole.

mod ahead;
mod crc;
pub mod cursor;
pub(crate) mod decode;
#[cfg(test)]
mod differential;
mod dump;
mod event;
pub mod fault;
mod fits;
pub mod followed;
mod guard;
pub(super) mod moment;
pub(crate) mod packed;
pub mod plan;
mod prepared;
pub(crate) mod proof;
pub(super) mod recent;
mod redefine;
pub(crate) mod rows;
pub(crate) mod scan;
pub(crate) mod statement;
pub(crate) mod stream;
pub mod table_map;
pub(super) mod touches;
pub mod transaction;
mod untouched;
