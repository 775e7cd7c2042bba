//! The rounds of a continuous verification, one after the other, and what a person sees of them.

use super::check::{self, AT_ONCE, Outcome};
use super::findings::Findings;
use super::parts::{Continuous, ROUND, recent_room, round_rows};
use super::walk::Walk;
use crate::advice;
use crate::error::{Disposition, chain};
use crate::model::{Mapping, Pilot, Target, TargetId};
use crate::retry::{Patience, Pauses};
use crate::sink::layout::{Address, Codec};
use crate::status::{ContinuousStatus, LastWalk, WalkShown};
use crate::store::records::{
    self, VerdictMode, VerdictRecord, VerdictScope, VerdictTarget, WalkRecord, WalkedTarget,
};
use crate::store::{Commit, Space, StoreError};
use crate::verify::VerifyError;
use crate::verify::report::Candidate;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// How long after its write a recent change is compared.
const SETTLED_AFTER: Duration = Duration::from_secs(3);
/// How soon a finding is compared again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How often the place of the walk is made durable.
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// Steps of the walk in a round: each has a connection of its own.
const STEPS_MAX: usize = 4;
/// How often a group is compared that nobody can judge, before it counts as unsettled.
const TRIES: u32 = 5;
/// Walks whose verdicts are alike are kept no more often than this.
const VERDICT_EVERY: Duration = Duration::from_secs(3_600);
/// Events of findings in a minute; the others are counted in the next one.
const EVENTS_A_MINUTE: u32 = 10;

const WALK: &[u8] = b"verify_walk";

/// Why something is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Finding,
    Recent,
    Walk,
}

/// The state between rounds.
pub struct Course<'a> {
    by: &'a Continuous,
    findings: Findings,
    walk: Walk,
    /// Samples of recent changes, each with the moment from which on it is compared.
    recent: VecDeque<(Instant, Vec<(TargetId, Address)>)>,
    figures: ContinuousStatus,
    /// When the place of the walk was made durable.
    saved: Option<Instant>,
    /// The last verdict that was kept: when, and whether it was "equal".
    kept: Option<(Instant, bool)>,
    events: Events,
}

