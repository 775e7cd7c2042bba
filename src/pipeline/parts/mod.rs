//! What every task of a run has: the seams that it works on, its numbers, how long it takes errors that pass, and how
//! many rows it hands over at once.
//!
//! Refuses to know: which tasks there are.

pub mod definitions;
pub mod pace;
pub mod patience;
pub mod settings;
