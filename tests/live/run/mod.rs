//! The program against real servers, as a user would see it.

pub mod copy;
pub mod kill;
