//! What several tests need.

pub mod child;
pub mod memcached;
pub mod mysql;
pub mod proxy;
pub mod setup;
