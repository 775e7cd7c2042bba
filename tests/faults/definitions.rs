//! What is durable of definitions before rows are read by them.

use super::bench::{Bench, copy, insert, row};
use super::recopy::{all, recopied};
use super::returning::killed_after;
use crate::simulation::database::up_to;
use std::sync::Arc;
use std::time::Duration;
use tailfill::error::Exit;
use tailfill::model::history::{Entry, Meaning};
use tailfill::model::{Definition, History, LifeCycle, Parking, TableId};
use tailfill::pipeline::jobs::{Ask, Failed, JobState};
use tailfill::pipeline::{Finished, Recopies};
use tailfill::protocol::ProtocolError;
use tailfill::source::{Proof, SourceError, StreamEvent};
use tailfill::store::records::{self, LifeRecord};
use tailfill::store::{Space, Store};
use tokio::task::JoinHandle;

const TABLE: TableId = TableId(0);

/// One that can be told from others.
pub fn definition(bench: &Bench, mark: &str) -> Arc<Definition> {
    let mut definition = Definition::of((*bench.world.mapping.schema).clone());
    definition.generated.insert("mark".into(), mark.into());
    Arc::new(definition)
}

fn parking(number: u64) -> Parking {
    let transaction = Some(crate::simulation::database::gtid(number));
    Parking {
        what: "TRUNCATE".into(),
        reason: "rows changed".into(),
        transaction,
        place: "binlog.000001:4".into(),
    }
}

/// The history that the last stream was asked to read by.
fn asked(bench: &Bench) -> History {
    bench.source.asked().remove(&bench.world.mapping.schema.name).unwrap_or_default()
}

