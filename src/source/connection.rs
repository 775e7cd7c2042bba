//! One connection to the server: opening it, and reading what its errors mean.

use super::SourceError;
use super::options::{MysqlOptions, TlsFiles, TlsMode};
use super::session_settings;
use crate::failpoints::Failpoints;
use mysql_async::prelude::Queryable;
use mysql_async::{ClientIdentity, Conn, DriverError, Error, IoError, OptsBuilder, Params, Row, SslOpts};
use std::path::Path;
use std::time::Duration;

/// The largest packet MySQL knows, so that no row is too large for us.
const MAX_PACKET_BYTES: usize = 1 << 30;
/// Bound on one small statement (a variable, a SHOW), so that a hanging server is noticed.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// An open connection that knows whom it talks to, for messages.
pub(crate) struct Connection {
    pub conn: Conn,
    address: String,
    user: String,
}

impl Connection {
    /// Opens a connection within `connect_timeout`, whose session is set as [`session_settings`] says.
    ///
    /// # Errors
    /// `LoginRefused`, `Refused` for an unknown database or a session that cannot be set, `Unavailable` for everything else.
    pub async fn open(options: &MysqlOptions) -> Result<Connection, SourceError> {
        let opened = match &options.tls {
            TlsMode::Preferred => match dial(options, Some(unverified(&TlsFiles::default()))).await {
                Err(Failure::Driver(error)) if no_tls_at_server(&error) => dial(options, None).await,
                other => other,
            },
            TlsMode::Disabled => dial(options, None).await,
            TlsMode::Required(files) => dial(options, Some(unverified(files))).await,
            TlsMode::VerifyCa(files) => dial(options, Some(of_any_name(files))).await,
            TlsMode::VerifyIdentity(files) => dial(options, Some(verified(files))).await,
        };
        match opened {
            Ok(conn) => {
                let mut connection =
                    Connection { conn, address: options.address(), user: options.user.clone() };
                connection.settle_session().await?;
                Ok(connection)
            }
            Err(Failure::TimedOut) => Err(SourceError::Unavailable {
                address: options.address(),
                reason: format!("no connection within {} s", options.connect_timeout.as_secs()),
            }),
            Err(Failure::Driver(error)) => {
                Err(classify("the connection", &options.address(), &options.user, error))
            }
        }
    }

    async fn settle_session(&mut self) -> Result<(), SourceError> {
        const WHAT: &str = "the settings of the session";
        let known = self.rows(WHAT, &session_settings::known_statement()).await?;
        let known: Vec<String> = known.iter().map(|row| text_at(row, 0)).collect();
        let settings = session_settings::all(&known, Failpoints::default());
        self.run(WHAT, &session_settings::set_statement(&settings)).await?;
        let found = self.rows(WHAT, &session_settings::read_statement(&settings)).await?;
        let texts = |row: &Row| (0..settings.len()).map(|at| text_at(row, at)).collect();
        let found: Vec<String> = found.first().map(texts).unwrap_or_default();
        match session_settings::differs(&settings, &found) {
            None => Ok(()),
            Some(reason) => Err(SourceError::Refused { what: WHAT.into(), reason }),
        }
    }

    /// Runs statements without results.
    pub async fn run(&mut self, what: &str, statement: &str) -> Result<(), SourceError> {
        let done = tokio::time::timeout(STATEMENT_TIMEOUT, self.conn.query_drop(statement)).await;
        self.settle(what, done)
    }

    /// The rows of a small text query.
    pub async fn rows(&mut self, what: &str, statement: &str) -> Result<Vec<Row>, SourceError> {
        let done = tokio::time::timeout(STATEMENT_TIMEOUT, self.conn.query(statement)).await;
        self.settle(what, done)
    }

    /// The rows of a query that may read a whole table; the server stops it after `limit`.
    pub async fn rows_within(
        &mut self,
        what: &str,
        statement: &str,
        limit: Duration,
    ) -> Result<Vec<Row>, SourceError> {
        let bound = format!("SET SESSION max_execution_time = {}", limit.as_millis());
        self.run(what, &bound).await?;
        match tokio::time::timeout(limit + STATEMENT_TIMEOUT, self.conn.query(statement)).await {
            Ok(done) => done.map_err(|error| self.error(what, error)),
            Err(_) => Err(self.unavailable(format!("no answer to {what}"))),
        }
    }

    /// The rows of a small prepared statement.
    pub async fn rows_with(
        &mut self,
        what: &str,
        statement: &str,
        params: impl Into<Params> + Send,
    ) -> Result<Vec<Row>, SourceError> {
        let params = params.into();
        let done = tokio::time::timeout(STATEMENT_TIMEOUT, self.conn.exec(statement, params)).await;
        self.settle(what, done)
    }

    /// The first column of the first row as text; empty when NULL or absent.
    pub async fn text(&mut self, what: &str, statement: &str) -> Result<String, SourceError> {
        let rows = self.rows(what, statement).await?;
        Ok(rows.first().map(|row| text_at(row, 0)).unwrap_or_default())
    }

    pub fn error(&self, what: &str, error: Error) -> SourceError {
        classify(what, &self.address, &self.user, error)
    }

    pub fn unavailable(&self, reason: impl Into<String>) -> SourceError {
        SourceError::Unavailable { address: self.address.clone(), reason: reason.into() }
    }

    fn settle<T>(
        &self,
        what: &str,
        done: Result<Result<T, Error>, tokio::time::error::Elapsed>,
    ) -> Result<T, SourceError> {
        match done {
            Ok(done) => done.map_err(|error| self.error(what, error)),
            Err(_) => {
                Err(self.unavailable(format!("no answer to {what} within {} s", STATEMENT_TIMEOUT.as_secs())))
            }
        }
    }
}

