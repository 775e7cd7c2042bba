//! The pace of a comparison, which runs in a process of its own: the throttle of the copy, with the limits that hold now.
//!
//! Beside a run these are the run's, which a person may change at any time: they are asked for every second. Without a run
//! they are those of the state and the configuration at the beginning. All but two signals are read by this process, as a
//! run reads them; the tail's lag and the times of writes are the run's, which alone tails and writes.

use super::{connect, status};
use crate::admin::Client;
use crate::clock::{Clock, SteadyClock};
use crate::compare::{ReadPermit, Settle};
use crate::config::Config;
use crate::failpoints::Failpoints;
use crate::failure::Failure;
use crate::model::units::parse_duration;
use crate::model::{Control, LimitKey, LimitSet, Limits};
use crate::pipeline::jobs::levers;
use crate::pipeline::{Levers, Progress, Reading, RunFigures, Throttle, Waiter, Watched, watch_throttle};
use crate::status::{LimitShown, ThrottleShown};
use crate::store::redb::{FILE_NAME, RedbStore};
use crate::verify::Pacer;
use async_trait::async_trait;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How often the run is asked for its limits.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// For how long what it has said holds, if it does not answer.
const HOLDS_FOR: Duration = Duration::from_secs(10);
/// A wait is worth a word once it lasts this long, milliseconds.
const LASTING_MS: u64 = 2_000;

/// The pace of a comparison. Its tasks end with it.
pub struct Pacing {
    throttle: Throttle,
    progress: Arc<Progress>,
    clock: Arc<dyn Clock>,
    tasks: JoinSet<()>,
}

impl Pacing {
    /// Begins to read what the limits need.
    ///
    /// # Errors
    /// Neither a run nor the state says which limits hold.
    pub async fn begin(config: &Config) -> Result<Pacing, Failure> {
        let (throttle, levers) = (connect::throttle(config), Levers::default());
        let run = Arc::new(Beside::default());
        match shown(config).await? {
            Some(shown) => run.says(&levers, shown),
            None => levers.follow(of_state(config).await?),
        }
        let mut pacing = Pacing::of(throttle, &levers, run.clone());
        let config = config.clone();
        pacing.tasks.spawn(async move { run.follow(&config, &levers).await });
        Ok(pacing)
    }

