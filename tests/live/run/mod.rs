//! The program against real servers, as a user would see it.

pub mod copy;
pub mod gateway;
pub mod kill;
pub mod memcached;
pub mod replay;
pub mod window;
