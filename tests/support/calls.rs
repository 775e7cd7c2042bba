//! A TCP proxy in front of a gateway that counts Thrift calls by name, whatever the program says of itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The calls that read rows. A call of the binary protocol begins with its name in plain text.
const NAMES: [&str; 2] = ["getScannerResults", "getMultiple"];

/// Forwards connections to a local port until it is dropped.
pub struct Calls {
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    calls: BTreeMap<&'static str, u64>,
    /// Bytes that the gateway sent.
    received_bytes: u64,
}

impl Calls {
    pub async fn start(to: u16) -> Calls {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("bound").port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { return };
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let (calls, answers) = (shared.clone(), shared.clone());
                tokio::spawn(async move {
                    let (mut buffer, mut unread) = (vec![0; 1 << 16], Vec::new());
                    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                        unread.extend_from_slice(&buffer[..read]);
                        count(&mut unread, &calls);
                        if to_server.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                    }
                });
                tokio::spawn(async move {
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                        answers.lock().expect("nobody panics with it").received_bytes += read as u64;
                        if to_client.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Calls { port, seen, task }
    }

    /// Calls that read rows, and the bytes that the gateway sent, since this was asked last.
    pub fn take(&self) -> (u64, u64) {
        let seen = std::mem::take(&mut *self.seen.lock().expect("nobody panics with it"));
        (seen.calls.values().sum(), seen.received_bytes)
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Counts the names in what a client sent, and leaves what may be the beginning of one.
fn count(unread: &mut Vec<u8>, seen: &Mutex<Seen>) {
    for name in NAMES {
        let found = unread.windows(name.len()).filter(|window| *window == name.as_bytes()).count();
        *seen.lock().expect("nobody panics with it").calls.entry(name).or_default() += found as u64;
    }
    // shorter than the shortest name, so that none is counted twice
    let keep = unread.len().min(NAMES.iter().map(|name| name.len()).min().unwrap_or(1) - 1);
    unread.drain(..unread.len() - keep);
}
