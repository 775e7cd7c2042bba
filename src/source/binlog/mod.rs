//! The binlog: from the bytes of one server's replication stream to the changes of mapped tables.
//!
//! `dump` asks for it and bounds every wait, `stream` passes on what is followed; `transaction` is the pure state machine that turns
//! events into transactions and refuses what it does not know (I9), `followed` what it knows of tables;
//! `table_map`, `plan`, `fits`, `packed` and `decode` read row images; `statement` says what a statement can touch,
//! `prepared` what XA transactions change, `untouched` whether a change in statement format is harmless; `proof` finds out which definition
//! holds, both by a look `ahead`; `crc` proves that an event arrived whole.

pub mod ahead;
pub mod crc;
pub mod cursor;
pub mod decode;
#[cfg(test)]
mod differential;
pub(crate) mod dump;
pub mod event;
pub mod fault;
pub mod fits;
pub mod followed;
pub mod guard;
pub mod packed;
pub mod plan;
pub mod prepared;
pub mod proof;
pub mod redefine;
pub mod rows;
pub mod scan;
pub mod statement;
pub mod stream;
pub mod table_map;
pub mod transaction;
pub mod untouched;
