//! The supervisor: opens the tail, owns the tasks of a run, and ends them.

use crate::model::Reached;
use crate::pipeline::apply::writer::Writer;
use crate::pipeline::backfill::crew;
use crate::pipeline::backfill::marks::{self, NewestMark};
use crate::pipeline::copies::copy::{Copy, load_copies};
use crate::pipeline::counts::{Counts, counting};
use crate::pipeline::jobs::moves::MoveRequest;
use crate::pipeline::jobs::requests::Requests;
use crate::pipeline::jobs::{Failed, Recopies};
use crate::pipeline::life::{self, definitions};
use crate::pipeline::parts::patience::retried;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::{RunPhase, Waiter};
use crate::pipeline::recopy;
use crate::pipeline::run::options::RunOptions;
use crate::pipeline::run::{begin, gap, minutes, moving, opening, skew, tables, widening};
use crate::pipeline::tail::seal::seal;
use crate::pipeline::tail::watch::{self, Watched};
use crate::pipeline::tail::{journaling, read};
use crate::pipeline::throttle;
use crate::protocol::{Journal, ProtocolError, Recovered};
use crate::retry::{Patience, Pauses};
use crate::status::{Awaited, Kind};
use crate::store::StoreError;
use crate::store::records::{Cause, CountsState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Events read and not yet taken in, of up to some hundred changes each.
const EVENTS_QUEUED: usize = 32;
/// Batches sealed and not yet journaled, and journaled and not yet with the writer.
const BATCHES_QUEUED: usize = 64;

/// How a run ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// Everything is copied, and the checkpoint reached where the source was at that moment.
    CaughtUp,
    /// Only the backfill was asked for, and it is complete.
    Copied,
    /// Stopped from outside, drained and checkpointed.
    Stopped,
}

/// Runs until it is done, `stop` is cancelled, or an error needs a person.
pub async fn run(
    parts: Parts,
    options: RunOptions,
    stop: CancellationToken,
) -> Result<Finished, ProtocolError> {
    run_with(parts, options, Recopies::none(), stop).await
}

/// The same with re-copies: while it goes on, or (where they are what the run is for) until they are over and the tail
/// has caught up.
pub async fn run_with(
    parts: Parts,
    options: RunOptions,
    recopies: Recopies,
    stop: CancellationToken,
) -> Result<Finished, ProtocolError> {
    let levers = parts.levers.clone();
    let ended = passes(&parts, options, &recopies, &stop).await;
    recopies.close();
    levers.close().await;
    minutes::note(&parts, Cause::Stop).await;
    parts.progress.set_phase(RunPhase::Ended);
    ended
}

/// Begins again each time that a person has moved the tail: as a start does, from what is durable then.
async fn passes(
    parts: &Parts,
    mut options: RunOptions,
    recopies: &Recopies,
    stop: &CancellationToken,
) -> Result<Finished, ProtocolError> {
    if !options.tail {
        parts.progress.only_copies();
    }
    let moves = options.tail && !recopies.is_alone();
    parts.levers.open(&parts.store, opening::can_continue(parts), moves).await?;
    let mut cause = Some(Cause::Start);
    loop {
        let (recovered, copies, counts) = tokio::select! { biased;
            () = stop.cancelled() => return Ok(Finished::Stopped),
            prepared = prepare(parts, &options, recopies) => prepared?,
        };
        if let Some(cause) = cause.take() {
            minutes::note(parts, cause).await;
        }
        let beginning = Beginning { recovered, copies, counts, recopies: recopies.clone() };
        let MoveRequest { ask, reply } = match pass(parts, &options, beginning, stop).await? {
            PassEnd::Finished(finished) => return Ok(finished),
            PassEnd::Move(request) => request,
        };
        let moved = moving::set(parts, &ask).await;
        parts.progress.begin_again(moved.as_ref().ok().map(|moved| &moved.to));
        recopies.begin_again();
        let told = moved.as_ref().map(Clone::clone).map_err(Failed::from);
        _ = reply.send(told); // whoever asked may be gone
        if let Err(error @ ProtocolError::Store(_)) = moved {
            return Err(error);
        }
        // these were for the first pass
        (options.from, options.accept_gap) = (None, false);
    }
}

/// Why the tasks of a run ended.
enum PassEnd {
    Finished(Finished),
    /// A person moves the tail; nothing of the pass is under way any more.
    Move(MoveRequest),
}

