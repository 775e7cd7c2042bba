//! A full pass that outlives its process: what it has read and found so far, so that another process can go on with it.
//!
//! What is kept of the mapping that is read: the place of each walk, and the digests of everything that lies behind these
//! places. Both change together, a chunk or a page at a time, so a copy of them that is taken at any moment fits. Mappings
//! that are done are kept with what was found. In the second reading nothing is kept: whoever goes on begins it again.
//!
//! Why a pass may be interrupted (docs/decisions/0017): the account of a pass needs two things of each read, whenever that
//! was: it came after the set G0 had been executed and written, and the binlog outside G0 has every change since. Both hold
//! for a pass in two processes as for one that takes its time. [`resume`] asks for what a second process cannot take for
//! granted: the same job, the same server, all of the binlog, no statement that changed a table.
//!
//! Promises: a copy is complete; bytes that are not one are an error; a pass of another job does not go on.
//! Refuses to know: where the copy is kept, and when it is taken.

mod file;
mod job;
#[cfg(test)]
mod pass_tests;
mod resume;
mod walks;

pub use file::{FileError, Saved};
pub use job::Part;
pub use walks::{SourceSide, TargetSide, Walks, lock};

use super::VerifyError;
use super::digest::SetDigest;
use super::report::VerifyTargetReport;
use super::sample::Draw;
use super::tail::Watch;
use super::verification::Verification;
use crate::clock::{Clock, SteadyClock};
use crate::model::{Mapping, Reached};
use job::Job;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use walks::WalksRecord;

/// A pass under way. [`Pass::saved`] may be called at any time.
pub struct Pass {
    /// What the job is known by, besides what a [`Verification`] knows.
    parts: Vec<Part>,
    clock: SteadyClock,
    begin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What an earlier process has left, until it is known to fit.
    earlier: Option<Saved>,
    /// `None` before the pass has begun.
    begun: Option<Begun>,
    /// Of each mapping that is done, what was found in its targets.
    done: Vec<Vec<VerifyTargetReport>>,
    /// The mapping that is read.
    walks: Option<Arc<Walks>>,
    /// Everything was read and judged.
    complete: bool,
}

/// What does not change while a pass goes on.
#[derive(Clone)]
struct Begun {
    job: Job,
    since: Reached,
    ms: u64,
    /// How long earlier processes worked on it.
    worked: Duration,
    interruptions: u32,
}

impl Pass {
    /// A pass from the beginning, or from where `earlier` was left. `parts`: what else the job is known by.
    pub fn new(parts: Vec<Part>, earlier: Option<Saved>) -> Pass {
        let state = Mutex::new(State { earlier, ..State::default() });
        Pass { parts, clock: SteadyClock::start(), begin: Instant::now(), state }
    }

    /// Begins, or goes on: a live tail has written all that the source has executed when this returns.
    ///
    /// # Errors
    /// `NotResumed`: nobody can go on with the earlier pass. `CannotJudge` as of [`Watch::begin`].
    pub(super) async fn watch(&self, with: &Verification) -> Result<Watch, VerifyError> {
        let job = Job::of(with, &self.parts).await?;
        let (tail, source, wait_max) = (with.tail.clone(), &*with.source, with.settings.wait_max);
        let earlier = lock(&self.state).earlier.take();
        let Some(earlier) = earlier else {
            let watch = Watch::begin(tail, source, wait_max).await?;
            let (since, ms) = (watch.since().clone(), self.clock.now_ms());
            let (worked, interruptions) = (Duration::ZERO, 0);
            lock(&self.state).begun = Some(Begun { job, since, ms, worked, interruptions });
            return Ok(watch);
        };
        resume::check(with, &job, &earlier).await?;
        let watch = Watch::go_on(tail, source, wait_max, earlier.since.clone()).await?;
        self.take_over(with, job, earlier)?;
        Ok(watch)
    }

