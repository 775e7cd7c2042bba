//! The tail's reader: connects, checks that the source still holds what was journaled, and passes the
//! stream on; reconnects after passing errors, within a bound.

use crate::model::{Histories, Position, Reached, TransactionId, Witness, Work};
use crate::pipeline::life::definitions;
use crate::pipeline::parts::definitions::Pause;
use crate::pipeline::parts::patience;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::{Waiter, trouble};
use crate::pipeline::tail::identity::{self, Sighting};
use crate::pipeline::tail::watch::Watched;
use crate::protocol::{ProtocolError, Recovered};
use crate::retry::{Patience, Pauses};
use crate::source::{BinlogPlace, SourceError, StreamEvent};
use crate::status::{Awaited, Kind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Streams everything after the checkpoint into `events` until `stop`. The source must contain what was journaled at
/// the first connect; later ones use the sealed position. At each it must be the source that was read.
pub async fn read(
    parts: &Parts,
    watched: &Watched,
    from: Recovered,
    events: mpsc::Sender<StreamEvent>,
    stop: CancellationToken,
) -> Result<(), ProtocolError> {
    let sightings = identity::sightings(&from);
    let position = from.checkpoint.position;
    let mut journaled = Reached::default();
    from.replay.iter().for_each(|batch| journaled.union_with(&batch.transactions));
    let mut reader = Reader {
        parts,
        position,
        watched,
        sightings,
        journaled,
        read: None,
        begun: None,
        open: None,
        events,
        patience: Patience::with_a_task(parts.settings.retry_for, Pauses::OF_A_CONNECTION),
    };
    let mut pauses = parts.definitions.pauses().await;
    let mut must_contain = from.sealed;
    loop {
        let outcome = tokio::select! { biased;
            () = stop.cancelled() => return Ok(()),
            outcome = reader.read_until(&must_contain, &mut pauses) => outcome,
        };
        let error = match outcome {
            Ok(Left::NobodyListens) => return Ok(()),
            Ok(Left::Paused) => continue,
            Ok(Left::Asked(asked)) => {
                tokio::select! { biased;
                    () = stop.cancelled() => return Ok(()),
                    () = reader.stand_still(asked) => continue,
                }
            }
            Err(error) => error,
        };
        let pause = reader.pause_after(error)?;
        tokio::select! { biased;
            () = stop.cancelled() => return Ok(()),
            () = sleep(pause) => {}
        }
        must_contain = parts.progress.positions().sealed.reached.clone();
    }
}

/// Why the reader left its connection without an error.
enum Left {
    NobodyListens,
    /// A re-copy proves a definition.
    Asked(Pause),
    /// A person has paused the tail, and the last transaction was read whole.
    Paused,
}

struct Reader<'a> {
    parts: &'a Parts,
    watched: &'a Watched,
    /// The end of the last transaction that was read whole.
    position: Position,
    /// Of what was read before this process.
    sightings: Vec<Sighting>,
    /// Transactions of the batches that are cut again.
    journaled: Reached,
    /// The last transaction that was read whole, and the one that is being read.
    read: Option<Sighting>,
    begun: Option<Sighting>,
    /// The transaction that is read in part.
    open: Option<TransactionId>,
    events: mpsc::Sender<StreamEvent>,
    patience: Patience,
}

