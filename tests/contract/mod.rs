pub mod hbase;
pub mod sink;
pub mod thrift1;
