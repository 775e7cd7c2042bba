//! How far the counts of each target are: read by every window, moved on by `counting`.

pub mod counting;
pub mod walk;

use crate::lock::Held;
use crate::model::TargetId;
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::parts::pace::CountedPace;
use crate::pipeline::parts::settings::Parts;
use crate::protocol::count::CountMode;
use crate::protocol::counted::{CountedRows, LongRows};
use crate::protocol::{Plan, ProtocolError};
use crate::store::records::{self, CountsRecord, CountsState};
use crate::store::{Commit, Space, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// A counted row takes a call of its own, where a plain one is a part of a call: about so many plain ones are
/// written in its time.
const COUNTED_ROW: usize = 16;

/// The counts of a run's targets.
pub struct Counts {
    /// When this process had the state: what earlier ones left behind is dated from here.
    pub began: Instant,
    pub long: LongRows,
    pub pace: CountedPace,
    /// Of the counted targets.
    states: Mutex<BTreeMap<TargetId, CountsState>>,
    /// By target, so that windows need not look it up.
    is_counted: Vec<bool>,
}

impl Counts {
    /// Reads what is stored. Counts of a target that is not counted any more are void from now on, since nobody keeps
    /// them.
    pub async fn load(parts: &Parts, copies: &[Arc<Copy>]) -> Result<Counts, StoreError> {
        let (mut states, mut is_counted) = (BTreeMap::new(), Vec::new());
        for copy in copies {
            let (target, key) = (&copy.target, copy.chunks.lock().await.key().prefix());
            let state = stored(&*parts.store, &key).await?;
            let place = usize::from(target.id.0);
            is_counted.resize(is_counted.len().max(place + 1), false);
            is_counted[place] = target.counted;
            if target.counted {
                states.insert(target.id, state);
                parts.progress.copy(target.id, copy.mapping.id, |copy| copy.counts.state = Some(state));
            } else if state != CountsState::Uncounted {
                put(&*parts.store, key, CountsState::Uncounted).await?;
            }
        }
        let (began, long, pace) = (Instant::now(), LongRows::default(), CountedPace::default());
        Ok(Counts { began, long, pace, states: Mutex::new(states), is_counted })
    }

    pub fn is_counted(&self, target: TargetId) -> bool {
        self.is_counted.get(usize::from(target.0)).copied().unwrap_or(false)
    }

    pub fn state(&self, target: TargetId) -> CountsState {
        self.states().get(&target).copied().unwrap_or_default()
    }

    /// What a window does about counts that begins now.
    pub fn mode(&self, target: TargetId) -> CountMode {
        match self.state(target) {
            CountsState::Uncounted => CountMode::NotYet,
            CountsState::Counting | CountsState::Counted => CountMode::Counting,
        }
    }

    /// Moves a target on: durably first, and then for the windows to come.
    pub async fn set(&self, parts: &Parts, copy: &Copy, state: CountsState) -> Result<(), ProtocolError> {
        let key = copy.chunks.lock().await.key().prefix();
        put(&*parts.store, key, state).await?;
        self.states().insert(copy.target.id, state);
        parts.progress.copy(copy.target.id, copy.mapping.id, |copy| copy.counts.state = Some(state));
        parts.plan.written_to().goes_on();
        tracing::info!(table = copy.target.table, state = state.name(), "counts");
        Ok(())
    }

    /// Whether every counted target that is written to has its counts.
    pub fn all_counted(&self, plan: &Plan) -> bool {
        let lacks = |(target, state): (&TargetId, &CountsState)| {
            *state != CountsState::Counted && !plan.is_parked(*target)
        };
        !self.states().iter().any(lacks)
    }

    /// What counted rows are written with under a lease.
    pub fn rows<'a>(&'a self, parts: &'a Parts, held: &'a Held) -> CountedRows<'a> {
        CountedRows {
            sink: &*parts.sink,
            held,
            long: &self.long,
            highest: &parts.progress.totals.tick_high,
            plan: &parts.plan,
            failpoints: parts.settings.failpoints,
        }
    }

    /// What a counted row weighs in a window of `rows_max` rows: so much that the window is full when a `lease` would be
    /// short for more of them.
    pub fn counted_row(&self, rows_max: usize, lease: Duration) -> usize {
        (rows_max / self.pace.steps_max(lease)).max(COUNTED_ROW)
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<TargetId, CountsState>> {
        self.states.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The state of a copy's counts.
pub async fn stored(store: &dyn Store, key: &[u8]) -> Result<CountsState, StoreError> {
    let record: Option<CountsRecord> = records::read(store, Space::Counts, key).await?;
    Ok(record.unwrap_or_default().state)
}

async fn put(store: &dyn Store, key: Vec<u8>, state: CountsState) -> Result<(), StoreError> {
    let put = vec![(Space::Counts, key, records::encode(&CountsRecord { state })?)];
    store.commit(Commit { put, ..Commit::default() }).await?.taken()
}
