//! What a re-copy is asked, and what it says of itself.

use super::Failed;
use crate::model::Value;
use serde::{Deserialize, Serialize};

/// What to copy again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The mapping's name.
    pub mapping: String,
    /// These lists, by the values of their key columns in key order; `None`: all of the mapping, those that only HBase
    /// has among them, and targets that are parked.
    pub lists: Option<Vec<Vec<Value>>>,
    /// Compare, and touch nothing.
    pub dry_run: bool,
}

/// Where a job stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Behind other jobs, or before its run is ready.
    #[default]
    Queued,
    /// It reads, and may have written.
    Running,
    /// All that it could do is done; its report says what it could not.
    Done,
    /// It ended with an error; what it wrote until then is right and stays.
    Failed(Failed),
}

impl JobState {
    /// Whether its report changes no more.
    pub fn is_over(&self) -> bool {
        matches!(self, JobState::Done | JobState::Failed(_))
    }
}

/// What a job has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecopyReport {
    /// As it was asked for.
    pub mapping: String,
    /// As it was asked for; `true`: nothing is written.
    pub dry_run: bool,
    /// Where the job stands.
    pub state: JobState,
    /// What it does now, or waits for.
    pub doing: String,
    /// In the order of the configuration; empty until the job runs.
    pub targets: Vec<RecopyTargetReport>,
}

/// The part of one target. Numbers of items, but for counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecopyTargetReport {
    /// HBase table, as the configuration spells it.
    pub table: String,
    /// With `table`, names the target.
    pub family: String,
    /// Items of MySQL that were looked up in HBase.
    pub from_mysql: u64,
    /// Items of HBase that were looked up in MySQL.
    pub from_hbase: u64,
    /// Written in full, or to be in a dry run.
    pub written: u64,
    /// Deleted, or to be in a dry run.
    pub deleted: u64,
    /// Not mended, because what differs is stamped above every mark that was tried.
    pub newer: u64,
    /// Rows and cells that are none of this mapping: they lie in no list, and are left alone.
    pub foreign: u64,
    /// Rows whose count was counted again, or is to be in a dry run.
    pub recounted: u64,
    /// Whether the target was parked, and is tailed again.
    pub unparked: bool,
    /// Whether the target was tailed when the job was done.
    #[serde(skip)]
    pub tailed: bool,
    /// The first items that were touched, by their keys: 20 at most.
    pub examples: Vec<String>,
}

/// Examples that are kept for each target.
pub const EXAMPLES_MAX: usize = 20;

impl RecopyTargetReport {
    /// Items that a re-copy cannot mend.
    pub fn left(&self) -> u64 {
        self.newer + self.foreign
    }

    /// Items and counts that it changed, or would change in a dry run.
    pub fn touched(&self) -> u64 {
        self.written + self.deleted + self.recounted
    }

    pub(in crate::pipeline) fn example(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text());
        }
    }
}