/// From the tasks' beginning to their end.
async fn pass(
    parts: &Parts,
    options: &RunOptions,
    beginning: Beginning,
    stop: &CancellationToken,
) -> Result<PassEnd, ProtocolError> {
    let intake = stop.child_token();
    let mut tasks = Tasks { set: JoinSet::new(), stop: stop.child_token() };
    let recopies = beginning.recopies.clone();
    tasks.start(parts, options, beginning, &intake);
    let ended = loop {
        let request = tokio::select! { biased;
            ended = tasks.first_end(stop) => break ended.map(PassEnd::Finished),
            request = parts.levers.next_move() => request,
        };
        // what is refused disturbs nothing
        match moving::judge(parts, &request.ask).await {
            Ok(()) => break Ok(PassEnd::Move(request)),
            Err(refused) => _ = request.reply.send(Err(Failed::from(&refused))),
        }
    };
    parts.progress.set_phase(RunPhase::Draining);
    if let Ok(PassEnd::Move(_)) = &ended {
        recopies.pause();
    }
    intake.cancel();
    tasks.stop.cancel();
    let drained = tasks.drain(parts).await;
    let ended = ended?;
    drained?;
    Ok(ended)
}

/// Where the run continues from, made durable, its copies and how far their counts are.
type Prepared = (Recovered, Vec<Arc<Copy>>, Arc<Counts>);

async fn prepare(
    parts: &Parts,
    options: &RunOptions,
    recopies: &Recopies,
) -> Result<Prepared, ProtocolError> {
    parts.throttle.adopt(&parts.levers.control());
    let journal = Journal::new(parts.store.clone(), parts.source_name.clone());
    let continued = journal.checkpoint().await?.is_some();
    let tables: Vec<_> = parts.plan.mappings().iter().map(|mapping| mapping.schema.name.clone()).collect();
    parts.definitions.load(&*parts.store, &parts.source_name, &tables).await?;
    if options.accept_gap {
        gap::accept(parts).await?;
    }
    if options.tail && !recopies.is_alone() {
        gap::request_recopies(parts, recopies).await?;
    }
    widening::begin(parts).await?;
    retried(parts, Waiter::Start, || tables::compare(parts)).await?;
    if options.tail
        && let Some(checkpoint) = journal.checkpoint().await?
    {
        retried(parts, Waiter::Start, || definitions::begin_missing(parts, &checkpoint.position.reached))
            .await?;
    }
    let copies = load_copies(parts).await?;
    retried(parts, Waiter::Start, || begin::examine(parts, &copies, continued)).await?;
    let recovered = opening::open(parts, options).await?;
    let counts = Arc::new(Counts::load(parts, &copies).await?);
    begin::begin(parts, &copies, options).await?;
    widening::forget_narrower(parts).await?;
    Ok((recovered, copies, counts))
}

/// The tasks of a run.
struct Tasks {
    set: JoinSet<Result<Ended, ProtocolError>>,
    /// Ends the tasks that never end by themselves.
    stop: CancellationToken,
}

/// What the tasks begin with.
struct Beginning {
    recovered: Recovered,
    copies: Vec<Arc<Copy>>,
    counts: Arc<Counts>,
    recopies: Recopies,
}

/// What has to be done, or over, before a run with an end has reached it.
struct Purpose {
    copies: Vec<Arc<Copy>>,
    counts: Arc<Counts>,
    watched: Arc<Watched>,
    recopies: Recopies,
}

/// What a task's end means for the run.
enum Ended {
    /// The run is done.
    Run(Finished),
    /// The task is done; the others go on.
    Task,
}

