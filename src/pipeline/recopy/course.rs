//! One job from its beginning to its end.

use super::job::{AskedList, Job, Scope, Shared};
use super::settle::Settling;
use super::target::AtTarget;
use super::{recount, scan};
use crate::advice;
use crate::lock::ListId;
use crate::model::{Mapping, Target};
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::jobs::{Ask, Recopies, RecopyTargetReport};
use crate::pipeline::life::{self, definitions, gaps};
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::{RunPhase, Waiter};
use crate::protocol::ProtocolError;
use crate::protocol::cohort::Found;
use crate::retry::{Patience, Pauses};
use crate::sink::{SinkError, TableState, layout};
use crate::source::SourceError;
use crate::status::{Awaited, Kind};
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

/// Carries out `ask`.
pub async fn run(
    parts: &Parts,
    shared: &Shared,
    recopies: &Recopies,
    number: u64,
    ask: &Ask,
) -> Result<(), ProtocolError> {
    let plan = parts.plan.clone();
    let Some(mapping) = plan.mappings().iter().find(|mapping| mapping.name == ask.mapping) else {
        return Err(refused(format!("{} is not a mapping of this run", ask.mapping), advice::see_status()));
    };
    let scope = scope(parts, mapping, ask)?;
    let (whole, dry_run) = (ask.lists.is_none(), ask.dry_run);
    let job = Job { parts, shared, recopies, number, mapping, scope, whole, dry_run };
    let outcome = job.run().await;
    parts.progress.go_on(Waiter::Recopy);
    outcome
}

fn scope(parts: &Parts, mapping: &Mapping, ask: &Ask) -> Result<Scope, ProtocolError> {
    let cohort = parts.plan.cohort();
    let keys = match (&ask.lists, cohort.found(mapping.id)) {
        (Some(lists), _) => lists.clone(),
        (None, Found::ByScan) => return Ok(Scope::All),
        (None, Found::ByKeys(lists)) => lists.values().cloned().collect(),
    };
    let mut lists = Vec::new();
    for key in keys {
        let list_key = layout::list_key_of(mapping, &key)?;
        if !cohort.has(mapping, &list_key) {
            let reason = format!("a list of {} is not in the pilot", mapping.name);
            return Err(refused(reason, advice::list_of_the_pilot()));
        }
        lists.push(AskedList { id: ListId::new(mapping.id.0, &list_key), key, list_key });
    }
    Ok(Scope::Lists(lists))
}

fn refused(reason: String, advice: &str) -> ProtocolError {
    ProtocolError::Refused { reason, advice: advice.into() }
}

