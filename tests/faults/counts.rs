//! Counts: replies that are lost, writes that land late, a pass that is interrupted, a process that is thought dead.

use super::bench::{Bench, EXPIRY, copy, delete, insert, row, update};
use super::gateway::Fate::{FailAfter, FailBefore, Late, Pass};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tailfill::failpoints::Failpoints;
use tailfill::lock::{LeaseOptions, Leases, ListId};
use tailfill::model::{LifeCycle, Mapping, Reached, TargetId, Tick};
use tailfill::pipeline::copies::fence::FENCE;
use tailfill::pipeline::jobs::JobState;
use tailfill::pipeline::{Parts, Settings};
use tailfill::protocol::count::{CountMode, Recount, Recounting};
use tailfill::protocol::counted::{CountedRows, LongRows, Order};
use tailfill::protocol::plan::Cohort;
use tailfill::protocol::{Entry, Journal, Pending, Plan, ProtocolError};
use tailfill::sink::{
    CellNames, CountChange, CountedRow, CountedWrite, PackedRows, ReadCounts, RowWrite, WriteRows,
};
use tailfill::store::records::{self, CountsRecord, CountsState, LifeRecord};
use tailfill::store::{Commit, Space, Store, StoreError};
use tokio::time::{Instant, sleep, timeout};

const WIDE: TargetId = TargetId(0);

/// A copy of `lists` lists of `items` items each, all counted.
async fn counted(lists: u64, items: u64) -> Bench {
    let bench = filled(lists, items);
    bench.copies().await;
    bench.assert_equal().await;
    assert_eq!(state(&bench).await, Some(CountsState::Counted));
    bench.gateway.take_counted();
    bench
}

fn filled(lists: u64, items: u64) -> Bench {
    let bench = Bench::with_counts();
    for list in 0..lists {
        bench.commit((0..items).map(|item| insert(&row(list, item, "old"))).collect());
    }
    bench
}

async fn state(bench: &Bench) -> Option<CountsState> {
    let stored = bench.world.store.list(Space::Counts, &[]).await.expect("reads do not fail");
    assert!(stored.len() <= 1, "there is one counted target");
    stored.first().map(|(_, value)| records::decode::<CountsRecord>(value).expect("whole").state)
}

/// Every row of the counted target.
async fn rows(bench: &Bench) -> Vec<CountedRow> {
    let everything = tailfill::sink::ScanRange { limit: usize::MAX, ..Default::default() };
    bench.world.sink.scan_counts(WIDE, &everything).await.expect("it reads")
}

/// How many rows have their count.
async fn rows_counted(bench: &Bench) -> usize {
    rows(bench).await.iter().filter(|row| row.count.is_some()).count()
}

fn sets(writes: &[CountedWrite]) -> Vec<u64> {
    let set = |write: &CountedWrite| match write.count {
        CountChange::Set(items) => Some(items),
        _ => None,
    };
    writes.iter().filter_map(set).collect()
}

/// The same with the wide target counted or not.
fn counting(bench: &Bench, counted: bool) -> Parts {
    let mut mapping: Mapping = bench.world.mapping.clone();
    mapping.targets[0].counted = counted;
    Parts { plan: Arc::new(Plan::new(vec![mapping], Cohort::All)), ..bench.parts() }
}

#[tokio::test(start_paused = true)]
async fn a_counted_write_whose_reply_was_lost_is_not_counted_twice() {
    let bench = counted(1, 3).await;
    bench.commit(vec![insert(&row(0, 7, "new")), insert(&row(0, 8, "new")), delete(&row(0, 1, "old"))]);
    bench.gateway.next_counted([FailAfter], Pass);
    bench.catches_up().await;
    bench.assert_equal().await;
    let sent = bench.gateway.take_counted();
    assert_eq!(sent.len(), 3, "each change is a batch here, and the one that was lost had landed: {sent:?}");
    assert_eq!(sets(&sent), [4, 5, 4]);
}

