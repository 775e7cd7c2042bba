//! What a comparison found, for people and for scripts.

use super::show::{key_text, printable};
use crate::advice;
use crate::compare::{CellDifference, Difference, How, ItemKey};
use crate::error::Exit;
use crate::model::{CellForm, Mapping, Share, Target, Value};
use crate::sink::layout::{self, Address};
use bytes::Bytes;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// An address at which the two sides did not look equal.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub address: Address,
    /// List and item key; `None` for an address that is none of this mapping.
    pub key: Option<ItemKey>,
}

/// Lists that are kept for each target.
const LISTS_MAX: usize = 5_000;

/// Examples that are kept for each target.
pub(super) const EXAMPLES_MAX: usize = 20;

/// The result. As JSON one object whose plain numbers come first, sums over all targets, so that scripts can
/// read them without a parser. A field may be added, none changes its meaning.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VerifyReport {
    /// Items of MySQL, counted once for each target.
    pub items_compared: u64,
    pub missing: u64,
    pub extra: u64,
    pub different: u64,
    /// Rows of MySQL beyond the first that belong at one address of HBase.
    pub repeated: u64,
    /// Rows and items that the two scans do not have in common, and that neither a difference nor a change explains.
    pub unexplained: u64,
    /// Rows that MySQL counts in its tables, once for each target.
    pub mysql_rows_counted: u64,
    /// Items that the scans of HBase have come upon.
    pub hbase_items_scanned: u64,
    /// Items, and counts of rows, that changed faster than they could be compared.
    pub unsettled: u64,
    /// Rows of counted targets that say how many items they have.
    pub counts_compared: u64,
    /// Those, and rows that should say it, in which that is not the number that MySQL has.
    pub miscounted: u64,
    /// Rows that have items and need not say how many yet, because the count pass is still to come.
    pub uncounted: u64,
    /// Of all processes that worked on it.
    pub seconds: f64,
    /// When its first process began, milliseconds since 1970; only where it was interrupted, and another one went on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began_ms: Option<u64>,
    /// Whether the counts mean something; else `cannot_judge` says why not.
    pub judged: bool,
    pub equal: bool,
    pub cannot_judge: Option<String>,
    /// The lists of the pilot that alone were compared, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pilot: Option<String>,
    pub notes: Vec<String>,
    /// How many items of each target were to be drawn; only where a sample was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<u64>,
    pub targets: Vec<VerifyTargetReport>,
}

/// The result for one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VerifyTargetReport {
    pub mapping: String,
    pub table: String,
    pub family: String,
    pub items_compared: u64,
    pub missing: u64,
    pub extra: u64,
    pub different: u64,
    pub repeated: u64,
    pub unexplained: u64,
    pub mysql_rows_counted: u64,
    pub hbase_items_scanned: u64,
    pub unsettled: u64,
    pub counts_compared: u64,
    pub miscounted: u64,
    pub uncounted: u64,
    /// Lists with rows in MySQL; only where a pilot moves some lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lists_compared: Option<u64>,
    /// The share of items that differ, over those of both sides: exact, where all of them could be compared.
    pub share: Share,
    /// The rows that the walk over MySQL has come upon, drawn or not.
    #[serde(skip)]
    pub mysql_rows_shown: u64,
    /// Only a part of the items was compared.
    #[serde(skip)]
    pub is_sample: bool,
    /// The first ones that were found, [`EXAMPLES_MAX`] at most.
    pub examples: Vec<Example>,
    /// How many were found that an example could be of.
    #[serde(skip)]
    pub examples_found: u64,
    /// The lists that differences lie in.
    #[serde(skip)]
    pub lists: ListsFound,
    /// Differences that no re-copy of lists corrects: of no list, or in MySQL itself.
    #[serde(skip)]
    pub of_no_list: u64,
}

/// Lists by their keys, as far as there are not too many of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListsFound {
    /// By the encoded key.
    keys: BTreeMap<Vec<u8>, Vec<Value>>,
    more: bool,
}

impl ListsFound {
    pub(super) fn add(&mut self, mapping: &Mapping, key: &[Value]) {
        let Ok(encoded) = layout::list_key_of(mapping, key) else { return };
        if self.keys.len() >= LISTS_MAX && !self.keys.contains_key(&encoded) {
            self.more = true;
            return;
        }
        self.keys.insert(encoded, key.to_vec());
    }

    /// As it is kept: the keys, and whether there are more.
    pub(super) fn record(&self) -> (Vec<Vec<Value>>, bool) {
        (self.keys.values().cloned().collect(), self.more)
    }

