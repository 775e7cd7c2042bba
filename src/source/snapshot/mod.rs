//! The snapshot: SELECTs over chunks of a table's primary key, each in a read view of its own.
//!
//! `reader` holds the session and runs the statements, `chunk` writes their conditions so that MySQL
//! uses the primary key, `part` does so for a part of one list, `value` turns results into the same [`Value`](crate::model::Value)s that the
//! binlog gives. `application` runs the application's own SELECT.

pub(super) mod application;
pub mod chunk;
mod labels;
mod part;
pub(crate) mod reader;
mod value;
