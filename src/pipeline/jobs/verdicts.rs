//! The history of verdicts: one durable record for each comparison that has ended. The one who has the store keeps it: a run,
//! or a command while there is none.
//!
//! A verdict on every item also moves the life of the targets that it is about, in the same commit. The newest [`KEPT_MAX`]
//! records are kept.

use super::history::{self, Since};
use crate::model::{LifeEvent, life_cycle};
use crate::store::records::{self, CopyKey, LifeRecord, VerdictMode, VerdictRecord};
use crate::store::{Commit, Outcome, Space, Store, StoreError};

/// Records that are kept.
pub const KEPT_MAX: usize = 1_000;
/// How often a commit is tried while others change the life of its targets.
const TRIES: usize = 5;

const PREFIX: &[u8] = b"verdict\0";

fn key(at_ms: u64) -> Vec<u8> {
    [PREFIX, &at_ms.to_be_bytes()].concat()
}

/// Keeps a verdict, with the position that the tail has reached. What was kept: its time is a little later where another
/// one has it.
///
/// # Errors
/// The store fails. Nothing has changed then.
pub async fn keep_in(store: &dyn Store, verdict: &VerdictRecord) -> Result<VerdictRecord, StoreError> {
    let mut verdict = verdict.clone();
    verdict.cut();
    verdict.position = history::checkpoint_of(store).await?.map(|checkpoint| checkpoint.position);
    let mut outcome = Outcome::Refused;
    for _ in 0..TRIES {
        let keys: Vec<Vec<u8>> =
            store.list(Space::History, PREFIX).await?.into_iter().map(|(key, _)| key).collect();
        while keys.binary_search(&key(verdict.at_ms)).is_ok() {
            verdict.at_ms += 1;
        }
        let mut commit = Commit::default();
        let over = (keys.len() + 1).saturating_sub(KEPT_MAX);
        commit.delete.extend(keys.into_iter().take(over).map(|key| (Space::History, key)));
        commit.put.push((Space::History, key(verdict.at_ms), records::encode(&verdict)?));
        move_lives(store, &verdict, &mut commit).await?;
        outcome = store.commit(commit).await?;
        if outcome == Outcome::Committed {
            break;
        }
    }
    outcome.taken()?;
    let (event, by, mode) = ("verdict", &verdict.by, verdict.mode.name());
    let words: Vec<String> = verdict.to_string().split_whitespace().map(str::to_owned).collect();
    tracing::info!(event, by, mode, "{}", words.join(" "));
    Ok(verdict)
}

/// Adds what a verdict on every item means for its targets; one whose copy is not complete stays as it is.
async fn move_lives(
    store: &dyn Store,
    verdict: &VerdictRecord,
    commit: &mut Commit,
) -> Result<(), StoreError> {
    if !verdict.judged || verdict.mode != VerdictMode::Full {
        return Ok(());
    }
    for (key, value) in store.list(Space::LifeCycle, &[]).await? {
        let Some(copy) = CopyKey::of_prefix(&key).filter(|copy| copy.cohort == verdict.cohort) else {
            continue;
        };
        let is_of = |copy: &CopyKey, mapping: &str, table: &str, family: &str| {
            copy.mapping == mapping && copy.target == format!("{table}/{family}")
        };
        let found =
            verdict.targets.iter().find(|found| is_of(&copy, &found.mapping, &found.table, &found.family));
        let Some(found) = found else { continue };
        let event = if found.equal { LifeEvent::VerifiedEqual } else { LifeEvent::DifferencesFound };
        let record: LifeRecord = records::decode(&value)?;
        let Ok(state) = life_cycle::step(&record.state, event) else { continue };
        if state != record.state {
            let next = records::encode(&LifeRecord { state, ..record })?;
            commit.expect.push((Space::LifeCycle, key.clone(), Some(value)));
            commit.put.push((Space::LifeCycle, key, next));
        }
    }
    Ok(())
}

