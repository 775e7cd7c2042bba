//! A second gateway to the same HBase: the command line of the first one, on another port.

use anyhow::{Context, ensure};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::sleep;

const START_LIMIT: Duration = Duration::from_secs(60);

/// Ends when dropped.
pub struct Gateway {
    pub port: u16,
    child: Child,
}

impl Gateway {
    /// Like the gateway with this process id; its log goes to `folder`.
    pub async fn like(first: u32, folder: &Path) -> anyhow::Result<Gateway> {
        let line = std::fs::read(format!("/proc/{first}/cmdline"))?;
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let mut words: Vec<String> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let place =
            words.iter().position(|word| word == "-p").context("the gateway's command line has no -p")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        words[place + 1] = port.to_string();
        let log = std::fs::File::create(folder.join("second-gateway.log"))?;
        let child = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("a second gateway cannot be started")?;
        let gateway = Gateway { port, child };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            ensure!(
                begin.elapsed() < START_LIMIT,
                "the second gateway does not listen after {START_LIMIT:?}"
            );
            sleep(Duration::from_millis(100)).await;
        }
        Ok(gateway)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