impl Reader<'_> {
    /// Reads nothing until the other side is done.
    async fn stand_still(&self, asked: Pause) {
        let mut passed = self.position.reached.clone();
        if let Some(open) = &self.open {
            passed.insert(open);
        }
        if asked.passed.send(passed).is_ok() {
            _ = asked.over.await; // its end says that it is over
        }
    }

    /// Waits while the tail is paused, without a connection; then connects and reads.
    async fn read_until(
        &mut self,
        must_contain: &Reached,
        pauses: &mut mpsc::Receiver<Pause>,
    ) -> Result<Left, ProtocolError> {
        let levers = &self.parts.levers;
        let was_paused = levers.is_paused(Work::Tail);
        tokio::select! { biased;
            () = levers.until_running(Work::Tail, Waiter::Source, &self.parts.progress) => {}
            Some(asked) = pauses.recv() => return Ok(Left::Asked(asked)),
        }
        if was_paused && self.parts.settings.failpoints.resume_from_now() {
            self.position = self.parts.source.start().await?;
        }
        self.connect_and_pass_on(must_contain, pauses).await
    }

    async fn connect_and_pass_on(
        &mut self,
        must_contain: &Reached,
        pauses: &mut mpsc::Receiver<Pause>,
    ) -> Result<Left, ProtocolError> {
        // what was read may not be committed yet, and the server refuses a position that it has not reached
        let mut wanted = must_contain.clone();
        wanted.union_with(&self.position.reached);
        let watched = self.watched.proven();
        let sightings: Vec<Sighting> =
            self.sightings.iter().chain(&watched).chain(&self.read).cloned().collect();
        identity::require_same(self.parts, &wanted, &sightings).await?;
        let by_now = self.parts.settings.failpoints.definition_of_now();
        let histories = if by_now { Histories::new() } else { self.parts.definitions.all() };
        let mut stream = self.parts.source.stream_by(&self.position, &histories, &self.journaled).await?;
        self.parts.progress.go_on(Waiter::Source);
        let mut waits = false;
        let mut at = BinlogPlace::default();
        loop {
            let event = tokio::select! { biased;
                Some(asked) = pauses.recv() => return Ok(Left::Asked(asked)),
                () = self.parts.levers.until_paused(Work::Tail), if self.open.is_none() => return Ok(Left::Paused),
                event = stream.next() => event?,
            };
            self.patience.worked();
            if std::mem::take(&mut waits) {
                self.parts.progress.go_on(Waiter::Source);
            }
            if let StreamEvent::Waits { what } = event {
                self.parts.progress.wait_for(Waiter::Source, Awaited::new(Kind::Definition, what));
                waits = true;
                continue;
            }
            if let StreamEvent::Begin { transaction, .. } = &event
                && self.position.reached.contains(transaction)
                && !self.parts.settings.failpoints.source_not_compared()
            {
                return Err(identity::came_again(self.parts, transaction).await?);
            }
            if !self.follow(&event).await? {
                continue;
            }
            if let StreamEvent::End { place, .. } | StreamEvent::Heartbeat { place } = &event {
                self.goes_forward(&at, place)?;
                at.clone_from(place);
            }
            self.note(&event);
            if self.events.send(event).await.is_err() {
                return Ok(Left::NobodyListens);
            }
        }
    }

    /// A stream that goes back to an earlier place reads a binlog that was begun again, and passes over what this connection
    /// did not ask for. The next connect asks whether the source is still the same.
    fn goes_forward(&self, before: &BinlogPlace, place: &BinlogPlace) -> Result<(), SourceError> {
        if place.is_at_or_past(before) || self.parts.settings.failpoints.source_not_compared() {
            return Ok(());
        }
        let reason = format!(
            "MySQL's binlog went back from {}:{} to {}:{}",
            before.file, before.offset, place.file, place.offset
        );
        Err(SourceError::Unavailable { address: "the source".into(), reason })
    }

    /// Makes a new definition durable before anything behind it is read. `false`: it does not count any more.
    async fn follow(&self, event: &StreamEvent) -> Result<bool, ProtocolError> {
        let StreamEvent::Defined { table, since, definition } = event else { return Ok(true) };
        Ok(definitions::follow(self.parts, *table, since, definition).await?)
    }

    fn note(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Begin { transaction, .. } => self.open = Some(transaction.clone()),
            StreamEvent::End { .. } => self.open = None,
            _ => {}
        }
        let (transaction, place) = match event {
            StreamEvent::End { transaction, place } => (Some(transaction), place),
            StreamEvent::Heartbeat { place } => (None, place),
            StreamEvent::Begin { transaction, original_micros, .. } => {
                let after = self.parts.progress.positions().received.at.clone();
                self.begun =
                    Witness::of(transaction, *original_micros).map(|witness| Sighting { witness, after });
                return;
            }
            _ => return,
        };
        let mut positions = self.parts.progress.positions();
        if let Some(transaction) = transaction {
            self.position.reached.insert(transaction);
            if let Some(read) = self.begun.take() {
                self.watched.read(read.clone());
                self.read = Some(read);
            }
            positions.received.reached.insert(transaction);
        }
        positions.received.at = place.clone();
    }

    /// How long to wait before the next connect.
    fn pause_after(&mut self, error: ProtocolError) -> Result<Duration, ProtocolError> {
        let (error, pause) = patience::pause_after(&mut self.patience, error)?;
        self.parts.progress.totals.source_reconnects.fetch_add(1, Relaxed);
        if let Some(since) = self.patience.since() {
            self.parts.progress.wait_since(Waiter::Source, since, trouble(&error));
        }
        tracing::warn!(%error, "the tail opens its binlog connection again");
        Ok(pause)
    }
}
