//! A link to a gateway that is far away, or gets slow: a TCP proxy in this process.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

/// Pieces on their way in one direction of a connection at most, of 64 KiB each.
const PIECES_MAX: usize = 256;
const PIECE_BYTES: usize = 64 << 10;

/// Passes connections on to a local port until it is dropped.
pub struct Link {
    pub port: u16,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    /// Each way. Pieces do not wait for each other.
    delay: Duration,
    /// Bytes a second over all connections, both ways together; 0 is no bound.
    rate: AtomicU32,
    line: Mutex<()>,
}

impl Link {
    pub async fn start(to: u16, delay: Duration) -> anyhow::Result<Link> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared { delay, rate: AtomicU32::new(0), line: Mutex::default() });
        let of_each = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, to, of_each.clone()));
            }
        });
        Ok(Link { port, shared, task })
    }

    pub fn set_rate(&self, bytes_a_second: u32) {
        self.shared.rate.store(bytes_a_second, Relaxed);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(client: TcpStream, to: u16, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(forward(from_client, to_server, &shared), forward(from_server, to_client, &shared));
}

/// One direction to its end.
async fn forward(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, shared: &Shared) {
    let (sender, mut pieces) = mpsc::channel::<(Instant, Bytes)>(PIECES_MAX);
    let read = async move {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let piece = (Instant::now() + shared.delay, Bytes::copy_from_slice(&buffer[..length]));
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    };
    let write = async {
        while let Some((due, piece)) = pieces.recv().await {
            if !shared.delay.is_zero() {
                sleep_until(due).await;
            }
            let rate = shared.rate.load(Relaxed);
            if rate > 0 {
                let _in_line = shared.line.lock().await;
                sleep(Duration::from_secs_f64(piece.len() as f64 / f64::from(rate))).await;
            }
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
        pieces.close();
    };
    tokio::join!(read, write);
}
