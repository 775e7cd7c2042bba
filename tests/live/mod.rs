#[cfg(feature = "bench")]

pub mod bench;
pub mod check;
pub mod connect;
pub mod formats;
pub mod init;
pub mod layouts;
pub mod lease_example;
pub mod network;
pub mod position;
pub mod readers;
pub mod run;
pub mod snapshot;
pub mod tail;
pub mod types;
pub mod verify;
