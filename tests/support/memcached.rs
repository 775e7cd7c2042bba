//! The real memcached, and a gate in front of it that can be shut.

use super::wait::until_so;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// `host:port` of the server that `scripts/services` started.
pub fn address() -> String {
    let port = std::env::var("TAILFILL_MEMCACHED_PORT").expect(
        "this test needs a real memcached: run `scripts/services up` and set TAILFILL_MEMCACHED_PORT as it says",
    );
    format!("127.0.0.1:{port}")
}

/// The lease of a list, held as another program holds it.
pub struct Held {
    key: String,
    server: BufReader<TcpStream>,
}

impl Held {
    /// Takes it, as soon as nobody has it, for two minutes at most.
    pub async fn take(server: &str, key: &str) -> Held {
        let server = TcpStream::connect(server).await.expect("memcached is up");
        let mut held = Held { key: key.to_owned(), server: BufReader::new(server) };
        let add = format!("add {key} 0 120 4\r\ntest\r\n");
        until_so("the lease of a list", async || held.ask(&add).await == "STORED").await;
        held
    }

    pub async fn release(mut self) {
        let delete = format!("delete {}\r\n", self.key);
        assert_eq!(self.ask(&delete).await, "DELETED", "the lease stood until now");
    }

    async fn ask(&mut self, command: &str) -> String {
        ask(&mut self.server, command).await
    }
}

/// The first line of the answer.
async fn ask(server: &mut BufReader<TcpStream>, command: &str) -> String {
    server.write_all(command.as_bytes()).await.expect("memcached is up");
    let mut reply = String::new();
    server.read_line(&mut reply).await.expect("memcached answers");
    reply.trim_end().to_owned()
}

async fn ask_once(server: &str, command: &str) -> String {
    ask(&mut BufReader::new(TcpStream::connect(server).await.expect("memcached is up")), command).await
}

/// Whether something stands under this key.
pub async fn has(server: &str, key: &str) -> bool {
    ask_once(server, &format!("get {key}\r\n")).await != "END"
}

/// Everything is gone.
pub async fn flush_all(server: &str) {
    assert_eq!(ask_once(server, "flush_all\r\n").await, "OK");
}

/// Options of a memcached with room for some 260 values.
pub const TINY: [&str; 4] = ["-m", "2", "-n", "8000"];

/// Stores some values in one go; how many were refused.
async fn store_some(server: &mut BufReader<TcpStream>, group: u64) -> u64 {
    let sets: String = (0..30).map(|n| format!("set neighbour:{group}:{n} 0 0 5\r\nvalue\r\n")).collect();
    let mut refused = u64::from(ask(server, &sets).await != "STORED");
    for _ in 1..30 {
        refused += u64::from(ask(server, "").await != "STORED");
    }
    refused
}

/// Somebody else who stores values, new ones all the time, until it is dropped.
pub struct Neighbour {
    refused: Arc<AtomicU64>,
    storing: tokio::task::JoinHandle<()>,
}

impl Neighbour {
    pub async fn move_in(server: &str) -> Neighbour {
        let mut server = BufReader::new(TcpStream::connect(server).await.expect("memcached is up"));
        let refused = Arc::new(AtomicU64::new(0));
        let shared = refused.clone();
        let storing = tokio::spawn(async move {
            for group in 0u64.. {
                shared.fetch_add(store_some(&mut server, group).await, SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        Neighbour { refused, storing }
    }

    /// How many of its values did not find room.
    pub fn refused(&self) -> u64 {
        self.refused.load(SeqCst)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.storing.abort();
    }
}

/// What the gate does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Pass {
    Through,
    /// Accepts and closes.
    Closed,
    /// Accepts, and neither reads nor answers.
    Silent,
    /// Answers with bytes that are no protocol.
    Garbage,
}

/// A TCP relay to memcached.
pub struct Gate {
    pub address: String,
    pass: Arc<AtomicU8>,
    cut: watch::Sender<()>,
}

impl Gate {
    pub async fn open() -> Gate {
        let server = address();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let pass = Arc::new(AtomicU8::new(Pass::Through as u8));
        let (cut, cuts) = watch::channel(());
        tokio::spawn(relay(listener, server, pass.clone(), cuts));
        Gate { address, pass, cut }
    }

    /// Changes what happens to connections, and closes the present ones.
    pub fn set(&self, pass: Pass) {
        self.pass.store(pass as u8, SeqCst);
        self.cut.send_modify(|()| ());
    }
}

async fn relay(listener: TcpListener, server: String, pass: Arc<AtomicU8>, cuts: watch::Receiver<()>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let (server, pass, mut cuts) = (server.clone(), pass.load(SeqCst), cuts.clone());
        cuts.mark_unchanged();
        tokio::spawn(async move {
            tokio::select! {
                _ = cuts.changed() => (),
                () = serve(&mut stream, &server, pass) => (),
            }
        });
    }
}

async fn serve(stream: &mut TcpStream, server: &str, pass: u8) {
    if pass == Pass::Silent as u8 {
        std::future::pending::<()>().await;
    } else if pass == Pass::Garbage as u8 {
        let garbage: Vec<u8> = (0..=255u8).cycle().take(4096).collect();
        // The client may close first, which is what it should do.
        let _ = stream.write_all(&garbage).await;
        std::future::pending::<()>().await;
    } else if pass == Pass::Through as u8 {
        let mut server = TcpStream::connect(server).await.expect("memcached is up");
        let _ = copy_bidirectional(stream, &mut server).await;
    }
}
