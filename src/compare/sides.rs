//! Both sides of one target.

use crate::model::{Mapping, Target};
use crate::sink::ReadCounts;
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
