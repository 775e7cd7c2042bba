//! HBase tables that are gone, or that come from elsewhere.

use super::Copied;
use crate::support::setup::port;
use tailfill::sink::hbase::{HbaseOptions, HbaseSink};

pub async fn drop_table(copied: &Copied) {
    let gateway = format!("127.0.0.1:{}", port("TAILFILL_THRIFT2_PORT"));
    let sink = HbaseSink::connect(HbaseOptions::new(vec![gateway]), vec![]).await.expect("it answers");
    sink.drop_table(&copied.setup.table).await.expect("the table can be dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_dropped_is_created_by_init_and_filled_by_the_recopy_that_init_says() {
    let mut copied = Copied::new("droptable").await;
    drop_table(&copied).await;
    let mapping = copied.setup.table.clone();
    let at_once = std::time::Instant::now();
    copied.tailfill(&["recopy", &mapping, "--yes"]).await.code(3).says(&["run `tailfill init`"]);
    println!("recopy of a table that is gone: {:?}", at_once.elapsed());
    let refused = copied.tailfill(&["run", "--until", "caught-up"]).await.code(3);
    assert!(refused.err.contains("`tailfill init`"), "{}", refused.err);
    let init = copied.tailfill(&["init"]).await.code(0).says(&["created", "is parked"]);
    let run = copied.tailfill(&["run", "--until", "caught-up"]).await;
    assert_ne!(run.code, 0, "it is not caught up: {}", run.out);
    copied.performs(&init.out).await;
    copied.ends_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_state_takes_over_a_table_that_holds_rows_and_copies_it_again() {
    let mut copied = Copied::new("adopt").await;
    copied.sql("DELETE FROM follows WHERE follower_id = 3").await;
    std::fs::remove_dir_all(copied.setup.dir.path().join("state")).expect("the state is there");
    copied.tailfill(&["init"]).await.code(3).says(&["`tailfill init --adopt`"]);
    let init = copied.tailfill(&["init", "--adopt"]).await.code(0).says(&["taken over", "is parked"]);
    copied.tailfill(&["check"]).await.code(0).says(&["parked"]);
    copied.performs(&init.out).await;
    copied.ends_equal().await;
    copied.close().await;
}
