//! The lists that may be written now, by the group of their rows.
//!
//! Rows of one group lie together, so lists of one group that are written together make calls that touch few servers,
//! which is what a target takes fastest. Of several groups the one goes first whose list has waited longest, so no list
//! waits for ever.

use crate::lock::ListId;
use crate::sink::Group;
use std::collections::VecDeque;

/// Queues of lists by group.
pub struct ReadyLists {
    /// By group: lists in the order of their arrival, each with its number in that order.
    by_group: Vec<VecDeque<(u64, ListId)>>,
    arrived: u64,
}

impl Default for ReadyLists {
    fn default() -> ReadyLists {
        ReadyLists { by_group: vec![VecDeque::new(); Group::COUNT], arrived: 0 }
    }
}

impl ReadyLists {
    pub fn push(&mut self, group: Group, list: ListId) {
        self.by_group[usize::from(group.0)].push_back((self.arrived, list));
        self.arrived += 1;
    }

    /// The group of the list that has waited longest.
    pub fn first_group(&self) -> Option<Group> {
        let fronts =
            self.by_group.iter().enumerate().filter_map(|(group, lists)| Some((lists.front()?.0, group)));
        fronts.min().map(|(_, group)| Group(group as u8))
    }

    /// The next list of this group.
    pub fn pop(&mut self, group: Group) -> Option<ListId> {
        self.by_group[usize::from(group.0)].pop_front().map(|(_, list)| list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(number: u8) -> ListId {
        ListId::new(0, &[number])
    }

    #[test]
    fn the_list_that_waited_longest_decides_which_group_is_next() {
        let mut ready = ReadyLists::default();
        assert_eq!(ready.first_group(), None);
        for (group, number) in [(9, 1), (200, 2), (9, 3)] {
            ready.push(Group(group), list(number));
        }
        assert_eq!(ready.first_group(), Some(Group(9)));
        let mut pop = || ready.pop(Group(9));
        assert_eq!([pop(), pop(), pop()], [Some(list(1)), Some(list(3)), None]);
        assert_eq!(ready.first_group(), Some(Group(200)));
        ready.push(Group(9), list(4));
        assert_eq!(ready.first_group(), Some(Group(200)), "it came before");
    }
}
