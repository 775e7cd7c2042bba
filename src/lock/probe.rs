//! What a memcached server says of itself, for `check` and status.
//!
//! `stats` and `stats settings` are commands of the classic text protocol: lines of
//! `STAT <name> <value>`, ended by `END` (memcached's doc/protocol.txt, "General-purpose statistics").

use super::LockError;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest answer that is read; memcached 1.6.18 sends 4 KiB.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// What matters for leases. A number that the server did not send is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// As the server spells it: `1.6.18`.
    pub version: String,
    pub uptime_seconds: u64,
    pub connections_max: u64,
    pub connections_open: u64,
    /// Memory for items, and what is in use of it.
    pub limit_bytes: u64,
    pub used_bytes: u64,
    /// Whether leases can be evicted for memory (off with `-M`, where an `add` fails instead).
    pub evicts: bool,
    pub evictions_total: u64,
    /// Off with `-C`; a release cannot be made safe then.
    pub cas_enabled: bool,
}

impl ServerFacts {
    /// Whether the server speaks the meta protocol that leases need (memcached 1.6 and later).
    pub fn speaks_meta(&self) -> bool {
        let mut numbers = self.version.split(['.', '-', '_']).map(|part| part.parse::<u32>().ok());
        let version = (numbers.next().flatten(), numbers.next().flatten());
        matches!(version, (Some(major), Some(minor)) if (major, minor) >= (1, 6))
    }
}

pub(super) async fn facts(server: &str, reply_timeout: Duration) -> Result<ServerFacts, LockError> {
    let failed = |reason: String| LockError { server: server.to_owned(), reason };
    let asked = timeout(reply_timeout, stats(server)).await;
    let stats = asked
        .map_err(|_| failed(format!("no answer to `stats` within {reply_timeout:?}")))?
        .map_err(|error| failed(error.to_string()))?;
    read_facts(&stats).ok_or_else(|| failed("does not answer `stats` as memcached does".to_owned()))
}

async fn stats(server: &str) -> std::io::Result<BTreeMap<String, String>> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(b"stats settings\r\nstats\r\n").await?;
    let mut lines = BufReader::new(stream.take(ANSWER_BYTES_MAX));
    let mut stats = BTreeMap::new();
    for part in ["settings", "state"] {
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).await? > 0 && line.trim_ascii() != b"END" {
            let text = String::from_utf8_lossy(&line);
            let mut words = text.trim().splitn(3, ' ');
            if let (Some("STAT"), Some(name), Some(value)) = (words.next(), words.next(), words.next()) {
                stats.insert(format!("{part} {name}"), value.to_owned());
            }
            line.clear();
        }
    }
    Ok(stats)
}

fn read_facts(stats: &BTreeMap<String, String>) -> Option<ServerFacts> {
    let text = |name: &str| stats.get(name).map(String::as_str);
    let number = |name: &str| text(name).and_then(|value| value.parse().ok()).unwrap_or(0);
    Some(ServerFacts {
        version: text("state version")?.to_owned(),
        uptime_seconds: number("state uptime"),
        connections_max: number("settings maxconns"),
        connections_open: number("state curr_connections"),
        limit_bytes: number("state limit_maxbytes"),
        used_bytes: number("state bytes"),
        evicts: text("settings evictions") != Some("off"),
        evictions_total: number("state evictions"),
        cas_enabled: text("settings cas_enabled") != Some("no"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_version(version: &str) -> ServerFacts {
        let stats = BTreeMap::from([("state version".to_owned(), version.to_owned())]);
        read_facts(&stats).expect("a version is all that is needed")
    }

    #[test]
    fn the_meta_protocol_is_known_by_the_version() {
        for (version, speaks) in [
            ("1.6.18", true),
            ("1.10.0-rc1", true),
            ("2.0", true),
            ("1.5.22", false),
            ("1.4", false),
            ("?", false),
        ] {
            assert_eq!(of_version(version).speaks_meta(), speaks, "{version}");
        }
    }

    #[test]
    fn a_server_without_a_version_is_not_memcached() {
        assert_eq!(read_facts(&BTreeMap::new()), None);
    }
}
