//! The differences that stand: bounded, durable, and gone once a comparison finds them equal.

use crate::model::{Mapping, Target, TargetId};
use crate::sink::layout::Address;
use crate::status::FindingShown;
use crate::store::records::{self, FINDINGS_MAX, FindingRecord, VerdictFinding};
use crate::store::{Commit, Space, Store, StoreError};
use crate::verify::report::Example;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// The newest ones that are kept.
pub const KEPT_MAX: usize = 1_000;
/// Those that a status shows.
const SHOWN: usize = 10;

const PREFIX: &[u8] = b"finding\0";

/// All of them, by their numbers.
#[derive(Default)]
pub struct Findings {
    by_number: BTreeMap<u64, Finding>,
    by_place: BTreeMap<(TargetId, Address), u64>,
    next: u64,
    /// Those whose records are not as they are in here.
    unsaved: BTreeSet<u64>,
}

struct Finding {
    target: TargetId,
    address: Address,
    /// When it was compared last; `None`: not in this process.
    compared: Option<Instant>,
    record: FindingRecord,
}

fn key(number: u64) -> Vec<u8> {
    [PREFIX, &number.to_be_bytes()].concat()
}

impl Findings {
    /// Reads what the store has. Those of targets that are not configured any more are forgotten.
    pub async fn load(store: &dyn Store, mappings: &[Mapping]) -> Result<Findings, StoreError> {
        let mut findings = Findings::default();
        for (key, value) in store.list(Space::History, PREFIX).await? {
            let Some(number) = key[PREFIX.len()..].try_into().ok().map(u64::from_be_bytes) else { continue };
            let record: FindingRecord = records::decode(&value)?;
            findings.next = findings.next.max(number + 1);
            match place(&record, mappings) {
                Some((target, address)) => {
                    findings.by_place.insert((target, address.clone()), number);
                    findings.by_number.insert(number, Finding { target, address, compared: None, record });
                }
                None => _ = findings.unsaved.insert(number),
            }
        }
        Ok(findings)
    }

    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    /// The newest, newest first.
    pub fn shown(&self) -> Vec<FindingShown> {
        let shown = |finding: &Finding| {
            let FindingRecord { found_at_ms, mapping, table, family, kind, what, .. } = &finding.record;
            FindingShown {
                found_at_ms: *found_at_ms,
                mapping: mapping.clone(),
                table: table.clone(),
                family: family.clone(),
                kind: kind.clone(),
                what: what.clone(),
            }
        };
        self.by_number.values().rev().take(SHOWN).map(shown).collect()
    }

    /// The newest for a verdict, newest first.
    pub fn for_verdict(&self) -> Vec<VerdictFinding> {
        let of = |finding: &Finding| {
            let FindingRecord { mapping, table, kind, key, what, .. } = &finding.record;
            let what = if what.is_empty() { kind.clone() } else { format!("{kind}: {}", what.join(", ")) };
            VerdictFinding { place: format!("{mapping} -> {table}"), key: key.clone(), what }
        };
        self.by_number.values().rev().take(FINDINGS_MAX).map(of).collect()
    }

    /// Notes a difference. Whether it is a new one.
    pub fn add(
        &mut self,
        (mapping, target): (&Mapping, &Target),
        (address, example): (Address, Example),
        now_ms: u64,
    ) -> bool {
        let record = FindingRecord {
            found_at_ms: now_ms,
            mapping: mapping.name.clone(),
            table: target.table.clone(),
            family: target.family.clone(),
            kind: example.kind.to_owned(),
            key: example.item,
            what: example.what,
            row: hex::encode(&address.row),
            cell: address.cell.as_ref().map(hex::encode),
        };
        let compared = Some(Instant::now());
        if let Some(number) = self.by_place.get(&(target.id, address.clone())) {
            let Some(known) = self.by_number.get_mut(number) else { return false };
            known.compared = compared;
            let record = FindingRecord { found_at_ms: known.record.found_at_ms, ..record };
            if known.record != record {
                known.record = record;
                self.unsaved.insert(*number);
            }
            return false;
        }
        let number = self.next;
        self.next += 1;
        self.by_place.insert((target.id, address.clone()), number);
        self.by_number.insert(number, Finding { target: target.id, address, compared, record });
        self.unsaved.insert(number);
        while self.by_number.len() > KEPT_MAX
            && let Some((oldest, finding)) = self.by_number.pop_first()
        {
            self.by_place.remove(&(finding.target, finding.address));
            self.unsaved.insert(oldest);
        }
        true
    }

    /// A comparison has found it equal: it goes. `Some`: there was one.
    pub fn equal(&mut self, target: TargetId, address: &Address) -> Option<FindingRecord> {
        let number = self.by_place.remove(&(target, address.clone()))?;
        self.unsaved.insert(number);
        Some(self.by_number.remove(&number)?.record)
    }

