//! What is said on one connection to lease, take over or release some keys.

use super::super::{LeaseKeys, Predecessor, Token};
use super::command::{self, Store};
use super::reply::{Misfit, Reply};
use std::ops::ControlFlow;

/// What is asked for each key.
pub(super) enum Ask<'a> {
    /// Store the token unless the key exists.
    Add { lease: Store },
    /// Store the token where the value is a predecessor's.
    TakeOver { predecessor: &'a Predecessor, lease: Store },
    /// Delete the key where the value is the token.
    Release { token: &'a Token },
}

/// One conversation: commands for some places of `keys`, and the answers.
///
/// An `add` is one round. The others are two: all keys are read, with their CAS; those that hold what is
/// wanted are changed with that CAS while the reads of others still come in.
pub(super) struct Conversation<'a> {
    ask: &'a Ask<'a>,
    keys: LeaseKeys<'a>,
    /// Rising.
    places: &'a [usize],
    /// For each place: whether it is done, as far as the replies go. In a round without a reply it stays.
    done: Vec<bool>,
    round: Round,
    /// The first place, by index, that may still be answered in this round: replies come in the order of the
    /// commands, at most one to each.
    next: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    Reads,
    Changes,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(ask: &'a Ask<'a>, keys: LeaseKeys<'a>, places: &'a [usize]) -> Conversation<'a> {
        let (round, done) = match ask {
            Ask::Add { .. } => (Round::Changes, true),
            Ask::TakeOver { .. } | Ask::Release { .. } => (Round::Reads, false),
        };
        Conversation { ask, keys, places, done: vec![done; places.len()], round, next: 0 }
    }

    /// Writes the commands of the first round.
    pub(super) fn begin(&self, commands: &mut Vec<u8>) {
        for place in self.places {
            match self.ask {
                Ask::Add { lease } => lease.add(self.keys, *place, commands),
                Ask::TakeOver { .. } | Ask::Release { .. } => command::read(self.keys, *place, commands),
            }
        }
        commands.extend_from_slice(command::END);
    }

    /// Takes a reply in, and adds the commands that follow from it. Breaks at the last one.
    pub(super) fn hear(
        &mut self,
        reply: Reply<'_>,
        commands: &mut Vec<u8>,
    ) -> Result<ControlFlow<()>, Misfit> {
        match (reply, self.round) {
            (Reply::Value { place, cas, value }, Round::Reads) => {
                let index = self.turn_of(place)?;
                self.done[index] = self.wants(value);
                if self.done[index] {
                    self.change(place, cas, commands);
                }
            }
            (Reply::Refused { place }, _) => {
                let index = self.turn_of(place)?;
                self.done[index] = false;
            }
            // Not said to quiet commands; a server that says it all the same says nothing wrong.
            (Reply::Done { place }, Round::Changes) => _ = self.turn_of(place)?,
            (Reply::End, Round::Reads) if self.done.contains(&true) => {
                commands.extend_from_slice(command::END);
                (self.round, self.next) = (Round::Changes, 0);
            }
            (Reply::End, _) => return Ok(ControlFlow::Break(())),
            (Reply::Value { place, .. }, Round::Changes) | (Reply::Done { place }, Round::Reads) => {
                return Err(Misfit::out_of_turn(place));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// For each place whether what was asked is done. Once [`Conversation::hear`] broke.
    pub(super) fn into_answers(self) -> Vec<bool> {
        self.done
    }

    fn wants(&self, value: &[u8]) -> bool {
        match self.ask {
            Ask::Add { .. } => false,
            Ask::TakeOver { predecessor, .. } => predecessor.has(value),
            Ask::Release { token } => value == token.0.as_bytes(),
        }
    }

    fn change(&self, place: usize, cas: u64, commands: &mut Vec<u8>) {
        match self.ask {
            Ask::Add { lease } | Ask::TakeOver { lease, .. } => lease.swap(self.keys, place, cas, commands),
            Ask::Release { .. } => command::delete(self.keys, place, cas, commands),
        }
    }

    fn turn_of(&mut self, place: usize) -> Result<usize, Misfit> {
        let silent = self.places[self.next..].iter().position(|it| *it >= place);
        let index = silent.map(|silent| self.next + silent).filter(|index| self.places[*index] == place);
        let index = index.ok_or_else(|| Misfit::out_of_turn(place))?;
        self.next = index + 1;
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{KeyNames, ListId};
    use super::*;

    /// Plays replies to a conversation about the keys 0, 2 and 5, and gives its answers with the commands
    /// that followed from the replies.
    fn play(ask: &Ask<'_>, replies: &[Reply<'_>]) -> Result<(Vec<bool>, String), Misfit> {
        let lists: Vec<ListId> = (0..6u8).map(|n| ListId { mapping: 0, hash: [n; 16] }).collect();
        let names = KeyNames::new(["m"]);
        let mut conversation = Conversation::new(ask, names.of(&lists), &[0, 2, 5]);
        let mut commands = Vec::new();
        conversation.begin(&mut commands);
        commands.clear();
        for (number, reply) in replies.iter().enumerate() {
            let flow = conversation.hear(reply.clone(), &mut commands)?;
            assert_eq!(flow.is_break(), number + 1 == replies.len(), "reply {number}");
        }
        let commands = String::from_utf8(commands).expect("text");
        let key = |n: u8| names.of(&[lists[usize::from(n)]]).iter().next().expect("one").0;
        let short = (0..6).fold(commands, |text, n| text.replace(&key(n), &format!("KEY{n}")));
        Ok((conversation.into_answers(), short))
    }

    fn add() -> Ask<'static> {
        Ask::Add { lease: Store::new(&Token("t".to_owned()), 10) }
    }

    fn value(place: usize, value: &[u8]) -> Reply<'_> {
        Reply::Value { place, cas: 70 + place as u64, value }
    }

    #[test]
    fn an_add_is_done_unless_it_is_refused() {
        use Reply::{Done, End, Refused};
        assert_eq!(play(&add(), &[End]), Ok((vec![true; 3], String::new())));
        let some = [Done { place: 0 }, Refused { place: 2 }, End];
        assert_eq!(play(&add(), &some), Ok((vec![true, false, true], String::new())));
    }

    #[test]
    fn a_release_deletes_what_holds_its_token_with_the_cas_that_was_read() {
        let token = Token("ours".to_owned());
        let ask = Ask::Release { token: &token };
        let replies = [value(0, b"ours"), value(2, b"theirs"), value(5, b"ours"), Reply::End];
        let changed = [&replies[..], &[Reply::Refused { place: 5 }, Reply::End]].concat();
        let commands = "md KEY0 C70 q O0\r\nmd KEY5 C75 q O5\r\nmn\r\n".to_owned();
        assert_eq!(play(&ask, &changed), Ok((vec![true, false, false], commands)));
        let nothing_is_ours = [value(2, b"our"), value(5, b""), Reply::End];
        assert_eq!(play(&ask, &nothing_is_ours), Ok((vec![false; 3], String::new())));
    }

    #[test]
    fn a_take_over_replaces_a_predecessors_token_only() {
        let predecessor = Predecessor { owner: "o".to_owned(), boot: "b".to_owned() };
        let lease = Store::new(&Token("o:b:1".to_owned()), 10);
        let ask = Ask::TakeOver { predecessor: &predecessor, lease };
        let replies = [value(0, b"o:a:1"), value(2, b"o:b:0"), value(5, b"x:a:1"), Reply::End, Reply::End];
        let commands = "ms KEY0 5 T10 C70 q O0\r\no:b:1\r\nmn\r\n".to_owned();
        assert_eq!(play(&ask, &replies), Ok((vec![true, false, false], commands)));
    }

    #[test]
    fn a_reply_out_of_turn_is_an_error() {
        use Reply::{Done, Refused};
        let token = Token("ours".to_owned());
        let release = Ask::Release { token: &token };
        let bad: [(&Ask<'_>, &[Reply<'_>]); 6] = [
            (&add(), &[Refused { place: 2 }, Refused { place: 2 }]),
            (&add(), &[Refused { place: 2 }, Refused { place: 0 }]),
            (&add(), &[Refused { place: 1 }]),
            (&add(), &[Refused { place: usize::MAX }]),
            (&add(), &[value(0, b"t")]),
            (&release, &[Done { place: 0 }]),
        ];
        for (number, (ask, replies)) in bad.into_iter().enumerate() {
            let lists = [ListId { mapping: 0, hash: [0; 16] }; 6];
            let names = KeyNames::new(["m"]);
            let mut conversation = Conversation::new(ask, names.of(&lists), &[0, 2, 5]);
            let heard = replies.iter().map(|reply| conversation.hear(reply.clone(), &mut Vec::new()));
            assert!(heard.last().is_some_and(|last| last.is_err()), "case {number}");
        }
    }
}
