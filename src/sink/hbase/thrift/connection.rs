//! Connections to one gateway.

use super::extent::Extent;
use super::{Error, Request, Transport};
use bytes::{Buf, Bytes, BytesMut};
use rustix::net::{RecvFlags, recv};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Replies larger than this are refused: a read of 2,000 rows may have 128 kB a row.
const REPLY_BYTES_MAX: usize = 256 << 20;

/// Gateways close connections that were idle for 60 s.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);

/// Room for what comes next, at least.
const READ_BYTES: usize = 16 << 10;

/// Cheap to clone. Nothing is connected before the first call.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    transport: Transport,
    connect_timeout: Duration,
    /// Idle connections that are kept at most.
    idle_max: usize,
    idle: Mutex<Vec<Connection>>,
}

struct Connection {
    stream: TcpStream,
    /// Calls so far.
    calls: i32,
    used: Instant,
}

impl Connections {
    pub fn new(
        address: SocketAddr,
        transport: Transport,
        connect_timeout: Duration,
        idle_max: usize,
    ) -> Connections {
        Connections(Arc::new(Shared {
            address,
            transport,
            connect_timeout,
            idle_max,
            idle: Mutex::default(),
        }))
    }

    /// One call. Dropping the future ends its connection: what was not sent then never is.
    pub async fn call<T>(&self, request: Request<T>) -> Result<T, Error> {
        let mut connection = match self.take_idle() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let answer = connection.call(request, self.0.transport).await;
        if answer.as_ref().map_or_else(Error::is_declared, |_| true) {
            self.keep(connection);
        }
        answer
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let limit = self.0.connect_timeout;
        let Ok(connected) = timeout(limit, TcpStream::connect(self.0.address)).await else {
            let reason = format!("cannot connect within {} ms", limit.as_millis());
            return Err(std::io::Error::new(ErrorKind::TimedOut, reason).into());
        };
        let stream = connected?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, calls: 0, used: Instant::now() })
    }

    /// The connection that was used last, if the gateway has not closed it.
    fn take_idle(&self) -> Option<Connection> {
        loop {
            let connection = self.idle().pop()?;
            if connection.used.elapsed() < IDLE_TIMEOUT && connection.is_quiet() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, mut connection: Connection) {
        connection.used = Instant::now();
        let mut idle = self.idle();
        if idle.len() < self.0.idle_max {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.0.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Connection {
    async fn call<T>(&mut self, request: Request<T>, transport: Transport) -> Result<T, Error> {
        self.calls = self.calls.wrapping_add(1);
        self.send(&request.head(self.calls), request.arguments(), transport).await?;
        let reply = self.receive(transport).await?;
        request.answer(self.calls, reply)
    }

    async fn send(&mut self, head: &[u8], arguments: &[u8], transport: Transport) -> Result<(), Error> {
        let length = i32::try_from(head.len() + arguments.len())
            .map_err(|_| std::io::Error::new(ErrorKind::InvalidInput, "a message above 2 GiB"))?
            .to_be_bytes();
        let frame: &[u8] = if transport == Transport::Framed { &length } else { &[] };
        let mut message = Buf::chain(Buf::chain(frame, head), arguments);
        Ok(self.stream.write_all_buf(&mut message).await?)
    }

    /// One message. It takes no memory before its bytes have come.
    async fn receive(&mut self, transport: Transport) -> Result<Bytes, Error> {
        let frame = match transport {
            Transport::Framed => Some(self.frame().await?),
            Transport::Buffered => None,
        };
        let (mut reply, mut extent) = (BytesMut::new(), Extent::message(REPLY_BYTES_MAX));
        let end = loop {
            reply.reserve(READ_BYTES);
            if self.stream.read_buf(&mut reply).await? == 0 {
                return Err(std::io::Error::from(ErrorKind::UnexpectedEof).into());
            }
            if let Some(end) = extent.find(&reply)? {
                break end;
            }
        };
        match end == reply.len() && frame.is_none_or(|frame| frame == end) {
            true => Ok(reply.freeze()),
            false => Err(Error::Protocol("a reply is longer or shorter than it says")),
        }
    }

    /// The length of the frame that comes.
    async fn frame(&mut self) -> Result<usize, Error> {
        let length = usize::try_from(self.stream.read_i32().await?).unwrap_or(0);
        match (1..=REPLY_BYTES_MAX).contains(&length) {
            true => Ok(length),
            false => Err(Error::Protocol("a frame is empty or too large")),
        }
    }

    /// Whether the other side has neither closed it nor sent anything; to be asked between calls.
    fn is_quiet(&self) -> bool {
        let asked = recv(&self.stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(asked, Err(rustix::io::Errno::AGAIN))
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
