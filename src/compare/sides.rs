//! Both sides of one target.

use super::Reading;
use crate::model::{Mapping, Target};
use crate::sink::ReadCounts;
use crate::sink::layout::{Address, Codec};
use crate::source::Source;

/// Both sides of one target, and who reads them.
pub struct Sides<'a, R> {
    pub source: &'a dyn Source,
    pub sink: &'a dyn ReadCounts,
    pub mapping: &'a Mapping,
    pub target: &'a Target,
    pub by: &'a R,
}

impl<R> Clone for Sides<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Sides<'_, R> {}

impl<R: Reading> Sides<'_, R> {
    /// Whether what lies at an address takes part. What is no list of the mapping is nobody's, and does.
    pub fn takes_address(&self, address: &Address) -> bool {
        let parts = || Codec::of(self.mapping, self.target).split(address);
        self.by.takes_all() || parts().is_none_or(|parts| self.by.takes_list(self.mapping, &parts.list_key))
    }

    /// The same for a row of the wide layout.
    pub fn takes_wide_row(&self, row: &[u8]) -> bool {
        let parts = || Codec::of(self.mapping, self.target).split_row(row);
        self.by.takes_all()
            || parts().is_none_or(|parts| self.by.takes_list(self.mapping, parts.list.list_key))
    }
}
