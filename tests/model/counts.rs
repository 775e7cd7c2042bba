//! A small world of counts, and every order of what can happen in it.
//!
//! One row, two items, two batches of the tail; a late chunk; the count pass; and a predecessor that repeats what it had
//! journaled. Every request may land late, or land and lose its reply. What each of them does to the row the production
//! code decides (`protocol::count`). Weaker than the program: nothing is queued by list here, the pass runs beside
//! the tail. In every state a count that is there is the number of items; at the end it is there, and nothing is lost.
//!
//! With a mechanism off a way to a wrong state is found (`stories`).

use super::explorer;
use super::mechanism::Mechanism;
use bytes::Bytes;
use tailfill::model::Tick;
use tailfill::protocol::count::{CountMode, RowWork, Step, WorkKind, step};
use tailfill::sink::{CountChange, CountedRow, CountedWrite};

const ITEMS: [&[u8]; 2] = [b"a", b"b"];
/// Ticks of the batches; the mark of the pass lies between the last batch that is written and the next one.
const TICKS: [u8; 3] = [0, 10, 20];
/// What the copy that was completed, and the late chunk, wrote with.
const COPIED: u8 = 4;
const LATE: u8 = 5;

/// What a batch does to each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Nothing,
    Put,
    Delete,
}

/// What is fixed in one exploration.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub off: Option<Mechanism>,
    /// Items at the beginning, copied.
    begin: [bool; 2],
    batches: [[Does; 2]; 2],
    /// The late chunk's SELECT saw so many of the batches.
    seen_by_chunk: u8,
    /// The predecessor journaled, and repeats, so many of the batches.
    journaled: u8,
    /// Whether the tail knows at once that the pass has begun.
    tail_knows: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Row {
    tick: Option<u8>,
    count: Option<u8>,
    /// 0: none.
    puts: [u8; 2],
    markers: [u8; 2],
}

impl Row {
    fn has(&self, item: usize) -> bool {
        self.puts[item] > self.markers[item]
    }

    fn items(&self) -> u8 {
        u8::from(self.has(0)) + u8::from(self.has(1))
    }

    fn found(&self) -> CountedRow {
        let present = (0..2).filter(|item| self.has(*item)).map(|item| Bytes::from_static(ITEMS[item]));
        CountedRow {
            row: Bytes::from_static(b"row"),
            tick: self.tick.map(|tick| Tick(tick.into())),
            count: self.count.map(u64::from),
            present: present.collect(),
        }
    }

    fn put_cells(&mut self, write: &CountedWrite) {
        let tick = short(write.tick);
        for (item, name) in ITEMS.iter().enumerate() {
            if write.puts.iter().any(|(put, _)| put == name) {
                self.puts[item] = self.puts[item].max(tick);
            }
            if write.delete_columns.iter().any(|deleted| deleted == name) {
                self.markers[item] = self.markers[item].max(tick);
            }
        }
    }

    /// With a mechanism off: what comes and goes is added to the number that is there.
    fn add_to_count(&mut self, write: &CountedWrite, seen: &Row, whole: Option<u8>) {
        match (write.count, self.count, seen.count.or(whole)) {
            (CountChange::Set(items), Some(count), Some(before)) => {
                self.count = Some((count + items as u8).saturating_sub(before));
                self.tick = Some(short(write.tick));
            }
            _ => self.put_count(write, false),
        }
    }

    fn put_count(&mut self, write: &CountedWrite, keep_tick: bool) {
        match write.count {
            CountChange::Keep => {}
            CountChange::Set(items) => self.count = Some(items as u8),
            CountChange::Remove => self.count = None,
        }
        if !keep_tick || self.tick.is_none() {
            self.tick = Some(short(write.tick));
        }
    }
}

fn say_row(row: &Row) -> String {
    let number = |name: &str, number: Option<u8>| match number {
        Some(number) => format!("{name} {number}"),
        None => format!("no {name}"),
    };
    let there = say_items([row.has(0), row.has(1)]);
    format!("{}, {}, cells: {there}", number("`c:n`", row.count), number("`c:t`", row.tick))
}

fn short(tick: Tick) -> u8 {
    u8::try_from(tick.0).expect("ticks are small here")
}

const TAIL: usize = 0;
const PASS: usize = 1;
const ZOMBIE: usize = 2;
const NAMES: [&str; 3] = ["The tail", "The pass", "The predecessor"];

/// One who writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Writer {
    /// Works that are begun, and that are done.
    begun: u8,
    done: u8,
    at: At,
    /// Whether it has stopped waiting for an answer once; it does so no more.
    impatient: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum At {
    Idle,
    /// It has read this, and has counted the cells since.
    HasRead(Row, Option<u8>, bool),
    Waits,
}

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Request {
    of: usize,
    work: u8,
    seen: Row,
    whole: Option<u8>,
    counting: bool,
    /// Its cells are written, its count is not: with comparing off.
    half: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    row: Row,
    writers: [Writer; 3],
    under_way: Vec<Request>,
    chunk_is_under_way: bool,
    /// The mark of the pass, once it has begun.
    mark: Option<u8>,
}

