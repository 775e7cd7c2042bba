//! One Thrift1 gateway: its connections, calls with a time-out. The client blocks, so each call has a thread of
//! tokio's pool of blocking threads while it lasts.

use super::bounded::Bounded;
use super::failure;
use super::socket::{Incoming, Outgoing, Socket};
use crate::sink::SinkError;
use crate::sink::hbase::failure::{Subject, no_answer};
use crate::sink::hbase::line::{IDLE_TIMEOUT, Line, Open};
use crate::sink::hbase::probe::{self, Interface};
use crate::sink::hbase::{HbaseOptions, Transport};
use async_trait::async_trait;
use hbase_thrift::hbase::HbaseSyncClient;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use thrift::protocol::TBinaryOutputProtocol;
use thrift::{ApplicationError, ApplicationErrorKind, TransportError, TransportErrorKind};
use tokio::time::{Instant, timeout};

/// The blocking client of one connection.
pub type Client = HbaseSyncClient<Bounded, TBinaryOutputProtocol<Outgoing>>;

/// Connections to one gateway. Cheap to clone.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    transport: Transport,
    connect_timeout: Duration,
    operation_timeout: Duration,
    idle_max: usize,
    idle: Mutex<Vec<Connection>>,
}

struct Connection {
    client: Client,
    socket: Socket,
    used: Instant,
}

#[async_trait]
impl Open for Connections {
    async fn open(address: &str, options: &HbaseOptions) -> Result<Connections, SinkError> {
        let address = probe::find(address, options, Interface::Thrift1).await?;
        Ok(Connections(Arc::new(Shared {
            address,
            transport: options.transport,
            connect_timeout: options.connect_timeout,
            operation_timeout: options.operation_timeout,
            idle_max: options.connections.max(1),
            idle: Mutex::default(),
        })))
    }
}

impl Connections {
    /// One call. Dropping the future ends its connection: what was not sent then never is.
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Client) -> thrift::Result<T> + Send + 'static,
    ) -> thrift::Result<T> {
        let connection = match self.take_idle() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut interrupt = Interrupt(Some(connection.socket.clone()));
        let blocking = tokio::task::spawn_blocking(move || {
            let mut connection = connection;
            let result = call(&mut connection.client);
            (connection, result)
        });
        let (connection, result) = blocking.await.map_err(|_| panicked())?;
        if result.as_ref().map_or_else(failure::is_declared, |_| true) {
            interrupt.0 = None;
            self.keep(connection);
        }
        result
    }

    async fn connect(&self) -> thrift::Result<Connection> {
        let Shared { address, transport, connect_timeout, operation_timeout, .. } = &*self.0;
        let connecting = timeout(*connect_timeout, tokio::net::TcpStream::connect(address));
        let Ok(connected) = connecting.await else {
            let message = format!("cannot connect within {} ms", connect_timeout.as_millis());
            return Err(TransportError::new(TransportErrorKind::TimedOut, message).into());
        };
        let socket = Socket::new(connected?.into_std()?, *operation_timeout)?;
        let input = Bounded::new(Incoming::new(socket.clone(), *transport));
        let output = TBinaryOutputProtocol::new(Outgoing::new(socket.clone(), *transport), true);
        Ok(Connection { client: Client::new(input, output), socket, used: Instant::now() })
    }

    /// The connection that was used last, if the gateway has not closed it.
    fn take_idle(&self) -> Option<Connection> {
        loop {
            let connection = self.idle().pop()?;
            if connection.used.elapsed() < IDLE_TIMEOUT && connection.socket.is_quiet() {
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

/// Shuts the socket of a call that is given up, or that went wrong, when it is dropped: its thread ends then.
struct Interrupt(Option<Socket>);

impl Drop for Interrupt {
    fn drop(&mut self) {
        if let Some(socket) = &self.0 {
            socket.shut_down();
        }
    }
}

fn panicked() -> thrift::Error {
    ApplicationError::new(ApplicationErrorKind::InternalError, "the client panicked on the reply").into()
}

impl Line<Connections> {
    /// One call. Gives up after `limit`; the call may still land then.
    pub async fn call<T: Send + 'static>(
        &self,
        connections: &Connections,
        subject: &Subject<'_>,
        limit: Duration,
        call: impl FnOnce(&mut Client) -> thrift::Result<T> + Send + 'static,
    ) -> Result<T, SinkError> {
        let error = match timeout(limit, connections.call(call)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if failure::is_declared(&error) => {
                return Err(failure::meaning(&self.address, subject, &error));
            }
            Ok(Err(error)) if !failure::is_timeout(&error) => {
                failure::meaning(&self.address, subject, &error)
            }
            Ok(Err(_)) | Err(_) => no_answer(&self.address, subject, limit),
        };
        self.put_aside().await;
        Err(error)
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
