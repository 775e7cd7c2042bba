//! Holds: lists that are held up for a reader in another process, which compares both sides of items that never rest.
//!
//! A hold is a turn of its lists ([`Turn`]) that begins between two transactions. While it lasts, HBase has of these lists
//! exactly what the transactions in `sealed` say, and nothing of any other. The reader reads HBase, gives the hold back,
//! and reads MySQL and the binlog afterwards: the lists stand still for that one reading.
//!
//! A hold that is not given back ends by itself after [`HELD_MAX`], so a reader that dies stops nothing. Giving it back says
//! whether it had lasted until then: what was read under one that ended earlier proves nothing.

use crate::lock::ListId;
use crate::model::{Reached, Value};
use crate::pipeline::jobs::requests::{Turn, TurnRequest};
use crate::pipeline::progress::{Progress, RunPhase};
use crate::protocol::Plan;
use crate::sink::layout;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The longest that lists are held up.
pub const HELD_MAX: Duration = Duration::from_secs(5);
/// How long the lists' turn is waited for: what is queued for them is written first, with the lag that the tail has.
pub const TURN_WITHIN: Duration = Duration::from_secs(300);
/// Holds at the same time, those that wait for their turn among them.
const HOLDS_MAX: usize = 4;
/// Lists of one hold.
const LISTS_MAX: usize = 1_000;

/// What to hold up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldAsk {
    /// The mapping's name.
    pub mapping: String,
    /// Lists, by the values of their key columns in key order.
    pub lists: Vec<Vec<Value>>,
}

/// Lists that are held up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The hold's number, to give it back.
    pub hold: u64,
    /// The transactions that HBase has of these lists, each as a whole.
    pub sealed: Reached,
}

/// A handle to the holds of a run; clones share them. One that no run works for refuses all.
#[derive(Clone, Default)]
pub struct Holds {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    run: Option<Run>,
    next: u64,
    waiting: usize,
    /// What ends each hold.
    held: BTreeMap<u64, oneshot::Sender<()>>,
}

/// The run that holds lists up.
#[derive(Clone)]
struct Run {
    plan: Arc<Plan>,
    progress: Arc<Progress>,
    turns: mpsc::Sender<TurnRequest>,
}

/// One of those that wait; its end is the end of the waiting.
struct Waiting<'a>(&'a Holds);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

impl Holds {
    /// Takes asks until `stop`; what is held then is let go.
    pub async fn work(
        &self,
        plan: Arc<Plan>,
        progress: Arc<Progress>,
        turns: mpsc::Sender<TurnRequest>,
        stop: CancellationToken,
    ) {
        self.state().run = Some(Run { plan, progress, turns });
        stop.cancelled().await;
        let mut state = self.state();
        state.run = None;
        state.held.clear();
    }

    /// Holds lists up, once it is their turn.
    ///
    /// # Errors
    /// Why it does not: no run that tails, an older state is replayed, too many at once, or no turn within five minutes.
    pub async fn hold(&self, ask: &HoldAsk) -> Result<Held, String> {
        let (run, _waiting) = self.enter()?;
        let lists = lists(&run.plan, ask)?;
        if !matches!(run.progress.phase(), RunPhase::Starting | RunPhase::Running) {
            return Err("the run replays, or is about to end".into());
        }
        let (reply, answer) = oneshot::channel();
        let gone = || "the run is ending, and holds no more lists".to_owned();
        run.turns.send(TurnRequest { lists, cut: false, whole: true, reply }).await.map_err(|_| gone())?;
        match timeout(TURN_WITHIN, answer).await {
            Ok(Ok(turn)) => Ok(self.begin(turn)),
            Ok(Err(_)) => Err(gone()),
            // its turn is dropped as soon as it begins
            Err(_) => {
                Err(format!("the run did not reach the turn of the lists within {} s", TURN_WITHIN.as_secs()))
            }
        }
    }

    /// Gives a hold back. Whether it had lasted until now.
    pub fn release(&self, hold: u64) -> bool {
        let end = self.state().held.remove(&hold);
        end.is_some_and(|end| end.send(()).is_ok())
    }

    fn enter(&self) -> Result<(Run, Waiting<'_>), String> {
        let mut state = self.state();
        let run = state.run.clone().ok_or("this run has no tail, or is ending")?;
        if state.waiting + state.held.len() >= HOLDS_MAX {
            return Err(format!("this run already has {HOLDS_MAX} holds"));
        }
        state.waiting += 1;
        Ok((run, Waiting(self)))
    }

    fn begin(&self, turn: Turn) -> Held {
        let sealed = turn.mark.get().proof.clone();
        let (end, mut ended) = oneshot::channel();
        let mut state = self.state();
        state.next += 1;
        let hold = state.next;
        state.held.insert(hold, end);
        drop(state);
        let holds = self.clone();
        tokio::spawn(async move {
            tokio::select! { biased;
                _ = &mut ended => {} // given back, or the run ends
                () = sleep(HELD_MAX) => tracing::warn!(hold, "verify held lists for too long: the run writes to \
                 them again"),
            }
            // from here on giving it back fails
            ended.close();
            holds.state().held.remove(&hold);
            drop(turn);
        });
        Held { hold, sealed }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // no method panics between two changes that belong together
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn lists(plan: &Plan, ask: &HoldAsk) -> Result<Vec<ListId>, String> {
    let mapping = plan.mappings().iter().find(|mapping| mapping.name == ask.mapping);
    let mapping = mapping.ok_or_else(|| format!("{} is not a mapping of this run", ask.mapping))?;
    if ask.lists.len() > LISTS_MAX {
        return Err(format!("more than {LISTS_MAX} lists"));
    }
    let id = |key: &Vec<Value>| {
        let list_key = layout::list_key_of(mapping, key).map_err(|error| error.to_string())?;
        Ok(ListId::new(mapping.id.0, &list_key))
    };
    ask.lists.iter().map(id).collect()
}