    /// As it was kept.
    pub(super) fn of(mapping: &Mapping, keys: &[Vec<Value>], more: bool) -> ListsFound {
        let mut lists = ListsFound { more, ..ListsFound::default() };
        keys.iter().for_each(|key| lists.add(mapping, key));
        lists
    }

    /// Takes others in.
    pub fn join(&mut self, others: &ListsFound) {
        self.more |= others.more;
        for (encoded, key) in &others.keys {
            if self.keys.len() >= LISTS_MAX && !self.keys.contains_key(encoded) {
                self.more = true;
                return;
            }
            self.keys.insert(encoded.clone(), key.clone());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Their keys; `None` when there are so many that all lists may as well be looked at.
    pub fn keys(&self) -> Option<Vec<Vec<Value>>> {
        (!self.more).then(|| self.keys.values().cloned().collect())
    }
}

/// One difference. Keys are named, values never.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// `missing`, `extra`, `different`, `repeated` or `miscounted`.
    pub kind: &'static str,
    /// The key columns and their values, or an address in hexadecimal that is none of the mapping. Of a count those of
    /// the list, and the segment.
    pub item: String,
    /// What differs: columns, why an extra item does not belong, or the two counts.
    pub what: Vec<String>,
}

impl Example {
    /// A kind by its name.
    pub(super) fn kind(name: &str) -> &'static str {
        KINDS.into_iter().find(|kind| *kind == name).unwrap_or_default()
    }
}

/// What an example can be of.
const KINDS: [&str; 5] = ["missing", "extra", "different", "repeated", "miscounted"];

/// How a command ends that compared both sides.
pub(super) fn exit(judged: bool, equal: bool) -> Exit {
    match (judged, equal) {
        (false, _) => Exit::Refused,
        (true, true) => Exit::Done,
        (true, false) => Exit::Differences,
    }
}

impl VerifyReport {
    /// One entry for each target, in the order of the configuration.
    pub fn new(mappings: &[Mapping]) -> VerifyReport {
        let targets = mappings.iter().flat_map(|mapping| {
            mapping.targets.iter().map(|target| VerifyTargetReport {
                mapping: mapping.name.clone(),
                table: target.table.clone(),
                family: target.family.clone(),
                ..VerifyTargetReport::default()
            })
        });
        VerifyReport { targets: targets.collect(), ..VerifyReport::default() }
    }

    /// How a command that printed this ends.
    pub fn exit(&self) -> Exit {
        exit(self.judged, self.equal)
    }

    /// Sums up, and judges.
    pub fn finish(&mut self, cannot_judge: Option<String>, took: Duration) {
        let sum = |count: fn(&VerifyTargetReport) -> u64| self.targets.iter().map(count).sum::<u64>();
        self.items_compared = sum(|target| target.items_compared);
        self.missing = sum(|target| target.missing);
        self.extra = sum(|target| target.extra);
        self.different = sum(|target| target.different);
        self.repeated = sum(|target| target.repeated);
        self.unexplained = sum(|target| target.unexplained);
        self.mysql_rows_counted = sum(|target| target.mysql_rows_counted);
        self.hbase_items_scanned = sum(|target| target.hbase_items_scanned);
        self.unsettled = sum(|target| target.unsettled);
        self.counts_compared = sum(|target| target.counts_compared);
        self.miscounted = sum(|target| target.miscounted);
        self.uncounted = sum(|target| target.uncounted);
        self.seconds = (took.as_secs_f64() * 1_000.0).round() / 1_000.0;
        let differences = self.targets.iter().map(VerifyTargetReport::differences).sum::<u64>();
        self.cannot_judge = cannot_judge.or_else(|| self.open_question().filter(|_| differences == 0));
        self.judged = self.cannot_judge.is_none();
        self.equal = self.judged && differences == 0;
        let judged = self.judged;
        self.targets.iter_mut().filter(|_| judged).for_each(VerifyTargetReport::sum_up);
    }
}

impl VerifyReport {
    /// What keeps the two sides from being called equal although no difference is known.
    fn open_question(&self) -> Option<String> {
        if self.unexplained > 0 {
            return Some(format!(
                "the scans of MySQL and HBase disagree about {} rows or items, and no difference and no change explains \
                 them: MySQL counts {} rows and shows {}, HBase shows {} items; {UNEXPLAINED}",
                self.unexplained,
                self.mysql_rows_counted,
                self.targets.iter().map(|target| target.mysql_rows_shown).sum::<u64>(),
                self.hbase_items_scanned
            ));
        }
        (self.unsettled > 0).then(|| {
            format!(
                "{} items or counts changed faster than they could be compared, and no run held their lists ({}); \
                 nothing else differs; verify again",
                self.unsettled,
                advice::see_status()
            )
        })
    }
}

