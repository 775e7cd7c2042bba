//! What was touched, item by item, for the log. Keys are named, values never.

use crate::model::{Mapping, Tick, Value};
use crate::sink::layout::Address;

/// What was done to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TouchKind {
    /// Put in full.
    Written,
    /// Covered by a marker.
    Deleted,
    /// The count of a row was taken away, to be counted again.
    Recounted,
}

impl TouchKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            TouchKind::Written => "written",
            TouchKind::Deleted => "deleted",
            TouchKind::Recounted => "recounted",
        }
    }

    /// What a dry run says.
    pub fn planned(self) -> &'static str {
        match self {
            TouchKind::Written => "to be written",
            TouchKind::Deleted => "to be deleted",
            TouchKind::Recounted => "to be counted again",
        }
    }
}

/// One item that is touched.
#[derive(Clone, Debug, PartialEq)]
pub struct Touch {
    /// Where it lies in HBase.
    pub address: Address,
    /// Its list and item key, as [`Touched::name`] has them.
    pub name: String,
    /// What is done to it.
    pub what: TouchKind,
    /// What it is stamped with; `None` for a count, whose mark comes later.
    pub tick: Option<Tick>,
}

/// Keeps what is touched. Called before anything is sent, so that nothing is touched that is not noted.
pub trait Touched: Send + Sync {
    /// Keys in words.
    fn name(&self, mapping: &Mapping, key: &[Value], item: &[Value]) -> String;

    /// # Errors
    /// It cannot be kept; then nothing is touched.
    fn note(&self, mapping: &str, target: &str, touches: &[Touch]) -> std::io::Result<()>;
}
