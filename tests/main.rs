//! The tests that need more than one room, real servers or real processes, as one binary.
//!
//! Tests of real servers find them by environment variables (`scripts/services env`) and fail without.

mod contract;
mod faults;
mod hunt;
mod live;
mod model;
mod properties;
mod simulation;
mod soak;
mod support;