impl Tasks {
    fn start(
        &mut self,
        parts: &Parts,
        options: &RunOptions,
        beginning: Beginning,
        intake: &CancellationToken,
    ) {
        let Beginning { recovered, copies, counts, recopies } = beginning;
        let (events_in, events) = mpsc::channel(EVENTS_QUEUED);
        let (sealed_in, sealed) = mpsc::channel(BATCHES_QUEUED);
        let (ready_in, ready) = mpsc::channel(BATCHES_QUEUED);
        let (mark_requests, marks) = mpsc::channel(1);
        let (recount_requests, recounts) = mpsc::channel(1);
        let (turn_requests, turns) = mpsc::channel(1);
        let requests = Requests { marks, turns, recounts };
        let newest = NewestMark::default();
        let watched = Arc::new(Watched::new(&recovered));
        let (own, shared, start, stopped) =
            (parts.clone(), watched.clone(), recovered.clone(), intake.clone());
        let tails = options.tail;
        self.task(async move {
            if tails {
                return read::read(&own, &shared, start, events_in, stopped).await;
            }
            // without a tail it only keeps the sealer waiting, which takes the marks
            stopped.cancelled().await;
            drop(events_in);
            Ok(())
        });
        let (own, start, stopped) = (parts.clone(), recovered.clone(), intake.clone());
        self.task(async move {
            tokio::select! { biased;
                () = stopped.cancelled() => Ok(()),
                ended = seal(&own, start, events, requests, sealed_in) => ended,
            }
        });
        let own = parts.clone();
        self.task(async move { journaling::journal(&own, sealed, ready_in).await });
        let writer = Writer::new(parts.clone(), counts.clone(), watched.clone(), &recovered);
        self.task(writer.write(ready, intake.clone()));
        let (own, stopped, published) = (parts.clone(), intake.clone(), newest.clone());
        self.task(async move { marks::renew(&own, mark_requests, published, stopped).await });
        let (own, stopped) = (parts.clone(), intake.clone());
        self.task(async move { skew::watch(&own, stopped).await });
        let (own, stopped) = (parts.clone(), intake.clone());
        self.task(async move { minutes::keep(&own, stopped).await });
        self.watch_throttle(parts, tails, intake);
        if options.backfill {
            let (own, stopped) = (parts.clone(), intake.clone());
            let (copies, newest, tails) = (copies.clone(), newest.clone(), options.tail);
            self.task(async move { crew::work(&own, tails, copies, newest, stopped).await });
        }
        if options.tail {
            let (own, looks, stopped) = (parts.clone(), watched.clone(), intake.clone());
            self.task(async move { watch::watch(&own, &looks, stopped).await });
            let (holds, stopped) = (parts.holds.clone(), intake.clone());
            let (plan, progress, turns) = (parts.plan.clone(), parts.progress.clone(), turn_requests.clone());
            self.task(async move {
                holds.work(plan, progress, turns, stopped).await;
                Ok(())
            });
            let (own, jobs, stopped) = (parts.clone(), recopies.clone(), intake.clone());
            let (copies, counts, recounts) = (copies.clone(), counts.clone(), recount_requests.clone());
            let counting = options.backfill || recopies.is_alone();
            let shared = recopy::Shared { copies, counts, counting, turns: turn_requests, recounts };
            self.task(async move { recopy::work(&own, shared, jobs, stopped).await });
        }
        if options.tail && (options.backfill || recopies.is_alone()) {
            let (own, shared, stopped) = (parts.clone(), counts.clone(), intake.clone());
            // without a backfill: what an earlier run left in the middle, and nothing that waits for a copy
            let begun = |copy: &&Arc<Copy>| counts.state(copy.target.id) == CountsState::Counting;
            let copies = copies.iter().filter(|copy| options.backfill || begun(copy)).cloned().collect();
            self.task(async move { counting::count(&own, copies, shared, recount_requests, stopped).await });
        }
        self.watch_for_end(parts, options, Purpose { copies, counts, watched, recopies });
    }

    fn task(&mut self, work: impl Future<Output = Result<(), ProtocolError>> + Send + 'static) {
        self.set.spawn(async move { work.await.map(|()| Ended::Task) });
    }

    fn watch_throttle(&mut self, parts: &Parts, tails: bool, intake: &CancellationToken) {
        let (parts, stopped) = (parts.clone(), intake.clone());
        let run = throttle::OwnRun {
            levers: parts.levers.clone(),
            progress: parts.progress.clone(),
            source: parts.source,
            sink: parts.sink,
            clock: parts.clock.clone(),
            tails,
        };
        let watched = throttle::Watched {
            throttle: parts.throttle,
            levers: parts.levers,
            progress: parts.progress,
            run: Arc::new(run),
            clock: parts.clock,
            failpoints: parts.settings.failpoints,
        };
        self.task(async move {
            throttle::watch(watched, stopped).await;
            Ok(())
        });
    }

    fn watch_for_end(&mut self, parts: &Parts, options: &RunOptions, purpose: Purpose) {
        let (parts, options, stop) = (parts.clone(), options.clone(), self.stop.clone());
        self.set.spawn(async move {
            tokio::select! { biased;
                () = stop.cancelled() => Ok(Ended::Task),
                finished = until_done(&parts, &options, &purpose) => finished.map(Ended::Run),
            }
        });
    }

