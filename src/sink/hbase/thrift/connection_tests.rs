use super::*;
use crate::sink::hbase::calls::server_type;
use std::io::{Read, Write};
use std::net::TcpListener;

fn connections(address: SocketAddr, transport: Transport) -> Connections {
    Connections::new(address, transport, Duration::from_secs(3), 2)
}

/// A gateway that answers one call a connection with `bytes` behind the head of a reply, then does as `then` says.
fn gateway(
    transport: Transport,
    bytes: &'static [u8],
    then: impl Fn(std::net::TcpStream) + Send + 'static,
) -> Connections {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connections = connections(listener.local_addr().unwrap(), transport);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 256];
            let length = stream.read(&mut request).unwrap();
            let frame = if transport == Transport::Framed { 4 } else { 0 };
            let mut reply = request[frame..length - 1].to_vec();
            reply[3] = 2;
            reply.extend_from_slice(bytes);
            if transport == Transport::Framed {
                stream.write_all(&(reply.len() as i32).to_be_bytes()).unwrap();
            }
            // in two parts, whatever is between them
            let (first, rest) = reply.split_at(reply.len() / 2);
            stream.write_all(first).unwrap();
            stream.write_all(rest).unwrap();
            then(stream);
        }
    });
    connections
}

/// Field 0: an i32, which is 2.
const TWO: &[u8] = b"\x08\x00\x00\x00\x00\x00\x02\x00";
const BOTH: [Transport; 2] = [Transport::Buffered, Transport::Framed];

async fn ask(connections: &Connections) -> Result<i32, Error> {
    connections.call(server_type()).await
}

#[tokio::test]
async fn a_connection_is_used_again_unless_the_gateway_has_closed_it() {
    for transport in BOTH {
        let (closed, closing) = std::sync::mpsc::channel();
        let keeping = gateway(transport, TWO, std::mem::forget);
        let ending = gateway(transport, TWO, move |stream| {
            drop(stream);
            closed.send(()).unwrap();
        });
        for _ in 0..2 {
            assert_eq!(ask(&keeping).await.unwrap(), 2);
            assert_eq!(keeping.idle().len(), 1);
            assert!(keeping.take_idle().is_some_and(|connection| connection.is_quiet()));
            assert_eq!(ask(&ending).await.unwrap(), 2, "another connection is made");
            closing.recv().unwrap();
            assert_eq!(ending.idle().len(), 1);
            assert!(ending.take_idle().is_none());
        }
    }
}

#[tokio::test]
async fn a_reply_that_cannot_be_read_is_an_error_and_costs_the_connection() {
    let replies: [&[u8]; 4] = [
        b"\x0f\x00\x00\x0b\x7f\xff\xff\xff", // a list that claims to have two thousand million names
        b"\x08\x00\x00\x00\x00\x00\x02\x00more",
        b"\x0a\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00", // a number of another type
        b"\x00",
    ];
    for transport in BOTH {
        for bytes in replies {
            let wrong = gateway(transport, bytes, std::mem::forget);
            let error = ask(&wrong).await.expect_err("that is no answer");
            assert!(matches!(error, Error::Protocol(_)), "{transport:?} {bytes:?}: {error}");
            assert_eq!(wrong.idle().len(), 0);
        }
    }
}

#[tokio::test]
async fn a_declared_exception_keeps_the_connection_and_one_of_the_library_does_not() {
    for transport in BOTH {
        let io = gateway(
            transport,
            b"\x0c\x00\x01\x0b\x00\x01\x00\x00\x00\x02no\x02\x00\x02\x01\x00\x00",
            std::mem::forget,
        );
        let error = ask(&io).await.expect_err("it is refused");
        assert!(matches!(&error, Error::Declared { message } if message == "no"), "{error}");
        assert_eq!(io.idle().len(), 1);
    }
    // a gateway that answers with an exception of the library: message type 3
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = connections(listener.local_addr().unwrap(), Transport::Buffered);
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 256];
        let length = stream.read(&mut request).unwrap();
        request[3] = 3;
        stream.write_all(&request[..length - 1]).unwrap();
        stream.write_all(b"\x0b\x00\x01\x00\x00\x00\x02no\x08\x00\x02\x00\x00\x00\x01\x00").unwrap();
        let _ = stream.read(&mut request);
    });
    let error = ask(&refusing).await.expect_err("it is unknown");
    assert!(error.is_unknown_method() && !error.is_declared(), "{error}");
    assert_eq!(refusing.idle().len(), 0);
}

#[tokio::test]
async fn a_gateway_that_closes_in_the_middle_is_a_broken_connection() {
    for transport in BOTH {
        let cut = gateway(transport, b"\x08\x00", drop);
        let error = ask(&cut).await.expect_err("half a reply");
        // a framed reply is as long as its frame says, and yet no message
        assert!(matches!(error, Error::Transport(_)), "{transport:?}: {error}");
    }
}
