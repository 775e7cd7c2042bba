//! A TCP proxy that does what bad networks do: silence, resets, slowness, replies that are cut or lost, flipped bits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// How bytes pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Nothing passes in either direction, and no connection is closed. What came meanwhile passes when the way is open
    /// again, even if its sender has gone: as a request that a network held back.
    BlackHole,
    /// A little at a time.
    Slow,
}

/// What happens to one reply, once; then its connection is closed. The request went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bite {
    None,
    /// The first half arrives.
    Cut,
    /// Nothing arrives.
    Lost,
}

const SLOW_BYTES: usize = 1_400;
const SLOW_PAUSE: Duration = Duration::from_millis(40);

/// Forwards connections to a local port until it is dropped.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

struct State {
    way: watch::Sender<Way>,
    resets: watch::Sender<()>,
    bite: AtomicU8,
    /// Pieces of data and connections that a fault has met.
    hits: AtomicU64,
    /// Pieces of replies that came from the server.
    replies: AtomicU64,
}

impl Proxy {
    /// `flip_after`: in the server's bytes, the byte that follows this text gets a bit flipped.
    pub async fn start(to: u16, flip_after: Option<&'static [u8]>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::new(State {
            way: watch::Sender::new(Way::Open),
            resets: watch::Sender::new(()),
            bite: AtomicU8::new(Bite::None as u8),
            hits: AtomicU64::new(0),
            replies: AtomicU64::new(0),
        });
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, to, shared.clone(), flip_after));
            }
        });
        Proxy { port, state, task }
    }

    /// From now on nothing is forwarded, and no connection is closed.
    pub fn freeze(&self) {
        self.set(Way::BlackHole);
    }

    /// How bytes pass from now on.
    pub fn set(&self, way: Way) {
        self.state.way.send_replace(way);
    }

    /// Resets the connections that there are.
    pub fn reset(&self) {
        self.state.resets.send_replace(());
    }

    /// Does it to the next reply, on whichever connection that comes; [`Bite::None`] takes it back.
    pub fn bite(&self, bite: Bite) {
        self.state.bite.store(bite as u8, SeqCst);
    }

    /// How many pieces of replies the server has given so far, whatever became of them.
    pub fn replies(&self) -> u64 {
        self.state.replies.load(SeqCst)
    }

    /// How often a fault has met something so far.
    pub fn hits(&self) -> u64 {
        self.state.hits.load(SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, to its end.
async fn pass(mut client: TcpStream, to: u16, state: Arc<State>, flip_after: Option<&'static [u8]>) {
    let mut resets = state.resets.subscribe();
    // a server that is away: the client's connection ends
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let bitten = Notify::new();
    let was_reset = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let requests = forward(from_client, to_server, &state, None, None);
        let replies = forward(from_server, to_client, &state, Some(&bitten), flip_after);
        tokio::select! {
            _ = resets.changed() => true,
            () = bitten.notified() => false,
            _ = async { tokio::join!(requests, replies) } => false,
        }
    };
    if was_reset {
        state.hits.fetch_add(1, SeqCst);
        // closing sends RST instead of FIN
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
    }
}

/// One direction, to its end. `bitten`: these are replies, and one was bitten.
async fn forward(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    state: &State,
    bitten: Option<&Notify>,
    flip_after: Option<&'static [u8]>,
) {
    let mut buffer = vec![0; 1 << 16];
    let mut way = state.way.subscribe();
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if bitten.is_some() {
            state.replies.fetch_add(1, SeqCst);
        }
        if *way.borrow_and_update() == Way::BlackHole {
            state.hits.fetch_add(1, SeqCst);
            if way.wait_for(|way| *way != Way::BlackHole).await.is_err() {
                return;
            }
        }
        let data = &mut buffer[..read];
        if let Some(text) = flip_after {
            flip(data, text);
        }
        if let Some(bitten) = bitten
            && let Some(length) = state.length_of_bite(read)
        {
            let _ = to.write_all(&data[..length]).await;
            bitten.notify_one();
            return std::future::pending().await;
        }
        let slow = *way.borrow_and_update() == Way::Slow;
        let written = if slow { write_slowly(&mut to, data, state).await } else { to.write_all(data).await };
        if written.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

impl State {
    /// How much of a reply of this length arrives, if it is to be bitten. A single byte has no half.
    fn length_of_bite(&self, length: usize) -> Option<usize> {
        let bite = self.bite.load(SeqCst);
        let arrives = match bite {
            _ if bite == Bite::Cut as u8 && length > 1 => length / 2,
            _ if bite == Bite::Lost as u8 => 0,
            _ => return None,
        };
        // of two connections only one is bitten
        self.bite.compare_exchange(bite, Bite::None as u8, SeqCst, SeqCst).ok()?;
        self.hits.fetch_add(1, SeqCst);
        Some(arrives)
    }
}

async fn write_slowly(to: &mut WriteHalf<'_>, data: &[u8], state: &State) -> std::io::Result<()> {
    state.hits.fetch_add(1, SeqCst);
    for piece in data.chunks(SLOW_BYTES) {
        tokio::time::sleep(SLOW_PAUSE).await;
        to.write_all(piece).await?;
    }
    Ok(())
}

fn flip(data: &mut [u8], after: &[u8]) {
    if let Some(at) = data.windows(after.len()).position(|window| window == after)
        && at + after.len() < data.len()
    {
        data[at + after.len()] ^= 1;
    }
}
