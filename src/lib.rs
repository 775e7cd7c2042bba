//! tailfill moves list-shaped data from MySQL to HBase while both stay in service.
//!
//! The map (ARCHITECTURE.md has the longer one); arrows point to what a room may use:
//! `cli -> app -> config, admin -> pipeline | verify -> protocol -> compare -> source | sink | lock | store -> model`.

#![deny(missing_docs)]

pub mod admin;
mod advice;
pub mod app;
pub mod cli;
pub mod clock;
mod compare;
pub mod config;
pub mod error;
pub mod failpoints;
mod failure;
mod invariants;
mod isolation;
pub mod lock;
pub mod model;
pub mod pipeline;
pub mod protocol;
pub mod retry;
mod signal;
pub mod sink;
pub mod source;
mod status;
pub mod store;
mod verify;
