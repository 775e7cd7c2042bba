//! One Thrift2 gateway: connecting, asking what it speaks, calls with a time-out.

use super::failure::{self, Subject};
use super::slots::{Slot, Slots};
use super::writes::{MakeWrites, Writes};
use super::{HbaseOptions, Transport, thrift};
use crate::sink::SinkError;
use futures::FutureExt;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};
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
    ($gateway:expr, $builder:expr, $address:expr, $codec:expr) => {{
        let options = &$gateway.options;
        // Time-outs are ours: what volo reports for its own is not told apart from a gateway's error.
        $builder
            .address($address)
            .rpc_timeout(None)
            .connect_timeout(Some(options.connect_timeout))
            .pool_config(pool::Config::new(options.connections.max(1), IDLE_TIMEOUT))
            .make_codec(DefaultMakeCodec::new($codec))
            .build()
    }};
}

/// How long a gateway may take to say what it is. A gateway of another transport waits for more
/// bytes and never answers, so this bounds how long a wrong configuration goes unnoticed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a gateway that failed is left alone while others are there; doubled each time that it
/// cannot be opened again.
const ASIDE: Duration = Duration::from_secs(1);
const ASIDE_MAX: Duration = Duration::from_secs(32);

/// Gateways close connections that were idle for 60 s.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Framed replies larger than this are refused: a read of 2,000 rows may have 128 kB a row.
const REPLY_BYTES_MAX: i32 = 256 << 20;

pub struct Gateway {
    pub address: String,
    options: HbaseOptions,
    permits: Semaphore,
    /// The share of the permits that bulk writes may take.
    bulk: Slots,
    state: Mutex<State>,
}

enum State {
    /// Not asked yet, or to be asked again.
    Closed,
    Open(Client),
    Aside {
        since: Instant,
        wait: Duration,
    },
}

/// What a call is to the bounds of what is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A write of many rows, whose number under way is found while running.
    Bulk,
    Other,
}

/// The right to make one call on a gateway, until it is dropped.
pub struct Permit<'a> {
    _permit: SemaphorePermit<'a>,
    _slot: Option<Slot<'a>>,
}

impl Gateway {
    /// Bulk writes have as many slots as there are connections, until [`Gateway::pace`] says otherwise.
    pub fn new(address: &str, options: &HbaseOptions) -> Gateway {
        Gateway {
            address: address.to_owned(),
            options: options.clone(),
            permits: Semaphore::new(options.connections.max(1)),
            bulk: Slots::new(options.connections.max(1)),
            state: Mutex::new(State::Closed),
        }
    }

    /// Whether it is neither put aside nor being asked what it speaks.
    pub fn is_ready(&self) -> bool {
        let Ok(state) = self.state.try_lock() else { return false };
        !matches!(*state, State::Aside { since, wait } if since.elapsed() < wait)
    }

    /// Whether as many calls of this kind are under way as may be.
    pub fn is_busy(&self, kind: Kind) -> bool {
        self.permits.available_permits() == 0 || (kind == Kind::Bulk && self.bulk.are_all_used())
    }

