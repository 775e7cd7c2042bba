//! Turns: a place in the queues of lists for somebody who reads both sides, behind every lower tick and before every
//! higher one.
//!
//! A turn begins when all of its lists have come to it, and ends when whoever has it drops it. Until then nothing of
//! these lists is written by the writer. Turns stand in all queues in the order of their marks, so no two of them wait
//! for each other.

use crate::lock::ListId;
use crate::pipeline::jobs::requests::Turn;
use crate::protocol::{Journaled, UnprovenMark};
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// The turns that the writer knows of.
#[derive(Default)]
pub struct Turns {
    /// Those that some list has not come to.
    waiting: FxHashMap<u64, Waiting>,
    under_way: JoinSet<Vec<ListId>>,
    next: u64,
}

struct Waiting {
    mark: Journaled<UnprovenMark>,
    lists: Vec<ListId>,
    /// Lists still to come to it.
    left: usize,
    reply: oneshot::Sender<Turn>,
}

impl Turns {
    /// Its number. One without lists begins at once.
    pub fn take_in(
        &mut self,
        mark: Journaled<UnprovenMark>,
        lists: Vec<ListId>,
        reply: oneshot::Sender<Turn>,
    ) -> u64 {
        let number = self.next;
        self.next += 1;
        let waiting = Waiting { left: lists.len(), mark, lists, reply };
        match waiting.left {
            0 => self.begin(waiting),
            _ => _ = self.waiting.insert(number, waiting),
        }
        number
    }

    /// One of its lists has come to it.
    pub fn reached(&mut self, number: u64) {
        let Some(waiting) = self.waiting.get_mut(&number) else { return };
        waiting.left -= 1;
        if waiting.left == 0
            && let Some(waiting) = self.waiting.remove(&number)
        {
            self.begin(waiting);
        }
    }

    fn begin(&mut self, Waiting { mark, lists, reply, .. }: Waiting) {
        let (under_way, over) = oneshot::channel();
        // nobody waits for it any more: it is dropped, and so over
        let _ = reply.send(Turn { mark, under_way });
        self.under_way.spawn(async move {
            let _ = over.await; // only its end is of interest, which is an error here
            lists
        });
    }

    pub fn any_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// The lists of the next turn that is over.
    pub async fn next_over(&mut self) -> Option<Vec<ListId>> {
        self.under_way.join_next().await.map(|lists| lists.expect("waiting for an end does not panic"))
    }
}
