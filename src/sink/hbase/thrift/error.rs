//! What can go wrong with a call.

use thiserror::Error;

#[derive(Debug, Error)]
pub enum Error {
    /// Of the connection: it cannot be made, or it broke.
    #[error(transparent)]
    Transport(#[from] std::io::Error),
    /// What came is no reply to the call.
    #[error("{0}")]
    Protocol(&'static str),
    /// The gateway's Thrift library refuses the call (TApplicationException).
    #[error("{message}")]
    Application { kind: i32, message: String },
    /// An exception that the call declares. The reply was read to its end, and the connection is sound.
    #[error("{message}")]
    Declared { message: String },
}

impl Error {
    pub fn is_declared(&self) -> bool {
        matches!(self, Error::Declared { .. })
    }

    /// Whether the other side does not know the call.
    pub fn is_unknown_method(&self) -> bool {
        const UNKNOWN_METHOD: i32 = 1;
        matches!(self, Error::Application { kind: UNKNOWN_METHOD, .. })
    }
}
