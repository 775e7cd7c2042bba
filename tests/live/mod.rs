pub mod check;
pub mod connect;
pub mod init;
pub mod network;
pub mod position;
pub mod snapshot;
pub mod tail;
pub mod types;
