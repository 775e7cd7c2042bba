//! A list that scans show and look-ups do not find: nobody takes it for gone.

use super::bench::{Bench, copy, insert, row};
use super::recopy::{Noted, all, copied, plant, runs};
use crate::simulation::checker;
use std::sync::Arc;
use tailfill::model::Tick;
use tailfill::pipeline::Recopies;
use tailfill::pipeline::jobs::{Failed, JobState};

const CONTRADICTION: &str = "a look-up by that key in the same read view finds none";

#[tokio::test(start_paused = true)]
async fn a_copy_stops_at_a_list_that_its_look_up_does_not_find() {
    let bench = Bench::unopened();
    for list in 0..6 {
        bench.commit((0..5).map(|item| insert(&row(list, item, "old"))).collect());
    }
    bench.source.lose(3);
    let ended = copy(bench.parts()).await.expect_err("a list is missing");
    assert!(ended.to_string().contains(CONTRADICTION), "{ended}");
    assert!(ended.to_string().contains(" = 3"), "the list is named: {ended}");
}

/// The list is in HBase as it is in MySQL, and so is an item that is none of MySQL's.
#[tokio::test(start_paused = true)]
async fn a_recopy_deletes_nothing_of_a_list_that_its_look_up_does_not_find() {
    let bench = copied(false).await;
    bench.source.lose(3);
    let noted = Arc::new(Noted::default());
    let recopies = Recopies::only(noted.clone(), [all(&bench)]);
    let ended = runs(&bench, &recopies).await;
    let report = recopies.reports().remove(0);
    let JobState::Failed(Failed { reason, .. }) = report.state else { panic!("{ended:?} {report:?}") };
    assert!(reason.contains(CONTRADICTION), "{reason}");
    assert!(noted.take().is_empty(), "nothing was touched");
    assert_eq!(checker::compare(&bench.world).await.len(), 0);
}

/// An item that only HBase has is deleted as before, whatever proof that takes.
#[tokio::test(start_paused = true)]
async fn what_mysql_surely_has_not_is_deleted_by_a_recopy() {
    let bench = copied(false).await;
    plant(&bench, &row(3, 77, "its delete was missed"), Tick(50)).await;
    let recopies = Recopies::only(Arc::new(Noted::default()), [all(&bench)]);
    runs(&bench, &recopies).await.expect("nothing that needs a person");
    bench.assert_equal().await;
}
