//! Both sides are read, and what does not look equal is handed on. Reads only, takes no leases, and keeps no more than a
//! piece of MySQL or a page of HBase in memory.
//!
//! What looks equal is right: its SELECT came after a mark that was safe, so a change that it did not see is sealed
//! above that mark and tailed.

use super::job::{Job, LOOK_UPS_AT_ONCE, Patience, Scope};
use super::settle::{Settling, Suspect};
use crate::lock::ListId;
use crate::model::{Layout, Mapping, Row, Target, Value};
use crate::pipeline::copies::copy::Copy;
use crate::protocol::ProtocolError;
use crate::sink::cells::CellRange;
use crate::sink::compare::difference;
use crate::sink::found::{look_up, wide_items};
use crate::sink::layout::{self, Address, AddressParts, ItemWrite};
use crate::sink::{ScanRange, Sink, SinkError, tall};
use crate::source::{KeyRange, Snapshot, Wanted};
use std::collections::BTreeSet;

/// Names of one page of HBase.
const PAGE: usize = 2_000;
/// Extras of HBase that are proven to be none of MySQL's at once: it may take a scan of the table.
const EXTRAS_AT_ONCE: usize = 10_000;

/// Looks MySQL's items up in HBase: finds what is missing there or different.
pub async fn from_mysql(
    job: &Job<'_>,
    copy: &Copy,
    settling: &mut Settling<'_>,
) -> Result<(), ProtocolError> {
    job.does(&format!("compares {} with MySQL", copy.target.table));
    let keys: Vec<Option<&[Value]>> = match &job.scope {
        Scope::All => vec![None],
        Scope::Lists(lists) => lists.iter().map(|list| Some(&list.key[..])).collect(),
    };
    for key in keys {
        let mut pieces = Pieces { job, key, after: None, over: false, snapshot: None };
        while let Some(rows) = pieces.next().await? {
            let mut items: Vec<(ItemWrite, Suspect)> = Vec::new();
            for row in &rows {
                let item = suspect(copy, row)?;
                if job.has(item.1.list) {
                    items.push(item);
                }
            }
            for part in items.chunks(LOOK_UPS_AT_ONCE) {
                let addresses: Vec<Address> = part.iter().map(|(item, _)| item.address.clone()).collect();
                let (sink, target) = (&*job.parts.sink, &copy.target);
                let stored = job.tried(|| async { Ok(look_up(sink, target, &addresses).await?) }).await?;
                let differ = part
                    .iter()
                    .zip(&stored)
                    .filter(|((item, _), stored)| difference(Some(item), stored.as_ref()).is_some());
                settling.add(differ.map(|((_, suspect), _)| suspect.clone())).await?;
                job.report(copy.target.id, |report| report.from_mysql += part.len() as u64);
            }
        }
    }
    settling.finish().await
}

/// An item of MySQL as one that may differ.
fn suspect(copy: &Copy, row: &Row) -> Result<(ItemWrite, Suspect), ProtocolError> {
    let (mapping, target) = (&copy.mapping, &copy.target);
    let made = || -> Result<(ItemWrite, Suspect), SinkError> {
        let item = layout::item_write(mapping, target, row)?;
        let list = ListId::new(mapping.id.0, &layout::list_key(mapping, row)?);
        let suspect = Suspect::of(mapping, list, row, &item);
        Ok((item, suspect))
    };
    made().map_err(|cause| copy.refused(cause))
}

/// Rows of the source by primary key, piece by piece: of all lists, or of one. The first and the last piece are
/// unbounded, and each begins where the one before it ends.
struct Pieces<'a> {
    job: &'a Job<'a>,
    key: Option<&'a [Value]>,
    after: Option<Vec<Value>>,
    over: bool,
    snapshot: Option<Box<dyn Snapshot>>,
}

impl Pieces<'_> {
    async fn next(&mut self) -> Result<Option<Vec<Row>>, ProtocolError> {
        if self.over {
            return Ok(None);
        }
        let job = self.job;
        let mut patience = Patience::new(job);
        loop {
            match self.piece().await {
                Ok((rows, up_to)) => {
                    self.over = up_to.is_none();
                    self.after = up_to;
                    return Ok(Some(rows));
                }
                Err(error) => {
                    self.snapshot = None;
                    patience.after(error).await?;
                }
            }
        }
    }

    async fn piece(&mut self) -> Result<(Vec<Row>, Option<Vec<Value>>), ProtocolError> {
        let (job, key, after) = (self.job, self.key, self.after.clone());
        let mapping: &Mapping = job.mapping;
        if self.snapshot.is_none() {
            self.snapshot = Some(job.parts.source.snapshot().await?);
        }
        let snapshot = &mut **self.snapshot.as_mut().expect("it was opened above");
        let rows = job.rows_at_once(snapshot).await?;
        let up_to = match key {
            None => snapshot.chunk_end(mapping.table, after.as_deref(), rows).await?,
            Some(key) => snapshot.list_end(mapping, key, after.as_deref(), rows).await?,
        };
        let range = KeyRange { after, up_to };
        let wanted = match key {
            None => Wanted::Range(&range),
            Some(key) => Wanted::List { key, range: &range },
        };
        let mut found = Vec::new();
        snapshot.each_row(mapping, wanted, &mut |row| found.push(row.to_vec())).await?;
        Ok((found, range.up_to))
    }
}