impl Setting {
    fn is_off(&self, mechanism: Mechanism) -> bool {
        self.off == Some(mechanism)
    }

    fn beginning(&self) -> World {
        let puts = self.begin.map(|there| if there { COPIED } else { 0 });
        let writer = Writer { begun: 0, done: 0, at: At::Idle, impatient: false };
        World {
            row: Row { tick: None, count: None, puts, markers: [0; 2] },
            writers: [writer.clone(), writer.clone(), writer],
            under_way: Vec::new(),
            chunk_is_under_way: true,
            mark: None,
        }
    }

    /// MySQL after so many batches.
    fn mysql(&self, batches: u8) -> [bool; 2] {
        let mut items = self.begin;
        for batch in &self.batches[..usize::from(batches)] {
            for (item, does) in items.iter_mut().zip(batch) {
                match does {
                    Does::Nothing => {}
                    Does::Put => *item = true,
                    Does::Delete => *item = false,
                }
            }
        }
        items
    }

    fn works(&self, writer: usize) -> u8 {
        match writer {
            TAIL => 2,
            PASS => 1,
            _ => self.journaled,
        }
    }

    fn work(&self, world: &World, writer: usize, number: u8) -> RowWork {
        if writer == PASS {
            return RowWork { tick: Tick(world.mark.unwrap_or(0).into()), what: WorkKind::Count };
        }
        let name = |item: usize| Bytes::from_static(ITEMS[item]);
        let batch = self.batches[usize::from(number)];
        let of = |wanted: Does| (0..2).filter(move |item| batch[*item] == wanted);
        let puts = of(Does::Put).map(|item| (name(item), Bytes::new())).collect();
        let what = WorkKind::Batch { puts, delete_columns: of(Does::Delete).map(name).collect() };
        RowWork { tick: Tick(TICKS[usize::from(number) + 1].into()), what }
    }

    /// What can happen next, and what it is called.
    fn steps(&self, world: &World, next: &mut Vec<(String, World)>) {
        if world.chunk_is_under_way {
            let mut after = World { chunk_is_under_way: false, ..world.clone() };
            for (item, there) in self.mysql(self.seen_by_chunk).into_iter().enumerate() {
                after.row.puts[item] = after.row.puts[item].max(if there { LATE } else { 0 });
            }
            next.push(("What was copied late lands.".to_owned(), after));
        }
        if world.mark.is_none() && self.pass_may_begin(world) {
            let written = world.writers[TAIL].done.max(self.journaled);
            let last = if self.is_off(Mechanism::MarkOfCounts) { 2 } else { written };
            let mark = TICKS[usize::from(last)] + 6;
            next.push((
                format!("The count pass begins, at mark {mark}."),
                World { mark: Some(mark), ..world.clone() },
            ));
        }
        for writer in [TAIL, PASS, ZOMBIE] {
            if (writer != PASS || world.mark.is_some()) && world.writers[writer].done < self.works(writer) {
                self.next_of(world, writer, next);
            }
        }
        for at in 0..world.under_way.len() {
            self.landing(world, at, next);
        }
        next.iter_mut().for_each(|(_, after)| self.forget_what_is_doomed(after));
    }

    /// A request that nobody waits for, and that can only be refused: `c:t` does not go back.
    fn forget_what_is_doomed(&self, world: &mut World) {
        let World { row, writers, under_way, .. } = world;
        let waited_for = |request: &Request| {
            writers[request.of].at == At::Waits && writers[request.of].done == request.work
        };
        under_way.retain(|request| {
            self.is_off(Mechanism::CellsWithCount) || request.seen.tick == row.tick || waited_for(request)
        });
    }

    /// Everything journaled before is written, and the tail has passed what a SELECT may have seen. (No batch is sealed
    /// and not written: its tick would be below the mark.)
    fn pass_may_begin(&self, world: &World) -> bool {
        let tail = &world.writers[TAIL];
        let wanted = if self.is_off(Mechanism::CountAfterCopy) {
            self.journaled
        } else {
            self.journaled.max(self.seen_by_chunk)
        };
        tail.begun == tail.done && tail.done >= wanted
    }

