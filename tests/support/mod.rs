//! What several tests need.

pub mod application;
pub mod calls;
pub mod child;
pub mod compare;
pub mod memcached;
pub mod mysql;
pub mod own;
pub mod proxy;
pub mod scenario;
pub mod setup;
pub mod shape;
pub mod tailfill;
pub mod wait;
