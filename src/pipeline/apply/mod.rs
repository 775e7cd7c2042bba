//! Writing what is journaled: list by list, each in the order of ticks, and the checkpoint behind it (I5).
//!
//! Refuses to know: where a batch comes from, and how it was made durable.

mod ready;
mod turns;
mod window;
pub mod writer;
