//! One connection, and a conversation on it: commands out, replies in, both at the same time.

use super::conversation::Conversation;
use super::reply::{self, Misfit};
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// What the buffers of an idle connection may keep.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Why a conversation failed. The connection must not be used again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Misfit(#[from] Misfit),
    #[error("no answer within {0:?}")]
    Silent(Duration),
}

pub(super) struct Connection {
    stream: TcpStream,
    /// Commands on their way; kept between conversations for its room, as is `received`.
    commands: Vec<u8>,
    received: Vec<u8>,
}

impl Connection {
    /// Resolves `host:port` and connects.
    pub(super) async fn open(address: &str) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        // A round ends with a short command, which must not wait for more to send.
        stream.set_nodelay(true)?;
        Ok(Connection { stream, commands: Vec::new(), received: Vec::new() })
    }

    /// Whether a connection that rested may be used: the server neither closed it nor said a word.
    pub(super) fn is_quiet(&self) -> bool {
        let nothing_to_read = self.stream.try_read(&mut [0]);
        nothing_to_read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Holds a conversation to its end. Writing and reading go on at the same time, so that however much is
    /// said, the two sides never wait for each other.
    ///
    /// One that was cancelled, or failed, leaves the connection in the middle of it: drop it.
    pub(super) async fn hold(
        &mut self,
        conversation: &mut Conversation<'_>,
        within: Duration,
    ) -> Result<(), Broken> {
        conversation.begin(&mut self.commands);
        timeout(within, self.send_and_hear(conversation)).await.unwrap_or(Err(Broken::Silent(within)))
    }

    async fn send_and_hear(&mut self, conversation: &mut Conversation<'_>) -> Result<(), Broken> {
        let Connection { stream, commands, received } = self;
        let mut sent = 0;
        loop {
            let interest = match sent < commands.len() {
                true => Interest::READABLE | Interest::WRITABLE,
                false => Interest::READABLE,
            };
            let ready = stream.ready(interest).await?;
            if ready.is_writable() && sent < commands.len() {
                sent += or_later(stream.try_write(&commands[sent..]))?.unwrap_or(0);
            }
            if ready.is_readable() {
                received.reserve(READ_BYTES);
                if or_later(stream.try_read_buf(received))? == Some(0) {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                if hear_all(received, commands, conversation)?.is_break() {
                    return self.over(sent);
                }
            }
        }
    }

    /// Nothing may be under way once the last reply is there.
    fn over(&mut self, sent: usize) -> Result<(), Broken> {
        if sent < self.commands.len() || !self.received.is_empty() {
            return Err(Misfit::of(&self.received).into());
        }
        self.commands.clear();
        self.commands.shrink_to(KEPT_BYTES_MAX);
        self.received.shrink_to(KEPT_BYTES_MAX);
        Ok(())
    }
}

/// Takes all whole replies off `received`.
fn hear_all(
    received: &mut Vec<u8>,
    commands: &mut Vec<u8>,
    conversation: &mut Conversation<'_>,
) -> Result<ControlFlow<()>, Misfit> {
    let mut heard = 0;
    let mut flow = ControlFlow::Continue(());
    while flow.is_continue()
        && let Some((reply, length)) = reply::read(&received[heard..])?
    {
        heard += length;
        flow = conversation.hear(reply, commands)?;
    }
    received.drain(..heard);
    Ok(flow)
}

/// `None`: not ready after all.
fn or_later(moved: io::Result<usize>) -> io::Result<Option<usize>> {
    match moved {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
