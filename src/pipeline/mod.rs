//! The run: tasks, queues and their bounds, around the protocol.
//!
//! ```text
//! stream -> [events] -> sealer -> [sealed] -> journaling -> [ready] -> writer -> sink
//!                         ^ marks                              ^ leases, checkpoint
//! snapshot -> backfill workers (mark, leases) ---------------------------> sink
//! recopy: both sides are read; what differs is written in a turn of its list, at the turn's mark -------> sink
//! counting: walks over counted rows -> sealer (a mark each) -> ... -> writer
//! ```
//!
//! Promises: every queue is bounded; one task owns each piece of state; a stop drains and checkpoints; the
//! first error ends the run with everything up to the checkpoint kept.
//! Refuses to know: which database, which bytes (source, sink), how a tick is made durable (protocol).

mod absence;
pub mod backfill;
pub mod chunks;
pub mod copy;
pub mod counting;
pub mod counts;
pub mod definitions;
pub mod fence;
mod fitting;
pub mod gap;
pub mod holds;
pub mod identity;
pub mod journaling;
pub mod lag;
pub mod life;
pub mod marks;
mod opening;
mod overtaken;
mod pace;
mod patience;
pub mod planning;
pub mod progress;
mod ready;
pub mod recopy;
pub mod seal;
pub mod sealed;
pub mod settings;
pub mod skew;
pub mod span;
pub mod supervisor;
mod tables;
pub mod tail;
mod turns;
pub mod walk;
mod watch;
pub mod window;
pub mod writer;

pub use definitions::Definitions;
pub use holds::Holds;
pub use progress::Progress;
pub use recopy::Recopies;
pub use settings::{Parts, Settings};
pub use supervisor::{Finished, RunOptions, run, run_with};
