//! The jobs of a run: those that wait, and what each says of itself.

use super::{Ask, Failed, JobState, RecopyReport, Touched};
use crate::protocol::ProtocolError;
use crate::signal::Signal;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// Jobs that are kept after their end, for those who ask.
const KEPT: usize = 64;
/// Jobs that may wait.
const QUEUED_MAX: usize = 16;

/// A handle to the jobs of a run; clones share them.
#[derive(Clone)]
pub struct Recopies {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    /// Something was asked, or ended.
    changed: Signal,
    touched: Option<Arc<dyn Touched>>,
    /// Whether the run is for these jobs alone, and ends after them.
    alone: bool,
}

#[derive(Default)]
struct State {
    next: u64,
    queued: VecDeque<(u64, Ask)>,
    reports: BTreeMap<u64, RecopyReport>,
    /// Those that the run cannot go on without.
    needed: BTreeSet<u64>,
    /// The one that runs.
    running: Option<(u64, Ask)>,
    /// What runs is begun again when the tasks of the run begin again.
    paused: bool,
    closed: bool,
}

impl State {
    fn queue(&mut self, ask: Ask) -> u64 {
        self.next += 1;
        let number = self.next;
        let (mapping, dry_run) = (ask.mapping.clone(), ask.dry_run);
        self.reports.insert(number, RecopyReport { mapping, dry_run, ..RecopyReport::default() });
        self.queued.push_back((number, ask));
        while self.reports.len() > KEPT + QUEUED_MAX {
            let over = self.reports.iter().find(|(_, report)| report.state.is_over());
            let Some(oldest) = over.map(|(number, _)| *number) else { break };
            self.reports.remove(&oldest);
        }
        number
    }
}

impl Recopies {
    /// For a run that takes no jobs.
    pub fn none() -> Recopies {
        Recopies::with(None, false)
    }

    /// For a run that takes jobs while it goes on; what they touch is noted in `touched`.
    pub fn taken(touched: Arc<dyn Touched>) -> Recopies {
        Recopies::with(Some(touched), false)
    }

    /// For a run that does one job, catches up and ends.
    pub fn only(touched: Arc<dyn Touched>, asks: impl IntoIterator<Item = Ask>) -> Recopies {
        let recopies = Recopies::with(Some(touched), true);
        for ask in asks {
            recopies.enqueue(ask).expect("the queue has room for as many as there are mappings");
        }
        recopies
    }

    fn with(touched: Option<Arc<dyn Touched>>, alone: bool) -> Recopies {
        let inner = Inner { state: Mutex::default(), changed: Signal::new(), touched, alone };
        Recopies { inner: Arc::new(inner) }
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.inner.alone
    }

    /// Whether jobs of this mapping as a whole are asked for from the start: a target that is parked will be tailed.
    pub fn unparks(&self, mapping: &str) -> bool {
        let whole = |ask: &Ask| ask.mapping == mapping && ask.lists.is_none() && !ask.dry_run;
        self.state().queued.iter().any(|(_, ask)| whole(ask))
    }

    /// Queues a job that the run needs: where it fails the run ends, and until it is over the run has not caught up.
    pub(in crate::pipeline) fn enqueue_needed(&self, ask: Ask) {
        let mut state = self.state();
        let number = state.queue(ask);
        state.needed.insert(number);
        drop(state);
        self.inner.changed.raise();
    }

    /// Whether the run cannot go on without this job.
    pub(in crate::pipeline) fn is_needed(&self, number: u64) -> bool {
        self.state().needed.contains(&number)
    }

    /// Queues a job. Its number.
    ///
    /// # Errors
    /// The run takes none (any more), or too many wait.
    pub fn enqueue(&self, ask: Ask) -> Result<u64, String> {
        let mut state = self.state();
        if state.closed || self.inner.touched.is_none() {
            return Err("this run is ending, and takes no more re-copies".into());
        }
        if state.queued.len() >= QUEUED_MAX && !self.inner.alone {
            return Err(format!("{QUEUED_MAX} re-copies already wait for their turn"));
        }
        let number = state.queue(ask);
        drop(state);
        self.inner.changed.raise();
        Ok(number)
    }

