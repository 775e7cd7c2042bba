//! Tail, copy, marks, restarts: the protocol on one or two items.
//!
//! No leases are taken here: everything may happen in any order that a lease which vanishes at once would allow, so nothing
//! that is found to hold rests on one. One copy of each list, which may be attempted again while a write of the
//! attempt before is on its way; processes that are thought dead, whose SELECTs and writes come late; lost
//! replies; a new server; compactions. What is written, which mark is safe and which tick comes next the program says
//! (`production`).

mod copying;
mod next;
mod restart;
pub mod settings;
mod state;
mod story;
#[cfg(test)]
mod tests;

pub use state::Tailing;
