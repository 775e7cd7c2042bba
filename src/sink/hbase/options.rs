//! How HBase is reached.

use super::thrift::Transport;
use std::time::Duration;

/// Gateways, and the bounds of calls to them.
#[derive(Clone, Debug)]
pub struct HbaseOptions {
    /// `host:port` each; used side by side.
    pub gateways: Vec<String>,
    /// As the gateways were started.
    pub transport: Transport,
    /// Calls under way on one gateway at most, and idle connections kept to it. Writes of many rows leave one of
    /// them to other calls.
    pub connections: usize,
    /// Bound of opening one connection.
    pub connect_timeout: Duration,
    /// Bound of a read or write call. A call given up on may still land.
    pub operation_timeout: Duration,
    /// Bound of creating or dropping a table.
    pub admin_timeout: Duration,
    /// The gateway's `hbase.regionserver.thrift.framed.max_frame_size_in_mb`, in bytes.
    pub frame_bytes_max: usize,
    /// HBase's `hbase.client.keyvalue.maxsize` and `hbase.server.keyvalue.maxsize`: a larger cell is refused
    /// here, because a gateway says no more of it than "internal error".
    pub cell_bytes_max: usize,
    /// A new table has at most this many regions (and at most one for each salt bucket).
    pub regions_max: u16,
}

impl HbaseOptions {
    /// The defaults for these gateways: buffered, 4 connections each, 3 s to connect, 60 s a call.
    pub fn new(gateways: Vec<String>) -> HbaseOptions {
        HbaseOptions {
            gateways,
            transport: Transport::Buffered,
            connections: 4,
            connect_timeout: Duration::from_secs(3),
            operation_timeout: Duration::from_secs(60),
            admin_timeout: Duration::from_secs(180),
            frame_bytes_max: 2 << 20,
            cell_bytes_max: 10 << 20,
            regions_max: 16,
        }
    }
}
