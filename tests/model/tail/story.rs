//! Steps in plain English.

use super::next::{Answer, Lives, Step};
use super::state::{At, Request, State, Tail, Tailing, Zombie};
use crate::model::mechanism::Mechanism;
use crate::model::production::tick_after;
use crate::model::sayings::{join, say_committed, say_ops, say_published, say_set, say_shown};
use crate::model::source::{Set, list_name};

impl Tailing {
    pub fn say(&self, before: &State, step: Step) -> String {
        let script = self.script();
        let tail = || before.tail.as_ref().expect("it runs");
        match step {
            Step::Publish(number) => say_published(&script.say_transaction(number)),
            Step::Commit(number) => match self.setting.set_lags {
                true => format!("The engine commits transaction {}; `gtid_executed` does not show it yet.", number + 1),
                false => say_committed(number),
            },
            Step::Show(number) => say_shown(number),
            Step::Start => self.say_start(before),
            Step::Join => {
                "The list joins: changes that are sealed from now on are written to it.".to_owned()
            }
            Step::Seal(count) => self.say_seal(before, tail(), count),
            Step::Journal => "What is sealed is journaled.".to_owned(),
            Step::Send(place, list) => {
                let batch = tail().batches[place];
                let how = if batch.journaled { "" } else { ", which is not journaled yet" };
                format!("Batch {}{how} is sent{}: {}.", batch.tick, self.to_list(list), say_ops(self.script(), &self.production, batch.content, list))
            }
            Step::TimeOut(place, _) => {
                format!("No answer about batch {} comes in time; the write may still land.", tail().batches[place].tick)
            }
            Step::Land(place, answer) => self.say_landing(before.flight[place], answer),
            Step::TakeMark => self.say_mark(before, tail()),
            Step::MarkIsSafe => self.say_safe(before, tail()),
            Step::Checkpoint(count) => format!("The checkpoint passes batch {}.", tail().batches[count - 1].tick),
            Step::ChunkMark(_) => format!("The copy takes the newest safe mark, {}.", tail().safe.unwrap_or(0)),
            Step::ChunkSelect(place) => {
                let rows = script.say_rows(before.committed, self.setting.chunks[place]);
                match before.chunks[place].at {
                    At::Marked(mark) => format!("The copy, with mark {mark}, SELECTs, and finds {rows}."),
                    _ => format!("The copy SELECTs, and finds {rows}."),
                }
            }
            Step::ChunkSend(place) => {
                let At::Read(Some(mark), saw) = before.chunks[place].at else { unreachable!("it has read") };
                self.say_chunk_sent("The copy", before, place, (mark, saw))
            }
            Step::ChunkTimeOut(_) => {
                "No answer comes in time: the copy will try again, and what it sent may still land.".to_owned()
            }
            Step::ZombieSelect => {
                let Some(Zombie::Copies(chunk, mark, _)) = before.zombie else { unreachable!("it copies") };
                let rows = script.say_rows(before.committed, self.setting.chunks[chunk]);
                format!("The process that was thought dead, with mark {mark}, SELECTs, and finds {rows}.")
            }
            Step::ZombieSend => {
                let Some(Zombie::Copies(chunk, mark, Some(saw))) = before.zombie else { unreachable!("it has read") };
                self.say_chunk_sent("The process that was thought dead", before, chunk, (mark, saw))
            }
            Step::ZombieSeals(count) => self.say_zombie_seals(before, count),
            Step::ZombieIsRefused => {
                "The process that was thought dead wants to journal a batch, and is refused.".to_owned()
            }
            Step::Restart(lives) => self.say_restart(before, lives),
            Step::Replay(from) => {
                format!("The process is killed and started again from {}, with new ticks.", self.say_position(from))
            }
            Step::Pause => "A person pauses the tail: it reads nothing more.".to_owned(),
            Step::Move(from) => format!(
                "A person has the tail continue from {}, with new ticks.",
                self.say_position(from)
            ),
            Step::Skip(skipped) => {
                let what = say_set(skipped);
                match self.off(Mechanism::SkippedIsCopied) {
                    true => format!("A person has the tail skip {what}; nothing else is done."),
                    false => format!("A person has the tail skip {what}; the list is to be copied again."),
                }
            }
            Step::Resume => match self.off(Mechanism::ResumeBehindRead) {
                true => "The tail is resumed, and continues from what is committed now.".to_owned(),
                false => "The tail is resumed, and continues where it stood.".to_owned(),
            },
            Step::Failover => {
                "Another server, whose binlog has another order, takes over: everything after the checkpoint is replayed with new ticks.".to_owned()
            }
            Step::Compact => match self.off(Mechanism::MarkersOutlive) {
                true => "A major compaction drops what is hidden, and the delete markers.".to_owned(),
                false => "A major compaction drops what is hidden, and delete markers that are old enough.".to_owned(),
            },
        }
    }

    fn say_start(&self, before: &State) -> String {
        let (base, from) = match self.off(Mechanism::StartFromExecuted) {
            true => (self.published(before), "SHOW BINARY LOG STATUS"),
            false => (before.executed, "`gtid_executed`"),
        };
        format!("The tail starts after {}, as {from} says. That is the first mark, 1.", say_set(base))
    }