/// Looks HBase's items up in MySQL: finds what MySQL has not, or has elsewhere.
pub async fn from_hbase(
    job: &Job<'_>,
    copy: &Copy,
    settling: &mut Settling<'_>,
) -> Result<(), ProtocolError> {
    job.does(&format!("compares MySQL with {}", copy.target.table));
    let target = &copy.target;
    let mut extras = Vec::new();
    for range in ranges(job, target) {
        let mut names = Names::new(target, range);
        while let Some(page) = names.next(job).await? {
            for part in page.chunks(LOOK_UPS_AT_ONCE) {
                extras.extend(look_up_in_mysql(job, copy, part, settling).await?);
                job.report(target.id, |report| report.from_hbase += part.len() as u64);
            }
            if extras.len() >= EXTRAS_AT_ONCE {
                settle_extras(&mut extras, settling).await?;
            }
        }
    }
    settle_extras(&mut extras, settling).await
}

/// That MySQL has none of them is proven before one is deleted.
async fn settle_extras(extras: &mut Vec<Suspect>, settling: &mut Settling<'_>) -> Result<(), ProtocolError> {
    let extras = std::mem::take(extras);
    settling.are_gone(&extras).await?;
    settling.add(extras).await
}

/// The rows of a target that are compared.
pub fn ranges(job: &Job<'_>, target: &Target) -> Vec<ScanRange> {
    match &job.scope {
        Scope::All => vec![ScanRange { limit: PAGE, ..ScanRange::default() }],
        Scope::Lists(lists) => {
            lists.iter().map(|list| tall::list_range(target, &list.list_key, false, PAGE)).collect()
        }
    }
}

/// Those at which a look-up finds nothing in MySQL.
async fn look_up_in_mysql(
    job: &Job<'_>,
    copy: &Copy,
    addresses: &[Address],
    settling: &mut Settling<'_>,
) -> Result<Vec<Suspect>, ProtocolError> {
    let (mapping, target) = (&copy.mapping, &copy.target);
    let mut known = Vec::new();
    for address in addresses {
        match layout::split(mapping, target, address) {
            Some(AddressParts { list_key, key, item, .. }) => {
                let list = ListId::new(mapping.id.0, &list_key);
                known.push(Suspect { address: address.clone(), list, key, item, scanned: false });
            }
            None => job.report(target.id, |report| report.foreign += 1),
        }
    }
    let rows = settling.select(&known).await?;
    let mut there = BTreeSet::new();
    for row in &rows {
        there.insert(layout::address(mapping, target, row).map_err(|cause| copy.refused(cause))?);
    }
    known.retain(|suspect| !there.contains(&suspect.address));
    Ok(known)
}

/// The addresses of HBase's items in a range, in their order.
struct Names<'a> {
    target: &'a Target,
    rest: Option<Rest>,
}

enum Rest {
    Rows(ScanRange),
    /// A row may have more cells than a page.
    Cells(CellRange),
}

impl<'a> Names<'a> {
    fn new(target: &'a Target, range: ScanRange) -> Names<'a> {
        let ScanRange { start, stop, limit, .. } = range.clone();
        let rest = match target.layout {
            Layout::Tall => Rest::Rows(range),
            Layout::Wide => Rest::Cells(CellRange { start, stop, limit, after: None, names_only: true }),
        };
        Names { target, rest: Some(rest) }
    }

    async fn next(&mut self, job: &Job<'_>) -> Result<Option<Vec<Address>>, ProtocolError> {
        let (sink, target): (&dyn Sink, _) = (&*job.parts.sink, self.target.id);
        let found = match self.rest.take() {
            None => return Ok(None),
            Some(Rest::Rows(range)) => {
                let range = &range;
                let keys = job.tried(|| async { Ok(sink.scan_keys(target, range).await?) }).await?;
                let last = keys.last().filter(|_| keys.len() >= range.limit);
                self.rest = last.map(|last| Rest::Rows(range.after(last)));
                keys.into_iter().map(|row| Address { row, cell: None }).collect()
            }
            Some(Rest::Cells(range)) => {
                let range = &range;
                let rows = job.tried(|| async { Ok(sink.scan_cells(target, range).await?) }).await?;
                self.rest = range.rest(&rows).map(Rest::Cells);
                rows.into_iter().flat_map(wide_items).map(|found| found.address).collect()
            }
        };
        Ok(Some(found))
    }
}
