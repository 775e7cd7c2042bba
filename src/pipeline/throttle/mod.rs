//! How fast history is read: by the copy, by re-copies, by counting and by comparisons.
//!
//! - `crowd` is the policy for the workers of the copy: one more, or half of them, by how long the tail's changes wait.
//! - `pace` is the policy: additive increase, multiplicative decrease, between nothing and a bound. Pure.
//! - `bucket` turns a pace into permits.
//! - `signals` judges what was read; `watch` is the one task that reads.
//! - `permits` is where a reader of history waits.
//!
//! Promises: never above the bound; a figure that cannot be read holds everything back; whoever waits for a permit
//! holds nothing. The tail never asks.
//! Refuses to know: what is read with a permit.

mod bucket;
mod crowd;
mod pace;
mod permits;
mod signals;
mod watch;

pub use permits::{Permit, Throttle};
pub use signals::Reading;
pub use watch::{OwnRun, RunFigures, Watched, watch};