    /// What a writer can do by itself.
    fn next_of(&self, world: &World, writer: usize, next: &mut Vec<(String, World)>) {
        let counting = match writer {
            TAIL => world.mark.is_some() && self.tail_knows,
            PASS => true,
            _ => false,
        };
        let name = NAMES[writer];
        let number = world.writers[writer].done;
        let with = |at: At| {
            let mut after = world.clone();
            after.writers[writer].at = at;
            after
        };
        match &world.writers[writer].at {
            At::Idle => {
                let mut after = with(At::HasRead(world.row.clone(), None, counting));
                after.writers[writer].begun = number + 1;
                next.push((
                    format!(
                        "{name} reads the row for {}: {}.",
                        self.say_work(writer, number),
                        say_row(&world.row)
                    ),
                    after,
                ));
            }
            At::HasRead(seen, whole, counting) => {
                match self.decide(world, (writer, number), seen, (*whole, *counting)) {
                    done @ (Step::Done | Step::Foreign) => {
                        // in one process a row's works go in the order of their ticks, which this model leaves open
                        // where the tail does not know of the pass
                        let may_overtake = !self.tail_knows || self.off.is_some();
                        assert!(done == Step::Done || may_overtake, "{name} takes its own row for foreign");
                        let mut after = with(At::Idle);
                        after.writers[writer].done += 1;
                        next.push((
                            format!("{name} finds {} done: `c:t` says so.", self.say_work(writer, number)),
                            after,
                        ));
                    }
                    Step::CountCells => {
                        let after = with(At::HasRead(seen.clone(), Some(world.row.items()), *counting));
                        next.push((format!("{name} counts {} cells.", world.row.items()), after));
                    }
                    Step::Write(write) => {
                        let mut after = with(At::Waits);
                        let (seen, whole, counting) = (seen.clone(), *whole, *counting);
                        after.under_way.push(Request {
                            of: writer,
                            work: number,
                            seen,
                            whole,
                            counting,
                            half: false,
                        });
                        next.push((format!("{name} sends {}.", self.say_write(&write)), after));
                    }
                }
            }
            // beside a predecessor the others are patient: what it leaves under way is enough
            At::Waits if !world.writers[writer].impatient && (writer == TAIL || self.journaled == 0) => {
                let mut after = with(At::Idle);
                after.writers[writer].impatient = true;
                next.push((format!("{name} waits no longer for an answer."), after));
            }
            At::Waits => {}
        }
    }

    fn say_work(&self, writer: usize, number: u8) -> String {
        if writer == PASS {
            return "its count".to_owned();
        }
        let does = self.batches[usize::from(number)];
        let one = |item: usize| match does[item] {
            Does::Nothing => None,
            Does::Put => Some(format!("put {}", ["a", "b"][item])),
            Does::Delete => Some(format!("delete {}", ["a", "b"][item])),
        };
        let does: Vec<String> = (0..2).filter_map(one).collect();
        format!("batch {} ({})", TICKS[usize::from(number) + 1], does.join(", "))
    }

    fn say_write(&self, write: &CountedWrite) -> String {
        let cells = match write.puts.is_empty() && write.delete_columns.is_empty() {
            true => "",
            false => "its cells, ",
        };
        let count = match write.count {
            CountChange::Keep => "the count as it is".to_owned(),
            CountChange::Set(items) => format!("count {items}"),
            CountChange::Remove => "no count".to_owned(),
        };
        let tick = match self.is_off(Mechanism::CountMovesTick) && cells.is_empty() {
            true => "`c:t` as it is".to_owned(),
            false => format!("`c:t` {}", short(write.tick)),
        };
        let only_where = match (write.expected, self.off) {
            (_, Some(Mechanism::CellsWithCount | Mechanism::DeltaCompared)) => "wherever `c:t` is".to_owned(),
            (Some(tick), _) => format!("to be made where `c:t` is {tick}"),
            (None, _) => "to be made where there is no `c:t`".to_owned(),
        };
        format!("{cells}{count}, {tick}, {only_where}")
    }

    fn decide(
        &self,
        world: &World,
        (writer, number): (usize, u8),
        seen: &Row,
        (whole, counting): (Option<u8>, bool),
    ) -> Step {
        let mode = if counting { CountMode::Counting } else { CountMode::NotYet };
        step(&seen.found(), &self.work(world, writer, number), mode, whole.map(u64::from))
    }

