//! Settling: what does not look equal is read again in a turn of its lists, and mended where it still differs.

use super::job::{Job, LOOK_UPS_AT_ONCE, Patience};
use crate::failpoints::{KillPoint, kill_at};
use crate::lock::{Claim, Held, ListId};
use crate::model::{Mapping, Row, Target, Value};
use crate::pipeline::backfill::absence;
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::jobs::{Touch, Touched, What};
use crate::protocol::counted::Order;
use crate::protocol::recopy::{Act, Repairs, mend};
use crate::protocol::write::{NotWritten, send};
use crate::protocol::{Journaled, ListWrites, ProtocolError, SafeMark};
use crate::sink::SinkError;
use crate::sink::found::look_up;
use crate::sink::layout::{self, Address, ItemWrite};
use crate::source::Snapshot;
use crate::status::{Awaited, Kind};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Turns after which something that is always stamped above the mark is given up.
const ROUNDS: usize = 3;
/// Pause before the next turn.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a turn waits for lists of this process.
const WAIT_FOR_LISTS: Duration = Duration::from_secs(2);
/// Bytes after which what is read is written before more is read.
const BYTES: usize = 4 << 20;

/// An item that may differ, and where.
#[derive(Clone, Debug)]
pub struct Suspect {
    pub address: Address,
    pub list: ListId,
    pub key: Vec<Value>,
    pub item: Vec<Value>,
    /// A scan of MySQL has shown it, after a mark that was safe.
    pub scanned: bool,
}

impl Suspect {
    /// An item of MySQL.
    pub fn of(mapping: &Mapping, list: ListId, row: &Row, item: &ItemWrite) -> Suspect {
        let values = |columns: &[usize]| columns.iter().map(|column| row[*column].clone()).collect();
        let (key, name) = (values(&mapping.key), values(&mapping.item));
        Suspect { address: item.address.clone(), list, key, item: name, scanned: true }
    }
}

impl Suspect {
    fn is_same_item(&self, other: &Suspect) -> bool {
        self.key == other.key && self.item == other.item
    }
}

/// What became of an attempt.
enum Attempt {
    /// These are to be looked at again: because of cells above the mark, because their lists were busy.
    Done { newer: Vec<Suspect>, busy: Vec<Suspect> },
    /// All lists are busy, or a write failed; nothing is lost.
    Again(Option<SinkError>),
    /// The leases ran out before all of these were read and written.
    Slow,
}

/// Collects suspects of one target, and settles them many at once.
pub struct Settling<'a> {
    job: &'a Job<'a>,
    copy: &'a Copy,
    pending: Vec<Suspect>,
    /// How many are settled under one lease: fewer where that has run out.
    at_once: usize,
    snapshot: Option<Box<dyn Snapshot>>,
}

