//! The program against real servers, as a user would see it.

pub mod clock;
pub mod copy;
pub mod counts;
pub mod ddl;
pub mod gateway;
pub mod gateways;
pub mod giant;
pub mod hbase;
pub mod hottest;
pub mod huge;
pub mod kill;
#[cfg(feature = "failpoints")]
pub mod kill_points;
pub mod memcached;
pub mod modes;
pub mod mysql;
pub mod parking;
pub mod position;
pub mod recopy;
pub mod refusals;
pub mod replay;
pub mod signals;
pub mod state;
pub mod troubles;
pub mod window;
pub mod zombies;
