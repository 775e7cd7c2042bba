//! All that a suggestion consists of.

use super::recent::Recent;
use super::sample::Sample;
use super::shape::Shape;
use super::table::Table;
use super::targets::{Asked, Plan};
use crate::model::Mapping;

pub struct Suggestion {
    pub table: Table,
    pub shape: Shape,
    /// The shape as a mapping, without targets: names keys of lists.
    pub mapping: Mapping,
    pub sample: Sample,
    /// `Err`: why the binlog was not read.
    pub recent: Result<Recent, String>,
    pub asked: Vec<Asked>,
    pub asked_is_guess: bool,
    /// Of the mapping.
    pub name: String,
    pub plans: Vec<Plan>,
    /// For each of `plans`: bytes of an item; `None` where no row was seen.
    pub item_bytes: Vec<Option<f64>>,
    /// For segmented plans, as the configuration spells it.
    pub segment: String,
    /// The sections of the servers, as text.
    pub servers: String,
}