/// What to do where the scans do not agree.
const UNEXPLAINED: &str = "verify again once no copy and no re-copy is under way; if it stays so, tailfill cannot find \
     these rows by their keys, and the result of a copy is not to be trusted: report it";

impl VerifyTargetReport {
    pub fn is_equal(&self) -> bool {
        self.differences() + self.unsettled + self.unexplained == 0
    }

    /// What the numbers say of all items. An item that was not settled, or that no look-up explains, leaves it open.
    fn sum_up(&mut self) {
        if self.unsettled + self.unexplained == 0 {
            let wrong = self.missing + self.extra + self.different + self.repeated;
            self.share = Share::of(self.items_compared + self.extra, wrong, !self.is_sample);
        }
    }

    fn differences(&self) -> u64 {
        self.missing + self.extra + self.different + self.repeated + self.miscounted
    }

    /// Counts an item for which MySQL has `rows` rows. A re-copy does not make them fewer, so their list is not kept.
    pub(super) fn repeated(&mut self, mapping: &Mapping, (key, item): &ItemKey, rows: u64) {
        self.repeated += rows - 1;
        self.of_no_list += rows - 1;
        let what = format!("{rows} rows of MySQL have this key, HBase holds one item");
        self.example("repeated", || key_text(mapping, key, item), vec![what]);
    }

    /// Counts a confirmed difference. `elsewhere`: where MySQL's item belongs, if it has the item.
    pub(super) fn count(
        &mut self,
        (mapping, target): (&Mapping, &Target),
        candidate: &Candidate,
        difference: &Difference,
        elsewhere: Option<&Address>,
    ) {
        let (counter, kind, what) = match difference {
            Difference::Missing => (&mut self.missing, "missing", Vec::new()),
            Difference::Extra => (&mut self.extra, "extra", why_extra(mapping, candidate, elsewhere)),
            Difference::Different(cells) => {
                let what = cells.iter().map(|cell| cell_text(target.form, cell)).collect();
                (&mut self.different, "different", what)
            }
        };
        *counter += 1;
        self.found_in(mapping, candidate.key.as_ref().map(|(key, _)| key));
        let item = || match &candidate.key {
            Some((key, item)) => key_text(mapping, key, item),
            None => address_text(&candidate.address),
        };
        self.example(kind, item, what);
    }

    /// Counts a row whose count is wrong.
    pub(super) fn miscounted(&mut self, mapping: &Mapping, wrong: Miscounted<'_>) {
        let Miscounted { row, list, found, expected } = wrong;
        self.miscounted += 1;
        self.found_in(mapping, list.as_ref().map(|(key, _)| key));
        let says = found.map_or("no c:n".to_owned(), |found| format!("c:n is {found}"));
        let what = match &list {
            Some(_) => format!("{says}, MySQL has {expected}"),
            None => format!("{says}, and this is not a row key of this mapping"),
        };
        let item = || match list {
            Some((key, None)) => key_text(mapping, &key, &[]),
            Some((key, Some(segment))) => format!("{} segment {segment}", key_text(mapping, &key, &[])),
            None => address_text(&Address { row: row.clone(), cell: None }),
        };
        self.example("miscounted", item, vec![what]);
    }

    /// Notes the list of a difference, by its key.
    fn found_in(&mut self, mapping: &Mapping, list: Option<&Vec<Value>>) {
        match list {
            Some(key) => self.lists.add(mapping, key),
            None => self.of_no_list += 1,
        }
    }

    fn example(&mut self, kind: &'static str, item: impl FnOnce() -> String, what: Vec<String>) {
        self.examples_found += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(Example { kind, item: item(), what });
        }
    }
}

/// A row whose count is wrong: `found` of `expected` items.
pub(super) struct Miscounted<'a> {
    pub row: &'a Bytes,
    /// Its list's key, and the segment; `None` for a row key that is none of the mapping.
    pub list: Option<(Vec<Value>, Option<i64>)>,
    pub found: Option<u64>,
    pub expected: u64,
}