    /// The first thing that ends the run: it is done, it is stopped, or a task fails.
    async fn first_end(&mut self, stop: &CancellationToken) -> Result<Finished, ProtocolError> {
        loop {
            tokio::select! { biased;
                joined = self.set.join_next() => match joined {
                    Some(Ok(Ok(Ended::Run(finished)))) => return Ok(finished),
                    Some(Ok(Ok(Ended::Task))) => {}
                    Some(Ok(Err(error))) => return Err(error),
                    Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
                    None => return Ok(Finished::Stopped),
                },
                () = stop.cancelled() => return Ok(Finished::Stopped),
            }
        }
    }

    /// Waits for all tasks: what is sealed gets written, within the drain time.
    async fn drain(&mut self, parts: &Parts) -> Result<(), ProtocolError> {
        let limit = parts.settings.drain_for + Duration::from_secs(1);
        let all = async {
            let mut first_error = Ok(());
            while let Some(joined) = self.set.join_next().await {
                if let Ok(Err(error)) = joined
                    && first_error.is_ok()
                {
                    first_error = Err(error);
                }
            }
            first_error
        };
        match tokio::time::timeout(limit, all).await {
            Ok(outcome) => outcome,
            Err(_) => {
                tracing::warn!(
                    "some tasks did not end in time: the next run continues from the last checkpoint"
                );
                self.set.shutdown().await;
                Ok(())
            }
        }
    }
}

/// The position that the source has now, once it has all that is sealed already: a source that lost what was journaled is
/// not taken for one that is caught up with, however far the checkpoint is. The reader finds it out, and ends the run.
async fn whole_position(parts: &Parts) -> Result<Reached, ProtocolError> {
    let sealed = parts.progress.positions().sealed.reached.clone();
    let mut looks = Patience::for_ever(Pauses::OF_QUESTIONS);
    loop {
        let executed =
            retried(parts, Waiter::End, || async move { Ok(parts.source.executed().await?) }).await?;
        if executed.contains_set(&sealed) {
            parts.progress.go_on(Waiter::End);
            return Ok(executed);
        }
        let missing = sealed.minus(&executed).to_string();
        parts.progress.wait_for(Waiter::End, Awaited::new(Kind::SourceCommit, missing));
        looks.again().await;
    }
}

/// Ends when the run's purpose is reached; never for a run without end, which notes on its way that it
/// has caught up.
async fn until_done(
    parts: &Parts,
    options: &RunOptions,
    Purpose { copies, counts, watched, recopies }: &Purpose,
) -> Result<Finished, ProtocolError> {
    recopies.needed_are_over().await;
    if options.backfill {
        for copy in copies {
            let is_done = async || copy.complete().await || parts.plan.is_parked(copy.target.id);
            parts.plan.written_to().until(is_done).await;
        }
        if !options.tail {
            return life::parked(parts).map_or(Ok(Finished::Copied), Err);
        }
    }
    if !options.until_caught_up && !options.backfill {
        return std::future::pending().await;
    }
    let wanted = whole_position(parts).await?;
    let mut checkpoint = parts.progress.watch_checkpoint();
    if options.until_caught_up {
        let position = "the position that MySQL had at the end of the copy";
        parts.progress.wait_for(Waiter::End, Awaited::new(Kind::Checkpoint, position));
    }
    let reached = checkpoint.wait_for(|checkpointed| checkpointed.contains_set(&wanted)).await.is_ok();
    if !reached {
        let reason = "the checkpoint is not watched any more".into();
        return Err(StoreError::Record { reason }.into());
    }
    if options.backfill {
        if options.until_caught_up {
            parts.progress.wait_for(Waiter::End, Awaited::new(Kind::Counts, ""));
        }
        parts.plan.written_to().until(async || counts.all_counted(&parts.plan)).await;
    }
    parts.progress.go_on(Waiter::End);
    if options.tail {
        // the numbers may be those of a binlog that was begun again
        retried(parts, Waiter::End, || watched.check(parts)).await?;
    }
    let parked = if options.backfill { life::caught_up(parts, copies).await? } else { life::parked(parts) };
    match options.until_caught_up {
        true if recopies.is_alone() => {
            recopy::fail_parked(parts, copies, recopies).await?;
            Ok(Finished::CaughtUp)
        }
        true => parked.map_or(Ok(Finished::CaughtUp), Err),
        false => std::future::pending().await,
    }
}