    /// A request lands; the answer arrives, or is lost.
    fn landing(&self, world: &World, at: usize, next: &mut Vec<(String, World)>) {
        let mut after = world.clone();
        let request = after.under_way.remove(at);
        let Request { of, work, seen, whole, counting, half } = &request;
        let what = format!("What {} sent for {}", NAMES[*of].to_lowercase(), self.say_work(*of, *work));
        let Step::Write(write) = self.decide(world, (*of, *work), seen, (*whole, *counting)) else {
            unreachable!("only writes are sent")
        };
        if self.is_off(Mechanism::CellsWithCount) && !half {
            after.row.put_cells(&write);
            after.under_way.push(Request { half: true, ..request });
            next.push((format!("{what}: its cells land."), after));
            return;
        }
        let is_compared = !self.is_off(Mechanism::CellsWithCount) && !self.is_off(Mechanism::DeltaCompared);
        let made = !is_compared || after.row.tick == seen.tick;
        if made && self.is_off(Mechanism::DeltaCompared) {
            after.row.put_cells(&write);
            after.row.add_to_count(&write, seen, *whole);
        } else if made {
            if !self.is_off(Mechanism::CellsWithCount) {
                after.row.put_cells(&write);
            }
            after.row.put_count(&write, self.is_off(Mechanism::CountMovesTick) && *of == PASS);
        }
        let how = if made { "lands" } else { "is refused, since `c:t` has moved" };
        if after.writers[*of].at != At::Waits || after.writers[*of].done != *work {
            next.push((format!("{what} {how}, late."), after));
            return;
        }
        let mut lost = after.clone();
        lost.writers[*of].at = At::Idle;
        next.push((format!("{what} {how}, and the answer is lost."), lost));
        after.writers[*of].at = At::Idle;
        after.writers[*of].done += u8::from(made);
        next.push((format!("{what} {how}, and is answered."), after));
    }
}

impl explorer::World for Setting {
    type State = World;
    type Step = String;

    fn begin(&self) -> World {
        self.beginning()
    }

    fn next(&self, world: &World, next: &mut Vec<(String, World)>) {
        self.steps(world, next);
    }

    fn wrong(&self, world: &World) -> Option<String> {
        let (count, items) = (world.row.count, world.row.items());
        if let Some(count) = count.filter(|count| *count != items) {
            return Some(format!("The row says that it has {count} items, and it has {items}."));
        }
        if !self.is_over(world) {
            return None;
        }
        let (there, wanted) = ([world.row.has(0), world.row.has(1)], self.mysql(2));
        if there != wanted {
            return Some(format!("The row has {}, MySQL has {}.", say_items(there), say_items(wanted)));
        }
        (self.tail_knows && count.is_none()).then(|| "The row is not counted in the end.".to_owned())
    }

    fn is_over(&self, world: &World) -> bool {
        (0..3).all(|writer| world.writers[writer].done == self.works(writer))
            && world.under_way.is_empty()
            && !world.chunk_is_under_way
    }

    fn tell(&self, _: &World, step: String) -> String {
        step
    }
}

fn say_items(there: [bool; 2]) -> &'static str {
    match there {
        [false, false] => "nothing",
        [true, false] => "a",
        [false, true] => "b",
        [true, true] => "a and b",
    }
}

/// What two batches may do to the items (which are alike), from all beginnings, with every chunk and predecessor.
fn settings(off: Option<Mechanism>) -> impl Iterator<Item = Setting> {
    use Does::{Delete, Nothing, Put};
    let firsts = [[Put, Nothing], [Delete, Nothing], [Put, Delete], [Delete, Delete]];
    let seconds = [[Nothing, Put], [Delete, Nothing], [Delete, Put]];
    let batches = firsts.into_iter().flat_map(move |first| seconds.map(|second| [first, second]));
    let begins = [[false, false], [true, false], [true, true]];
    batches.flat_map(move |batches| {
        let begins = begins.into_iter().flat_map(|begin| [(begin, true), (begin, false)]);
        begins.flat_map(move |(begin, tail_knows)| {
            [(0, 0), (1, 0), (0, 1), (1, 1), (1, 2)].map(|(seen_by_chunk, journaled)| Setting {
                off,
                begin,
                batches,
                seen_by_chunk,
                journaled,
                tail_knows,
            })
        })
    })
}

/// The first of these worlds in which a mechanism matters, without it and with it.
pub fn without_and_with(mechanism: Mechanism) -> Option<(explorer::Found, explorer::Found)> {
    use Mechanism::{CellsWithCount, CountAfterCopy, CountMovesTick, DeltaCompared, MarkOfCounts};
    if ![CellsWithCount, DeltaCompared, CountAfterCopy, CountMovesTick, MarkOfCounts].contains(&mechanism) {
        return None;
    }
    let explored = settings(Some(mechanism)).map(|setting| (setting, explorer::explore(&setting)));
    let (setting, without) = explored.into_iter().find(|(_, found)| found.story.is_some())?;
    Some((without, explorer::explore(&Setting { off: None, ..setting })))
}

#[test]
fn whatever_the_order_a_count_is_the_number_of_items() {
    let (mut states, mut explored) = (0, 0);
    for setting in settings(None) {
        let found = explorer::explore(&setting);
        if let Some(story) = found.story {
            panic!("{setting:?}\n  {}", story.join("\n  "));
        }
        assert!(found.ends > 0, "{setting:?}: it never comes to an end");
        (states, explored) = (states + found.states, explored + 1);
    }
    println!("{explored} settings, {states} states");
    assert!(explored > 300 && states > 500_000, "{explored} settings, {states} states");
}
