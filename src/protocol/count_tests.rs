use super::*;
use crate::clock::SteadyClock;
use crate::model::{CellForm, Layout, Target};
use crate::sink::fixtures::target;
use crate::sink::memory::MemorySink;
use crate::sink::{CellNames, CellRange, ReadCounts, ReadRows, WriteRows};
use futures::FutureExt;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

const TARGET: TargetId = TargetId(0);
const ROW: Bytes = Bytes::from_static(b"row");

fn name(item: u8) -> Bytes {
    Bytes::copy_from_slice(&[item])
}

fn found(tick: Option<u64>, count: Option<u64>, present: &[u8]) -> CountedRow {
    let present = present.iter().map(|item| name(*item)).collect();
    CountedRow { row: ROW, tick: tick.map(Tick), count, present }
}

fn batch(tick: u64, puts: &[u8], deletes: &[u8]) -> RowWork {
    let puts = puts.iter().map(|item| (name(*item), Bytes::from_static(b"value"))).collect();
    let delete_columns = deletes.iter().map(|item| name(*item)).collect();
    RowWork { tick: Tick(tick), what: WorkKind::Batch { puts, delete_columns } }
}

fn work(tick: u64, what: WorkKind) -> RowWork {
    RowWork { tick: Tick(tick), what }
}

fn change(step: Step) -> Option<CountChange> {
    match step {
        Step::Write(write) => Some(write.count),
        Step::Done | Step::CountCells | Step::Foreign => None,
    }
}

#[test]
fn what_was_done_is_done_no_more() {
    for tick in [5, 6] {
        let row = found(Some(tick), Some(1), &[]);
        for work in [batch(5, &[1], &[]), work(5, WorkKind::Count)] {
            assert_eq!(step(&row, &work, CountMode::Counting, None), Step::Done);
        }
        let row = found(Some(tick), None, &[]);
        assert_eq!(step(&row, &work(5, WorkKind::Forget), CountMode::NotYet, None), Step::Done);
    }
    let write = step(&found(Some(4), Some(1), &[]), &batch(5, &[1], &[]), CountMode::Counting, None);
    let Step::Write(write) = write else { panic!("{write:?}") };
    assert_eq!((write.expected, write.tick), (Some(Tick(4)), Tick(5)));
}

#[test]
fn a_tick_that_no_recount_could_have_left_is_none_of_ours() {
    for tick in [5, 6] {
        let (counted, not) = (found(Some(tick), Some(1), &[]), found(Some(tick), None, &[]));
        assert_eq!(step(&not, &work(5, WorkKind::Count), CountMode::Counting, None), Step::Foreign);
        assert_eq!(step(&counted, &work(5, WorkKind::Forget), CountMode::NotYet, None), Step::Foreign);
    }
}

#[test]
fn an_item_counts_by_whether_its_cell_is_there() {
    let row = found(Some(4), Some(10), &[2, 4]);
    let count = |puts, deletes| change(step(&row, &batch(5, puts, deletes), CountMode::Counting, None));
    assert_eq!(count(&[1, 3], &[]), Some(CountChange::Set(12)));
    assert_eq!(count(&[2, 4], &[]), Some(CountChange::Set(10)), "they are there already");
    assert_eq!(count(&[], &[1, 3]), Some(CountChange::Set(10)), "they are not there");
    assert_eq!(count(&[1], &[2, 4]), Some(CountChange::Set(9)));
}

#[test]
fn nobody_sets_a_count_while_chunks_may_bring_items_and_one_from_before_goes() {
    let change = |count| {
        change(step(&found(Some(4), count, &[]), &batch(5, &[1], &[]), CountMode::NotYet, None)).unwrap()
    };
    assert_eq!(change(None), CountChange::Keep);
    assert_eq!(change(Some(3)), CountChange::Remove);
}