/// The newest verdicts, oldest first.
pub async fn read(store: &dyn Store, wanted: Since) -> Result<Vec<VerdictRecord>, StoreError> {
    history::newest(store, PREFIX, wanted).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LifeCycle;
    use crate::store::memory::MemoryStore;
    use crate::store::records::VerdictTarget;

    const ALL: Since = Since { since_ms: 0, limit: usize::MAX };

    fn copy(cohort: &str) -> CopyKey {
        let of = |text: &str| text.to_owned();
        CopyKey { source: of("s"), mapping: of("m"), cohort: of(cohort), target: of("t/f") }
    }

    fn verdict(at_ms: u64, equal: bool) -> VerdictRecord {
        let (mapping, table, family) = ("m".to_owned(), "t".to_owned(), "f".to_owned());
        let target = VerdictTarget { mapping, table, family, equal, ..VerdictTarget::default() };
        let (cohort, targets) = ("all".to_owned(), vec![target]);
        VerdictRecord { at_ms, judged: true, equal, cohort, targets, ..VerdictRecord::default() }
    }

    async fn set(store: &MemoryStore, state: LifeCycle) {
        let record = records::encode(&LifeRecord { state, ..LifeRecord::default() }).expect("it encodes");
        let put = ["all", "pilot"].map(|cohort| (Space::LifeCycle, copy(cohort).prefix(), record.clone()));
        store.commit(Commit { put: put.into(), ..Commit::default() }).await.expect("it commits");
    }

    async fn state(store: &MemoryStore, cohort: &str) -> LifeCycle {
        let record: Option<LifeRecord> =
            records::read(store, Space::LifeCycle, &copy(cohort).prefix()).await.expect("it reads");
        record.expect("it is there").state
    }

    #[tokio::test]
    async fn a_verdict_on_every_item_moves_the_life_of_its_targets_and_of_no_others() {
        let store = MemoryStore::new();
        for (before, verdict, after) in [
            (LifeCycle::CaughtUp, verdict(1, true), LifeCycle::Verified),
            (LifeCycle::Verified, verdict(2, false), LifeCycle::CaughtUp),
            (LifeCycle::Backfilling, verdict(3, true), LifeCycle::Backfilling),
            (LifeCycle::CaughtUp, VerdictRecord { judged: false, ..verdict(4, true) }, LifeCycle::CaughtUp),
            (
                LifeCycle::CaughtUp,
                VerdictRecord { mode: VerdictMode::Business, ..verdict(5, true) },
                LifeCycle::CaughtUp,
            ),
        ] {
            set(&store, before.clone()).await;
            keep_in(&store, &verdict).await.expect("it commits");
            assert_eq!(state(&store, "all").await, after, "{verdict:?}");
            assert_eq!(state(&store, "pilot").await, before, "{verdict:?}");
        }
        assert_eq!(read(&store, ALL).await.expect("it reads").len(), 5);
    }

    #[tokio::test]
    async fn the_newest_verdicts_are_kept_and_read_oldest_first() {
        let store = MemoryStore::new();
        for number in 0..KEPT_MAX as u64 + 5 {
            keep_in(&store, &verdict(number, true)).await.expect("it commits");
        }
        let times = async |wanted| {
            let records = read(&store, wanted).await.expect("it reads");
            records.iter().map(|record| record.at_ms).collect::<Vec<_>>()
        };
        assert_eq!(times(ALL).await, (5..KEPT_MAX as u64 + 5).collect::<Vec<_>>());
        assert_eq!(times(Since { since_ms: 0, limit: 2 }).await, [1_003, 1_004]);
        assert_eq!(times(Since { since_ms: 1_004, limit: 9 }).await, [1_004]);
        // another one of the same moment does not take its place
        let kept = keep_in(&store, &verdict(1_004, false)).await.expect("it commits");
        assert_eq!((kept.at_ms, times(Since { since_ms: 1_004, limit: 9 }).await.len()), (1_005, 2));
    }
}
