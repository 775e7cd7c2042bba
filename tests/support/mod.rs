//! What several tests need.

pub mod child;
pub mod memcached;
