//! A job: what it works with, and what all of its parts do alike: turns, patience, and what it says of itself.

use crate::compare::{self, Reading};
use crate::lock::ListId;
use crate::model::{Mapping, Target, TargetId, Value};
use crate::pipeline::copies::copy::{self, Copy};
use crate::pipeline::counts::Counts;
use crate::pipeline::jobs::requests::{RecountRequest, Turn, TurnRequest};
use crate::pipeline::jobs::{self, Recopies, RecopyReport, RecopyTargetReport, Touch};
use crate::pipeline::parts::patience;
use crate::pipeline::parts::settings::Parts;
use crate::pipeline::progress::{Waiter, trouble};
use crate::pipeline::throttle::Permit;
use crate::protocol::mark::prove;
use crate::protocol::{ProtocolError, SafeMark};
use crate::retry::{Patience, Pauses};
use crate::sink::{ScanRange, SinkError, tall};
use crate::status::{Awaited, Kind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

/// Names, or rows, of the first page of a range of HBase.
pub const PAGE: usize = 2_000;

/// What jobs share with the other tasks of a run.
pub struct Shared {
    pub copies: Vec<Arc<Copy>>,
    pub counts: Arc<Counts>,
    /// Whether a pass goes on to count what the state says is being counted.
    pub counting: bool,
    pub turns: mpsc::Sender<TurnRequest>,
    pub recounts: mpsc::Sender<RecountRequest>,
}

/// What a job works with.
pub struct Job<'a> {
    pub parts: &'a Parts,
    pub shared: &'a Shared,
    pub recopies: &'a Recopies,
    pub number: u64,
    pub mapping: &'a Mapping,
    pub scope: Scope,
    /// All lists that take part are compared: what was parked has everything again by it.
    pub whole: bool,
    pub dry_run: bool,
}

/// What is compared.
pub enum Scope {
    /// The whole table, for all lists that take part.
    All,
    Lists(Vec<AskedList>),
}

/// One list that is asked for.
pub struct AskedList {
    pub id: ListId,
    pub key: Vec<Value>,
    /// Encoded.
    pub list_key: Vec<u8>,
}

