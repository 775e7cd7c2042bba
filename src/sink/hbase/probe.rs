//! Finding out what a gateway is, before anything else is sent to it. Both interfaces have one call alike, which
//! tells the one from the other.

use super::options::HbaseOptions;
use super::thrift::Transport;
use super::thrift::{Connections, Error};
use super::{calls, failure};
use crate::sink::SinkError;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a gateway may take to say what it is. A gateway of another transport waits for more
/// bytes and never answers, so this bounds how long a wrong configuration goes unnoticed.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// What a gateway offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    Thrift2,
    Thrift1,
}

/// Connections to the gateway `name`, once it has said that it offers `wanted` over the transport of `options`.
///
/// # Errors
/// `WrongProtocol` when it says or shows that it does not, `Unavailable` when it says nothing.
pub async fn find(name: &str, options: &HbaseOptions, wanted: Interface) -> Result<Connections, SinkError> {
    let connections = |address, transport| {
        Connections::new(address, transport, options.connect_timeout, options.connections.max(1))
    };
    let address = reach(name, options.connect_timeout).await?;
    let wrong = |reason: String| SinkError::WrongProtocol { gateway: name.to_owned(), reason };
    let asked = connections(address, options.transport);
    let reason = match server_type(&asked).await {
        Answer::Offers(found) if found == wanted => return Ok(asked),
        Answer::Offers(found) => return Err(wrong(format!("it is a {found:?} gateway, not {wanted:?}"))),
        Answer::Nonsense(reason) => return Err(wrong(reason)),
        Answer::None(reason) => reason,
    };
    let (other, spoken) = match options.transport {
        Transport::Buffered => (Transport::Framed, "framed, but `buffered` is configured"),
        Transport::Framed => (Transport::Buffered, "buffered (unframed), but `framed` is configured"),
    };
    match server_type(&connections(address, other)).await {
        Answer::Offers(found) if found == wanted => Err(wrong(format!("its transport is {spoken}"))),
        Answer::Offers(found) => {
            Err(wrong(format!("it is a {found:?} gateway, and its transport is another one too")))
        }
        Answer::Nonsense(_) | Answer::None(_) => {
            let hint = "it accepts connections but answers neither buffered nor framed binary Thrift \
                (is it overloaded, or started with compact, SASL or TLS?)";
            Err(failure::unavailable(name, format!("{reason}; {hint}")))
        }
    }
}

/// The first of the gateway's addresses that takes a connection.
async fn reach(name: &str, limit: Duration) -> Result<SocketAddr, SinkError> {
    let attempt = async {
        let mut last = std::io::Error::other("the name has no address");
        for address in tokio::net::lookup_host(name).await? {
            match TcpStream::connect(address).await {
                Ok(_) => return Ok(address),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    match timeout(limit, attempt).await {
        Ok(reached) => {
            reached.map_err(|error| failure::unavailable(name, format!("cannot connect: {error}")))
        }
        Err(_) => {
            let reason = format!("cannot connect within {} ms", limit.as_millis());
            Err(failure::unavailable(name, reason))
        }
    }
}

/// What a gateway answers to the question what it is.
enum Answer {
    Offers(Interface),
    /// Bytes that are no reply to it.
    Nonsense(String),
    /// Nothing within the time-out, or a closed connection.
    None(String),
}

async fn server_type(connections: &Connections) -> Answer {
    match timeout(PROBE_TIMEOUT, connections.call(calls::server_type())).await {
        Ok(Ok(2)) => Answer::Offers(Interface::Thrift2),
        Ok(Ok(1)) => Answer::Offers(Interface::Thrift1),
        Ok(Ok(_)) => Answer::Nonsense("its server type is unknown".into()),
        Ok(Err(Error::Application { .. })) => {
            Answer::Nonsense("it does not know getThriftServerType, which HBase has since 2.3".into())
        }
        Ok(Err(Error::Protocol(_))) => Answer::Nonsense("its answer is not binary Thrift".into()),
        Ok(Err(error @ (Error::Transport(_) | Error::Declared { .. }))) => {
            Answer::None(failure::brief(&error))
        }
        Err(_) => Answer::None(format!("no answer within {} ms", PROBE_TIMEOUT.as_millis())),
    }
}