    fn take_over(&self, with: &Verification, job: Job, earlier: Saved) -> Result<(), VerifyError> {
        let misfit = || VerifyError::NotResumed { reason: "its parts do not fit together".to_owned() };
        let mappings = &with.mappings;
        let mut done = Vec::with_capacity(earlier.done.len());
        for (mapping, records) in mappings.iter().zip(&earlier.done) {
            let reports =
                mapping.targets.iter().zip(records).map(|(target, record)| record.report(mapping, target));
            done.push(reports.collect::<Vec<_>>());
        }
        let lengths_fit = |(mapping, reports): (&Mapping, &Vec<_>)| mapping.targets.len() == reports.len();
        if earlier.done.len() != done.len() || !mappings.iter().zip(&done).all(lengths_fit) {
            return Err(misfit());
        }
        let walks = match (mappings.get(done.len()), earlier.walks) {
            (Some(mapping), Some(record)) => Some(Arc::new(Walks::of(mapping, record).ok_or_else(misfit)?)),
            (_, None) => None,
            (None, Some(_)) => return Err(misfit()),
        };
        if let Some(walks) = walks.as_ref().filter(|_| with.settings.failpoints.resumed_sums_dropped()) {
            lock(&walks.source).digests.iter_mut().for_each(|digest| *digest = SetDigest::of(Draw::ALL));
            walks.targets.iter().for_each(|target| lock(target).digest = SetDigest::of(Draw::ALL));
        }
        let begun = Begun {
            job,
            since: earlier.since,
            ms: earlier.begun_ms,
            worked: Duration::from_millis(earlier.worked_ms),
            interruptions: earlier.interruptions + 1,
        };
        *lock(&self.state) = State { begun: Some(begun), done, walks, ..State::default() };
        Ok(())
    }

    /// What was found in the targets of a mapping, if it is done.
    pub(super) fn done(&self, mapping: usize) -> Option<Vec<VerifyTargetReport>> {
        lock(&self.state).done.get(mapping).cloned()
    }

    /// The walks over the first mapping that is not done.
    pub(super) fn walks(&self, new: impl FnOnce() -> Walks) -> Arc<Walks> {
        lock(&self.state).walks.get_or_insert_with(|| Arc::new(new())).clone()
    }

    /// The mapping that was read is done.
    pub(super) fn mapping_done(&self, reports: &[VerifyTargetReport]) {
        let mut state = lock(&self.state);
        state.done.push(reports.to_vec());
        state.walks = None;
    }

    /// All mappings are done.
    pub(super) fn complete(&self) {
        lock(&self.state).complete = true;
    }

    /// Whether everything was read and judged, so that there is nothing to go on with.
    pub fn is_complete(&self) -> bool {
        lock(&self.state).complete
    }

    /// How long the processes worked that had it before this one.
    pub(super) fn worked_before(&self) -> Duration {
        lock(&self.state).begun.as_ref().map_or(Duration::ZERO, |begun| begun.worked)
    }

    /// When its first process began it, milliseconds since 1970, and how often it was interrupted; `None`: never.
    pub(super) fn interrupted(&self) -> Option<(u64, u32)> {
        let state = lock(&self.state);
        state
            .begun
            .as_ref()
            .filter(|begun| begun.interruptions > 0)
            .map(|begun| (begun.ms, begun.interruptions))
    }

    /// All that it takes to go on, as it is now. `None`: it has not begun, or is complete, or the place of a walk has no form
    /// that comes back as it goes (a floating-point number in a primary key may have none).
    pub fn saved(&self) -> Option<Vec<u8>> {
        let (begun, done, walks) = {
            let state = lock(&self.state);
            let begun = state.begun.clone().filter(|_| !state.complete)?;
            (begun, state.done.clone(), state.walks.clone())
        };
        let worked = begun.worked + self.begin.elapsed();
        Saved {
            job: begun.job,
            since: begun.since,
            begun_ms: begun.ms,
            saved_ms: self.clock.now_ms(),
            worked_ms: u64::try_from(worked.as_millis()).unwrap_or(u64::MAX),
            interruptions: begun.interruptions,
            done: done.iter().map(|reports| reports.iter().map(file::TargetRecord::of).collect()).collect(),
            walks: walks.map(|walks| WalksRecord::of(&walks)),
        }
        .encode()
    }
}
