//! Moving a paused tail: what a person asks, what became of it, and how it reaches the run.

use crate::model::{Control, Lever, Position, TransactionId, Work};
use crate::pipeline::jobs::Failed;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc, oneshot};

/// Where the tail is to continue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// Behind this position.
    To(Position),
    /// Where it stands, without this transaction.
    Without(TransactionId),
}

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveAsk {
    /// Where to.
    pub destination: Destination,
    /// Whether transactions may be missed, after which everything is copied again.
    pub accept_gap: bool,
    /// Who asks, when and why.
    pub lever: Lever,
    /// What runs from then on; none: what is paused stays so.
    pub resumes: Vec<Work>,
}

/// How a tail was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// It stands there already, or has passed the transaction.
    Stays,
    /// To an older position: so many transactions that were read are read again, with new ticks.
    Back {
        /// Transactions.
        again: u64,
    },
    /// Over transactions, which are missed.
    Over {
        /// Transactions.
        missed: u64,
        /// The mappings that are copied again.
        mappings: Vec<String>,
    },
}

/// What became of a move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Where the tail stood: the checkpoint.
    pub from: Position,
    /// Where it continues.
    pub to: Position,
    /// How it comes there.
    pub course: Course,
    /// What was wanted otherwise before.
    pub changed: Vec<Work>,
    /// All that is wanted now.
    pub control: Control,
}

/// A move on its way to the run; dropped without an answer when the run ends before.
pub struct MoveRequest {
    /// What is asked.
    pub ask: MoveAsk,
    /// Takes the answer.
    pub reply: oneshot::Sender<Result<Moved, Failed>>,
}

/// The queue of moves: one at a time.
pub struct Moves {
    asked: mpsc::Sender<MoveRequest>,
    taken: Mutex<mpsc::Receiver<MoveRequest>>,
}

impl Default for Moves {
    fn default() -> Moves {
        let (asked, taken) = mpsc::channel(1);
        Moves { asked, taken: Mutex::new(taken) }
    }
}

impl Moves {
    /// Hands a move to the run; `None`: it has ended, or ends before it gets there.
    pub async fn ask(&self, ask: MoveAsk) -> Option<Result<Moved, Failed>> {
        let (reply, answer) = oneshot::channel();
        self.asked.send(MoveRequest { ask, reply }).await.ok()?;
        answer.await.ok()
    }

    /// The next one. Cancel safe.
    pub async fn next(&self) -> MoveRequest {
        let next = self.taken.lock().await.recv().await;
        next.expect("the other end of the queue lies beside this one")
    }

    /// Drops what comes: nobody takes moves any more.
    pub async fn refuse(&self) -> std::convert::Infallible {
        loop {
            drop(self.next().await);
        }
    }
}
