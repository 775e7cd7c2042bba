//! The backfill: existing rows are copied in parts, each under the leases of its lists and at a mark that was safe before
//! its SELECT began (I3).
//!
//! Refuses to know: the tail, but for the marks that it is asked for, what a worker waits for, and what slows it down.

pub mod absence;
pub mod crew;
mod leasing;
pub mod marks;
mod overtaken;
mod planning;
mod worker;
