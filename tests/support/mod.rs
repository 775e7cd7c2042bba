//! What several tests need.

pub mod application;
pub mod browser;
pub mod calls;
pub mod child;
pub mod compare;
pub mod corruption;
pub mod decode;
pub mod examples;
pub mod giant;
pub mod lists;
pub mod memcached;
pub mod mysql;
pub mod own;
pub mod page;
pub mod printed;
pub mod proxy;
pub mod scenario;
pub mod setup;
pub mod shape;
pub mod shell;
pub mod sums;
pub mod tailfill;
pub mod thrift;
pub mod trouble;
pub mod wait;
pub mod wall_clock;
