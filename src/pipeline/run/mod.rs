//! A run as a whole: where it goes on from, which tasks it has, and how it ends.
//!
//! Promises: everything that a start decides is durable before there are tasks; the first error ends the run with
//! everything up to the checkpoint kept; a stop drains.

mod begin;
mod gap;
mod minutes;
pub mod moving;
mod opening;
mod options;
mod skew;
mod supervisor;
mod tables;
mod widening;

pub use options::RunOptions;
pub use supervisor::{Finished, run, run_with};