#[test]
fn a_row_without_a_count_is_counted_in_whole_first() {
    for tick in [None, Some(4)] {
        let row = found(tick, None, &[2]);
        let write = batch(5, &[1, 3], &[2]);
        assert_eq!(step(&row, &write, CountMode::Counting, None), Step::CountCells);
        let counted = step(&row, &write, CountMode::Counting, Some(7));
        assert_eq!(change(counted), Some(CountChange::Set(8)));
        assert_eq!(step(&row, &work(5, WorkKind::Count), CountMode::Counting, None), Step::CountCells);
        let counted = step(&row, &work(5, WorkKind::Count), CountMode::Counting, Some(7));
        assert_eq!(change(counted), Some(CountChange::Set(7)));
    }
}

#[test]
fn a_walk_leaves_what_it_need_not_touch() {
    let (counted, not) = (found(Some(4), Some(0), &[]), found(Some(4), None, &[]));
    assert_eq!(step(&counted, &work(5, WorkKind::Count), CountMode::Counting, None), Step::Done);
    assert_eq!(step(&not, &work(5, WorkKind::Forget), CountMode::NotYet, None), Step::Done);
    let forget = step(&counted, &work(5, WorkKind::Forget), CountMode::NotYet, None);
    assert_eq!(change(forget), Some(CountChange::Remove));
}

#[test]
fn a_count_that_cannot_be_right_is_counted_anew() {
    let row = found(Some(4), Some(1), &[1, 2]);
    assert_eq!(step(&row, &batch(5, &[], &[1, 2]), CountMode::Counting, None), Step::CountCells);
    let counted = step(&row, &batch(5, &[], &[1, 2]), CountMode::Counting, Some(3));
    assert_eq!(change(counted), Some(CountChange::Set(1)));
}

#[test]
fn a_recount_goes_to_each_list_by_itself() {
    let list = |number: u8| ListId::new(0, &[number]);
    let rows = vec![(list(2), name(9)), (list(1), name(5)), (list(2), name(8))];
    let recount = Recount { target: TARGET, what: Recounting::Forget, rows };
    let mut lists = recount.by_list(Tick(3));
    lists.sort_by_key(|of_list| of_list.rows.len());
    assert_eq!((lists.len(), lists[0].list, lists[1].list), (2, list(1), list(2)));
    assert_eq!(lists[1].rows, [name(8), name(9)]);
    assert_eq!(lists[0].work(), work(3, WorkKind::Forget));
}

/// One who works a row off: what it has yet to do, and what it has sent and nobody knows about.
struct Worker {
    works: VecDeque<RowWork>,
    mode: CountMode,
}

struct World {
    sink: MemorySink,
    /// Requests that may land at any time.
    under_way: Vec<CountedWrite>,
}

impl World {
    fn new() -> World {
        let (layout, form) = (Layout::Wide, CellForm::Msgpack);
        let target = Target { layout, form, counted: true, ..target(0, "counted", false) };
        let sink = MemorySink::with_tables(&[target], Arc::new(SteadyClock::start()));
        World { sink, under_way: Vec::new() }
    }

    fn read(&self, qualifiers: Vec<Bytes>) -> CountedRow {
        let names = [CellNames { row: ROW, qualifiers }];
        let read = self.sink.read_counted(TARGET, &names).now_or_never();
        read.expect("it does not wait").expect("it does not fail").remove(0)
    }

    fn items(&self) -> u64 {
        let range = CellRange::of_row(&ROW, usize::MAX);
        let scan = self.sink.scan_cells(TARGET, &range).now_or_never();
        scan.expect("it does not wait")
            .expect("it does not fail")
            .first()
            .map_or(0, |row| row.cells.len() as u64)
    }

    fn land(&self, write: &CountedWrite) -> bool {
        let written = self.sink.write_counted(TARGET, write).now_or_never();
        written.expect("it does not wait").expect("it does not fail")
    }

