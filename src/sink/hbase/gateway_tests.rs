use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that reads what comes and answers every connection with `answer`, or closes it when there
/// is none.
async fn server(answer: Option<&'static [u8]>, close: bool) -> String {
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

async fn opened(address: &str, transport: Transport) -> Result<Client, SinkError> {
    let options = HbaseOptions { transport, ..HbaseOptions::new(vec![]) };
    Gateway::new(address, &options).client().await
}

async fn failure_of(answer: Option<&'static [u8]>, close: bool, transport: Transport) -> SinkError {
    match opened(&server(answer, close).await, transport).await {
        Ok(_) => panic!("that is no gateway"),
        Err(error) => error,
    }
}

const BOTH: [Transport; 2] = [Transport::Buffered, Transport::Framed];

#[tokio::test]
async fn a_server_that_answers_something_else_speaks_the_wrong_protocol() {
    for transport in BOTH {
        let error = failure_of(Some(b"HTTP/1.1 400 Bad Request\r\n\r\n"), true, transport).await;
        assert!(matches!(error, SinkError::WrongProtocol { .. }), "{transport:?}: {error}");
    }
}

#[tokio::test]
async fn a_reply_to_another_call_is_no_panic() {
    // putMultiple's reply: version, type reply, name, sequence 0, an empty struct.
    const REPLY: &[u8] = b"\x80\x01\x00\x02\x00\x00\x00\x0bputMultiple\x00\x00\x00\x00\x00";
    let error = failure_of(Some(REPLY), false, Transport::Buffered).await;
    assert!(matches!(error, SinkError::WrongProtocol { .. }), "{error}");
}

#[tokio::test]
async fn lengths_without_end_are_no_panic_and_no_hang() {
    // A reply whose method name claims to have two gigabytes.
    const REPLY: &[u8] = b"\x80\x01\x00\x02\x7f\xff\xff\xffgetThriftServerType";
    for transport in BOTH {
        let error = failure_of(Some(REPLY), true, transport).await;
        println!("{error}");
    }
}

#[tokio::test]
async fn a_server_that_closes_or_is_silent_is_unavailable() {
    for transport in BOTH {
        let error = failure_of(None, true, transport).await;
        assert!(matches!(error, SinkError::Unavailable { .. }), "{transport:?}: {error}");
    }
    let start = Instant::now();
    let error = failure_of(None, false, Transport::Buffered).await;
    assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_unavailable() {
    let error = match opened("no-such-host.invalid:9090", Transport::Buffered).await {
        Ok(_) => panic!("there is no such host"),
        Err(error) => error,
    };
    assert!(error.to_string().contains("cannot connect"), "{error}");
    assert!(matches!(error, SinkError::Unavailable { .. }));
}