/// A column of a text-protocol row as text; empty when NULL, absent or of another kind.
pub(crate) fn text_at(row: &Row, column: usize) -> String {
    match row.as_ref(column) {
        None | Some(mysql_async::Value::NULL) => String::new(),
        Some(mysql_async::Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(mysql_async::Value::Int(number)) => number.to_string(),
        Some(mysql_async::Value::UInt(number)) => number.to_string(),
        Some(other) => other.as_sql(true).trim_matches('\'').to_owned(),
    }
}

/// A column as a number; `None` when NULL, absent or not a number.
pub(crate) fn number_at(row: &Row, column: usize) -> Option<u64> {
    text_at(row, column).parse().ok()
}

enum Failure {
    TimedOut,
    Driver(Error),
}

async fn dial(options: &MysqlOptions, tls: Option<SslOpts>) -> Result<Conn, Failure> {
    let opts = OptsBuilder::default()
        .ip_or_hostname(options.host.clone())
        .tcp_port(options.port)
        .user(Some(options.user.clone()))
        .pass(options.password.clone())
        .db_name(options.database.clone())
        .prefer_socket(false)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .max_allowed_packet(Some(MAX_PACKET_BYTES))
        .wait_timeout(Some(28_800))
        .ssl_opts(tls);
    match tokio::time::timeout(options.connect_timeout, Conn::new(opts)).await {
        Ok(opened) => opened.map_err(Failure::Driver),
        Err(_) => Err(Failure::TimedOut),
    }
}

fn unverified(files: &TlsFiles) -> SslOpts {
    verified(files).with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true)
}

/// The chain is verified, the name is not: certificates that MySQL makes for itself have none. mysql_async 0.37 accepts
/// another name only where rustls' text of that error holds this word, which the text repeats when it is the name that
/// was expected.
fn of_any_name(files: &TlsFiles) -> SslOpts {
    verified(files)
        .with_danger_skip_domain_validation(true)
        .with_danger_tls_hostname_override(Some("NotValidForName"))
}

fn verified(files: &TlsFiles) -> SslOpts {
    let owned = |path: &Path| path.to_path_buf().into();
    let mut tls = SslOpts::default();
    if let Some(ca) = &files.ca {
        tls = tls.with_root_certs(vec![owned(ca)]).with_disable_built_in_roots(true);
    }
    if let (Some(cert), Some(key)) = (&files.cert, &files.key) {
        tls = tls.with_client_identity(Some(ClientIdentity::new(owned(cert), owned(key))));
    }
    tls
}

fn no_tls_at_server(error: &Error) -> bool {
    matches!(error, Error::Driver(DriverError::NoClientSslFlagFromServer))
}

/// What an error of the driver means for the run. Server error codes: MySQL "Server Error Message
/// Reference". A row value never gets into the text: only messages of the server about statements
/// are passed on, and the driver's conversion errors are replaced.
fn classify(what: &str, address: &str, user: &str, error: Error) -> SourceError {
    let unavailable = |reason: String| SourceError::Unavailable { address: address.to_owned(), reason };
    match error {
        Error::Server(error) => match error.code {
            // ER_ACCESS_DENIED_ERROR, _NO_PASSWORD, ER_MUST_CHANGE_PASSWORD(_LOGIN), account locked
            1045 | 1698 | 1820 | 1862 | 3118 | 3879 => SourceError::LoginRefused {
                address: address.to_owned(),
                user: user.to_owned(),
                reason: error.message,
            },
            // Too many connections, host blocked, shutdown, killed, lost, lock wait, deadlock
            1040
            | 1053
            | 1077
            | 1079
            | 1105
            | 1129
            | 1152
            | 1158..=1161
            | 1184
            | 1203
            | 1205
            | 1213
            | 1317
            | 2006
            | 2013
            | 3024
            | 3169
            | 4031 => unavailable(format!("{what}: {} (error {})", error.message, error.code)),
            1049 => SourceError::Refused {
                what: what.to_owned(),
                reason: format!("{}: the database in source.url does not exist", error.message),
            },
            _ => SourceError::Refused {
                what: what.to_owned(),
                reason: format!("{} (error {})", error.message, error.code),
            },
        },
        // MySQL asks for any of its plugins when the user does not exist, so as not to tell.
        Error::Driver(DriverError::UnknownAuthPlugin { name }) => SourceError::LoginRefused {
            address: address.to_owned(),
            user: user.to_owned(),
            reason: format!(
                "it wants the authentication plugin {name}, which tailfill does not support; MySQL also asks for \
                 it when the user does not exist"
            ),
        },
        Error::Driver(error @ (DriverError::FromValue { .. } | DriverError::FromRow { .. })) => {
            drop(error);
            SourceError::Refused {
                what: what.to_owned(),
                reason: "tailfill does not understand the form of the answer".into(),
            }
        }
        Error::Driver(DriverError::UnexpectedPacket { payload }) => {
            unavailable(format!("{what}: an unexpected packet of {} bytes", payload.len()))
        }
        Error::Io(IoError::Tls(error)) => SourceError::Refused {
            what: "the TLS connection".into(),
            reason: format!("{error}; see source.tls, ca, cert and key"),
        },
        // rustls hands its verdict over inside an I/O error.
        Error::Io(IoError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            SourceError::Refused {
                what: "the TLS connection".into(),
                reason: format!("{error}; see source.tls, ca, cert and key"),
            }
        }
        Error::Driver(error @ DriverError::NoClientSslFlagFromServer) => {
            SourceError::Refused { what: "a TLS connection".into(), reason: error.to_string() }
        }
        other => unavailable(format!("{what}: {other}")),
    }
}
