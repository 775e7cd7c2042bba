//! One job from its beginning to its end.

use super::settle::Settling;
use super::{Shared, recount, scan};
use crate::advice;
use crate::lock::ListId;
use crate::model::{Mapping, Target, TargetId};
use crate::pipeline::copies::copy::Copy;
use crate::pipeline::jobs::requests::{Turn, TurnRequest};
use crate::pipeline::jobs::{self, Ask, Recopies, Report, TargetReport, Touch};
use crate::pipeline::life;
use crate::pipeline::life::definitions;
use crate::pipeline::parts::patience::{self, LONGEST_PAUSE, LOOK_AGAIN};
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::{Phase, Waiter};
use crate::pipeline::run::gap;
use crate::protocol::mark::prove;
use crate::protocol::plan::Cohort;
use crate::protocol::{ProtocolError, SafeMark};
use crate::sink::{SinkError, TableState, layout};
use crate::source::{Snapshot, SourceError};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

/// What a job works with.
pub struct Job<'a> {
    pub parts: &'a Parts,
    pub shared: &'a Shared,
    pub recopies: &'a Recopies,
    number: u64,
    pub mapping: &'a Mapping,
    pub scope: Scope,
    pub dry_run: bool,
}

/// What is compared.
pub enum Scope {
    All,
    Lists(Vec<AskedList>),
}

/// One list that is asked for.
pub struct AskedList {
    pub id: ListId,
    pub key: Vec<crate::model::Value>,
    /// Encoded.
    pub list_key: Vec<u8>,
}

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
    let job = Job { parts, shared, recopies, number, mapping, scope, dry_run: ask.dry_run };
    let outcome = job.run().await;
    parts.progress.go_on(Waiter::Recopy);
    outcome
}

