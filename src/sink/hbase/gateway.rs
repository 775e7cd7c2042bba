//! One Thrift2 gateway: its clients, calls with a time-out.

use super::failure::{self, Subject};
use super::line::{IDLE_TIMEOUT, Line, Open, REPLY_BYTES_MAX};
use super::probe::{self, Interface};
use super::writes::{MakeWrites, Writes};
use super::{HbaseOptions, Transport, thrift};
use crate::isolation::caught_in;
use crate::sink::SinkError;
use async_trait::async_trait;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;
use volo_thrift::client::ClientBuilder;
use volo_thrift::codec::default::{
    DefaultMakeCodec, framed::MakeFramedCodec, thrift::MakeThriftCodec, thrift::Protocol,
};
use volo_thrift::transport::pool;
use volo_thrift::{ClientError, MaybeException};

/// The clients of one gateway. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    /// The calls as generated from the IDL.
    calls: thrift::ThBaseServiceClient,
    pub writes: Writes,
}

impl std::ops::Deref for Client {
    type Target = thrift::ThBaseServiceClient;

    fn deref(&self) -> &thrift::ThBaseServiceClient {
        &self.calls
    }
}

/// What a generated call returns.
pub type Reply<T, E> = Result<MaybeException<T, E>, ClientError>;

const SERVICE: &str = "hbase";

/// Builds a client with the gateway's options. A macro, because each of volo's builders has a type of its own.
macro_rules! client {
    ($options:expr, $builder:expr, $address:expr, $codec:expr) => {{
        // Time-outs are ours: what volo reports for its own is not told apart from a gateway's error.
        $builder
            .address($address)
            .rpc_timeout(None)
            .connect_timeout(Some($options.connect_timeout))
            .pool_config(pool::Config::new($options.connections.max(1), IDLE_TIMEOUT))
            .make_codec(DefaultMakeCodec::new($codec))
            .build()
    }};
}

impl Client {
    /// Nothing is connected before the first call.
    pub fn new(address: SocketAddr, options: &HbaseOptions, transport: Transport) -> Client {
        let binary = MakeThriftCodec::new().with_protocol(Protocol::Binary);
        let framed = MakeFramedCodec::new(binary).with_max_frame_size(REPLY_BYTES_MAX);
        let (calls, writes) =
            (thrift::ThBaseServiceClientBuilder::new(SERVICE), ClientBuilder::new(SERVICE, MakeWrites));
        match transport {
            Transport::Buffered => Client {
                calls: client!(options, calls, address, binary),
                writes: client!(options, writes, address, binary),
            },
            Transport::Framed => Client {
                calls: client!(options, calls, address, framed.clone()),
                writes: client!(options, writes, address, framed),
            },
        }
    }
}

#[async_trait]
impl Open for Client {
    async fn open(address: &str, options: &HbaseOptions) -> Result<Client, SinkError> {
        let address = probe::find(address, options, Interface::Thrift2).await?;
        Ok(Client::new(address, options, options.transport))
    }
}

/// One Thrift2 gateway.
pub type Gateway = Line<Client>;

impl Gateway {
    /// One call. Gives up after `limit`; the call may still land then.
    pub async fn call<T, E, F>(&self, subject: &Subject<'_>, limit: Duration, call: F) -> Result<T, SinkError>
    where
        F: Future<Output = Reply<T, E>>,
        thrift::TioError: From<E>,
    {
        // The generated client panics on a reply that belongs to another call.
        let error = match timeout(limit, caught_in(call)).await {
            Ok(Ok(Ok(MaybeException::Ok(value)))) => return Ok(value),
            Ok(Ok(Ok(MaybeException::Exception(error)))) => {
                let error = thrift::TioError::from(error);
                let message = error.message.unwrap_or_default();
                return Err(failure::refusal(&self.address, subject, &message));
            }
            Ok(Ok(Err(error))) => failure::broken(&self.address, subject, &error),
            Ok(Err(_panic)) => failure::unavailable(&self.address, "the reply does not belong to the call"),
            Err(_elapsed) => failure::no_answer(&self.address, subject, limit),
        };
        self.put_aside().await;
        Err(error)
    }
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