    /// One attempt at the next work: sent, and landed at once (`reply`: `true`), landed with its reply lost, or left
    /// under way.
    fn attempt(&mut self, worker: &mut Worker, fate: Fate) {
        let Some(work) = worker.works.front() else { return };
        let names = match &work.what {
            WorkKind::Batch { puts, delete_columns } => {
                puts.iter().map(|(name, _)| name.clone()).chain(delete_columns.iter().cloned()).collect()
            }
            WorkKind::Count | WorkKind::Forget => Vec::new(),
        };
        let row = self.read(names);
        let next = match step(&row, work, worker.mode, None) {
            Step::CountCells => step(&row, work, worker.mode, Some(self.items())),
            next => next,
        };
        match next {
            Step::Done => _ = worker.works.pop_front(),
            Step::CountCells => panic!("they are counted"),
            Step::Foreign => panic!("all are ours: {row:?} {work:?}"),
            Step::Write(write) => match fate {
                Fate::UnderWay => self.under_way.push(write),
                Fate::ReplyLost => _ = self.land(&write),
                Fate::Answered => {
                    if self.land(&write) {
                        let known = after(row, &write);
                        let seen = self.read(known.present.clone());
                        assert_eq!((seen.tick, seen.count), (known.tick, known.count), "{write:?}");
                        worker.works.pop_front();
                    }
                }
            },
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    ReplyLost,
    UnderWay,
}

#[derive(Clone, Debug)]
enum Event {
    /// Worker 0 or 1: the second one repeats everything from its beginning.
    Attempt(usize, Fate),
    /// Something that is under way lands; it may land again.
    Lands(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let fate = prop_oneof![Just(Fate::Answered), Just(Fate::ReplyLost), Just(Fate::UnderWay)];
    let event = prop_oneof![
        3 => (0..2_usize, fate).prop_map(|(worker, fate)| Event::Attempt(worker, fate)),
        1 => (0..8_usize).prop_map(Event::Lands),
    ];
    proptest::collection::vec(event, 0..60)
}

/// What a batch does: which of five items it puts and deletes.
fn batches() -> impl Strategy<Value = Vec<BTreeMap<u8, bool>>> {
    let touched = proptest::collection::btree_map(0..5_u8, any::<bool>(), 1..4);
    proptest::collection::vec(touched, 1..8)
}

fn works(batches: &[BTreeMap<u8, bool>], counted_after: usize) -> VecDeque<RowWork> {
    let mut works: VecDeque<RowWork> = VecDeque::new();
    for (number, batch_of) in batches.iter().enumerate() {
        if number == counted_after {
            works.push_back(work(number as u64 * 10 + 5, WorkKind::Count));
        }
        let of = |put: bool| {
            batch_of.iter().filter(|(_, puts)| **puts == put).map(|(item, _)| *item).collect::<Vec<_>>()
        };
        works.push_back(batch(number as u64 * 10 + 10, &of(true), &of(false)));
    }
    works
}

proptest! {
    #[test]
    fn any_order_of_repeated_late_and_lost_attempts_ends_with_the_number_of_items(
        batches in batches(),
        counted_after in 0..8_usize,
        events in events(),
    ) {
        let mut world = World::new();
        let worker = || Worker { works: works(&batches, counted_after), mode: CountMode::Counting };
        let mut workers = [worker(), worker()];
        for event in events {
            match event {
                Event::Attempt(worker, fate) => world.attempt(&mut workers[worker], fate),
                Event::Lands(which) => {
                    if let Some(write) = world.under_way.get(which).cloned() {
                        world.land(&write);
                    }
                }
            }
            let row = world.read(vec![]);
            if row.tick.is_some() {
                prop_assert_eq!(row.count, Some(world.items()), "I11");
            }
        }
        while !workers[0].works.is_empty() {
            world.attempt(&mut workers[0], Fate::Answered);
        }
        world.under_way.clone().iter().for_each(|write| _ = world.land(write));
        let mut there: BTreeMap<u8, bool> = BTreeMap::new();
        batches.iter().for_each(|batch| there.extend(batch));
        let items = there.values().filter(|put| **put).count() as u64;
        prop_assert_eq!((world.items(), world.read(vec![]).count), (items, Some(items)));
    }
}
