//! How to reach a MySQL server, and as whom.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where the source is, who we are there, and how long we wait for it.
#[derive(Clone)]
pub struct MysqlOptions {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// Of MySQL's own protocol (not of the X protocol).
    pub port: u16,
    /// Needs the grants that `check` lists.
    pub user: String,
    /// `None`: the account has none.
    pub password: Option<String>,
    /// The default database. Its absence at the server is reported by [`connect`](super::mysql::MysqlSource::connect).
    pub database: Option<String>,
    /// The id under which we register as a replica; unique among the source's replicas.
    pub server_id: u32,
    /// The same for the stream and for SELECTs.
    pub tls: TlsMode,
    /// Bound on one connection attempt, TLS and login included.
    pub connect_timeout: Duration,
    /// How often the server proves that an idle stream is alive (`@source_heartbeat_period`).
    /// Four of them without a word count as a lost connection.
    pub heartbeat_seconds: u32,
    /// How long [`stream`](super::Source::stream) waits until the server has committed what was
    /// read from it before (the semi-sync window of DESIGN section 2).
    pub catch_up_timeout: Duration,
}

impl MysqlOptions {
    /// `user` at `host:port` with the defaults: no password, TLS when the server offers it, 10 s to
    /// connect, a heartbeat every second.
    pub fn new(host: impl Into<String>, port: u16, user: impl Into<String>) -> MysqlOptions {
        MysqlOptions {
            host: host.into(),
            port,
            user: user.into(),
            password: None,
            database: None,
            server_id: 4242,
            tls: TlsMode::Preferred,
            connect_timeout: Duration::from_secs(10),
            heartbeat_seconds: 1,
            catch_up_timeout: Duration::from_secs(60),
        }
    }

    /// `host:port`, for messages.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for MysqlOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlOptions")
            .field("address", &self.address())
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("database", &self.database)
            .field("server_id", &self.server_id)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// MySQL's own `--ssl-mode`, with the files that a mode needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// No connection is encrypted.
    Disabled,
    /// Encrypted when the server can, without checking who it is.
    #[default]
    Preferred,
    /// Encrypted, without checking who it is.
    Required(TlsFiles),
    /// The certificate must be signed by `ca`.
    VerifyCa(TlsFiles),
    /// As `VerifyCa`, and it must name `host`.
    VerifyIdentity(TlsFiles),
}

/// PEM files. Without `ca` the certificate authorities of the Mozilla list are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates that are trusted instead of the Mozilla list.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key; both or neither.
    pub cert: Option<PathBuf>,
    /// The private key of `cert`.
    pub key: Option<PathBuf>,
}