impl<'a> Settling<'a> {
    pub fn new(job: &'a Job<'a>, copy: &'a Copy) -> Settling<'a> {
        Settling { job, copy, pending: Vec::new(), at_once: LOOK_UPS_AT_ONCE, snapshot: None }
    }

    /// Takes suspects in, and settles them when there are many.
    pub async fn add(&mut self, suspects: impl IntoIterator<Item = Suspect>) -> Result<(), ProtocolError> {
        self.pending.extend(suspects);
        while self.pending.len() >= LOOK_UPS_AT_ONCE {
            let part = self.pending.drain(..LOOK_UPS_AT_ONCE).collect();
            self.settle(part).await?;
        }
        Ok(())
    }

    /// Settles what is left.
    pub async fn finish(&mut self) -> Result<(), ProtocolError> {
        let rest = std::mem::take(&mut self.pending);
        self.settle(rest).await
    }

    /// The rows of MySQL with the keys of these, possibly with others whose keys look alike.
    pub async fn select(&mut self, suspects: &[Suspect]) -> Result<Vec<Row>, ProtocolError> {
        let mut patience = Patience::new(self.job);
        loop {
            match self.select_once(suspects).await {
                Ok(rows) => return Ok(rows),
                Err(error) => patience.after(error).await?,
            }
        }
    }

    async fn select_once(&mut self, suspects: &[Suspect]) -> Result<Vec<Row>, ProtocolError> {
        if suspects.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<_> = suspects.iter().map(|one| (one.key.clone(), one.item.clone())).collect();
        let mut snapshot = match self.snapshot.take() {
            Some(snapshot) => snapshot,
            None => self.job.parts.source.snapshot().await?,
        };
        let rows = snapshot.items(self.job.mapping, &wanted).await?;
        self.snapshot = Some(snapshot); // one that failed is opened anew
        Ok(rows)
    }

    /// Returns where MySQL surely has none of these, which a look-up did not find.
    pub async fn are_gone(&mut self, suspects: &[Suspect]) -> Result<(), ProtocolError> {
        let mut patience = Patience::new(self.job);
        while let Err(error) = self.are_gone_once(suspects).await {
            patience.after(error).await?;
        }
        Ok(())
    }

    async fn are_gone_once(&mut self, suspects: &[Suspect]) -> Result<(), ProtocolError> {
        let wanted: Vec<_> = suspects.iter().map(|one| (one.key.clone(), one.item.clone())).collect();
        let addresses: BTreeSet<&Address> = suspects.iter().map(|one| &one.address).collect();
        let of = (self.job.mapping, &self.copy.target);
        absence::items_are_gone(&*self.job.parts.source, of, &wanted, &addresses).await
    }

    async fn settle(&mut self, suspects: Vec<Suspect>) -> Result<(), ProtocolError> {
        let mut left = suspects;
        while !left.is_empty() {
            let rest = left.split_off(self.at_once.min(left.len()));
            let mut slow = self.settle_together(left).await?;
            slow.extend(rest);
            left = slow;
        }
        Ok(())
    }

    /// Settles these, but for those that it gives back because they are too many for one lease.
    async fn settle_together(&mut self, mut suspects: Vec<Suspect>) -> Result<Vec<Suspect>, ProtocolError> {
        let (mut patience, mut rounds) = (Patience::new(self.job), 0);
        while !suspects.is_empty() {
            match self.attempt(&suspects).await {
                Ok(Attempt::Done { newer, busy }) => {
                    rounds += 1;
                    suspects = busy;
                    if rounds < ROUNDS && !self.job.dry_run {
                        suspects.extend(newer);
                    } else {
                        let count = newer.len() as u64;
                        self.job.report(self.copy.target.id, |report| report.newer += count);
                    }
                }
                Ok(Attempt::Slow) => {
                    self.job.waits(Awaited::many(Kind::Items, suspects.len()));
                    if suspects.len() > 1 {
                        self.at_once = suspects.len() / 2;
                        return Ok(suspects);
                    }
                }
                Ok(Attempt::Again(None)) => {}
                Ok(Attempt::Again(Some(error))) => patience.after(error.into()).await?,
                Err(error) => patience.after(error).await?,
            }
            if !suspects.is_empty() {
                sleep(PAUSE).await;
            }
        }
        self.job.goes_on();
        Ok(suspects)
    }

    /// Takes a turn and leases, and mends what differs at the turn's mark, in those lists whose leases are free.
    async fn attempt(&mut self, suspects: &[Suspect]) -> Result<Attempt, ProtocolError> {
        let lists: BTreeSet<ListId> = suspects.iter().map(|one| one.list).collect();
        let lists: Vec<ListId> = lists.into_iter().collect();
        let (turn, mark) = self.job.turn(lists.clone(), false).await?;
        // withdrawn with the turn: a ticket that is queued on lists keeps the tail off them, and so the next turn away
        let claim = self.job.parts.leases.claim();
        let Some(held) = self.lease(&lists, &claim).await else { return Ok(Attempt::Again(None)) };
        let (free, busy): (Vec<Suspect>, Vec<Suspect>) =
            suspects.iter().cloned().partition(|one| held.lists().contains(&one.list));
        // I3: the mark was safe before the SELECT below opens its read view
        let outcome = self.under_lease(&free, &held, &mark).await;
        held.release().await;
        drop(turn);
        outcome.map(|outcome| match outcome {
            Attempt::Done { newer, .. } => Attempt::Done { newer, busy },
            again => again,
        })
    }

    /// The leases of those lists that are free; `None`: of none.
    async fn lease(&mut self, lists: &[ListId], claim: &Claim) -> Option<Held> {
        let leases = &self.job.parts.leases;
        let wanted: Vec<_> = lists.iter().map(|list| (*list, claim.ticket())).collect();
        let mut locks = leases.subscribe();
        let until = Instant::now() + WAIT_FOR_LISTS;
        loop {
            let grant = leases.acquire_any(&wanted).await;
            if grant.held.is_some() {
                self.job.goes_on();
                return grant.held;
            }
            let (here, elsewhere) = (grant.busy.len(), grant.busy_elsewhere.len());
            self.job.waits_for_lists(here, elsewhere, leases.unanswered().as_deref());
            let left = until.saturating_duration_since(Instant::now());
            if elsewhere > 0 || timeout(left, locks.changed()).await.is_err() {
                return None;
            }
        }
    }

    async fn under_lease(
        &mut self,
        suspects: &[Suspect],
        held: &Held,
        mark: &SafeMark,
    ) -> Result<Attempt, ProtocolError> {
        let expected = self.expected(suspects, held).await?;
        let lost: Vec<Suspect> = suspects
            .iter()
            .filter(|one| one.scanned && !expected.values().any(|(_, found)| found.is_same_item(one)))
            .cloned()
            .collect();
        self.are_gone_once(&lost).await?;
        // deleted since the scan, so the tail brings the delete: no absence is made of a look-up
        let lost: BTreeSet<&Address> = lost.iter().map(|one| &one.address).collect();
        let mut names: BTreeMap<&Address, &Suspect> = BTreeMap::new();
        for suspect in suspects {
            names.insert(&suspect.address, suspect);
        }
        for (item, suspect) in expected.values() {
            names.insert(&item.address, suspect);
        }
        let addresses: Vec<Address> = names.keys().map(|address| (*address).clone()).collect();
        let mut newer = Vec::new();
        // in parts, so that long values do not pile up; a part is written before the next is read
        for part in addresses.chunks(self.part_items(&expected)) {
            let stored = look_up(&*self.job.parts.sink, &self.copy.target, part).await?;
            let mut repairs = Repairs::new(&self.copy.target, mark);
            let mut touches = Vec::new();
            for (address, stored) in part.iter().zip(&stored) {
                let (item, suspect) = (expected.get(address).map(|(item, _)| item), names[address]);
                let mend = mend(item, stored.as_ref(), mark.tick());
                if mend.newer {
                    newer.push(Suspect { address: address.clone(), ..suspect.clone() });
                }
                let what = match mend.act {
                    Act::Nothing => continue,
                    Act::Delete if lost.contains(address) => continue,
                    Act::Delete if self.job.parts.settings.failpoints.recopy_keeps_extras() => continue,
                    Act::Delete => What::Deleted,
                    Act::Write { .. } => What::Written,
                };
                repairs.add(suspect.list, address, item, &mend.act);
                let name = self.name(suspect);
                touches.push(Touch { address: address.clone(), name, what, tick: Some(mark.tick()) });
            }
            if touches.is_empty() {
                continue;
            }
            if !self.job.dry_run {
                self.note(&touches)?;
                kill_at(KillPoint::RecopyNoted);
                if let Some(again) = self.write(held, repairs.finish()).await? {
                    return Ok(again);
                }
                kill_at(KillPoint::RecopyWritten);
            }
            self.count(&touches);
        }
        Ok(Attempt::Done { newer, busy: Vec::new() })
    }

    /// What MySQL has of the suspects, by address, each with its names.
    async fn expected(
        &mut self,
        suspects: &[Suspect],
        held: &Held,
    ) -> Result<BTreeMap<Address, (ItemWrite, Suspect)>, ProtocolError> {
        let (mapping, target) = (&self.copy.mapping, &self.copy.target);
        let refused = |cause| self.copy.refused(cause);
        let mut expected = BTreeMap::new();
        for row in self.select_once(suspects).await? {
            let list_key = layout::list_key(mapping, &row).map_err(refused)?;
            let list = ListId::new(mapping.id.0, &list_key);
            if !held.lists().contains(&list) {
                continue; // another spelling of a key: another list
            }
            let item = layout::item_write(mapping, target, &row).map_err(refused)?;
            let suspect = Suspect::of(mapping, list, &row, &item);
            expected.insert(item.address.clone(), (item, suspect));
        }
        Ok(expected)
    }

    /// Items that are looked up and written together.
    fn part_items(&self, expected: &BTreeMap<Address, (ItemWrite, Suspect)>) -> usize {
        let cells = |item: &ItemWrite| item.puts.iter().map(|(_, value)| value.len() + 64).sum::<usize>();
        let bytes: usize = expected.values().map(|(item, _)| cells(item)).sum();
        let about = bytes / expected.len().max(1);
        (BYTES / about.max(1)).clamp(1, LOOK_UPS_AT_ONCE)
    }

    /// `None`: all is written.
    async fn write(
        &mut self,
        held: &Held,
        writes: Vec<Journaled<ListWrites>>,
    ) -> Result<Option<Attempt>, ProtocolError> {
        let (parts, target) = (self.job.parts, &self.copy.target);
        if target.counted {
            return self.write_counted(held, &writes).await;
        }
        let writes: Vec<&Journaled<ListWrites>> = writes.iter().collect();
        match send(&*parts.sink, held, &writes, usize::MAX).await {
            Ok(sent) => {
                parts.plan.written_to().accepted(sent.accepted);
                Ok(None)
            }
            Err(NotWritten::Deadline { trouble: None, .. }) => Ok(Some(Attempt::Slow)),
            Err(NotWritten::Deadline { trouble, .. }) => Ok(Some(Attempt::Again(trouble))),
            Err(NotWritten::Refused { refused, .. }) => match refused.into_iter().next() {
                Some((_, error)) => Err(error.into()),
                None => Ok(Some(Attempt::Again(None))),
            },
        }
    }

    /// As the tail writes a batch: cells and count at once, where `c:t` is as it was read (I11). The turn sees to it that
    /// everything below the mark is written and nothing above it is, so `c:t` lies below the mark.
    async fn write_counted(
        &mut self,
        held: &Held,
        writes: &[Journaled<ListWrites>],
    ) -> Result<Option<Attempt>, ProtocolError> {
        let (parts, counts) = (self.job.parts, &self.job.shared.counts);
        let orders: Vec<Order<'_>> = writes.iter().map(Order::Batch).collect();
        let ended = counts.rows(parts, held).carry_out(&orders, |target| counts.mode(target)).await;
        if let Some((_, error)) = ended.refused.into_iter().next() {
            return Err(error.into());
        }
        parts.plan.written_to().accepted(ended.accepted);
        let again = || ended.trouble.map_or(Attempt::Slow, |error| Attempt::Again(Some(error)));
        Ok((!ended.unfinished.is_empty()).then(again))
    }

    fn name(&self, suspect: &Suspect) -> String {
        let name = |touched: &dyn Touched| touched.name(self.job.mapping, &suspect.key, &suspect.item);
        self.job.recopies.touched().map_or_else(String::new, name)
    }

    fn note(&self, touches: &[Touch]) -> Result<(), ProtocolError> {
        note(self.job, &self.copy.target, touches)
    }

    fn count(&self, touches: &[Touch]) {
        let deleted = touches.iter().filter(|touch| touch.what == What::Deleted).count() as u64;
        self.job.report(self.copy.target.id, |report| {
            report.deleted += deleted;
            report.written += touches.len() as u64 - deleted;
            touches.iter().for_each(|touch| report.example(|| self.job.example(touch)));
        });
    }
}

/// Notes what is about to be touched.
pub fn note(job: &Job<'_>, target: &Target, touches: &[Touch]) -> Result<(), ProtocolError> {
    let Some(touched) = job.recopies.touched() else { return Ok(()) };
    let name = format!("{}/{}", target.table, target.family);
    touched.note(&job.mapping.name, &name, touches).map_err(|error| ProtocolError::Refused {
        reason: format!("the re-copy could not note the items that it is about to write: {error}"),
        advice: "check that the disk of state_dir is not full, and that this user may write there".into(),
    })
}
