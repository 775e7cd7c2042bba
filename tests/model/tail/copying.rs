//! What the copy can do next, and what is left of one that is thought dead.

use super::next::{Answer, Next, Step, send};
use super::state::{At, Request, State, Tail, Tailing, Zombie};
use crate::model::mechanism::Mechanism;
use crate::model::production::{Content, tick_after};
use crate::model::source::{ItemRow, Set};

impl Tailing {
    pub fn copying(&self, state: &State, tail: &Tail, next: &mut Next) {
        for (place, chunk) in state.chunks.iter().enumerate() {
            let with = |at: At| {
                let mut after = state.clone();
                after.chunks[place].at = at;
                after
            };
            match chunk.at {
                At::Idle if self.off(Mechanism::MarkBeforeSelect) => {
                    next.push((Step::ChunkSelect(place), with(At::Read(None, state.committed))));
                }
                At::Idle => {
                    if let Some(mark) = self.usable_mark(state, tail, place) {
                        next.push((Step::ChunkMark(place), with(At::Marked(mark))));
                    }
                }
                At::Marked(mark) => {
                    next.push((Step::ChunkSelect(place), with(At::Read(Some(mark), state.committed))));
                }
                At::Read(None, saw) => {
                    if let Some(mark) = self.usable_mark(state, tail, place) {
                        next.push((Step::ChunkMark(place), with(At::Read(Some(mark), saw))));
                    }
                }
                At::Read(Some(mark), saw) => {
                    next.push((Step::ChunkSend(place), self.send_chunk(state, place, mark, saw)));
                }
                At::Waits(..) if chunk.again > 0 => {
                    let mut after = with(At::Idle);
                    after.chunks[place].again -= 1;
                    next.push((Step::ChunkTimeOut(place), after));
                }
                At::Waits(..) | At::Done => {}
            }
        }
    }

    fn usable_mark(&self, state: &State, tail: &Tail, chunk: usize) -> Option<u8> {
        let mark = tail.safe?;
        let joins = self.setting.joins.is_some_and(|list| self.setting.chunks[chunk] & (1 << list) != 0);
        let joined = if joins { state.joined? } else { 0 };
        (mark > joined || self.off(Mechanism::MarkAfterJoining)).then_some(mark)
    }

    pub fn chunk_content(&self, lists: u8, saw: Set) -> Content {
        self.production.copy(self.rows(lists, saw))
    }

    fn rows(&self, lists: u8, saw: Set) -> Vec<ItemRow> {
        let rows = self.script().rows_after(saw).into_iter();
        rows.filter(|row| lists & (1 << row.list) != 0).collect()
    }

    /// What a re-copy writes. The program deletes those that HBase shows; here all that could be there are.
    fn recopied(&self, lists: u8, saw: Set) -> Content {
        let rows = self.rows(lists, saw);
        let is_there = |row: &ItemRow| {
            rows.iter().any(|there| self.production.address_of(there) == self.production.address_of(row))
        };
        let addresses = self.production.addresses.iter();
        let extras = addresses.filter(|row| lists & (1 << row.list) != 0 && !is_there(row)).copied();
        self.production.repair(extras.collect(), rows.clone())
    }

    fn send_chunk(&self, state: &State, place: usize, mark: u8, saw: Set) -> State {
        let mut after = state.clone();
        let content = match state.skipped_at.is_some() {
            true => self.recopied(self.setting.chunks[place], saw),
            false => self.chunk_content(self.setting.chunks[place], saw),
        };
        let lists = self.production.lists_of(content);
        let tick = self.stamp(&mut after, mark);
        send(&mut after.flight, lists, Request { tick, content, list: 0, of_tail: false });
        let is_done = lists == 0 || self.off(Mechanism::DoneAfterWrite);
        after.chunks[place].at = if is_done { At::Done } else { At::Waits(tick, content, lists) };
        after
    }

    /// The mark; with the fence off the time, which is above everything by now.
    fn stamp(&self, after: &mut State, mark: u8) -> u8 {
        match &mut after.tail {
            Some(tail) if self.off(Mechanism::Fence) => {
                tail.last_tick = tick_after(tail.last_tick);
                tail.last_tick
            }
            _ => mark,
        }
    }

    /// A write of a chunk has landed.
    pub fn chunk_landing(
        &self,
        state: &State,
        after: State,
        (place, request): (usize, Request),
        next: &mut Next,
    ) {
        let waits = state.chunks.iter().position(|chunk| match chunk.at {
            At::Waits(tick, content, lists) => {
                !request.of_tail
                    && (tick, content) == (request.tick, request.content)
                    && lists & (1 << request.list) != 0
            }
            _ => false,
        });
        let Some(chunk) = waits else {
            return next.push((Step::Land(place, Answer::NobodyWaits), after));
        };
        let At::Waits(tick, content, lists) = state.chunks[chunk].at else { unreachable!("it waits") };
        let mut answered = after;
        let left = lists & !(1 << request.list);
        answered.chunks[chunk].at = if left == 0 { At::Done } else { At::Waits(tick, content, left) };
        next.push((Step::Land(place, Answer::Arrives), answered));
    }

    pub fn zombie(&self, state: &State, next: &mut Next) {
        match state.zombie {
            Some(Zombie::Copies(chunk, mark, None)) => {
                let zombie = Some(Zombie::Copies(chunk, mark, Some(state.committed)));
                next.push((Step::ZombieSelect, State { zombie, ..state.clone() }));
            }
            Some(Zombie::Copies(chunk, mark, Some(saw))) => {
                let mut after = State { zombie: None, ..state.clone() };
                let content = self.chunk_content(self.setting.chunks[chunk], saw);
                let lists = self.production.lists_of(content);
                let tick = self.stamp(&mut after, mark);
                send(&mut after.flight, lists, Request { tick, content, list: 0, of_tail: false });
                next.push((Step::ZombieSend, after));
            }
            Some(Zombie::Tails { base, cut, last_tick }) => {
                if !self.off(Mechanism::OwnerFence) {
                    return next.push((Step::ZombieIsRefused, State { zombie: None, ..state.clone() }));
                }
                let readable = self.readable(state, base, cut);
                for count in 1..=readable.len().min(self.setting.batch.into()) {
                    let mut after = State { zombie: None, ..state.clone() };
                    let content = self.production.batch(&readable[..count]);
                    let lists = self.production.lists_of(content);
                    let tick = tick_after(last_tick);
                    send(&mut after.flight, lists, Request { tick, content, list: 0, of_tail: true });
                    next.push((Step::ZombieSeals(count as u8), after));
                }
            }
            None => {}
        }
    }
}
