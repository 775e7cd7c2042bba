//! The tests that need more than one room, real servers or real processes, as one binary.

mod contract;
mod simulation;
mod support;
