//! One suite each on a double and on the real thing, so that doubles cannot drift.

pub mod lease;
pub mod store;
pub mod store_crash;
