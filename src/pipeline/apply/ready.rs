//! The lists that may be written now, by the region that their rows lie in.
//!
//! Every row key begins with the list's salt, and tables are split on it: lists of one salt that are written
//! together make calls that lie in one region, which is what HBase takes fastest. Of several salts the one goes
//! first whose list has waited longest, so no list waits for ever.

use crate::lock::ListId;
use std::collections::VecDeque;

/// Queues of lists by salt.
pub struct ReadyLists {
    /// By salt: lists in the order of their arrival, each with its number in that order.
    by_salt: Vec<VecDeque<(u64, ListId)>>,
    arrived: u64,
}

impl Default for ReadyLists {
    fn default() -> ReadyLists {
        ReadyLists { by_salt: vec![VecDeque::new(); 256], arrived: 0 }
    }
}

impl ReadyLists {
    pub fn push(&mut self, salt: u8, list: ListId) {
        self.by_salt[usize::from(salt)].push_back((self.arrived, list));
        self.arrived += 1;
    }

    /// The salt of the list that has waited longest.
    pub fn first_salt(&self) -> Option<u8> {
        let fronts =
            self.by_salt.iter().enumerate().filter_map(|(salt, lists)| Some((lists.front()?.0, salt)));
        fronts.min().map(|(_, salt)| salt as u8)
    }

    /// The next list with this salt.
    pub fn pop(&mut self, salt: u8) -> Option<ListId> {
        self.by_salt[usize::from(salt)].pop_front().map(|(_, list)| list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(number: u8) -> ListId {
        ListId::new(0, &[number])
    }

    #[test]
    fn the_list_that_waited_longest_decides_which_salt_is_next() {
        let mut ready = ReadyLists::default();
        assert_eq!(ready.first_salt(), None);
        for (salt, number) in [(9, 1), (200, 2), (9, 3)] {
            ready.push(salt, list(number));
        }
        assert_eq!(ready.first_salt(), Some(9));
        assert_eq!([ready.pop(9), ready.pop(9), ready.pop(9)], [Some(list(1)), Some(list(3)), None]);
        assert_eq!(ready.first_salt(), Some(200));
        ready.push(9, list(4));
        assert_eq!(ready.first_salt(), Some(200), "it came before");
    }
}
