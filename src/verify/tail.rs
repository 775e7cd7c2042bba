//! What is known of the tail while it is compared: a live one that can be asked, or none, when only a source
//! that stands still can be judged.

use super::VerifyError;
use crate::model::{Histories, Mapping, Reached, Value};
use crate::retry::{Patience, Pauses};
use crate::source::Source;
use crate::store::records::CheckpointRecord;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// A tail that runs in this process or another one.
#[async_trait]
pub trait TailView: Send + Sync {
    /// Where it is now; `None` when there is no live tail (any more).
    async fn positions(&self) -> Option<TailPositions>;

    /// Holds lists of a mapping up once it is their turn; `None` where that is refused.
    async fn hold(&self, mapping: &Mapping, lists: &[Vec<Value>]) -> Option<Held>;

    /// Gives a hold back. Whether it had lasted until now.
    async fn release(&self, held: &Held) -> bool;

    /// By which definitions it reads rows; none: by those that tables have now.
    fn histories(&self) -> Histories {
        Histories::new()
    }
}

/// Lists that the tail holds up: HBase has of them what these transactions say, each as a whole, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub hold: u64,
    pub sealed: Reached,
}

/// Where a tail is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TailPositions {
    /// Read from the source.
    pub received: Reached,
    /// Durably in every target, without gaps.
    pub written: Reached,
    /// Older states may show until an old head is passed (DESIGN section 3).
    pub replaying: bool,
}

/// Who keeps HBase up with MySQL while it is compared.
#[derive(Clone)]
pub enum Tail {
    Live(Arc<dyn TailView>),
    /// Nobody. `checkpoint` is what the last run left, `None` when the state was never started.
    Stopped {
        checkpoint: Option<CheckpointRecord>,
    },
}

impl Tail {
    /// By which definitions rows of the binlog are read; none: by those that tables have now.
    pub fn histories(&self) -> Histories {
        match self {
            Tail::Live(tail) => tail.histories(),
            Tail::Stopped { .. } => Histories::new(),
        }
    }
}

const REPLAYING: &str = "the run replays a range of the binlog, and HBase may show older values until it is over: \
                         verify again then";

/// A [`Tail`] over one comparison.
pub struct Watch {
    tail: Tail,
    wait_max: Duration,
    /// What the source had executed at the beginning.
    before: Reached,
}

impl Watch {
    /// Begins: a live tail has written all that the source has executed when this returns.
    ///
    /// # Errors
    /// `CannotJudge` while a range is replayed, and when the tail does not catch up in time.
    pub async fn begin(tail: Tail, source: &dyn Source, wait_max: Duration) -> Result<Watch, VerifyError> {
        if let Tail::Stopped { checkpoint: Some(checkpoint) } = &tail
            && !checkpoint.replaying_until.is_empty()
        {
            return Err(VerifyError::CannotJudge { reason: REPLAYING.to_owned() });
        }
        let before = source.executed().await?;
        let watch = Watch { tail, wait_max, before };
        watch.written(&watch.before).await?;
        Ok(watch)
    }

    /// The same for a pass that began earlier, when the source had executed `before`, and a live tail had written that.
    ///
    /// # Errors
    /// As of [`Watch::begin`].
    pub async fn go_on(
        tail: Tail,
        source: &dyn Source,
        wait_max: Duration,
        before: Reached,
    ) -> Result<Watch, VerifyError> {
        Ok(Watch { before, ..Watch::begin(tail, source, wait_max).await? })
    }

    /// What the source had executed at the beginning. A live tail had written it before anything was read.
    pub fn since(&self) -> &Reached {
        &self.before
    }

    pub fn is_live(&self) -> bool {
        matches!(self.tail, Tail::Live(_))
    }

    /// Waits until everything in `wanted` is written, as long as the tail comes nearer to it; returns at once without a
    /// live tail.
    pub async fn written(&self, wanted: &Reached) -> Result<(), VerifyError> {
        let Tail::Live(tail) = &self.tail else { return Ok(()) };
        let (mut looks, mut least) = (self.looks(), u64::MAX);
        loop {
            let positions = tail.positions().await.ok_or_else(|| VerifyError::CannotJudge {
                reason: "the tail has ended, or no longer answers".to_owned(),
            })?;
            if positions.replaying {
                return Err(VerifyError::CannotJudge { reason: REPLAYING.to_owned() });
            }
            if positions.written.contains_set(wanted) {
                return Ok(());
            }
            let left = wanted.minus(&positions.written).count();
            if left < least {
                least = left;
                looks.comes_nearer();
            }
            if !looks.again().await {
                return Err(self.too_late(wanted, &positions));
            }
        }
    }

    /// The live tail, if there is one.
    pub fn tail(&self) -> Option<&dyn TailView> {
        match &self.tail {
            Tail::Live(tail) => Some(&**tail),
            Tail::Stopped { .. } => None,
        }
    }

    /// Waits until the source's engine has committed `wanted`, all of which its binlog shows. `false`: it does not in time.
    pub async fn committed(&self, source: &dyn Source, wanted: &Reached) -> Result<bool, VerifyError> {
        let mut looks = self.looks();
        while !source.uncommitted(wanted).await?.is_empty() {
            if !looks.again().await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn looks(&self) -> Patience {
        Patience::with_a_task(self.wait_max, Pauses::OF_QUESTIONS)
    }

    fn too_late(&self, wanted: &Reached, positions: &TailPositions) -> VerifyError {
        let left = wanted.minus(&positions.written).count();
        let unread = wanted.minus(&positions.received).count();
        let seconds = self.wait_max.as_secs();
        VerifyError::CannotJudge {
            reason: format!(
                "for {seconds} s the tail has written nothing: HBase misses {left} transactions of MySQL, and the \
                 tail has not read {unread} of them"
            ),
        }
    }

    /// How the source moved while nobody tailed it; `None` with a live tail.
    pub async fn moved(&self, source: &dyn Source) -> Result<Option<Moved>, VerifyError> {
        let Tail::Stopped { checkpoint } = &self.tail else { return Ok(None) };
        let now = source.executed().await?;
        let left_at = checkpoint.as_ref().map_or(&self.before, |checkpoint| &checkpoint.position.reached);
        Ok(Some(Moved { since: left_at.clone(), ahead: now.minus(left_at), behind: left_at.minus(&now) }))
    }
}

/// Transactions that the source has beyond where the last run left it (or, without one, beyond the beginning of
/// the comparison), and the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub since: Reached,
    pub ahead: Reached,
    pub behind: Reached,
}

/// Transactions as far as it fits into a sentence.
pub fn brief(reached: &Reached) -> String {
    const CHARS_MAX: usize = 300;
    let text = reached.to_string();
    let count = reached.count();
    let transactions = if count == 1 { "transaction" } else { "transactions" };
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{count} {transactions} ({}...)", &text[..end]),
        None => format!("{count} {transactions} ({text})"),
    }
}
