//! One suite each on a double and on the real thing, so that doubles cannot drift.

pub mod cells;
pub mod hbase;
pub mod lease;
pub mod sink;
pub mod store;
pub mod store_compaction;
pub mod store_crash;
pub mod thrift1;