fn scope(parts: &Parts, mapping: &Mapping, ask: &Ask) -> Result<Scope, ProtocolError> {
    let cohort = parts.plan.cohort();
    let keys = match (&ask.lists, cohort) {
        (Some(lists), _) => lists.clone(),
        (None, Cohort::All) => return Ok(Scope::All),
        (None, Cohort::Only(lists)) => lists.values().cloned().collect(),
    };
    let mut lists = Vec::new();
    for key in keys {
        let list_key = layout::list_key_of(mapping, &key)?;
        if !cohort.has(&list_key) {
            let reason = format!("a list of {} is not among those that are moved", mapping.name);
            return Err(refused(reason, "name lists of the pilot, or move all of them first"));
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
        let all = matches!(self.scope, Scope::All);
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
            self.look_at_table(copy).await?;
        }
        let mut since = None;
        if joins && !parked.is_empty() {
            for copy in &parked {
                life::may_unpark(self.parts, copy).await?;
            }
            let brought =
                definitions::bring_back(self.parts, self.mapping.table, |what| self.waits(what)).await;
            since = brought.map_err(|error| self.not_as_it_must_be(error))?;
            self.goes_on();
            parked.iter().for_each(|copy| self.parts.plan.written_to().join(copy.target.id));
        }
        let done = self.compare_all(&took_part, if joins { &parked } else { &[] }).await;
        if let Err(error) = done {
            // what joined has not got what it missed: it is as parked as before, and durably so
            for copy in parked.iter().filter(|_| joins) {
                self.parts.plan.written_to().park(copy.target.id);
            }
            return Err(error);
        }
        if let Some(since) = since {
            // a replay must never begin before the definition: it would bring older states back
            self.waits("the checkpoint to pass the position of the definition");
            let mut checkpoint = self.parts.progress.watch_checkpoint();
            _ = checkpoint.wait_for(|gtids| gtids.contains_set(&since)).await;
            self.goes_on();
        }
        for copy in parked.iter().filter(|_| joins) {
            life::unpark(self.parts, copy).await?;
            self.report(copy.target.id, |report| report.unparked = true);
        }
        if joins {
            gap::close(self.parts, &self.mapping.name).await?;
        }
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
    async fn look_at_table(&self, copy: &Copy) -> Result<(), ProtocolError> {
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
            let mut settling = Settling::new(self, copy);
            // HBase first: an item of before that MySQL has when it is looked up is compared by its values later, or its
            // delete is tailed until then. The other way round one that comes back in between would keep old columns.
            scan::from_hbase(self, copy, &mut settling).await?;
            scan::from_mysql(self, copy, &mut settling).await?;
            settling.finish().await?;
            recount::look(self, copy).await?;
        }
        Ok(())
    }

    fn copies(&self) -> Vec<Arc<Copy>> {
        let ours = self.shared.copies.iter().filter(|copy| copy.mapping.id == self.mapping.id);
        ours.cloned().collect()
    }

    fn begin_report(&self, copies: &[Arc<Copy>]) {
        let target = |copy: &Arc<Copy>| TargetReport {
            table: copy.target.table.clone(),
            family: copy.target.family.clone(),
            ..TargetReport::default()
        };
        self.say(|report| report.targets = copies.iter().map(target).collect());
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
            self.waits("the late-write horizon: what earlier writers sent has to land or be lost first");
            sleep_until(until).await;
            self.goes_on();
        }
    }

    /// Waits while older states may show.
    async fn replay_is_over(&self) {
        while self.parts.progress.phase() == Phase::Replaying {
            self.waits("the replay to be over");
            sleep(LOOK_AGAIN).await;
        }
        self.goes_on();
    }

    /// A turn at some lists, and its mark once that is safe: any SELECT from here on may use it (I3).
    /// `cut`: everything that was read lies below the mark.
    pub async fn turn(&self, lists: Vec<ListId>, cut: bool) -> Result<(Turn, SafeMark), ProtocolError> {
        let (reply, answer) = oneshot::channel();
        let gone = |_| jobs::interrupted();
        if self.shared.turns.send(TurnRequest { lists, cut, whole: false, reply }).await.is_err() {
            return Err(jobs::interrupted());
        }
        let turn = answer.await.map_err(gone)?;
        let mut pause = LOOK_AGAIN;
        loop {
            let executed = self.tried(|| async { Ok(self.parts.source.executed().await?) }).await?;
            if let Some(safe) = prove(&turn.mark, &executed) {
                self.goes_on();
                return Ok((turn, safe));
            }
            self.waits("a safe mark; the source has not committed what its binlog shows");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE / 4);
        }
    }

    /// Repeats something whose errors may pass, within the stated bound.
    pub async fn tried<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, ProtocolError>
    where
        F: Future<Output = Result<T, ProtocolError>>,
    {
        let mut patience = Patience::new(self);
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => patience.after(error).await?,
            }
        }
    }

    /// Rows that are read at once: as a chunk has them, fewer where they are long.
    pub async fn rows_at_once(&self, snapshot: &mut dyn Snapshot) -> Result<u32, ProtocolError> {
        const BYTES: u64 = 16 << 20;
        let row_bytes = snapshot.row_bytes(self.mapping.table).await?;
        let rows = u32::try_from(BYTES / row_bytes.max(1)).unwrap_or(u32::MAX);
        Ok(rows.clamp(1, self.parts.settings.chunk_rows.max(1)))
    }

    /// Whether a list is one of those that are compared.
    pub fn has(&self, list: ListId) -> bool {
        match &self.scope {
            Scope::All => true,
            Scope::Lists(lists) => lists.iter().any(|asked| asked.id == list),
        }
    }

    pub fn report(&self, target: TargetId, change: impl FnOnce(&mut TargetReport)) {
        let Some((_, Target { table, family, .. })) = self.parts.plan.target(target) else { return };
        self.say(|report| {
            let ours = |report: &&mut TargetReport| report.table == *table && report.family == *family;
            if let Some(report) = report.targets.iter_mut().find(ours) {
                change(report);
            }
        });
    }

    /// An item that is touched, or that is to be.
    pub fn example(&self, touch: &Touch) -> String {
        let what = if self.dry_run { touch.what.planned() } else { touch.what.name() };
        format!("{what} {}", touch.name)
    }

    fn say(&self, change: impl FnOnce(&mut Report)) {
        self.recopies.say(self.number, change);
    }

    pub fn does(&self, what: &str) {
        self.say(|report| what.clone_into(&mut report.doing));
    }

    pub fn waits(&self, what: &str) {
        self.does(&format!("waits for {what}"));
        self.parts.progress.wait_for(Waiter::Recopy, format!("re-copy of {}: {what}", self.mapping.name));
    }

    pub fn goes_on(&self) {
        self.parts.progress.go_on(Waiter::Recopy);
    }
}

/// How long passing errors of one thing are taken, with the job saying what it waits for.
pub struct Patience<'a> {
    job: &'a Job<'a>,
    patience: patience::Patience,
}

impl<'a> Patience<'a> {
    pub fn new(job: &'a Job<'a>) -> Patience<'a> {
        Patience { job, patience: patience::Patience::new(job.parts) }
    }

    /// Waits a moment after an error.
    ///
    /// # Errors
    /// It does not pass, or they go on for too long.
    pub async fn after(&mut self, error: ProtocolError) -> Result<(), ProtocolError> {
        let (error, pause) = self.patience.pause_after(error)?;
        self.job.waits(&format!("{error}; tried again"));
        sleep(pause).await;
        self.job.goes_on();
        Ok(())
    }
}