impl Job<'_> {
    /// A turn at some lists, and its mark once that is safe: any SELECT from here on may use it (I3).
    /// `cut`: everything that was read lies below the mark.
    pub async fn turn(&self, lists: Vec<ListId>, cut: bool) -> Result<(Turn, SafeMark), ProtocolError> {
        self.parts.levers.until_any_is_running(Waiter::Recopy, &self.parts.progress).await;
        let (reply, answer) = oneshot::channel();
        let gone = |_| jobs::interrupted();
        if self.shared.turns.send(TurnRequest { lists, cut, whole: false, reply }).await.is_err() {
            return Err(jobs::interrupted());
        }
        let turn = answer.await.map_err(gone)?;
        let mut looks = Patience::for_ever(Pauses::OF_QUESTIONS);
        loop {
            let proven = self.tried(|| async { Ok(prove(&turn.mark, &*self.parts.source).await?) }).await?;
            match proven {
                Ok(safe) => {
                    self.set_not_waiting();
                    return Ok((turn, safe));
                }
                Err(missing) => self.set_waiting(Awaited::new(Kind::SourceCommit, missing.to_string())),
            }
            looks.again().await;
        }
    }

    /// Waits until history may be read in bulk. A pass holds no turn and no lease between two of its pieces (I8).
    pub async fn permit(&self, rows: u64) -> Permit {
        self.parts.throttle.permit(rows, Waiter::Recopy, &self.parts.progress).await
    }

    /// Repeats something whose errors may pass, within the stated bound.
    pub async fn tried<T, F>(&self, attempt: impl FnMut() -> F) -> Result<T, ProtocolError>
    where
        F: Future<Output = Result<T, ProtocolError>>,
    {
        compare::retry(self, attempt).await
    }

    /// Waits a moment after an error.
    ///
    /// # Errors
    /// It does not pass, or they go on for too long.
    pub async fn wait_after(
        &self,
        patience: &mut Patience,
        error: ProtocolError,
    ) -> Result<(), ProtocolError> {
        sleep(self.pause_after(patience, error)?).await;
        Ok(())
    }

    /// The rows of a target that are compared.
    pub fn ranges(&self, target: &Target) -> Vec<ScanRange> {
        match &self.scope {
            Scope::All => vec![ScanRange { limit: PAGE, ..ScanRange::default() }],
            Scope::Lists(lists) => {
                lists.iter().map(|list| tall::list_range(target, &list.list_key, false, PAGE)).collect()
            }
        }
    }

    /// Whether a list is one of those that are compared.
    pub fn has(&self, list: ListId) -> bool {
        match &self.scope {
            Scope::All => true,
            Scope::Lists(lists) => lists.iter().any(|asked| asked.id == list),
        }
    }

    pub fn report(&self, target: TargetId, change: impl FnOnce(&mut RecopyTargetReport)) {
        let Some((_, Target { table, family, .. })) = self.parts.plan.target(target) else { return };
        self.update_report(|report| {
            let ours = |report: &&mut RecopyTargetReport| report.table == *table && report.family == *family;
            if let Some(report) = report.targets.iter_mut().find(ours) {
                change(report);
            }
        });
    }

    /// Notes what is about to be touched.
    pub fn note(&self, target: &Target, touches: &[Touch]) -> Result<(), ProtocolError> {
        let Some(touched) = self.recopies.touched() else { return Ok(()) };
        let name = format!("{}/{}", target.table, target.family);
        touched.note(&self.mapping.name, &name, touches).map_err(|error| ProtocolError::Refused {
            reason: format!("the re-copy could not note the items that it is about to write: {error}"),
            advice: "check that the disk of state_dir is not full, and that this user may write there".into(),
        })
    }

    /// An item that is touched, or that is to be.
    pub fn example(&self, touch: &Touch) -> String {
        let what = if self.dry_run { touch.what.planned() } else { touch.what.name() };
        format!("{what} {}", touch.name)
    }

    pub fn update_report(&self, change: impl FnOnce(&mut RecopyReport)) {
        self.recopies.update(self.number, change);
    }

    pub fn set_doing(&self, what: &str) {
        self.update_report(|report| what.clone_into(&mut report.doing));
    }

    pub fn set_waiting(&self, awaited: Awaited) {
        self.set_doing(&format!("waits for {}", awaited.phrase()));
        self.parts.progress.wait_for(Waiter::Recopy, awaited.of(&self.mapping.name));
    }

    /// For so many lists that this run writes, and so many that another program holds; `unanswered`: of the latter nobody
    /// knows, because memcached does not answer.
    pub fn set_waiting_for_lists(&self, here: usize, elsewhere: usize, unanswered: Option<&str>) {
        let elsewhere = Awaited::leases(elsewhere, unanswered);
        let all = [Awaited::many(Kind::ListsHere, here), elsewhere].into_iter().filter(|some| some.count > 0);
        let phrases: Vec<String> = all.clone().map(|awaited| awaited.phrase()).collect();
        self.set_doing(&format!("waits for {}", phrases.join(", ")));
        let of = |awaited: Awaited| (awaited.of(&self.mapping.name), None);
        self.parts.progress.wait_for_all(Waiter::Recopy, all.map(of));
    }

    pub fn set_not_waiting(&self) {
        self.parts.progress.go_on(Waiter::Recopy);
    }
}

impl Reading for Job<'_> {
    type Error = ProtocolError;

    fn patience(&self) -> Patience {
        patience::with_one(self.parts)
    }

    fn pause_after(&self, patience: &mut Patience, error: ProtocolError) -> Result<Duration, ProtocolError> {
        let (error, pause) = patience::pause_after(patience, error)?;
        self.set_waiting(trouble(&error));
        Ok(pause)
    }

    fn goes_on(&self) {
        Job::set_not_waiting(self);
    }

    fn takes_all(&self) -> bool {
        self.parts.plan.cohort().pilot().is_none()
    }

    fn takes_row(&self, mapping: &Mapping, row: &[Value]) -> bool {
        self.parts.plan.cohort().has_row(mapping, row)
    }

    fn takes_list(&self, mapping: &Mapping, list_key: &[u8]) -> bool {
        self.parts.plan.cohort().has(mapping, list_key)
    }

    fn no_place(&self, cause: SinkError) -> ProtocolError {
        copy::refused(self.mapping, cause)
    }
}