    /// What a job says of itself; `None` for one that is not known (any more).
    pub fn report(&self, number: u64) -> Option<RecopyReport> {
        self.state().reports.get(&number).cloned()
    }

    /// The jobs that are done, by number.
    pub(in crate::pipeline) fn done(&self) -> Vec<(u64, RecopyReport)> {
        let state = self.state();
        let done = state.reports.iter().filter(|(_, report)| report.state == JobState::Done);
        done.map(|(number, report)| (*number, report.clone())).collect()
    }

    /// All jobs that are known, in their order.
    pub fn reports(&self) -> Vec<RecopyReport> {
        self.state().reports.values().cloned().collect()
    }

    /// Waits until every job is over.
    pub async fn all_over(&self) {
        self.when(|state| state.reports.values().all(|report| report.state.is_over()).then_some(())).await;
    }

    /// Waits until every job is over that the run needs, or is for.
    pub(in crate::pipeline) async fn needed_are_over(&self) {
        let alone = self.is_alone();
        let over = |state: &State| {
            let wanted = |number: &u64| alone || state.needed.contains(number);
            state.reports.iter().all(|(number, report)| report.state.is_over() || !wanted(number))
        };
        self.when(|state| over(state).then_some(())).await;
    }

    /// The next job, once there is one; `None` when none comes.
    pub(in crate::pipeline) async fn next(&self) -> Option<(u64, Ask)> {
        let job = |state: &mut State| {
            let next = state.queued.pop_front();
            if let Some((number, _)) = &next
                && let Some(report) = state.reports.get_mut(number)
            {
                report.state = JobState::Running;
                state.running.clone_from(&next);
            }
            next.map(Some).or(state.closed.then_some(None))
        };
        self.when(job).await
    }

    /// Changes what a job says of itself.
    pub(in crate::pipeline) fn update(&self, number: u64, change: impl FnOnce(&mut RecopyReport)) {
        if let Some(report) = self.state().reports.get_mut(&number) {
            change(report);
        }
    }

    /// The tasks of the run end, and begin again: the job that runs does so too.
    pub(in crate::pipeline) fn pause(&self) {
        self.state().paused = true;
    }

    /// Whether the tasks of the run will begin again.
    pub(in crate::pipeline) fn is_paused(&self) -> bool {
        self.state().paused
    }

    /// The tasks of the run begin again: what they did not end is the next job.
    pub(in crate::pipeline) fn begin_again(&self) {
        let mut state = self.state();
        state.paused = false;
        let Some((number, ask)) = state.running.take() else { return };
        if let Some(report) = state.reports.get_mut(&number) {
            (report.state, report.doing, report.targets) = Default::default();
        }
        state.queued.push_front((number, ask));
        drop(state);
        self.inner.changed.raise();
    }

    pub(in crate::pipeline) fn end(&self, number: u64, error: Option<ProtocolError>) {
        self.state().running.take_if(|(running, _)| *running == number);
        let state = match error {
            None => JobState::Done,
            Some(error) => JobState::Failed(Failed::from(&error)),
        };
        self.update(number, |report| (report.state, report.doing) = (state, String::new()));
        self.inner.changed.raise();
    }

    /// Nothing is taken any more; what waits has failed.
    pub fn close(&self) {
        let waiting: Vec<u64> = {
            let mut state = self.state();
            state.closed = true;
            state.queued.drain(..).map(|(number, _)| number).collect()
        };
        waiting.into_iter().for_each(|number| self.end(number, Some(super::interrupted())));
        self.inner.changed.raise();
    }

    pub(in crate::pipeline) fn touched(&self) -> Option<&dyn Touched> {
        self.inner.touched.as_deref()
    }

    async fn when<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changed = self.inner.changed.listen();
        loop {
            if let Some(found) = ready(&mut self.state()) {
                return found;
            }
            changed.changed().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // no method panics between two changes that belong together
        self.inner.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