    /// Waits for the right to make a call. A bulk write has a slot first, so that those that wait for one do not
    /// stand before other calls in the queue for permits.
    pub async fn permit(&self, kind: Kind) -> Permit<'_> {
        let slot = match kind {
            Kind::Bulk => Some(self.bulk.acquire().await),
            Kind::Other => None,
        };
        let permit = self.permits.acquire().await.expect("the semaphore is never closed");
        Permit { _permit: permit, _slot: slot }
    }

    /// Lets `calls` bulk writes be under way from now on.
    pub fn pace(&self, calls: usize) {
        self.bulk.resize(calls);
    }

    /// The client of a gateway that was asked what it speaks; asks now if need be. Whoever else wants it
    /// waits for the same answer.
    pub async fn client(&self) -> Result<Client, SinkError> {
        let mut state = self.state.lock().await;
        if let State::Open(client) = &*state {
            return Ok(client.clone());
        }
        let wait = match *state {
            State::Aside { wait, .. } => (wait * 2).min(ASIDE_MAX),
            _ => ASIDE,
        };
        let opened = self.open().await;
        *state = match &opened {
            Ok(client) => State::Open(client.clone()),
            Err(_) => State::Aside { since: Instant::now(), wait },
        };
        opened
    }

    /// One call. Gives up after `limit`; the call may still land then.
    pub async fn call<T, E, F>(&self, subject: &Subject<'_>, limit: Duration, call: F) -> Result<T, SinkError>
    where
        F: Future<Output = Reply<T, E>>,
        thrift::TioError: From<E>,
    {
        // The generated client panics on a reply that belongs to another call.
        let error = match timeout(limit, AssertUnwindSafe(call).catch_unwind()).await {
            Ok(Ok(Ok(MaybeException::Ok(value)))) => return Ok(value),
            Ok(Ok(Ok(MaybeException::Exception(error)))) => {
                let error = thrift::TioError::from(error);
                let message = error.message.unwrap_or_default();
                return Err(failure::refusal(&self.address, subject, &message));
            }
            Ok(Ok(Err(error))) => failure::broken(&self.address, subject, &error),
            Ok(Err(_panic)) => failure::unavailable(&self.address, "the reply does not belong to the call"),
            Err(_elapsed) => {
                let reason = format!("no answer to {} within {} ms", subject.what, limit.as_millis());
                failure::unavailable(&self.address, reason)
            }
        };
        *self.state.lock().await = State::Aside { since: Instant::now(), wait: ASIDE };
        Err(error)
    }

    async fn open(&self) -> Result<Client, SinkError> {
        let address = self.reach().await?;
        let client = self.build(address, self.options.transport);
        let reason = match ask(&client).await {
            Answer::Thrift2 => return Ok(client),
            Answer::Thrift1 => return Err(self.wrong("it is a Thrift1 gateway, not Thrift2")),
            Answer::Nonsense(reason) => return Err(self.wrong(reason)),
            Answer::None(reason) => reason,
        };
        let (other, spoken) = match self.options.transport {
            Transport::Buffered => (Transport::Framed, "framed, but `buffered` is configured"),
            Transport::Framed => (Transport::Buffered, "buffered (unframed), but `framed` is configured"),
        };
        match ask(&self.build(address, other)).await {
            Answer::Thrift2 => Err(self.wrong(format!("its transport is {spoken}"))),
            Answer::Thrift1 => {
                Err(self.wrong("it is a Thrift1 gateway, and its transport is another one too"))
            }
            Answer::Nonsense(_) | Answer::None(_) => {
                let hint = "it accepts connections but answers neither buffered nor framed binary Thrift \
                    (is it overloaded, or started with compact, SASL or TLS?)";
                Err(failure::unavailable(&self.address, format!("{reason}; {hint}")))
            }
        }
    }

    /// The first of the gateway's addresses that takes a connection.
    async fn reach(&self) -> Result<SocketAddr, SinkError> {
        let limit = self.options.connect_timeout;
        let attempt = async {
            let mut last = std::io::Error::other("the name has no address");
            for address in tokio::net::lookup_host(&self.address).await? {
                match TcpStream::connect(address).await {
                    Ok(_) => return Ok(address),
                    Err(error) => last = error,
                }
            }
            Err(last)
        };
        match timeout(limit, attempt).await {
            Ok(reached) => reached
                .map_err(|error| failure::unavailable(&self.address, format!("cannot connect: {error}"))),
            Err(_) => {
                let reason = format!("cannot connect within {} ms", limit.as_millis());
                Err(failure::unavailable(&self.address, reason))
            }
        }
    }

    fn build(&self, address: SocketAddr, transport: Transport) -> Client {
        let binary = MakeThriftCodec::new().with_protocol(Protocol::Binary);
        let framed = MakeFramedCodec::new(binary).with_max_frame_size(REPLY_BYTES_MAX);
        let (calls, writes) =
            (thrift::ThBaseServiceClientBuilder::new(SERVICE), ClientBuilder::new(SERVICE, MakeWrites));
        match transport {
            Transport::Buffered => Client {
                calls: client!(self, calls, address, binary),
                writes: client!(self, writes, address, binary),
            },
            Transport::Framed => Client {
                calls: client!(self, calls, address, framed.clone()),
                writes: client!(self, writes, address, framed),
            },
        }
    }

    fn wrong(&self, reason: impl Into<String>) -> SinkError {
        SinkError::WrongProtocol { gateway: self.address.clone(), reason: reason.into() }
    }
}

/// What a gateway answers to the question what it is.
enum Answer {
    Thrift2,
    Thrift1,
    /// Bytes that are no Thrift2 reply.
    Nonsense(String),
    /// Nothing within the time-out, or a closed connection.
    None(String),
}

async fn ask(client: &Client) -> Answer {
    let asked = AssertUnwindSafe(client.get_thrift_server_type()).catch_unwind();
    match timeout(PROBE_TIMEOUT, asked).await {
        Ok(Ok(Ok(thrift::TThriftServerType::TWO))) => Answer::Thrift2,
        Ok(Ok(Ok(thrift::TThriftServerType::ONE))) => Answer::Thrift1,
        Ok(Ok(Ok(_))) => Answer::Nonsense("its server type is unknown".into()),
        Ok(Ok(Err(ClientError::Application(_)))) => {
            Answer::Nonsense("it does not know getThriftServerType, which HBase has since 2.3".into())
        }
        Ok(Ok(Err(ClientError::Protocol(_)))) | Ok(Err(_)) => {
            Answer::Nonsense("what it answers is not binary Thrift".into())
        }
        Ok(Ok(Err(error))) => Answer::None(failure::brief(&error)),
        Err(_) => Answer::None(format!("no answer within {} ms", PROBE_TIMEOUT.as_millis())),
    }
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