impl Job<'_> {
    async fn run(&self) -> Result<(), ProtocolError> {
        let copies = self.copies();
        let is_parked = |copy: &&Arc<Copy>| self.parts.plan.is_parked(copy.target.id);
        let parked: Vec<Arc<Copy>> = copies.iter().filter(is_parked).cloned().collect();
        let all = self.whole;
        let joins = all && !self.dry_run;
        let (took_part, left_out): (Vec<_>, Vec<_>) =
            copies.into_iter().partition(|copy| all || !is_parked(&copy));
        self.begin_report(&took_part);
        if took_part.is_empty() {
            let names: Vec<&str> = left_out.iter().map(|copy| copy.target.table.as_str()).collect();
            return Err(refused(
                format!("{} is parked, and missed changes of all lists", names.join(", ")),
                &advice::recopy_all(&self.mapping.name),
            ));
        }
        for copy in &took_part {
            self.require_table(copy).await?;
        }
        let mut since = None;
        if joins && !parked.is_empty() {
            for copy in &parked {
                life::may_unpark(self.parts, copy).await?;
            }
            self.tail_is_here().await?;
            let brought =
                definitions::bring_back(self.parts, self.mapping.table, |what| self.set_waiting(what)).await;
            since = brought.map_err(|error| self.not_as_it_must_be(error))?;
            self.set_not_waiting();
            parked.iter().for_each(|copy| self.parts.plan.written_to().join(copy.target.id));
        }
        let mut done = self.compare_all(&took_part, if joins { &parked } else { &[] }).await;
        if done.is_ok() {
            done = self.are_tailed(&took_part, &parked).await;
        }
        if let Err(error) = done {
            // what joined has not got what it missed: it is as parked as before, and durably so
            for copy in parked.iter().filter(|_| joins) {
                self.parts.plan.written_to().park(copy.target.id);
            }
            return Err(error);
        }
        if let Some(since) = since {
            // a replay must never begin before the definition: it would bring older states back
            self.set_waiting(Awaited::new(
                Kind::Checkpoint,
                "the position at which the definition was checked",
            ));
            let mut checkpoint = self.parts.progress.watch_checkpoint();
            _ = checkpoint.wait_for(|checkpointed| checkpointed.contains_set(&since)).await;
            self.set_not_waiting();
        }
        for copy in parked.iter().filter(|_| joins) {
            life::unpark(self.parts, copy).await?;
            self.report(copy.target.id, |report| report.unparked = true);
        }
        if joins {
            gaps::close(self.parts, &self.mapping.name).await?;
        }
        for copy in took_part.iter().filter(|copy| !is_parked(copy)) {
            self.report(copy.target.id, |report| report.tailed = true);
        }
        Ok(())
    }

    /// A target that the tail has parked meanwhile misses changes, whatever was compared of it. A run that needs the job goes
    /// on without the target, as without any that is parked.
    async fn are_tailed(&self, copies: &[Arc<Copy>], parked: &[Arc<Copy>]) -> Result<(), ProtocolError> {
        if self.recopies.is_needed(self.number) {
            return Ok(());
        }
        let was_parked = |copy: &Copy| parked.iter().any(|other| other.target.id == copy.target.id);
        let is_new = |copy: &&Copy| self.parts.plan.is_parked(copy.target.id) && !was_parked(copy);
        let parked = copies.iter().map(|copy| &**copy).filter(is_new);
        life::why_parked(self.parts, parked).await?.map_or(Ok(()), Err)
    }

    /// Waits until the tail has passed everything that is committed now, for two reasons. A tail that a person moved over a
    /// transaction has not read what lies before it: that would come above what the comparison brings back (I5). And what
    /// the tail parks on its way is brought back with the rest (a row that the copy could not read, and that a person has
    /// corrected while no run was up).
    async fn tail_is_here(&self) -> Result<(), ProtocolError> {
        if self.parts.settings.failpoints.recopy_before_tail() {
            return Ok(());
        }
        let committed = self.tried(|| async { Ok(self.parts.source.executed().await?) }).await?;
        let mut looks = Patience::for_ever(Pauses::OF_LOOKS);
        while !self.parts.progress.positions().sealed.reached.contains_set(&committed) {
            self.set_waiting(Awaited::new(Kind::Tail, "what was committed when the re-copy began"));
            looks.again().await;
        }
        self.set_not_waiting();
        Ok(())
    }

    /// A table that is gone, or cannot be mapped as it is now, can be brought back once it is mended.
    fn not_as_it_must_be(&self, error: ProtocolError) -> ProtocolError {
        match error {
            ProtocolError::Source(SourceError::Schema { table, reason, advice }) => {
                refused(format!("{table}: {reason}"), &advice::then_recopy(&advice, &self.mapping.name))
            }
            error => error,
        }
    }

    /// What cannot be read is said now, not after the horizon.
    async fn require_table(&self, copy: &Copy) -> Result<(), ProtocolError> {
        let Target { id, table, family, .. } = &copy.target;
        let state = self.tried(|| async { Ok(self.parts.sink.describe(*id).await?) }).await?;
        let reason = match state {
            state if state.has_families_of(&copy.target) => return Ok(()),
            TableState::Missing => "the table does not exist",
            TableState::Present { .. } => "the table lacks a family that the target needs",
        };
        let (table, family, reason) = (table.clone(), family.clone(), reason.into());
        Err(SinkError::Missing { table, family, reason }.into())
    }

    async fn compare_all(&self, copies: &[Arc<Copy>], joined: &[Arc<Copy>]) -> Result<(), ProtocolError> {
        self.horizon(copies).await;
        self.replay_is_over().await;
        // what no SELECT from here on shows is sealed above this mark, and reaches every target
        let (turn, mark) = self.turn(Vec::new(), true).await?;
        drop(turn);
        joined.iter().for_each(|copy| {
            self.parts.plan.written_to().joined_before(copy.target.id, mark.tick());
        });
        for copy in copies {
            let at = AtTarget { job: self, copy };
            let mut settling = Settling::new(&at);
            // HBase first: an item of before that MySQL has when it is looked up is compared by its values later, or its
            // delete is tailed until then. The other way round one that comes back in between would keep old columns.
            scan::from_hbase(&at, &mut settling).await?;
            scan::from_mysql(&at, &mut settling).await?;
            settling.finish().await?;
            recount::compare(&at).await?;
        }
        Ok(())
    }

    fn copies(&self) -> Vec<Arc<Copy>> {
        let ours = self.shared.copies.iter().filter(|copy| copy.mapping.id == self.mapping.id);
        ours.cloned().collect()
    }

    fn begin_report(&self, copies: &[Arc<Copy>]) {
        let target = |copy: &Arc<Copy>| RecopyTargetReport {
            table: copy.target.table.clone(),
            family: copy.target.family.clone(),
            ..RecopyTargetReport::default()
        };
        self.update_report(|report| report.targets = copies.iter().map(target).collect());
    }

    /// Waits until nothing can land any more that was sent before this process had the state, or before a target
    /// was parked. A write under a lease may be sent until that expires, and hang in a gateway for the operation
    /// time-out.
    async fn horizon(&self, copies: &[Arc<Copy>]) {
        if self.dry_run || self.parts.settings.failpoints.recopy_inside_horizon() {
            return;
        }
        let parked = |copy: &Arc<Copy>| self.parts.plan.written_to().parked_at(copy.target.id);
        let last_sent = copies.iter().filter_map(parked).fold(self.shared.counts.began, Instant::max);
        let until = last_sent + self.parts.settings.late_write + self.parts.leases.expiry();
        if Instant::now() < until {
            self.set_waiting(Awaited::new(Kind::LateWrites, ""));
            sleep_until(until).await;
            self.set_not_waiting();
        }
    }

    /// Waits while older states may show.
    async fn replay_is_over(&self) {
        let mut looks = Patience::for_ever(Pauses::OF_LOOKS);
        while self.parts.progress.phase() == RunPhase::Replaying {
            self.set_waiting(Awaited::new(Kind::Replay, ""));
            looks.again().await;
        }
        self.set_not_waiting();
    }
}
