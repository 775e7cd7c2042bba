//! A TCP proxy that can freeze, or flip a bit in what the server sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Forwards connections to a local port until it is dropped.
pub struct Proxy {
    pub port: u16,
    frozen: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// `flip_after`: in the server's bytes, the byte that follows this text gets a bit flipped.
    pub async fn start(to: u16, flip_after: Option<&'static [u8]>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("bound").port();
        let frozen = Arc::new(AtomicBool::new(false));
        let state = frozen.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(forward(from_client, to_server, state.clone(), None));
                tokio::spawn(forward(from_server, to_client, state.clone(), flip_after));
            }
        });
        Proxy { port, frozen, task }
    }

    /// From now on nothing is forwarded, and no connection is closed.
    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    frozen: Arc<AtomicBool>,
    flip_after: Option<&'static [u8]>,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if frozen.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if let Some(text) = flip_after
            && let Some(at) = buffer[..read].windows(text.len()).position(|window| window == text)
            && at + text.len() < read
        {
            buffer[at + text.len()] ^= 1;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
