//! What can go wrong with a sink, split by consequence.

use crate::advice;
use crate::error::{Disposition, Exit};

/// An error of the sink. Never holds row values.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SinkError {
    /// The gateway or a region is away; part of the rows may have been written, or may still be.
    #[error("hbase gateway {gateway}: {reason}")]
    Unavailable {
        /// `host:port`.
        gateway: String,
        /// In the words of the system, the gateway or HBase.
        reason: String,
    },
    /// The table or family is not there.
    #[error("hbase table {table}, family {family}: {reason}")]
    Missing {
        /// As the configuration spells it.
        table: String,
        /// Of the target, or `c` where a counted target lacks it.
        family: String,
        /// Whether table, family or namespace is missing.
        reason: String,
    },
    /// The table is there and does not answer until it is enabled.
    #[error("hbase table {table} is disabled")]
    Disabled {
        /// As the configuration spells it.
        table: String,
    },
    /// The other side does not speak the configured protocol.
    #[error("hbase gateway {gateway}: {reason}")]
    WrongProtocol {
        /// `host:port`.
        gateway: String,
        /// What answered instead, as far as its bytes tell.
        reason: String,
    },
    /// The gateway refused for a reason that repeating will not mend.
    #[error("hbase gateway {gateway} refused {what}: {reason}")]
    Refused {
        /// `host:port`.
        gateway: String,
        /// The call that was made.
        what: String,
        /// In the gateway's words, shortened.
        reason: String,
    },
    /// A row cannot be expressed in the layout (a zero date in a key, a NULL in a key).
    #[error("{mapping}: {reason}")]
    Unencodable {
        /// Its name.
        mapping: String,
        /// Which column of which table, and the rule; never the value.
        reason: String,
    },
    /// A row's `c:t` is above every tick that was handed out: somebody else wrote it.
    #[error("hbase table {table}: family c holds {tick} in c:t of a row, above every tick of this run")]
    ForeignTick {
        /// As the configuration spells it.
        table: String,
        /// Milliseconds since 1970, or whatever the other program wrote.
        tick: u64,
    },
}

impl SinkError {
    pub(crate) fn disposition(&self) -> Disposition {
        match self {
            SinkError::Unavailable { .. } | SinkError::Disabled { .. } => Disposition::Retry,
            SinkError::Refused { .. } | SinkError::Unencodable { .. } => Disposition::Halt(Exit::Failed),
            SinkError::Missing { .. } | SinkError::ForeignTick { .. } | SinkError::WrongProtocol { .. } => {
                Disposition::Halt(Exit::Refused)
            }
        }
    }

    /// Whether it is about one target: others may be written to all the same.
    pub fn is_of_target(&self) -> bool {
        matches!(
            self,
            SinkError::Missing { .. }
                | SinkError::Refused { .. }
                | SinkError::Unencodable { .. }
                | SinkError::ForeignTick { .. }
        )
    }

    pub(crate) fn advice(&self) -> Option<&'static str> {
        match self {
            SinkError::Unavailable { .. } => Some("check that the Thrift gateway is up, and hbase.gateways"),
            SinkError::Missing { reason, .. } if reason.contains("namespace") => {
                Some(advice::create_namespace())
            }
            SinkError::Missing { .. } => Some(advice::init()),
            SinkError::Disabled { .. } => {
                Some("in the HBase shell: enable 'TABLE'; then run the same command again")
            }
            SinkError::WrongProtocol { .. } => Some(
                "set hbase.kind and hbase.transport as the gateway was started; is the port in hbase.gateways its own?",
            ),
            SinkError::Refused { .. } => Some("read the log of the gateway"),
            SinkError::ForeignTick { .. } => Some(
                "tailfill cannot tell counts of another program or run from its own: name another table, \
                 or empty this one (truncate_preserve) before the first start",
            ),
            SinkError::Unencodable { .. } => Some(advice::correct_row()),
        }
    }
}
