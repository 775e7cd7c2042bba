//! The heart: ticks, journal, marks, coalescing, and the one place that sends a write.
//!
//! Why no delete is lost (DESIGN section 3). Everything written carries a tick and HBase shows the
//! highest. A batch of changes has a tick of its own; a chunk writes with a mark `m` that was safe
//! before its SELECT: the source had engine-committed everything sealed below `m`. So a row that
//! the SELECT shows either is unchanged since, or has a later change, whose tick is above `m` and
//! wins whenever it arrives. A row that a change deleted before `m` is not in the SELECT. Neither
//! the order of writes nor their repetition matters, as long as a tick never means two things: the
//! journal makes a tick durable before it is used (I2), and replays cut the same batches.
//!
//! Refuses to know: tasks, queues, retries over time (the pipeline), and which database it is.

pub mod coalesce;
pub mod cohort;
pub mod count;
pub mod counted;
mod definition;
mod error;
mod journal;
mod journaled;
mod list_writes;
pub mod mark;
pub mod plan;
pub(crate) mod recopy;
mod targets;
mod tick;
pub(crate) mod write;

pub use coalesce::Coalescer;
pub(crate) use definition::Fingerprint;
pub use error::ProtocolError;
pub use journal::{Entry, Journal, Pending, Receipt, Recovered, Replay};
pub use journaled::Journaled;
pub use list_writes::ListWrites;
pub use mark::{SafeMark, UnprovenMark};
pub use plan::Plan;
pub(crate) use targets::{Targets, Verdict};
pub use tick::Ticks;
