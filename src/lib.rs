//! tailfill moves list-shaped data from MySQL to HBase while both stay in service.
//!
//! The map (ARCHITECTURE.md has the longer one); arrows point to what a room may use:
//! `cli -> app -> config, admin -> pipeline | verify -> protocol -> source | sink | lock | store -> model`.

pub mod admin;
pub mod advice;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod failpoints;
pub mod failure;
pub mod invariants;
pub mod isolation;
pub mod lock;
pub mod model;
pub mod pipeline;
pub mod protocol;
pub mod retry;
pub mod signal;
pub mod sink;
pub mod source;
pub mod status;
pub mod store;
pub mod verify;
