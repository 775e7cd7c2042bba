//! A sink in memory, with HBase's timestamp rules.
//!
//! A cell shows its newest version (VERSIONS = 1). A DeleteFamily marker hides every cell of the row with
//! a timestamp at or below its own, a DeleteColumns marker those of one qualifier; at equal
//! timestamps a marker beats a put whichever came first, and of two puts the later written wins.
//! Markers stay until [`MemorySink::compact`] purges them (HBase: those older than the purge delay).
//! No faults, no waiting: the simulation wraps it.

use super::cells::{COUNTS_FAMILY, CellNames, CellRange, CountedRow, CountedWrite};
use super::{
    PackedWrite, ReadCounts, ReadRows, ReadTotals, ScanRange, SinkError, StoredRow, TableState, Tables,
    WriteRows,
};
use crate::clock::Clock;
use crate::model::{Target, TargetId, Tick};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

mod cells;
mod family;

use family::Family;

/// The double. Clones are handles to the same tables.
#[derive(Clone)]
pub struct MemorySink {
    clock: Arc<dyn Clock>,
    targets: Arc<BTreeMap<TargetId, Target>>,
    tables: Arc<Mutex<BTreeMap<String, Table>>>,
    reads: Arc<Mutex<ReadTotals>>,
}

#[derive(Default)]
struct Table {
    attributes: BTreeMap<String, String>,
    families: BTreeMap<String, Family>,
}

impl MemorySink {
    /// A sink without tables: [`Tables::create`] makes them. `clock` is the server's.
    pub fn new(targets: &[Target], clock: Arc<dyn Clock>) -> MemorySink {
        let targets = targets.iter().map(|target| (target.id, target.clone())).collect();
        MemorySink { clock, targets: Arc::new(targets), tables: Arc::default(), reads: Arc::default() }
    }

    /// A sink in which every target's table is there already.
    pub fn with_tables(targets: &[Target], clock: Arc<dyn Clock>) -> MemorySink {
        let sink = MemorySink::new(targets, clock);
        for target in targets {
            sink.lock().entry(target.table.clone()).or_default().add_family(target, 0);
        }
        sink
    }

    /// What a major compaction without the purge delay does: hidden cells go, and so do the markers, so that
    /// a put below a former marker shows up again.
    pub fn compact_markers(&self) {
        self.compact(Tick(u64::MAX));
    }

    /// What a major compaction does: hidden cells go, and so do the markers below `purged`. How many markers went.
    pub fn compact(&self, purged: Tick) -> u64 {
        let mut gone = 0;
        for table in self.lock().values_mut() {
            for family in table.families.values_mut() {
                gone += family.rows.values_mut().map(|row| row.compact(purged)).sum::<u64>();
                family.rows.retain(|_, row| !row.is_empty());
            }
        }
        gone
    }

    /// Removes a table with all that it holds.
    pub fn drop_table(&self, table: &str) {
        self.lock().remove(table);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Table>> {
        self.tables.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// One call that brought these rows.
    fn count<'a>(&self, rows: impl Iterator<Item = &'a StoredRow>) {
        let mut reads = self.reads.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        reads.calls += 1;
        for row in rows {
            reads.rows += 1;
            reads.cells += row.cells.len() as u64;
        }
    }

    /// One call that brought rows with a cell each.
    fn count_names(&self, rows: usize) {
        let mut reads = self.reads.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        reads.calls += 1;
        reads.rows += rows as u64;
        reads.cells += rows as u64;
    }

    fn target(&self, id: TargetId) -> Result<&Target, SinkError> {
        self.targets.get(&id).ok_or_else(|| refused("a target", "it was not registered"))
    }

    /// Runs `work` on the family of a target.
    fn with_family<T>(&self, id: TargetId, work: impl FnOnce(&mut Family) -> T) -> Result<T, SinkError> {
        let target = self.target(id)?;
        let found = self
            .with_table(target, &target.family, |table| table.families.get_mut(&target.family).map(work))?;
        found.ok_or_else(|| missing(target, &target.family, "family"))
    }

    /// Runs `work` on the families of counts and of items of a target.
    fn with_counts<T>(&self, id: TargetId, work: impl FnOnce(&Family, &Family) -> T) -> Result<T, SinkError> {
        let target = self.target(id)?;
        let both = |table: &mut Table| {
            Some(work(table.families.get(COUNTS_FAMILY)?, table.families.get(&target.family)?))
        };
        self.with_table(target, COUNTS_FAMILY, both)?.ok_or_else(|| missing(target, COUNTS_FAMILY, "family"))
    }

    fn with_table<T>(
        &self,
        target: &Target,
        family: &str,
        work: impl FnOnce(&mut Table) -> T,
    ) -> Result<T, SinkError> {
        let mut tables = self.lock();
        let table = tables.get_mut(&target.table).ok_or_else(|| missing(target, family, "table"))?;
        Ok(work(table))
    }
}

fn missing(target: &Target, family: &str, what: &str) -> SinkError {
    let reason = format!("the {what} does not exist");
    SinkError::Missing { table: target.table.clone(), family: family.to_owned(), reason }
}

impl Table {
    fn add_family(&mut self, target: &Target, purge_deletes_ms: u64) {
        let settings = [
            ("VERSIONS", "1".to_owned()),
            ("NEW_VERSION_BEHAVIOR", "false".to_owned()),
            ("hbase.hstore.time.to.purge.deletes", purge_deletes_ms.to_string()),
        ];
        let settings = BTreeMap::from(settings.map(|(name, value)| (name.to_owned(), value)));
        let counts = target.counted.then_some(COUNTS_FAMILY);
        for name in counts.into_iter().chain([target.family.as_str()]) {
            self.families.entry(name.to_owned()).or_default().settings = settings.clone();
        }
    }
}

#[async_trait]
impl ReadRows for MemorySink {
    async fn read(&self, target: TargetId, keys: &[Bytes]) -> Result<Vec<Option<StoredRow>>, SinkError> {
        let rows: Vec<_> =
            self.with_family(target, |family| keys.iter().map(|key| family.read(key)).collect())?;
        self.count(rows.iter().flatten());
        Ok(rows)
    }

