//! Servers that are no gateways, or stop in the middle, for the unit tests of both interfaces.

use super::probe::Interface;
use crate::model::Tick;
use crate::sink::{RowWrite, SinkError};
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// A server that reads what comes and answers every connection with `answer`, or closes it when there
/// is none.
pub async fn server(answer: Option<&'static [u8]>, close: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 256];
                let _ = stream.read(&mut request).await;
                if let Some(answer) = answer {
                    let _ = stream.write_all(answer).await;
                }
                if !close {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    address
}

/// A buffered gateway that says what it is and answers nothing else; counts the calls that write many rows which
/// reached it.
pub async fn stalled_gateway(interface: Interface, writes: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve_stalled(stream, interface, writes.clone()));
        }
    });
    address
}

async fn serve_stalled(mut stream: TcpStream, interface: Interface, writes: Arc<AtomicUsize>) {
    let (number, method): (u8, &[u8]) = match interface {
        Interface::Thrift1 => (1, b"mutateRowsTs"),
        Interface::Thrift2 => (2, b"putMultiple"),
    };
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let request = &buffer[..length];
        let holds = |name: &[u8]| request.windows(name.len()).any(|window| window == name);
        if holds(b"getThriftServerType") {
            // The request's header as a reply, then field 0, an i32: what it is.
            let mut reply = request[..request.len() - 1].to_vec();
            reply[3] = 2;
            reply.extend([8, 0, 0, 0, 0, 0, number, 0]);
            stream.write_all(&reply).await.unwrap();
        }
        if holds(method) {
            writes.fetch_add(1, Ordering::SeqCst);
        }
    }
}

pub fn row(row: u32) -> RowWrite {
    RowWrite {
        row: Bytes::copy_from_slice(&row.to_be_bytes()),
        tick: Tick(1),
        delete_family: false,
        puts: vec![("q".into(), "v".into())],
        delete_columns: vec![],
    }
}

/// Polls `write` until `calls` calls reached the gateway, which answers none.
pub async fn poll_until(
    mut write: impl Future<Output = Result<(), SinkError>> + Unpin,
    puts: &AtomicUsize,
    calls: usize,
) {
    while puts.load(Ordering::SeqCst) < calls {
        assert!(timeout(Duration::from_millis(10), &mut write).await.is_err(), "nothing answers it");
    }
}