/// An address that is none of the mapping.
fn address_text(address: &Address) -> String {
    let hex = |bytes: &[u8]| hex::encode(&bytes[..bytes.len().min(64)]);
    let cell = address.cell.as_ref().map(|cell| format!(" cell {}", hex(cell)));
    format!("row {}{}", hex(&address.row), cell.unwrap_or_default())
}

fn why_extra(mapping: &Mapping, candidate: &Candidate, elsewhere: Option<&Address>) -> Vec<String> {
    let address = &candidate.address;
    let why = match (&candidate.key, elsewhere, mapping.order) {
        (None, ..) if address.cell.is_some() => "not a row and cell of this mapping".to_owned(),
        (None, ..) => "not a row key of this mapping".to_owned(),
        (_, Some(place), _) if place.cell.is_some() && place.cell == address.cell => {
            "MySQL has it in another segment".to_owned()
        }
        (_, Some(_), Some(order)) => {
            format!("MySQL has it with another {}", column_name(mapping, order.column))
        }
        (_, Some(_), None) | (_, None, _) => return Vec::new(),
    };
    vec![why]
}

fn column_name(mapping: &Mapping, column: usize) -> &str {
    mapping.schema.columns.get(column).map_or("order", |column| column.name.as_str())
}

pub(super) fn cell_text(form: CellForm, cell: &CellDifference) -> String {
    let name = match &cell.qualifier[..] {
        [] if form == CellForm::Columns => "the placeholder cell".to_owned(),
        [] => "the value".to_owned(),
        name => printable(&String::from_utf8_lossy(name)),
    };
    match cell.how {
        How::Changed => name,
        How::Absent => format!("{name} (only in MySQL)"),
        How::Unexpected => format!("{name} (only in HBase)"),
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(pilot) = &self.pilot {
            writeln!(f, "only the lists of the pilot are compared: {pilot}")?;
        }
        if let Some(items) = self.sample {
            writeln!(
                f,
                "a sample: about {items} items of each target, drawn at random from those of both sides"
            )?;
        }
        for target in &self.targets {
            target.fmt(f)?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let rate = self.items_compared as f64 / self.seconds.max(0.001);
        let took = format!("{} items in {:.1} s ({rate:.0} items/s)", self.items_compared, self.seconds);
        match (&self.cannot_judge, self.equal) {
            (Some(reason), _) => writeln!(f, "not judged: {reason} ({took})"),
            (None, true) => writeln!(f, "equal: {took}"),
            (None, false) => writeln!(
                f,
                "NOT equal: {} missing, {} extra, {} different{}{}; {took}",
                self.missing,
                self.extra,
                self.different,
                some(self.repeated, ", # repeated"),
                some(self.miscounted, ", # miscounted")
            ),
        }
    }
}

impl fmt::Display for VerifyTargetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VerifyTargetReport { mapping, table, family, .. } = self;
        write!(f, "{mapping} -> {table}, family {family}: {} items ", self.items_compared)?;
        if let Some(lists) = self.lists_compared {
            write!(f, "of {lists} lists ")?;
        }
        f.write_str("compared ")?;
        write!(f, "({} rows counted in MySQL, ", self.mysql_rows_counted)?;
        write!(f, "{} items scanned in HBase), ", self.hbase_items_scanned)?;
        write!(f, "{} missing, {} extra, {} different", self.missing, self.extra, self.different)?;
        f.write_str(&some(self.repeated, ", # repeated"))?;
        f.write_str(&some(self.unexplained, ", # unexplained"))?;
        f.write_str(&some(self.unsettled, ", # unsettled"))?;
        if self.counts_compared + self.miscounted + self.uncounted > 0 {
            write!(f, "; {} counts compared, {} wrong", self.counts_compared, self.miscounted)?;
            f.write_str(&some(self.uncounted, ", # rows not counted yet"))?;
        }
        writeln!(f)?;
        if self.share.is_all || self.share.compared > 0 {
            writeln!(f, "  {}", self.share.words("items", "different"))?;
        }
        for Example { kind, item, what } in &self.examples {
            let what = if what.is_empty() { String::new() } else { format!(": {}", what.join(", ")) };
            writeln!(f, "  {kind:<10}  {item}{what}")?;
        }
        let rest = self.examples_found - self.examples.len() as u64;
        if rest > 0 {
            writeln!(f, "  and {rest} more")?;
        }
        Ok(())
    }
}

/// `text` with the number for its `#`, when there is one to tell.
fn some(number: u64, text: &str) -> String {
    if number == 0 { String::new() } else { text.replace('#', &number.to_string()) }
}
