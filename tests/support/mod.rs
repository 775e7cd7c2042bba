pub mod mysql;
pub mod proxy;