async fn defined() -> Bench {
    let bench = Bench::unopened();
    bench.source.defines(definition(&bench, "first"));
    bench.commit(vec![insert(&row(1, 1, "a"))]);
    bench.catches_up().await;
    bench
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_asked_to_read_by_the_definitions_of_positions_also_after_a_restart() {
    let bench = defined().await;
    let number = bench.commit(vec![insert(&row(1, 2, "b"))]);
    let since = crate::simulation::database::gtid(number).alone();
    let second = definition(&bench, "second");
    let event = StreamEvent::Defined { table: TABLE, since: since.clone(), definition: second.clone() };
    bench.source.reports_in(number, event);
    bench.catches_up().await;
    bench.commit(vec![insert(&row(1, 3, "c"))]);
    bench.catches_up().await;
    let history = asked(&bench);
    assert_eq!(history.entries.len(), 2, "{history:?}");
    assert_eq!(history.last(), Some(&Entry::defined(since, second)));
}

/// Every target is parked for a reason that says `what`.
async fn assert_parked_for(bench: &Bench, what: &str) {
    let lives = bench.world.store.list(Space::LifeCycle, &[]).await.expect("it reads");
    for (_, life) in lives {
        let life: LifeRecord = records::decode(&life).expect("a record");
        assert!(matches!(&life.state, LifeCycle::Parked { reason } if reason.contains(what)), "{life:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_target_is_parked_too_durably_and_the_checkpoint_goes_on() {
    let bench = defined().await;
    bench.gateway.take_sent();
    let number = bench.commit(vec![insert(&row(1, 2, "left out"))]);
    bench.source.reports_in(number, StreamEvent::Parked { table: TABLE, parking: Box::new(parking(number)) });
    for item in 3..5 {
        let last = bench.commit(vec![insert(&row(1, item, "left out"))]);
        let error = bench.fails().await;
        assert!(matches!(error, ProtocolError::Parked { .. }), "{error:?}");
        assert_eq!(bench.checkpointed().await, crate::simulation::database::up_to(last));
    }
    assert_eq!(bench.gateway.take_sent(), []);
    assert_parked_for(&bench, "TRUNCATE").await;
    assert!(asked(&bench).last().is_some_and(Entry::is_parking), "the next stream knows of it");
}

/// Two batches are journaled, and the table is parked before their rows when these are read again: as where an earlier build
/// has judged a statement otherwise.
async fn journaled_and_left_out_now() -> Bench {
    let mut bench = defined().await;
    let often = std::mem::replace(&mut bench.settings.checkpoint_every, Duration::from_secs(3_600));
    let first = bench.commit(vec![insert(&row(1, 2, "b"))]);
    bench.commit(vec![insert(&row(2, 2, "c"))]);
    let work = async {
        while bench.journaled().await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    killed_after(&bench, Recopies::none(), work).await;
    assert!(!bench.recovered().await.replay.is_empty(), "something is to be cut again");
    bench.settings.checkpoint_every = often;
    bench.source.reports_in(first, StreamEvent::Parked { table: TABLE, parking: Box::new(parking(first)) });
    bench
}

#[tokio::test(start_paused = true)]
async fn journaled_batches_of_which_all_rows_are_left_out_now_are_passed_over() {
    let bench = journaled_and_left_out_now().await;
    let (report, _) = recopied(&bench, all(&bench)).await;
    // the tail comes to the parking while the re-copy goes on
    assert!(
        matches!(&report.state, JobState::Failed(Failed { reason, .. }) if reason.contains("TRUNCATE")),
        "{report:?}"
    );
    bench.assert_equal().await;
}

#[tokio::test(start_paused = true)]
async fn the_next_start_waits_for_no_batch_that_was_passed_over() {
    let bench = journaled_and_left_out_now().await;
    for item in 3..5 {
        assert!(matches!(bench.fails().await, ProtocolError::Parked { .. }));
        assert!(bench.recovered().await.replay.is_empty(), "the checkpoint went past them");
        bench.commit(vec![insert(&row(1, item, "left out"))]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_start_tries_again_at_a_newer_position_until_its_definition_is_proven() {
    let bench = Bench::unopened();
    let (early, late) = (definition(&bench, "early"), definition(&bench, "late"));
    bench.source.defines(late.clone());
    bench.source.next_proof(Proof::Changed { by: parking(1), read: Some(early) });
    bench.catches_up().await;
    bench.commit(vec![insert(&row(1, 1, "a"))]);
    bench.catches_up().await;
    assert_eq!(asked(&bench).last().map(|entry| entry.meaning.clone()), Some(Meaning::Defined(late)));
}

fn no_table() -> SourceError {
    SourceError::Refused { what: "a SELECT".into(), reason: "the table does not exist".into() }
}

/// As when a column has got another type.
fn unreadable() -> SourceError {
    let reason = "the result has another type than the column".into();
    SourceError::Unreadable { table: "t".into(), column: "c".into(), row: "id = 1".into(), reason }
}

#[tokio::test(start_paused = true)]
async fn a_select_that_fails_for_what_a_statement_did_waits_until_the_tail_has_parked_for_it() {
    for error in [no_table, unreadable] {
        is_parked_for_the_statement(error).await;
    }
}

/// A copy that waits for the tail to come to the second transaction, which is committed.
async fn waits_for_the_tail(bench: &Bench) -> JoinHandle<Result<Finished, ProtocolError>> {
    bench.source.set_executed(Some(up_to(2)));
    let parts = bench.parts();
    let run = tokio::spawn(copy(parts.clone()));
    let waits = || parts.progress.waits(0).iter().any(|wait| wait.words.contains("what changed the table"));
    while !waits() && !run.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bench.source.set_executed(None);
    run
}

#[tokio::test(start_paused = true)]
async fn a_row_that_the_next_connection_can_read_parks_nothing() {
    let bench = defined().await;
    bench.source.selects_fail(unreadable);
    let run = waits_for_the_tail(&bench).await;
    bench.source.selects_succeed();
    bench.commit(vec![insert(&row(1, 2, "b"))]);
    run.await.expect("it does not panic").expect("it is copied");
    bench.assert_equal().await;
}

async fn is_parked_for_the_statement(error: fn() -> SourceError) {
    let bench = defined().await;
    bench.source.selects_fail(error);
    bench.source.reports_in(2, StreamEvent::Parked { table: TABLE, parking: Box::new(parking(2)) });
    let run = waits_for_the_tail(&bench).await;
    assert_eq!(bench.commit(vec![insert(&row(1, 2, "left out"))]), 2);
    let error = run.await.expect("it does not panic").expect_err("a target is parked");
    assert!(matches!(error, ProtocolError::Parked { .. }), "{error:?}");
    assert_parked_for(&bench, "TRUNCATE").await;
}

#[tokio::test(start_paused = true)]
async fn a_select_that_fails_for_nothing_that_the_tail_comes_to_ends_the_run() {
    let bench = defined().await;
    bench.source.selects_fail(no_table);
    let error = copy(bench.parts()).await.expect_err("nothing can be copied");
    assert!(matches!(error, ProtocolError::Source(SourceError::Refused { .. })), "{error:?}");
}

/// A job whose target the tail parks on its way fails with the reason, whether it is under way then or done.
#[tokio::test(start_paused = true)]
async fn a_recopy_whose_target_the_tail_parks_meanwhile_says_so_and_why() {
    for dry_run in [false, true] {
        let bench = defined().await;
        let number = bench.commit(vec![insert(&row(1, 2, "left out"))]);
        let parking = Box::new(parking(number));
        bench.source.reports_in(number, StreamEvent::Parked { table: TABLE, parking });
        let (report, _) = recopied(&bench, Ask { dry_run, ..all(&bench) }).await;
        let JobState::Failed(Failed { reason, advice, exit }) = &report.state else { panic!("{report:?}") };
        for target in &bench.world.mapping.targets {
            assert!(reason.contains(&format!("-> {}", target.table)), "{reason}");
        }
        assert!(reason.contains("TRUNCATE"), "{reason}");
        let advice = advice.as_deref().unwrap_or_default();
        assert!(advice.contains("tailfill recopy"), "{advice}");
        assert_eq!(*exit, Exit::Failed as u8);
        assert_parked_for(&bench, "TRUNCATE").await;
    }
}