    async fn read_cells(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<Option<StoredRow>>, SinkError> {
        let read = |family: &mut Family| wanted.iter().map(|names| family.read_cells(names)).collect();
        let rows: Vec<_> = self.with_family(target, read)?;
        self.count(rows.iter().flatten());
        Ok(rows)
    }

    async fn scan(&self, target: TargetId, range: &ScanRange) -> Result<Vec<StoredRow>, SinkError> {
        let rows = self.with_family(target, |family| family.scan(range))?;
        self.count(rows.iter());
        Ok(rows)
    }

    async fn scan_cells(&self, target: TargetId, range: &CellRange) -> Result<Vec<StoredRow>, SinkError> {
        let rows = self.with_family(target, |family| family.scan_cells(range))?;
        self.count(rows.iter());
        Ok(rows)
    }

    async fn scan_keys(&self, target: TargetId, range: &ScanRange) -> Result<Vec<Bytes>, SinkError> {
        let keys = self.with_family(target, |family| family.scan_keys(range))?;
        self.count_names(keys.len());
        Ok(keys)
    }

    fn read_totals(&self) -> Option<ReadTotals> {
        Some(*self.reads.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

#[async_trait]
impl ReadCounts for MemorySink {
    async fn scan_counts(&self, target: TargetId, range: &ScanRange) -> Result<Vec<CountedRow>, SinkError> {
        let rows = |counts: &Family, _: &Family| {
            counts.scan_keys(range).iter().map(|row| cells::counted_row(counts, row)).collect()
        };
        let rows: Vec<CountedRow> = self.with_counts(target, rows)?;
        self.count_names(rows.len());
        Ok(rows)
    }

    async fn read_counted(
        &self,
        target: TargetId,
        wanted: &[CellNames],
    ) -> Result<Vec<CountedRow>, SinkError> {
        self.with_counts(target, |counts, items| {
            let row = |names: &CellNames| {
                let cells = items.read_cells(names).map(|row| row.cells).unwrap_or_default();
                let present = cells.into_iter().map(|cell| cell.qualifier).collect();
                CountedRow { present, ..cells::counted_row(counts, &names.row) }
            };
            wanted.iter().map(row).collect()
        })
    }
}

#[async_trait]
impl WriteRows for MemorySink {
    async fn write(&self, target: TargetId, rows: &[PackedWrite<'_>]) -> Result<(), SinkError> {
        if rows.iter().any(|write| write.row.is_empty()) {
            return Err(refused("a write", "row keys cannot be empty"));
        }
        self.with_family(target, |family| rows.iter().for_each(|write| family.write(write)))
    }

    async fn write_counted(&self, target: TargetId, write: &CountedWrite) -> Result<bool, SinkError> {
        let target = self.target(target)?;
        let both = |table: &mut Table| cells::write_counted(&mut table.families, &target.family, write);
        self.with_table(target, COUNTS_FAMILY, both)?.ok_or_else(|| missing(target, COUNTS_FAMILY, "family"))
    }
}

#[async_trait]
impl Tables for MemorySink {
    async fn describe(&self, target: TargetId) -> Result<TableState, SinkError> {
        let target = self.target(target)?;
        Ok(self.lock().get(&target.table).map_or(TableState::Missing, |table| TableState::Present {
            family: table.families.get(&target.family).map(|family| family.settings.clone()),
            attributes: Some(table.attributes.clone()),
            families: table.families.keys().cloned().collect(),
        }))
    }

    async fn create(&self, target: &Target, run_id: &str, purge_deletes_ms: u64) -> Result<(), SinkError> {
        let mut tables = self.lock();
        if let Some(table) = tables.get(&target.table) {
            return super::require_family(target, table.families.keys());
        }
        // Like a real table, it is made with the families of all targets that name it.
        let table = tables.entry(target.table.clone()).or_default();
        table.attributes.insert(super::RUN_ATTRIBUTE.to_owned(), run_id.to_owned());
        table.attributes.insert(super::TABLE_ATTRIBUTE.to_owned(), super::new_table_id(run_id));
        table.add_family(target, purge_deletes_ms);
        for other in self.targets.values().filter(|other| other.table == target.table) {
            table.add_family(other, purge_deletes_ms);
        }
        Ok(())
    }

    async fn server_clock_ms(&self, target: TargetId) -> Result<u64, SinkError> {
        self.with_family(target, |_| self.clock.now_ms())
    }
}

fn refused(what: &str, reason: &str) -> SinkError {
    SinkError::Refused { gateway: "memory".into(), what: what.into(), reason: reason.into() }
}

#[cfg(test)]
mod tests;
