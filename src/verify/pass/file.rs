//! A pass as bytes.
//!
//! ```text
//! "tfverify"   8 bytes
//! version      4 bytes, big-endian
//! length       8 bytes, big-endian: of the JSON
//! JSON         the job, places, counts, what was found
//! sums         of the mapping that is read, if there is one: lists, then a digest a target of MySQL's rows, then of HBase's
//! SHA-256      32 bytes, of all before it
//! ```
//! Some 3 MiB a target of that mapping, and less where there are few items.

use super::super::digest::take;
use super::super::report::{Example, ListsFound, VerifyTargetReport};
use super::job::Job;
use super::walks::WalksRecord;
use crate::model::{Mapping, Reached, Target, Value};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const MAGIC: [u8; 8] = *b"tfverify";
/// Another one for each change of the form, or of what a digest is a sum of.
const VERSION: u32 = 1;
const SUM_BYTES: usize = 32;

/// Why bytes are no pass.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FileError {
    /// They begin otherwise.
    #[error("this is not a verification that tailfill has saved")]
    Foreign,
    /// Of a later program, or an earlier one.
    #[error("it is in format {0}, and this program knows format {VERSION}")]
    Version(u32),
    /// Cut off, or changed.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

/// A pass that a process has left.
#[derive(Serialize, Deserialize)]
pub struct Saved {
    pub(super) job: Job,
    /// G0: what MySQL had executed, and HBase had, before anything was read.
    pub(super) since: Reached,
    /// Milliseconds since 1970.
    pub(super) begun_ms: u64,
    pub(super) saved_ms: u64,
    pub(super) worked_ms: u64,
    pub(super) interruptions: u32,
    /// By mapping, in the order of its targets.
    pub(super) done: Vec<Vec<TargetRecord>>,
    pub(super) walks: Option<WalksRecord>,
}

impl Saved {
    /// When it was saved last, milliseconds since 1970.
    pub fn saved_ms(&self) -> u64 {
        self.saved_ms
    }

    /// `None`: the place of a walk would not come back as it is.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        if self.walks.as_ref().is_some_and(|walks| !walks.comes_back()) {
            return None;
        }
        let json = serde_json::to_vec(self).ok()?;
        let mut bytes = Vec::with_capacity(json.len() + (4 << 20));
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend((json.len() as u64).to_be_bytes());
        bytes.extend(json);
        if let Some(walks) = &self.walks {
            walks.write(&mut bytes);
        }
        bytes.extend(Sha256::digest(&bytes));
        Some(bytes)
    }

    /// A pass from its bytes.
    ///
    /// # Errors
    /// They are something else, of another version, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Saved, FileError> {
        let mut rest = bytes;
        if take(&mut rest) != Some(MAGIC) {
            return Err(FileError::Foreign);
        }
        match take(&mut rest).map(u32::from_be_bytes) {
            Some(VERSION) => {}
            Some(other) => return Err(FileError::Version(other)),
            None => return Err(FileError::Damaged("its end is missing")),
        }
        let (whole, sum) =
            bytes.split_last_chunk::<SUM_BYTES>().ok_or(FileError::Damaged("its end is missing"))?;
        if Sha256::digest(whole)[..] != sum[..] {
            return Err(FileError::Damaged("its checksum is another one"));
        }
        // what has the right checksum was written by this format, and the rest is never wrong
        Saved::parts(rest).ok_or(FileError::Damaged("its parts do not fit together"))
    }

    fn parts(rest: &[u8]) -> Option<Saved> {
        let (mut rest, _) = rest.split_last_chunk::<SUM_BYTES>()?;
        let length = take(&mut rest).map(u64::from_be_bytes)?;
        let (json, mut sums) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let mut saved: Saved = serde_json::from_slice(json).ok()?;
        if let Some(walks) = &mut saved.walks {
            walks.read(&mut sums)?;
        }
        sums.is_empty().then_some(saved)
    }
}

/// What was found in a target, as it is kept. Its names are the job's.
#[derive(Serialize, Deserialize)]
pub struct TargetRecord {
    counters: [u64; 13],
    lists_compared: Option<u64>,
    examples: Vec<(String, String, Vec<String>)>,
    examples_found: u64,
    lists: Vec<Vec<Value>>,
    more_lists: bool,
}

impl TargetRecord {
    pub(super) fn of(report: &VerifyTargetReport) -> TargetRecord {
        let example =
            |Example { kind, item, what }: &Example| ((*kind).to_owned(), item.clone(), what.clone());
        let (lists, more_lists) = report.lists.record();
        TargetRecord {
            counters: counters(&mut report.clone()).map(|counter| *counter),
            lists_compared: report.lists_compared,
            examples: report.examples.iter().map(example).collect(),
            examples_found: report.examples_found,
            lists,
            more_lists,
        }
    }

    pub(super) fn report(&self, mapping: &Mapping, target: &Target) -> VerifyTargetReport {
        let example = |(kind, item, what): &(String, String, Vec<String>)| Example {
            kind: Example::kind(kind),
            item: item.clone(),
            what: what.clone(),
        };
        let mut report = VerifyTargetReport {
            mapping: mapping.name.clone(),
            table: target.table.clone(),
            family: target.family.clone(),
            lists_compared: self.lists_compared,
            examples: self.examples.iter().map(example).collect(),
            examples_found: self.examples_found,
            lists: ListsFound::of(mapping, &self.lists, self.more_lists),
            ..VerifyTargetReport::default()
        };
        counters(&mut report).into_iter().zip(self.counters).for_each(|(counter, kept)| *counter = kept);
        report
    }
}

/// In the order in which they are kept.
fn counters(report: &mut VerifyTargetReport) -> [&mut u64; 13] {
    [
        &mut report.items_compared,
        &mut report.missing,
        &mut report.extra,
        &mut report.different,
        &mut report.repeated,
        &mut report.unexplained,
        &mut report.mysql_rows_counted,
        &mut report.mysql_rows_shown,
        &mut report.hbase_items_scanned,
        &mut report.unsettled,
        &mut report.counts_compared,
        &mut report.miscounted,
        &mut report.uncounted,
    ]
}
