//! A job at one of its targets: both sides, and what it suspects there.

use super::job::Job;
use crate::compare::{ItemKey, Sides, item_key, items_are_gone};
use crate::lock::ListId;
use crate::model::Row;
use crate::pipeline::copies::copy::Copy;
use crate::protocol::ProtocolError;
use crate::sink::layout::{self, Address};
use std::collections::BTreeSet;

/// A job at one target.
pub struct AtTarget<'a> {
    pub job: &'a Job<'a>,
    pub copy: &'a Copy,
}

impl<'a> AtTarget<'a> {
    /// Both sides, read by `by`: the job, or who repeats nothing.
    pub fn sides<R>(&self, by: &'a R) -> Sides<'a, R> {
        let AtTarget { job, copy } = *self;
        let (source, sink) = (&*job.parts.source, &*job.parts.sink);
        Sides { source, sink, mapping: &copy.mapping, target: &copy.target, by }
    }

    /// The list that a row belongs to.
    pub fn list_of(&self, row: &Row) -> Result<ListId, ProtocolError> {
        let mapping = &self.copy.mapping;
        let list_key = layout::list_key(mapping, row).map_err(|cause| self.copy.refused(cause))?;
        Ok(ListId::new(mapping.id.0, &list_key))
    }

    /// Returns where MySQL surely has none of these, which a look-up did not find. Reads once.
    pub async fn are_gone(&self, suspects: &[Suspect]) -> Result<(), ProtocolError> {
        let keys: Vec<ItemKey> = suspects.iter().map(|one| one.key.clone()).collect();
        let addresses: BTreeSet<&Address> = suspects.iter().map(|one| &one.address).collect();
        items_are_gone(self.sides(self.job), &keys, &addresses).await
    }
}

/// An item that may differ, and where.
#[derive(Clone, Debug)]
pub struct Suspect {
    pub address: Address,
    pub list: ListId,
    pub key: ItemKey,
    /// A scan of MySQL has shown it, after a mark that was safe.
    pub scanned: bool,
}

impl Suspect {
    /// An item of MySQL.
    pub fn of(at: &AtTarget<'_>, list: ListId, row: &Row, address: Address) -> Suspect {
        Suspect { address, list, key: item_key(&at.copy.mapping, row), scanned: true }
    }
}
