pub mod connect;
pub mod network;
pub mod position;
pub mod run;
pub mod snapshot;
pub mod tail;
pub mod types;
pub mod verify;