#[tokio::test(start_paused = true)]
async fn replies_that_stay_lost_beyond_the_lease_count_nothing_twice() {
    let bench = counted(3, 2).await;
    for list in 0..3 {
        bench.commit(vec![insert(&row(list, 7, "new"))]);
        bench.commit(vec![delete(&row(list, 7, "new"))]);
        bench.commit(vec![insert(&row(list, 7, "again"))]);
    }
    bench.gateway.next_counted([FailBefore; 40].into_iter().chain([FailAfter; 9]), Pass);
    let begin = Instant::now();
    bench.catches_up().await;
    assert!(begin.elapsed() > Duration::from_secs(8), "a second lease was needed");
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_counted_write_that_lands_late_changes_nothing_any_more() {
    let bench = counted(1, 3).await;
    let late = Duration::from_secs(30);
    bench.commit(vec![insert(&row(0, 7, "new"))]);
    bench.commit(vec![delete(&row(0, 7, "new"))]);
    bench.gateway.next_counted([Late(late), Late(late), Pass, Late(late)], Pass);
    bench.catches_up().await;
    bench.assert_equal().await;
    bench.commit(vec![insert(&row(0, 8, "newer"))]);
    bench.catches_up().await;
    bench.assert_equal().await;
    sleep(late * 2).await;
    assert_eq!(bench.gateway.landed_late(), 3);
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_is_killed_goes_on_where_it_was() {
    let mut bench = filled(30, 2);
    bench.settings.count_rows = 1;
    bench.gateway.scans_take(Duration::from_millis(500));
    let killed = timeout(Duration::from_secs(8), copy(bench.parts())).await;
    killed.expect_err("counting thirty rows takes fifteen seconds");
    let before = rows_counted(&bench).await;
    assert!((3..27).contains(&before), "{before} rows are counted");
    assert_eq!(state(&bench).await, Some(CountsState::Counting));
    let scans = bench.gateway.scans();
    bench.commit(vec![insert(&row(29, 7, "meanwhile")), delete(&row(0, 0, "old"))]);
    bench.copies().await;
    bench.assert_equal().await;
    assert_eq!(state(&bench).await, Some(CountsState::Counted));
    let again = bench.gateway.scans() - scans;
    assert!(again as usize <= 31 - before, "{again} rows were counted after {before}");
}

#[tokio::test(start_paused = true)]
async fn rows_are_not_counted_before_an_earlier_process_can_copy_no_more() {
    let bench = filled(2, 2);
    let begin = Instant::now();
    bench.copies().await;
    assert!(begin.elapsed() < Duration::from_secs(5), "there was no earlier process");
    let bench = filled(2, 2);
    bench.gateway.all_writes(FailBefore);
    timeout(Duration::from_millis(300), copy(bench.parts())).await.expect_err("it cannot write");
    bench.gateway.all_writes(Pass);
    let begin = Instant::now();
    bench.copies().await;
    let took = begin.elapsed();
    assert!(took >= FENCE + EXPIRY && took < FENCE + EXPIRY + Duration::from_secs(5), "it took {took:?}");
    bench.assert_equal().await;
}

/// A process that copies in vain, and takes no marks, while another one takes its state over. How it ended, if it did.
async fn thought_dead(failpoints: Failpoints) -> Option<ProtocolError> {
    let mut bench = filled(2, 2);
    bench.settings = Settings { mark_every: Duration::from_secs(3_600), failpoints, ..bench.settings };
    bench.settings.retry_for = Duration::from_secs(300);
    bench.gateway.all_writes(FailBefore);
    let process = tokio::spawn(copy(bench.parts()));
    sleep(Duration::from_secs(2)).await;
    let _successor = bench.world.store.take_over();
    let mut process = Box::pin(process);
    let ended = timeout(Duration::from_secs(60), &mut process).await;
    process.abort();
    Some(ended.ok()?.expect("it does not panic").expect_err("it cannot write"))
}

#[tokio::test(start_paused = true)]
async fn a_process_that_lost_its_state_stops_copying_into_a_counted_target() {
    let error = thought_dead(Failpoints::default()).await;
    assert!(matches!(error, Some(ProtocolError::Store(StoreError::Locked { .. }))), "{error:?}");
}

#[cfg(feature = "failpoints")]
#[tokio::test(start_paused = true)]
async fn without_its_fence_a_process_that_lost_its_state_goes_on_copying() {
    let switches = tailfill::failpoints::Switches { count_beside_zombies: true, ..Default::default() };
    assert!(thought_dead(Failpoints::new(switches)).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_target_that_was_not_counted_for_a_while_is_counted_anew() {
    let bench = counted(3, 3).await;
    bench.commit(vec![insert(&row(0, 7, "uncounted")), delete(&row(1, 1, "old"))]);
    bench.copies_with(counting(&bench, false)).await;
    assert_eq!(state(&bench).await, Some(CountsState::Uncounted), "nobody keeps them any more");
    bench.copies_with(counting(&bench, true)).await;
    let mut counts: Vec<Option<u64>> = rows(&bench).await.iter().map(|row| row.count).collect();
    counts.sort_unstable();
    assert_eq!(counts, [Some(2), Some(3), Some(4)]);
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_row_says_zero() {
    let bench = counted(1, 1).await;
    let (first, second) = (row(0, 0, "old"), row(1, 0, "short"));
    bench.commit(vec![delete(&first)]);
    bench.commit(vec![insert(&second)]);
    bench.commit(vec![delete(&second)]);
    bench.catches_up().await;
    assert_eq!(rows(&bench).await.iter().map(|row| row.count).collect::<Vec<_>>(), [Some(0), Some(0)]);
}

#[tokio::test(start_paused = true)]
async fn a_replay_with_new_ticks_counts_the_same() {
    let bench = counted(2, 3).await;
    let moved = row(1, 9, "moved");
    bench.commit(vec![update(&row(0, 0, "old"), &moved), insert(&row(0, 8, "new"))]);
    bench.commit(vec![delete(&moved)]);
    bench.commit(vec![insert(&moved)]);
    bench.copies().await;
    bench.assert_equal().await;
    let from = crate::simulation::database::position(crate::simulation::database::up_to(2));
    bench.replays_from(from).await;
    bench.assert_equal().await;
    assert!(!bench.gateway.take_counted().is_empty());
}

fn reason_of(life: &[u8]) -> Option<String> {
    match records::decode::<LifeRecord>(life).expect("whole").state {
        LifeCycle::Parked { reason } => Some(reason),
        _ => None,
    }
}

/// Somebody's `c:t` far above our ticks, in the row of a list that is copied.
async fn with_a_tick_of_others(bench: &Bench) -> Tick {
    let row = rows(bench).await[0].clone();
    let tick = Tick(row.tick.expect("it is counted").0 + 3_600_000);
    let write = CountedWrite {
        row: row.row,
        expected: row.tick,
        tick,
        puts: vec![],
        delete_columns: vec![],
        count: CountChange::Remove,
    };
    assert!(bench.world.sink.write_counted(WIDE, &write).await.expect("it writes"));
    tick
}

#[tokio::test(start_paused = true)]
async fn changes_are_not_taken_for_done_because_of_a_tick_that_is_not_ours() {
    let bench = counted(1, 3).await;
    let tick = with_a_tick_of_others(&bench).await;
    bench.commit(vec![delete(&row(0, 1, "old"))]);
    let ended = timeout(Duration::from_secs(60), copy(bench.parts())).await.expect("it ends");
    let error = ended.expect_err("one target cannot be written to");
    assert!(matches!(error, ProtocolError::Parked { .. }), "{error}");
    let lives = bench.world.store.list(Space::LifeCycle, &[]).await.expect("it reads");
    let reasons: Vec<String> = lives.iter().filter_map(|(_, life)| reason_of(life)).collect();
    assert!(reasons.len() == 1 && reasons[0].contains(&tick.0.to_string()), "{reasons:?}");
    assert!(!bench.gateway.take_counted().iter().any(|write| !write.delete_columns.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_walk_does_not_go_round_for_ever_for_a_tick_that_is_not_ours() {
    let bench = counted(2, 3).await;
    bench.copies_with(counting(&bench, false)).await; // from now on they are to be counted anew
    let tick = with_a_tick_of_others(&bench).await;
    let ended = timeout(Duration::from_secs(60), copy(bench.parts())).await.expect("it ends");
    // nothing else is written meanwhile, so that only time shows that it does not pass
    match ended.expect_err("the rows cannot be counted") {
        ProtocolError::GaveUp { cause, .. } => {
            assert!(cause.to_string().contains(&tick.0.to_string()), "{cause}");
        }
        error => panic!("{error}"),
    }
}

/// A recount of one row, as the writer gets it.
async fn recount_of(
    bench: &Bench,
    row: Bytes,
) -> tailfill::protocol::Journaled<tailfill::protocol::count::ListRecount> {
    let journal = Journal::new(Arc::new(bench.world.store.clone()), "simulated");
    let (what, list) = (Recounting::Count, ListId::new(0, b"list"));
    let recount = Recount { target: WIDE, what, rows: vec![(list, row)] }.by_list(Tick(500)).remove(0);
    let pending = Pending { tick: Tick(500), entry: Some(Entry::Mark { proof: Reached::default() }) };
    let receipt = journal.append(&[pending], &mut None).await.expect("no faults");
    receipt.recount(recount)
}

#[tokio::test(start_paused = true)]
async fn a_row_that_takes_longer_to_count_than_a_lease_lasts_is_counted_over_several() {
    let bench = Bench::with_counts();
    let row = Bytes::from_static(b"a long row");
    let cell = |item: u32| RowWrite {
        row: row.clone(),
        tick: Tick(100),
        delete_family: false,
        puts: vec![(Bytes::copy_from_slice(&item.to_be_bytes()), Bytes::new())],
        delete_columns: vec![],
    };
    let cells: Vec<RowWrite> = (0..90_000).map(cell).collect();
    bench.world.sink.write(WIDE, &PackedRows::of(&cells).writes()).await.expect("it writes");
    bench.gateway.scans_take(Duration::from_secs(3));
    let recount = recount_of(&bench, row.clone()).await;
    let options = LeaseOptions { expiry: EXPIRY, ..LeaseOptions::default() };
    let leases = Leases::new(None, vec!["m".into()], options, bench.world.dice.entropy(), "owner".into());
    let (long, list) = (LongRows::default(), recount.get().list);
    let (highest, plan, failpoints) = (&AtomicU64::new(500), &*bench.parts().plan, Failpoints::default());
    let mut leases_taken = 0;
    loop {
        leases_taken += 1;
        assert!(leases_taken < 9, "it begins from the beginning again and again");
        let held = leases.acquire_all(&[list], leases.claim().ticket()).await.expect("nobody else has it");
        let sink = &*bench.gateway;
        let rows = CountedRows { sink, held: &held, long: &long, highest, plan, failpoints };
        let ended = rows.carry_out(&[Order::Recount(&recount)], |_| CountMode::Counting).await;
        held.release().await;
        if ended.unfinished.is_empty() {
            break;
        }
        assert_eq!(bench.gateway.take_counted(), [], "nothing is sent after the deadline");
    }
    assert_eq!(leases_taken, 3, "five pages of three seconds, in leases of eight");
    let names = [CellNames { row, qualifiers: vec![] }];
    let found = bench.world.sink.read_counted(WIDE, &names).await.expect("it reads").remove(0);
    assert_eq!((found.tick, found.count), (Some(Tick(500)), Some(90_000)));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_was_parked_while_it_was_counted_is_counted_once_it_is_back() {
    let bench = counted(3, 3).await;
    let store = &bench.world.store;
    let (key, _) = store.list(Space::Counts, &[]).await.expect("it reads").remove(0);
    let life: LifeRecord =
        records::read(store, Space::LifeCycle, &key).await.expect("it reads").expect("a copy");
    let parked = LifeRecord { state: LifeCycle::Parked { reason: "an ALTER".into() }, ..life };
    let counting = CountsRecord { state: CountsState::Counting };
    let put = vec![
        (Space::LifeCycle, key.clone(), records::encode(&parked).expect("it encodes")),
        (Space::Counts, key, records::encode(&counting).expect("it encodes")),
    ];
    store.commit(Commit { put, ..Commit::default() }).await.expect("it writes");
    bench.commit(vec![insert(&row(0, 7, "missed")), delete(&row(1, 1, "old"))]);
    let (report, _) = super::recopy::recopied(&bench, super::recopy::all(&bench)).await;
    assert_eq!(report.state, JobState::Done, "{report:?}");
    assert_eq!(state(&bench).await, Some(CountsState::Counted));
    bench.assert_equal().await;
}
