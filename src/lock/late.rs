//! Leases that may appear on the server after everybody has stopped waiting for them.

use super::{ListId, Token};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// A network may hold a request for so long and deliver it all the same.
const LATE_FOR: Duration = Duration::from_secs(300);

/// Lists that are remembered. With more, all are forgotten, and what still comes late stands until it expires.
const LISTS_MAX: usize = 10_000;

/// By list, the token of a lease that was given back and was not found: it vanished, or its `add` is still on its way and
/// would block the list from nowhere. Nobody holds a list under the token that stands here for it.
#[derive(Default)]
pub(super) struct LateLeases {
    tokens: HashMap<ListId, (Token, Instant)>,
}

impl LateLeases {
    pub(super) fn remember(&mut self, lists: impl Iterator<Item = ListId>, token: &Token) {
        let until = Instant::now() + LATE_FOR;
        for list in lists {
            if self.tokens.len() >= LISTS_MAX {
                self.tokens.clear();
            }
            self.tokens.insert(list, (token.clone(), until));
        }
    }

    /// The tokens under which some of these lists may stand, at most `tokens_max`, each with its lists.
    pub(super) fn of(&mut self, lists: &[ListId], tokens_max: usize) -> Vec<(Token, Vec<ListId>)> {
        let now = Instant::now();
        let mut found: Vec<(Token, Vec<ListId>)> = Vec::new();
        for list in lists {
            let Some((token, until)) = self.tokens.get(list) else { continue };
            if *until <= now {
                self.tokens.remove(list);
            } else if let Some((_, with)) = found.iter_mut().find(|(known, _)| known == token) {
                with.push(*list);
            } else if found.len() < tokens_max {
                found.push((token.clone(), vec![*list]));
            }
        }
        found
    }

    /// The list's lease has come, and is gone.
    pub(super) fn forget(&mut self, list: &ListId) {
        self.tokens.remove(list);
    }
}