    fn say_seal(&self, before: &State, tail: &Tail, count: u8) -> String {
        let tick = tick_after(tail.last_tick);
        let changes = self.say_range(before, tail.base, tail.cut, count);
        if self.in_steps() {
            return format!("The tail seals {changes} as batch {tick}.");
        }
        let changes_of =
            &self.stream(before, tail.base)[usize::from(tail.cut)..usize::from(tail.cut + count)];
        let content = self.production.batch(changes_of);
        let lists = self.production.lists_of(content);
        let not_tailed = self.setting.joins.filter(|_| before.joined.is_none()).map_or(0, |list| 1 << list);
        let ops: Vec<String> = (0..2u8)
            .filter(|list| lists & !not_tailed & (1 << list) != 0)
            .map(|list| say_ops(self.script(), &self.production, content, list))
            .collect();
        match (ops.is_empty(), not_tailed) {
            (true, 0) => format!("The tail seals {changes} as batch {tick}, which sends nothing."),
            (true, _) => format!(
                "The tail seals {changes} as batch {tick}; the list has not joined, so nothing is sent to it."
            ),
            _ => format!("The tail seals {changes} as batch {tick}, and sends: {}.", ops.join("; ")),
        }
    }

    /// The changes of a batch: whole transactions by their names, else the parts.
    fn say_range(&self, before: &State, base: Set, from: u8, count: u8) -> String {
        let stream = self.stream(before, base);
        let range = &stream[usize::from(from)..usize::from(from + count)];
        let changes = self.script().changes();
        let mut said: Vec<String> = Vec::new();
        for change in range {
            let number = self.production.transaction_of(usize::from(*change));
            let of = |of: &u8| self.production.transaction_of(usize::from(*of)) == number;
            let (inside, all) =
                (range.iter().filter(|c| of(c)).count(), stream.iter().filter(|c| of(c)).count());
            let text = match inside == all {
                true => format!("transaction {}", number + 1),
                false => {
                    let say = self.script().say_change(&changes[usize::from(*change)].1);
                    format!("a part of transaction {} ({say})", number + 1)
                }
            };
            if said.last() != Some(&text) {
                said.push(text);
            }
        }
        join(&said)
    }

    fn say_mark(&self, before: &State, tail: &Tail) -> String {
        let tick = tick_after(tail.last_tick);
        let _ = before;
        format!("The tail takes mark {tick}; its set is {}.", say_set(tail.sealed))
    }

    fn say_safe(&self, before: &State, tail: &Tail) -> String {
        let mark = tail.mark.expect("it is taken");
        if self.off(Mechanism::SafeMark) {
            return format!("Mark {} is used, safe or not.", mark.tick);
        }
        let executed = say_set(before.executed);
        match self.off(Mechanism::ProofByContainment) {
            true => format!(
                "`gtid_executed` is {executed}; its highest number is not below the mark's, so mark {} is taken for safe.",
                mark.tick
            ),
            false => format!("`gtid_executed` contains that, so mark {} is safe.", mark.tick),
        }
    }

    fn say_chunk_sent(&self, who: &str, before: &State, chunk: usize, (mark, saw): (u8, Set)) -> String {
        let content = self.chunk_content(self.setting.chunks[chunk], saw);
        let lists = self.production.lists_of(content);
        if lists == 0 {
            return format!("{who} has nothing to write.");
        }
        let ops: Vec<String> = (0..2u8)
            .filter(|list| lists & (1 << list) != 0)
            .map(|list| say_ops(self.script(), &self.production, content, list))
            .collect();
        let done = if self.off(Mechanism::DoneAfterWrite) { "; the chunk counts as done" } else { "" };
        match (&before.tail, self.off(Mechanism::Fence)) {
            (Some(tail), true) => {
                let tick = tick_after(tail.last_tick);
                format!("{who} sends, stamped with the time, {tick}: {}{done}.", ops.join("; "))
            }
            _ => format!("{who} sends at mark {mark}: {}{done}.", ops.join("; ")),
        }
    }

    fn say_landing(&self, request: Request, answer: Answer) -> String {
        let what = match request.of_tail {
            true => format!("Batch {}{}", request.tick, self.to_list(request.list)),
            false => format!("What was copied at {}{}", request.tick, self.to_list(request.list)),
        };
        let ops = say_ops(self.script(), &self.production, request.content, request.list);
        match answer {
            Answer::Arrives => format!("{what} lands ({ops}), and is acknowledged."),
            Answer::IsLost => format!("{what} lands ({ops}), and the answer is lost."),
            Answer::NobodyWaits => format!("{what} lands late ({ops})."),
        }
    }

    fn say_zombie_seals(&self, before: &State, count: u8) -> String {
        let Some(Zombie::Tails { base, cut, last_tick }) = before.zombie else { unreachable!("it tails") };
        let tick = tick_after(last_tick);
        let changes = self.say_range(before, base, cut, count);
        format!(
            "The process that was thought dead wakes up, seals {changes} as batch {tick} of its own, journals and sends it."
        )
    }

    fn say_restart(&self, before: &State, lives: Lives) -> String {
        let who = match lives {
            Lives::Nothing => "The process is killed",
            Lives::NotEvenWrites => "The process is killed, and what it has sent never arrives",
            Lives::Chunk(_) | Lives::Tail => "The process is thought dead, and lives on",
        };
        let goes_on = match (before.store.ahead, self.off(Mechanism::IdenticalReplay)) {
            (Some(ahead), _) => format!("goes on from the checkpoint, which says {}", say_set(ahead)),
            (_, true) => "cuts everything after the checkpoint anew".to_owned(),
            (_, false) => "goes on from the checkpoint and the journal".to_owned(),
        };
        format!("{who}; another one {goes_on}.")
    }

    fn say_position(&self, from: Set) -> String {
        if from == 0 { "the beginning".to_owned() } else { format!("after {}", say_set(from)) }
    }

    fn to_list(&self, list: u8) -> String {
        let spread =
            self.production.addresses.iter().any(|row| row.list != self.production.addresses[0].list);
        if spread { format!(" to list {}", list_name(list)) } else { String::new() }
    }
}
