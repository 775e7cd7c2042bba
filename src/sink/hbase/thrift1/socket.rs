//! A blocking socket, and the messages on it: buffered or framed.

use crate::sink::hbase::Transport;
use crate::sink::hbase::line::REPLY_BYTES_MAX;
use std::io::{BufReader, Error, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// A connected socket that several may hold; the last one closes it.
#[derive(Clone)]
pub struct Socket(Arc<TcpStream>);

impl Socket {
    /// Each read and write of it fails after `limit`.
    pub fn new(stream: TcpStream, limit: Duration) -> std::io::Result<Socket> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        Ok(Socket(Arc::new(stream)))
    }

    /// Whether the other side has neither closed it nor sent anything; to be asked between calls.
    pub fn is_quiet(&self) -> bool {
        let looked = self.0.set_nonblocking(true).and_then(|()| self.0.peek(&mut [0]));
        let is_quiet = matches!(&looked, Err(error) if error.kind() == ErrorKind::WouldBlock);
        is_quiet && self.0.set_nonblocking(false).is_ok()
    }

    /// Ends it: whoever reads or writes it at this moment fails.
    pub fn shut_down(&self) {
        let _ = self.0.shutdown(Shutdown::Both); // it may be closed already
    }
}

/// The message of the error that a read or a write ends with after its limit.
pub const TIMED_OUT: &str = "the socket's time-out is over";

/// The system calls that "would block".
fn in_time<T>(done: std::io::Result<T>) -> std::io::Result<T> {
    done.map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => Error::new(ErrorKind::TimedOut, TIMED_OUT),
        _ => error,
    })
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        in_time((&*self.0).read(into))
    }
}

const READ_BYTES: usize = 64 << 10;

/// What comes from a gateway.
pub struct Incoming {
    stream: BufReader<Socket>,
    transport: Transport,
    /// Bytes of the present frame that were not read yet.
    frame: usize,
}

impl Incoming {
    pub fn new(socket: Socket, transport: Transport) -> Incoming {
        Incoming { stream: BufReader::with_capacity(READ_BYTES, socket), transport, frame: 0 }
    }

    fn begin_frame(&mut self) -> std::io::Result<()> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = i32::from_be_bytes(length);
        if !(1..=REPLY_BYTES_MAX).contains(&length) {
            return Err(Error::new(ErrorKind::InvalidData, format!("a frame of {length} bytes")));
        }
        self.frame = length as usize;
        Ok(())
    }
}

impl Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.transport == Transport::Buffered {
            return self.stream.read(into);
        }
        if into.is_empty() {
            return Ok(0);
        }
        if self.frame == 0 {
            self.begin_frame()?;
        }
        let most = into.len().min(self.frame);
        let length = self.stream.read(&mut into[..most])?;
        self.frame -= length;
        Ok(length)
    }
}

/// What goes to a gateway: whole messages, so that one that cannot be encoded is not sent in part.
pub struct Outgoing {
    socket: Socket,
    transport: Transport,
    /// Four bytes for the length, and the message.
    message: Vec<u8>,
}

const LENGTH_BYTES: usize = 4;
/// Room that is kept from one message to the next.
const KEPT_BYTES: usize = 1 << 20;

impl Outgoing {
    pub fn new(socket: Socket, transport: Transport) -> Outgoing {
        Outgoing { socket, transport, message: vec![0; LENGTH_BYTES] }
    }
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.message.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let length = i32::try_from(self.message.len() - LENGTH_BYTES)
            .map_err(|_| Error::new(ErrorKind::InvalidData, "a message above 2 GiB"))?;
        self.message[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        let from = if self.transport == Transport::Framed { 0 } else { LENGTH_BYTES };
        let sent = in_time((&*self.socket.0).write_all(&self.message[from..]));
        self.message.truncate(LENGTH_BYTES);
        self.message.shrink_to(KEPT_BYTES);
        sent
    }
}