    /// With the limits that `levers` say, from the first read on.
    fn of(throttle: Throttle, levers: &Levers, run: Arc<dyn RunFigures>) -> Pacing {
        throttle.adopt(&levers.control());
        let (progress, clock) = (Arc::new(Progress::default()), Arc::new(SteadyClock::start()));
        let watched = Watched {
            throttle: throttle.clone(),
            levers: levers.clone(),
            progress: progress.clone(),
            run,
            clock: clock.clone(),
            failpoints: Failpoints::default(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(watch_throttle(watched, CancellationToken::new()));
        Pacing { throttle, progress, clock, tasks }
    }

    /// The limits that hold now.
    pub fn limits(&self) -> Limits {
        self.throttle.limits()
    }
}

#[async_trait]
impl Pacer for Pacing {
    async fn permit(&self, most: usize) -> ReadPermit {
        let rows = self.throttle.part_rows(most as u64);
        let permit = self.throttle.permit(rows, Waiter::Verify, &self.progress).await;
        ReadPermit::from(usize::try_from(rows).unwrap_or(most), Box::new(Granted(permit)))
    }

    fn waits(&self) -> Option<String> {
        let now_ms = self.clock.now_ms();
        let waits = self.progress.waits(now_ms);
        let lasting = waits.into_iter().find(|wait| now_ms.saturating_sub(wait.since_ms) >= LASTING_MS);
        lasting.map(|wait| wait.words)
    }
}

struct Granted(crate::pipeline::Permit);

impl Settle for Granted {
    fn used(self: Box<Self>, rows: u64) {
        self.0.used(rows);
    }
}

/// The limits of a run; `None`: none is up.
async fn shown(config: &Config) -> Result<Option<ThrottleShown>, Failure> {
    Ok(match status::running(config).await? {
        Some(_) => Some(Client::open(&config.state_dir)?.throttle().await?),
        None => None,
    })
}

/// What people have set in a state that no run has.
async fn of_state(config: &Config) -> Result<Control, Failure> {
    if !config.state_dir.join(FILE_NAME).exists() {
        return Ok(Control::default());
    }
    Ok(levers::stored(&RedbStore::open_read_only(&config.state_dir).await?).await?)
}

/// What the run beside this process says of its throttle.
#[derive(Default)]
struct Beside {
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    /// `None`: no run is up.
    shown: Option<ThrottleShown>,
    /// Since when it does not answer.
    silent: Option<Instant>,
}

impl Beside {
    /// Asks again and again.
    async fn follow(&self, config: &Config, levers: &Levers) {
        loop {
            sleep(ASK_EVERY).await;
            match shown(config).await {
                Ok(Some(shown)) => self.says(levers, shown),
                // the limits that held last still do
                Ok(None) => *self.said() = Said::default(),
                Err(failure) => {
                    tracing::debug!(error = %failure.error, "the run does not say its limits");
                    _ = self.said().silent.get_or_insert_with(Instant::now);
                }
            }
        }
    }

    fn says(&self, levers: &Levers, shown: ThrottleShown) {
        levers.follow(control(&shown));
        *self.said() = Said { shown: Some(shown), silent: None };
    }

    /// A time that only the run can read.
    fn figure(&self, key: LimitKey) -> Reading {
        let said = self.said();
        if said.silent.is_some_and(|since| since.elapsed() > HOLDS_FOR) {
            return Reading::Unreadable("the run does not answer".to_owned());
        }
        let Some(shown) = &said.shown else { return Reading::Nothing };
        let figure =
            shown.keys.iter().find(|limit| limit.key == key.name()).and_then(|limit| limit.figure.as_ref());
        match figure.map(|figure| parse_duration(figure)) {
            Some(Ok(time)) => Reading::Time(time),
            Some(Err(rule)) => {
                Reading::Unreadable(format!("the run says something else than a time: it {rule}"))
            }
            None if shown.holding.iter().any(|held| held.signal == key.name()) => {
                Reading::Unreadable("the run cannot read it".to_owned())
            }
            None => Reading::Nothing,
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl RunFigures for Beside {
    async fn tail_lag(&self) -> Reading {
        self.figure(LimitKey::TailLag)
    }

    async fn hbase_p99(&self) -> Reading {
        self.figure(LimitKey::HbaseP99)
    }
}

/// The limits of another process, wherever it has them from, as limits that are set here.
fn control(shown: &ThrottleShown) -> Control {
    let set = |LimitShown { key, value, by, at_ms, reason, .. }: &LimitShown| {
        let set = LimitSet {
            value: value.clone(),
            by: by.clone().unwrap_or_default(),
            at_ms: at_ms.unwrap_or_default(),
            reason: reason.clone().unwrap_or_default(),
        };
        (key.clone(), set)
    };
    Control { limits: shown.keys.iter().map(set).collect(), ..Control::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FileLimits;
    use crate::source::{Gauges, NoGauges, SourceError};
    use crate::status::{Holding, Origin};
    use crate::verify::fixtures::{World, edge};
    use crate::verify::{Verification, VerifyReport, full};
    use std::pin::pin;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use tokio::time::timeout;

    /// A MySQL that executes so many statements.
    struct Busy(AtomicU64);

    #[async_trait]
    impl Gauges for Busy {
        async fn threads_running(&self) -> Result<u64, SourceError> {
            Ok(self.0.load(Relaxed))
        }

        async fn number(&self, select: &str) -> Result<f64, SourceError> {
            NoGauges.number(select).await
        }

        async fn replica_lags(&self) -> Vec<(String, Result<Duration, SourceError>)> {
            Vec::new()
        }
    }

    /// A comparison of 200 items in two targets with these limits, on a MySQL that executes `busy`.
    fn comparison(limits: &[(LimitKey, &str)], busy: &Arc<Busy>) -> (Verification, Arc<Beside>, Levers) {
        let world = World::new();
        for (followee, follower) in (0..5).flat_map(|list| (0..20).map(move |item| (list, item))) {
            world.change((followee, follower), Some(edge(followee, follower, follower as i64, Some("note"))));
        }
        let mut file = FileLimits::default();
        limits.iter().for_each(|(key, value)| file.limits.set(*key, value).expect(value));
        let (run, levers) = (Arc::new(Beside::default()), Levers::default());
        let pacing = Pacing::of(Throttle::new(file, busy.clone()), &levers, run.clone());
        let with = Verification { pacer: Some(Arc::new(pacing)), ..world.verification(true) };
        (with, run, levers)
    }

    fn read(with: &Verification) -> u64 {
        with.meter.source_items.load(Relaxed) + with.meter.sink_items.load(Relaxed)
    }

    fn waits(with: &Verification) -> String {
        with.pacer.as_ref().and_then(|pacer| pacer.waits()).unwrap_or_default()
    }

    /// Lets a comparison work for so long; whether it goes on then.
    async fn works_on<T>(comparing: &mut (impl Future<Output = T> + Unpin), seconds: u64) -> bool {
        timeout(Duration::from_secs(seconds), comparing).await.is_err()
    }

    fn assert_equal(report: &VerifyReport) {
        assert!(report.equal && report.items_compared == 200, "{report}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_comparison_waits_while_a_signal_is_above_its_limit_says_so_and_goes_on_after() {
        let busy = Arc::new(Busy(AtomicU64::new(50)));
        let (with, ..) = comparison(&[(LimitKey::ThreadsRunning, "10")], &busy);
        let mut comparing = pin!(full(&with));
        assert!(works_on(&mut comparing, 60).await);
        assert_eq!(read(&with), 0, "nothing is read");
        let words = "verify waits for its pace: throttle.threads_running is 50, above its limit of 10";
        assert_eq!(waits(&with), words);
        busy.0.store(3, Relaxed);
        assert_equal(&comparing.await.expect("a report"));
        assert!(read(&with) >= 300);
    }

    #[tokio::test(start_paused = true)]
    async fn a_comparison_reads_no_more_rows_and_items_a_second_than_its_bound() {
        let busy = Arc::new(Busy(AtomicU64::new(0)));
        let (with, ..) = comparison(&[(LimitKey::RowsPerSecond, "50")], &busy);
        let begin = Instant::now();
        assert_equal(&full(&with).await.expect("a report"));
        // 100 rows and 200 items; a quarter of a second may be saved up, and the last piece is not waited for
        let seconds = begin.elapsed().as_secs_f64();
        assert!((5.0..8.0).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_changes_in_the_run_holds_for_a_comparison_that_is_under_way() {
        let busy = Arc::new(Busy(AtomicU64::new(0)));
        let (with, run, levers) = comparison(&[(LimitKey::RowsPerSecond, "50")], &busy);
        let mut comparing = pin!(full(&with));
        assert!(works_on(&mut comparing, 2).await);
        run.says(&levers, shown(&[("throttle.tail_lag", "2s")], &[(LimitKey::TailLag, "3s")]));
        assert!(works_on(&mut comparing, 60).await);
        let before = read(&with);
        assert!(before > 50 && before < 250, "{before}");
        assert!(works_on(&mut comparing, 60).await);
        assert_eq!(read(&with), before, "it waits for the tail");
        assert!(waits(&with).ends_with("throttle.tail_lag is 3s, above its limit of 2s"));
        run.says(&levers, shown(&[("throttle.tail_lag", "2s")], &[(LimitKey::TailLag, "1s")]));
        assert_equal(&comparing.await.expect("a report"));
    }

    /// What a run with these limits shows.
    fn shown(limits: &[(&str, &str)], figures: &[(LimitKey, &str)]) -> ThrottleShown {
        let set = |value: &str| LimitSet { value: value.to_owned(), ..LimitSet::default() };
        let control = Control {
            limits: limits.iter().map(|(key, value)| ((*key).to_owned(), set(value))).collect(),
            ..Control::default()
        };
        let mut shown = Throttle::new(FileLimits::default(), Arc::new(NoGauges)).shown(&control, true);
        for (key, figure) in figures {
            let limit = shown.keys.iter_mut().find(|limit| limit.key == key.name()).expect("a key");
            limit.figure = Some((*figure).to_owned());
        }
        shown
    }

    #[test]
    fn the_limits_of_the_run_hold_whatever_the_file_says() {
        let (run, levers) = (Beside::default(), Levers::default());
        let mut file = FileLimits::default();
        (file.limits.rows_per_second, file.limits.threads_running) = (Some(7), Some(3));
        run.says(&levers, shown(&[("throttle.tail_lag", "2s"), ("backfill.rows_per_second", "500")], &[]));
        let limits = Throttle::new(file, Arc::new(NoGauges)).adopt(&levers.control());
        assert_eq!((limits.rows_per_second, limits.tail_lag), (Some(500), Some(Duration::from_secs(2))));
        assert_eq!(limits.threads_running, None, "the run has no such limit");
    }

    #[test]
    fn the_figures_of_the_run_are_read_and_what_it_cannot_read_holds() {
        let (run, levers) = (Beside::default(), Levers::default());
        assert_eq!(run.figure(LimitKey::TailLag), Reading::Nothing, "no run is up");
        let mut says = shown(&[("throttle.tail_lag", "2s")], &[(LimitKey::TailLag, "3s")]);
        assert!(says.keys.iter().any(|limit| limit.origin == Origin::Set));
        run.says(&levers, says.clone());
        assert_eq!(run.figure(LimitKey::TailLag), Reading::Time(Duration::from_secs(3)));
        assert_eq!(run.figure(LimitKey::HbaseP99), Reading::Nothing);
        let signal = LimitKey::HbaseP99.name().to_owned();
        says.holding.push(Holding { signal, ..Holding::default() });
        run.says(&levers, says);
        assert!(matches!(run.figure(LimitKey::HbaseP99), Reading::Unreadable(_)));
    }
}
