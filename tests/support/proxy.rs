//! A TCP proxy that does what bad networks do: silence, resets, slowness, replies that are cut or lost, flipped bits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Notify, watch};

/// How bytes pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Nothing passes in either direction, and no connection is closed. What came meanwhile passes when the way is open
    /// again, even if its sender has gone: as a request that a network held back.
    BlackHole,
    /// The same for the connections up to this number, and none that is opened later.
    Stuck(u64),
    /// A little at a time.
    Slow,
    /// So many bytes a second, over all connections and both directions.
    Rate(u32),
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
    flip_after: Option<&'static [u8]>,
    meets: Option<&'static str>,
    way: watch::Sender<Way>,
    resets: watch::Sender<()>,
    bite: AtomicU8,
    /// Held by who takes its time at a limited rate.
    line: Mutex<()>,
    connections: AtomicU64,
    /// Pieces of data and connections that a fault has met.
    hits: AtomicU64,
    /// Pieces of replies that came from the server.
    replies: AtomicU64,
    /// Which of them is lost; 0: none.
    lost: AtomicU64,
}

impl Proxy {
    /// `flip_after`: in the server's bytes, the byte that follows this text gets a bit flipped.
    pub async fn start(to: u16, flip_after: Option<&'static [u8]>) -> Proxy {
        Proxy::listen(to, flip_after, None).await
    }

    /// One whose faults meet only the connections that have said this to the server before.
    pub async fn meeting(to: u16, what_was_said: &'static str) -> Proxy {
        Proxy::listen(to, None, Some(what_was_said)).await
    }

    async fn listen(to: u16, flip_after: Option<&'static [u8]>, meets: Option<&'static str>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::new(State {
            flip_after,
            meets,
            way: watch::Sender::new(Way::Open),
            resets: watch::Sender::new(()),
            bite: AtomicU8::new(Bite::None as u8),
            line: Mutex::default(),
            connections: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            replies: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = shared.connections.fetch_add(1, SeqCst) + 1;
                let is_met = AtomicBool::new(shared.meets.is_none());
                tokio::spawn(pass(client, to, Connection { number, is_met, state: shared.clone() }));
            }
        });
        Proxy { port, state, task }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on nothing is forwarded, and no connection is closed.
    pub fn freeze(&self) {
        self.set(Way::BlackHole);
    }

    /// The same for the connections that there are.
    pub fn freeze_present(&self) {
        self.set(Way::Stuck(self.state.connections.load(SeqCst)));
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

    /// Loses this piece of a reply, counted from 1 over all connections.
    pub fn lose_reply(&self, number: u64) {
        self.state.lost.store(number, SeqCst);
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

/// What is known of a connection.
struct Connection {
    /// From 1.
    number: u64,
    /// Whether faults meet it.
    is_met: AtomicBool,
    state: Arc<State>,
}

impl Connection {
    fn is_met(&self) -> bool {
        self.is_met.load(SeqCst)
    }

    fn is_held(&self, way: Way) -> bool {
        let is_held = match way {
            Way::BlackHole => true,
            Way::Stuck(last) => self.number <= last,
            Way::Open | Way::Slow | Way::Rate(_) => false,
        };
        is_held && self.is_met()
    }

    fn hit(&self) {
        self.state.hits.fetch_add(1, SeqCst);
    }

    /// The server says something.
    fn count_reply(&self) {
        if self.state.replies.fetch_add(1, SeqCst) + 1 == self.state.lost.load(SeqCst) {
            self.state.bite.store(Bite::Lost as u8, SeqCst);
        }
    }

    /// The client says something.
    fn hear(&self, data: &[u8]) {
        if let Some(text) = self.state.meets
            && data.windows(text.len()).any(|window| window == text.as_bytes())
        {
            self.is_met.store(true, SeqCst);
        }
    }

    /// Returns when it is to be reset.
    async fn is_reset(&self, resets: &mut watch::Receiver<()>) {
        loop {
            resets.changed().await.expect("the connection keeps the sender");
            if self.is_met() {
                return;
            }
        }
    }

    /// How much of a reply of this length arrives, if it is to be bitten. A single byte has no half.
    fn length_of_bite(&self, length: usize) -> Option<usize> {
        let bite = self.state.bite.load(SeqCst);
        let arrives = match bite {
            _ if !self.is_met() => return None,
            _ if bite == Bite::Cut as u8 && length > 1 => length / 2,
            _ if bite == Bite::Lost as u8 => 0,
            _ => return None,
        };
        // of two connections only one is bitten
        self.state.bite.compare_exchange(bite, Bite::None as u8, SeqCst, SeqCst).ok()?;
        self.hit();
        Some(arrives)
    }
}

/// One connection, to its end.
async fn pass(mut client: TcpStream, to: u16, connection: Connection) {
    let mut resets = connection.state.resets.subscribe();
    // a server that is away: the client's connection ends
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let bitten = Notify::new();
    let was_reset = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let requests = forward(from_client, to_server, &connection, None);
        let replies = forward(from_server, to_client, &connection, Some(&bitten));
        tokio::select! {
            () = connection.is_reset(&mut resets) => true,
            () = bitten.notified() => false,
            _ = async { tokio::join!(requests, replies) } => false,
        }
    };
    if was_reset {
        connection.hit();
        // closing sends RST instead of FIN
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
    }
}

/// One direction, to its end. `bitten`: these are replies, and one was bitten.
async fn forward(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    connection: &Connection,
    bitten: Option<&Notify>,
) {
    let mut buffer = vec![0; 1 << 16];
    let mut way = connection.state.way.subscribe();
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let data = &mut buffer[..read];
        match bitten {
            None => connection.hear(data),
            Some(_) => connection.count_reply(),
        }
        if connection.is_held(*way.borrow_and_update()) {
            connection.hit();
            if way.wait_for(|way| !connection.is_held(*way)).await.is_err() {
                return;
            }
        }
        if let Some(text) = connection.state.flip_after {
            flip(data, text);
        }
        if let Some(bitten) = bitten
            && let Some(length) = connection.length_of_bite(read)
        {
            let _ = to.write_all(&data[..length]).await;
            bitten.notify_one();
            return std::future::pending().await;
        }
        let now = *way.borrow_and_update();
        if let Way::Rate(bytes_a_second) = now {
            let _in_line = connection.state.line.lock().await;
            tokio::time::sleep(Duration::from_secs_f64(read as f64 / f64::from(bytes_a_second))).await;
        }
        let slow = now == Way::Slow && connection.is_met();
        let written =
            if slow { write_slowly(&mut to, data, connection).await } else { to.write_all(data).await };
        if written.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

async fn write_slowly(to: &mut WriteHalf<'_>, data: &[u8], connection: &Connection) -> std::io::Result<()> {
    connection.hit();
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