impl<'a> Course<'a> {
    /// Reads what is durable; waits for the store as for a server.
    pub async fn begin(by: &'a Continuous) -> Course<'a> {
        let mut patience = Patience::for_ever(Pauses::OF_OTHERS);
        let (findings, walk) = loop {
            match load(by).await {
                Ok(loaded) => break loaded,
                Err(error) => tracing::warn!(%error, "the continuous verification cannot read its state"),
            }
            patience.again().await;
        };
        let figures = ContinuousStatus { rows_per_second: by.rows_per_second, ..ContinuousStatus::default() };
        let (recent, events) = (VecDeque::new(), Events::default());
        let mut course = Course { by, findings, walk, recent, figures, saved: None, kept: None, events };
        course.show();
        course
    }

    /// Waits until the run can be compared, compares some rows, and waits until they are paid for.
    pub async fn round(&mut self) {
        self.until_comparable().await;
        let (begin, rows) = (Instant::now(), round_rows(self.by.rows_per_second));
        let comparable = self.by.run.comparable().await;
        let mut spent = self.again(&comparable, (rows / 4).max(1)).await;
        spent += self.recent_changes(&comparable).await;
        spent += self.walk_on(&comparable, rows.saturating_sub(spent).max(1)).await;
        self.save().await;
        self.show();
        let took = Duration::from_secs_f64(spent as f64 / f64::from(self.by.rows_per_second.max(1)));
        // where there is little to do, nothing is gained by doing it more often
        sleep_until(begin + took.max(ROUND)).await;
    }

    async fn until_comparable(&mut self) {
        let mut looks = Patience::for_ever(Pauses::OF_OTHERS);
        while let Some(reason) = self.by.run.waits_for() {
            if self.figures.waits_for.as_ref() != Some(&reason) {
                self.figures.waits_for = Some(reason);
                self.show();
            }
            looks.again().await;
        }
        self.figures.waits_for = None;
    }

    /// Compares findings again.
    async fn again(&mut self, comparable: &BTreeSet<TargetId>, most: usize) -> usize {
        let before = Instant::now().checked_sub(AGAIN_AFTER);
        let due = self.findings.due(comparable, before, most);
        self.compare(due, Why::Finding).await
    }

    /// Takes the sample of what was written since the last round, and compares the one that has settled.
    async fn recent_changes(&mut self, comparable: &BTreeSet<TargetId>) -> usize {
        let (now, room) = (Instant::now(), recent_room(self.by.rows_per_second));
        let waiting: usize = self.recent.iter().map(|(_, sample)| sample.len()).sum();
        // what is not taken stays in the sample, which then is one of a longer time
        if waiting <= 4 * room {
            let sample = self.by.run.take_recent();
            if !sample.is_empty() {
                self.recent.push_back((now + SETTLED_AFTER, sample));
            }
        }
        if self.recent.front().is_none_or(|(due, _)| *due > now) {
            return 0;
        }
        let Some((_, sample)) = self.recent.pop_front() else { return 0 };
        let sample = sample.into_iter().filter(|(target, _)| comparable.contains(target)).collect();
        self.compare(sample, Why::Recent).await
    }

    /// Compares single addresses. How many there were.
    async fn compare(&mut self, addresses: Vec<(TargetId, Address)>, why: Why) -> usize {
        let with = &self.by.with;
        let mut by_target: BTreeMap<TargetId, Vec<Address>> = BTreeMap::new();
        let count = addresses.len();
        addresses
            .into_iter()
            .for_each(|(target, address)| by_target.entry(target).or_default().push(address));
        for mapping in &with.mappings {
            for target in &mapping.targets {
                let candidate = |address: Address| {
                    let parts = Codec::of(mapping, target).split(&address);
                    Candidate { address, key: parts.map(|parts| (parts.key, parts.item)) }
                };
                let addresses = by_target.remove(&target.id).unwrap_or_default();
                let candidates: Vec<Candidate> = addresses.into_iter().map(candidate).collect();
                self.settle((mapping, target), &candidates, why).await;
            }
        }
        let checked = &mut self.figures.checked;
        match why {
            Why::Finding => checked.findings += count as u64,
            Why::Recent => checked.recent += count as u64,
            Why::Walk => {}
        }
        count
    }

    /// Goes on with the walk. How many rows and items it has passed, at least one for each step.
    async fn walk_on(&mut self, comparable: &BTreeSet<TargetId>, rows: usize) -> usize {
        let (by, mut spent, mut patience) = (self.by, 0, patience());
        for _ in 0..STEPS_MAX {
            if spent >= rows || comparable.is_empty() || by.run.waits_for().is_some() {
                break;
            }
            match self.walk.step(&by.with, comparable, rows - spent).await {
                Ok(Some(step)) => {
                    self.settle((step.mapping, step.target), &step.differ, Why::Walk).await;
                    self.walk.passed(&step);
                    self.figures.checked.walk += step.looked as u64;
                    spent += step.looked.max(1);
                }
                Ok(None) => {
                    self.ends_walk().await;
                    break;
                }
                Err(error) => {
                    self.trouble(&error, &mut patience).await;
                    break;
                }
            }
        }
        spent
    }

    /// Compares candidates until it is known what they are, group by group.
    async fn settle(&mut self, (mapping, target): (&Mapping, &Target), candidates: &[Candidate], why: Why) {
        for group in candidates.chunks(AT_ONCE) {
            let (mut patience, mut tries) = (patience(), 0);
            let outcome = loop {
                self.until_comparable().await;
                // parked, or copied again: what it has is nobody's concern now
                if !self.by.run.comparable().await.contains(&target.id) {
                    break None;
                }
                match check::compare(self.by, (mapping, target), group).await {
                    Ok(Some(outcome)) => break Some(outcome),
                    Ok(None) => {}
                    Err(error) => {
                        tries += u32::from(error.disposition() != Disposition::Retry);
                        if tries >= TRIES {
                            tracing::warn!(%error, "the continuous verification leaves some rows open");
                            let (different, unsettled) = (Vec::new(), group.len() as u64);
                            break Some(Outcome { different, unsettled });
                        }
                        self.trouble(&error, &mut patience).await;
                    }
                }
            };
            if let Some(outcome) = outcome {
                self.note((mapping, target), group, outcome, why);
                self.save_findings().await;
                self.show();
            }
        }
    }

    fn note(
        &mut self,
        (mapping, target): (&Mapping, &Target),
        group: &[Candidate],
        outcome: Outcome,
        why: Why,
    ) {
        let Outcome { different, unsettled } = outcome;
        self.figures.unsettled += unsettled;
        if why == Why::Walk {
            let walked = self.walk.in_target(mapping, target);
            walked.unsettled += unsettled;
            for (_, example) in &different {
                *counter(walked, example.kind) += 1;
            }
        }
        let differs: BTreeSet<Address> = different.iter().map(|(address, _)| address.clone()).collect();
        for (address, example) in different {
            let (kind, key) = (example.kind, example.item.clone());
            if self.findings.add((mapping, target), (address, example), self.by.run.now_ms()) {
                self.figures.found += 1;
                self.events.found((mapping, target), kind, &key);
            }
        }
        for Candidate { address, .. } in
            group.iter().filter(|candidate| !differs.contains(&candidate.address))
        {
            if unsettled > 0 {
                self.findings.tried(target.id, address);
            } else if let Some(gone) = self.findings.equal(target.id, address) {
                let (mapping, table, kind) = (gone.mapping, gone.table, gone.kind);
                tracing::info!(event = "finding_gone", mapping, table, kind, "a row that differed is equal");
            }
        }
    }

    /// A walk is through: keeps its verdict, and begins the next one.
    async fn ends_walk(&mut self) {
        let now_ms = self.by.run.now_ms();
        let walk = std::mem::replace(&mut self.walk, Walk::begin(now_ms));
        if walk.targets.is_empty() {
            return; // nothing could be compared
        }
        let verdict = self.verdict(&walk, now_ms);
        self.figures.walks += 1;
        self.figures.last_walk = Some(LastWalk {
            ended_at_ms: now_ms,
            seconds: verdict.seconds as u64,
            rows: walk.rows(),
            found: verdict.confirmed,
            unsettled: verdict.unsettled,
        });
        let is_news =
            self.kept.is_none_or(|(at, equal)| at.elapsed() >= VERDICT_EVERY || equal != verdict.equal);
        if is_news {
            self.kept = Some((Instant::now(), verdict.equal));
            self.by.run.keep(verdict).await;
        }
        self.saved = None;
        self.save().await;
    }

    fn verdict(&self, walk: &Walk, now_ms: u64) -> VerdictRecord {
        let target = |walked: &WalkedTarget| {
            let WalkedTarget { mapping, table, family, rows, missing, extra, different, unsettled, .. } =
                walked;
            VerdictTarget {
                mapping: mapping.clone(),
                table: table.clone(),
                family: family.clone(),
                compared: *rows,
                missing: *missing,
                extra: *extra,
                different: *different,
                equal: missing + extra + different + unsettled == 0,
                ..VerdictTarget::default()
            }
        };
        let targets: Vec<VerdictTarget> = walk.targets.iter().map(target).collect();
        let unsettled: u64 = walk.targets.iter().map(|walked| walked.unsettled).sum();
        let confirmed = targets.iter().map(|found| found.missing + found.extra + found.different).sum();
        let pilot = self.by.with.cohort.pilot();
        VerdictRecord {
            at_ms: now_ms,
            seconds: now_ms.saturating_sub(walk.began_at_ms) as f64 / 1_000.0,
            mode: VerdictMode::Continuous,
            by: "the run".to_owned(),
            scope: if pilot.is_some() { VerdictScope::Pilot } else { VerdictScope::All },
            lists: pilot.map(Pilot::words),
            cohort: self.by.with.cohort.name(),
            judged: confirmed > 0 || unsettled == 0,
            equal: confirmed == 0 && unsettled == 0,
            cannot_judge: (confirmed == 0 && unsettled > 0)
                .then(|| format!("{unsettled} items changed faster than they could be compared")),
            compared: targets.iter().map(|target| target.compared).sum(),
            confirmed,
            unsettled,
            targets,
            findings: if confirmed > 0 { self.findings.for_verdict() } else { Vec::new() },
            ..VerdictRecord::default()
        }
    }

    async fn save(&mut self) {
        self.save_findings().await;
        if self.saved.is_none_or(|at| at.elapsed() >= SAVE_EVERY) {
            self.saved = Some(Instant::now());
            let record = self.walk.record(&self.by.with);
            warn(save_walk(self.by, &record).await);
        }
    }

    async fn save_findings(&mut self) {
        warn(self.findings.save(&*self.by.store).await);
    }

    /// Says what went wrong, and waits for a while.
    async fn trouble(&mut self, error: &VerifyError, patience: &mut Patience) {
        let reason = chain(error);
        match self.figures.waits_for {
            None => tracing::warn!(reason, "the continuous verification tries again"),
            Some(_) => tracing::debug!(reason, "the continuous verification tries again"),
        }
        self.figures.waits_for = Some(format!("a comparison that failed, and is repeated: {reason}"));
        self.show();
        // what lasts is tried again as what passes is
        if let Ok(pause) = patience.after(Disposition::Retry) {
            sleep(pause).await;
        }
    }

    fn show(&mut self) {
        let by = self.by;
        let total: u64 = by
            .with
            .mappings
            .iter()
            .flat_map(|mapping| &mapping.targets)
            .map(|target| 2 * by.run.rows_estimated(target.id))
            .sum();
        let rows = self.walk.rows();
        let left = total.checked_sub(rows).filter(|_| total > 0);
        self.figures.walk = self.walk.place(&by.with).map(|(mapping, target, side)| WalkShown {
            began_at_ms: self.walk.began_at_ms,
            mapping: mapping.name.clone(),
            table: target.table.clone(),
            family: target.family.clone(),
            side: side.to_owned(),
            rows,
            rows_estimated: total.max(rows),
            eta_seconds: left.map(|left| left / u64::from(by.rows_per_second.max(1))),
        });
        self.figures.findings = self.findings.len() as u64;
        self.figures.newest = self.findings.shown();
        by.run.show(self.figures.clone());
    }
}

/// Without an end: a run does not end because of this.
fn patience() -> Patience {
    Patience::for_ever(Pauses::OF_A_CONNECTION)
}

async fn load(by: &Continuous) -> Result<(Findings, Walk), StoreError> {
    let findings = Findings::load(&*by.store, &by.with.mappings).await?;
    let record: Option<WalkRecord> = records::read(&*by.store, Space::Meta, WALK).await?;
    Ok((findings, Walk::continued(record.unwrap_or_default(), &by.with, by.run.now_ms())))
}

async fn save_walk(by: &Continuous, record: &WalkRecord) -> Result<(), StoreError> {
    let put = vec![(Space::Meta, WALK.to_vec(), records::encode(record)?)];
    by.store.commit(Commit { put, ..Commit::default() }).await?.taken()
}

fn warn(saved: Result<(), StoreError>) {
    if let Err(error) = saved {
        tracing::warn!(%error, "the continuous verification cannot keep what it has found");
    }
}

fn counter<'w>(walked: &'w mut WalkedTarget, kind: &str) -> &'w mut u64 {
    match kind {
        "missing" => &mut walked.missing,
        "extra" => &mut walked.extra,
        _ => &mut walked.different,
    }
}

/// What of the findings becomes an event: not so many that they push all others out of the log.
#[derive(Default)]
struct Events {
    since: Option<Instant>,
    said: u32,
    unsaid: u64,
}

impl Events {
    fn found(&mut self, (mapping, target): (&Mapping, &Target), kind: &str, key: &str) {
        let now = Instant::now();
        if self.since.is_none_or(|since| now.duration_since(since) >= Duration::from_secs(60)) {
            (self.since, self.said) = (Some(now), 0);
        }
        if self.said >= EVENTS_A_MINUTE {
            self.unsaid += 1;
            return;
        }
        self.said += 1;
        let unsaid = std::mem::take(&mut self.unsaid);
        let (mapping, table, advice) = (&*mapping.name, &*target.table, advice::findings());
        let more = if unsaid > 0 { format!(" (and {unsaid} before it)") } else { String::new() };
        tracing::warn!(
            event = "finding",
            mapping,
            table,
            kind,
            "a row differs between MySQL and HBase{more}: {advice}"
        );
        // no event: whoever reaches the admin address reads those, and keys need the token
        tracing::warn!(mapping, table, kind, key, "the key of the row that differs");
    }
}
