//! The continuous verification of a run: composes it of what the run has anyway, without a word over HTTP.

use crate::model::{Histories, LifeCycle, Mapping, TargetId, Value, Work};
use crate::pipeline::copies::chunks::Chunks;
use crate::pipeline::jobs::holds::HoldAsk;
use crate::pipeline::jobs::verdicts;
use crate::pipeline::life::gaps;
use crate::pipeline::progress::RunPhase;
use crate::pipeline::{Parts, Recent};
use crate::sink::layout::Address;
use crate::status::{Concern, ContinuousStatus};
use crate::store::records::{self, LifeRecord, VerdictRecord};
use crate::store::{Space, StoreError};
use crate::verify::{
    self, Continuous, Held, Meter, RunView, Settings, Tail, TailPositions, TailView, Verification,
    keep_comparing,
};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a call is repeated before the status says what keeps it from working; then all of it is tried again.
const RETRY_FOR: Duration = Duration::from_secs(5);

/// The sample of recent changes that [`beside`] compares at this bound; it belongs into the parts of the run.
pub fn recent(rows_per_second: u32) -> Recent {
    Recent::keeping(verify::recent_room(rows_per_second))
}

/// Compares rows for as long as `run` takes, whenever the run of these parts tails. `rows_per_second` is at least 1; `None`:
/// nothing is compared.
pub async fn beside<T>(parts: &Parts, rows_per_second: Option<u32>, run: impl Future<Output = T>) -> T {
    let Some(rows_per_second) = rows_per_second else { return run.await };
    let own = Arc::new(OwnRun { parts: parts.clone() });
    let with = Verification {
        source: parts.source.clone(),
        sink: parts.sink.clone(),
        mappings: parts.plan.mappings().to_vec(),
        cohort: parts.plan.cohort().clone(),
        tail: Tail::Live(own.clone()),
        counts_due: BTreeSet::new(),
        settings: Settings {
            retry_for: RETRY_FOR,
            failpoints: parts.settings.failpoints,
            ..Settings::default()
        },
        meter: Arc::new(Meter::default()),
        pacer: None,
    };
    let by = Continuous { with, run: own, store: parts.store.clone(), rows_per_second };
    tokio::select! { biased;
        ended = run => ended,
        never = keep_comparing(&by) => match never {},
    }
}

/// The run in this process.
struct OwnRun {
    parts: Parts,
}

impl OwnRun {
    fn tails(&self) -> bool {
        self.parts.progress.phase() == RunPhase::Running && !self.parts.levers.is_paused(Work::Tail)
    }

    /// Targets that a gap, a parking or an unfinished copy leaves unequal.
    async fn incomparable(&self) -> Result<BTreeSet<TargetId>, StoreError> {
        let Parts { plan, store, progress, .. } = &self.parts;
        let (gaps, copies) = (gaps::stored(&**store).await?.gaps, progress.copies());
        let has_gap = |mapping: &Mapping| gaps.iter().any(|gap| gap.mappings.contains(&mapping.name));
        let mut found = BTreeSet::new();
        for (mapping, target) in plan.targets() {
            let is_copied = copies.get(&target.id).is_some_and(|copy| copy.complete);
            let key = Chunks::copy_key(&self.parts.source_name, plan, mapping, target);
            let life: Option<LifeRecord> = records::read(&**store, Space::LifeCycle, &key.prefix()).await?;
            let is_parked = plan.is_parked(target.id)
                || life.is_some_and(|life| matches!(life.state, LifeCycle::Parked { .. }));
            if !is_copied || is_parked || has_gap(mapping) {
                found.insert(target.id);
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl TailView for OwnRun {
    async fn positions(&self) -> Option<TailPositions> {
        if !self.tails() {
            return None;
        }
        let positions = self.parts.progress.positions();
        let (received, written) = (positions.received.reached.clone(), positions.written.reached.clone());
        Some(TailPositions { received, written, replaying: false })
    }

    async fn hold(&self, mapping: &Mapping, lists: &[Vec<Value>]) -> Option<Held> {
        let ask = HoldAsk { mapping: mapping.name.clone(), lists: lists.to_vec() };
        match self.parts.holds.hold(&ask).await {
            Ok(held) => Some(Held { hold: held.hold, sealed: held.sealed }),
            Err(reason) => {
                tracing::debug!(reason, mapping = %mapping.name, "the run does not hold the lists");
                None
            }
        }
    }

    async fn release(&self, held: &Held) -> bool {
        self.parts.holds.release(held.hold)
    }

    fn histories(&self) -> Histories {
        self.parts.definitions.all()
    }
}

#[async_trait]
impl RunView for OwnRun {
    fn waits_for(&self) -> Option<String> {
        let Parts { progress, levers, throttle, .. } = &self.parts;
        match progress.phase() {
            RunPhase::Running if levers.is_paused(Work::Tail) => Some("the tail, which is paused".to_owned()),
            RunPhase::Running if throttle.is_shut() => {
                let held: Vec<String> =
                    throttle.status().holding.into_iter().map(|holding| holding.words).collect();
                Some(format!("the limits of the copy: {}", held.join("; ")))
            }
            RunPhase::Running => None,
            RunPhase::Replaying => Some("the end of the replay".to_owned()),
            _ => Some("the tail".to_owned()),
        }
    }

    fn turn(&self) -> u64 {
        self.parts.progress.phases()
    }

    async fn comparable(&self) -> BTreeSet<TargetId> {
        let all = self.parts.plan.targets().map(|(_, target)| target.id);
        match self.incomparable().await {
            Ok(unequal) => all.filter(|target| !unequal.contains(target)).collect(),
            Err(error) => {
                tracing::warn!(%error, "the continuous verification cannot read the state of the targets");
                BTreeSet::new()
            }
        }
    }

    fn rows_estimated(&self, target: TargetId) -> u64 {
        let copies = self.parts.progress.copies();
        copies.get(&target).map_or(0, |copy| copy.rows_estimated.max(copy.rows_done))
    }

    fn take_recent(&self) -> Vec<(TargetId, Address)> {
        self.parts.recent.take()
    }

    async fn keep(&self, verdict: VerdictRecord) {
        if let Err(error) = verdicts::keep_in(&*self.parts.store, &verdict).await {
            tracing::warn!(%error, "the run could not keep the verdict of a walk");
        }
    }

    fn show(&self, status: ContinuousStatus) {
        let progress = &self.parts.progress;
        match status.findings {
            0 => progress.calm(Concern::Findings),
            1 => progress.warn(Concern::Findings, "1 row".to_owned()),
            rows => progress.warn(Concern::Findings, format!("{rows} rows")),
        }
        progress.show_verified(status);
    }

    fn now_ms(&self) -> u64 {
        self.parts.clock.now_ms()
    }
}