    /// Nobody knows yet whether it is equal: the others are compared before it is again.
    pub fn tried(&mut self, target: TargetId, address: &Address) {
        let number = self.by_place.get(&(target, address.clone()));
        if let Some(finding) = number.and_then(|number| self.by_number.get_mut(number)) {
            finding.compared = Some(Instant::now());
        }
    }

    /// Some of these targets that were not compared since `before`, those first that were compared longest ago.
    pub fn due(
        &self,
        targets: &BTreeSet<TargetId>,
        before: Option<Instant>,
        most: usize,
    ) -> Vec<(TargetId, Address)> {
        let is_due = |finding: &&Finding| {
            targets.contains(&finding.target)
                && finding.compared.is_none_or(|at| before.is_some_and(|before| at <= before))
        };
        let mut due: Vec<&Finding> = self.by_number.values().filter(is_due).collect();
        due.sort_by_key(|finding| finding.compared);
        due.into_iter().take(most).map(|finding| (finding.target, finding.address.clone())).collect()
    }

    /// Makes all of it durable.
    ///
    /// # Errors
    /// The store fails; the next call tries the same again.
    pub async fn save(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let mut commit = Commit::default();
        for number in &self.unsaved {
            match self.by_number.get(number) {
                Some(finding) => {
                    commit.put.push((Space::History, key(*number), records::encode(&finding.record)?));
                }
                None => commit.delete.push((Space::History, key(*number))),
            }
        }
        store.commit(commit).await?.taken()?;
        self.unsaved.clear();
        Ok(())
    }
}

/// Where a finding lies, if its target is still configured.
fn place(record: &FindingRecord, mappings: &[Mapping]) -> Option<(TargetId, Address)> {
    let mapping = mappings.iter().find(|mapping| mapping.name == record.mapping)?;
    let is_it = |target: &&Target| target.table == record.table && target.family == record.family;
    let target = mapping.targets.iter().find(is_it)?;
    let row = Bytes::from(hex::decode(&record.row).ok()?);
    let cell = match &record.cell {
        Some(cell) => Some(Bytes::from(hex::decode(cell).ok()?)),
        None => None,
    };
    Some((target.id, Address { row, cell }))
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures;
    use super::*;
    use crate::store::memory::MemoryStore;
    use std::time::Duration;

    fn address(row: usize) -> Address {
        Address { row: Bytes::from(row.to_be_bytes().to_vec()), cell: None }
    }

    fn example(kind: &'static str, row: usize) -> Example {
        Example { kind, item: format!("follower_id {row}"), what: vec![] }
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_are_kept_over_a_restart_and_go_once_they_are_equal() {
        let (store, mapping) = (MemoryStore::new(), fixtures::mapping());
        let target = &mapping.targets[0];
        let mut findings = Findings::load(&store, &[]).await.expect("it reads");
        for row in 0..KEPT_MAX + 5 {
            assert!(findings.add((&mapping, target), (address(row), example("missing", row)), row as u64));
        }
        assert!(!findings.add((&mapping, target), (address(7), example("different", 7)), 9_000), "known");
        findings.save(&store).await.expect("it commits");
        let mappings = [mapping.clone()];
        let mut again = Findings::load(&store, &mappings).await.expect("it reads");
        assert_eq!((again.len(), again.shown().len()), (KEPT_MAX, 10));
        assert_eq!(again.for_verdict()[0].key, format!("follower_id {}", KEPT_MAX + 4));
        assert!(again.equal(target.id, &address(4)).is_none(), "the oldest ones went");
        let seven = again.equal(target.id, &address(7)).expect("it is there");
        assert_eq!((&*seven.kind, seven.found_at_ms), ("different", 7), "since it was found first");
        again.save(&store).await.expect("it commits");
        assert_eq!(Findings::load(&store, &mappings).await.expect("it reads").len(), KEPT_MAX - 1);
        // of a target that is configured no more
        let mut none = Findings::load(&store, &[]).await.expect("it reads");
        none.save(&store).await.expect("it commits");
        assert_eq!(Findings::load(&store, &mappings).await.expect("it reads").len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_were_compared_longest_ago_come_first() {
        let mapping = fixtures::mapping();
        let target = &mapping.targets[0];
        let (mut findings, targets) = (Findings::default(), BTreeSet::from([target.id]));
        for row in 0..3 {
            findings.add((&mapping, target), (address(row), example("extra", row)), 0);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        findings.tried(target.id, &address(0));
        let due = |before, most| {
            findings.due(&targets, before, most).into_iter().map(|(_, at)| at).collect::<Vec<_>>()
        };
        assert_eq!(due(Some(Instant::now()), 2), [address(1), address(2)]);
        assert_eq!(due(Some(Instant::now() - Duration::from_millis(1_500)), 9), [address(1)]);
        assert_eq!(
            findings.due(&BTreeSet::new(), Some(Instant::now()), 9),
            [],
            "its target cannot be compared"
        );
    }
}
