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

mod apply;
mod backfill;
pub mod copies;
pub(crate) mod counts;
pub mod jobs;
pub mod life;
mod parts;
pub mod progress;
mod recopy;
pub mod run;
pub mod tail;
mod throttle;

pub use jobs::{Holds, Levers, Recent, Recopies};
pub use parts::definitions::Definitions;
pub use parts::settings::{Parts, Settings};
pub use progress::Progress;
pub(crate) use progress::Waiter;
pub use run::{Finished, RunOptions, run, run_with};
pub use throttle::{Permit, Throttle};
pub(crate) use throttle::{Reading, RunFigures, Watched, watch as watch_throttle};
