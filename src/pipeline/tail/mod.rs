//! The tail: reads the source's changes, cuts them into batches with ticks, and makes them durable.
//!
//! Promises: nothing leaves this room that the journal does not hold (I2), nothing is left out that is not parked, and a
//! source that is another one than before ends the run.
//! Refuses to know: HBase, leases, and when a batch is written.

pub(crate) mod identity;
pub(crate) mod journaling;
pub(crate) mod read;
pub mod seal;
pub mod sealed;
pub(crate) mod watch;
