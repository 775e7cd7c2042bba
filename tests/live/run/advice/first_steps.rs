//! What the commands say before there is a copy, beside a run, and about what they did not do.

use super::{Copied, commands};
use crate::support::setup::Run;
use crate::support::shell;

const UNTIL: [&str; 3] = ["run", "--until", "caught-up"];

/// What stands behind `help:`.
fn help(run: &Run) -> &str {
    &run.err[run.err.find("help:").expect("it says what to do")..]
}

/// A table with rows, and nothing done yet.
async fn fresh(test: &str) -> Copied {
    let mut copied = Copied::with(test, |_| ()).await;
    copied.fill().await;
    copied
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_before_init_says_to_run_it() {
    let mut copied = fresh("noinit").await;
    copied.tailfill(&["status"]).await.code(1).says(&["`tailfill init` creates it"]);
    let refused = copied.tailfill(&UNTIL).await.code(3).says(&["run `tailfill init`"]);
    copied.performs(refused.err.lines().find(|line| line.contains("`tailfill init`")).expect("a line")).await;
    copied.ends_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recopy_before_the_first_run_says_to_start_one() {
    let mut copied = fresh("norun").await;
    copied.tailfill(&["init"]).await.code(0);
    let name = copied.setup.table.clone();
    let refused = copied.tailfill(&["recopy", &name, "--yes"]).await.code(3);
    copied.performs(help(&refused)).await;
    copied.tailfill(&["recopy", &name, "--yes"]).await.code(0);
    copied.ends_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_is_refused_and_asks_the_first_one() {
    let mut copied = Copied::new("second").await;
    let run = copied.start().await;
    let refused = copied.tailfill(&UNTIL).await.code(3).says(&["in use by another tailfill"]);
    copied.performs(help(&refused)).await;
    run.interrupted().await;
    copied.ends_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_refused_says_where_all_of_it_stands() {
    let mut copied = Copied::new("refused").await;
    let before = copied.setup.config.clone();
    copied.setup.with("descending = true", "descending = false");
    let refused = copied.tailfill(&UNTIL).await.code(3).says(&["`tailfill check` shows every check"]);
    assert_eq!(commands(help(&refused)), ["tailfill check"]);
    copied.tailfill(&["check"]).await.code(3).says(&["descending was true, is false", "undo the change"]);
    copied.setup.config = before;
    copied.tailfill(&["check"]).await.code(0);
    copied.ends_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_mended_as_the_dry_runs_say() {
    let mut copied = Copied::new("dryruns").await;
    // a change that no binlog shows
    for statement in [
        "SET sql_log_bin = 0",
        "UPDATE follows SET note = 'unlogged' WHERE followee_id = 1",
        "SET sql_log_bin = 1",
    ] {
        copied.sql(statement).await;
    }
    let name = copied.setup.table.clone();
    let said = ["nothing was written", "--yes writes it"];
    copied.tailfill(&["recopy", &name]).await.code(0).says(&said);
    copied.tailfill(&["verify", "--full", "--repair"]).await.code(4).says(&said);
    copied.tailfill(&["verify", "--full", "--repair", "--yes"]).await.code(0);
    copied.ends_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_went_on_is_compared_once_a_run_has_caught_up() {
    let mut copied = Copied::new("wenton").await;
    copied.sql("UPDATE follows SET note = 'later' WHERE followee_id = 1").await;
    let refused = copied.tailfill(&["verify", "--full"]).await;
    assert_ne!(refused.code, 0, "{}", refused.out);
    copied.performs(&format!("{}{}", refused.out, refused.err)).await;
    copied.tailfill(&["verify", "--full"]).await.code(0);
    copied.ends_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recopy_with_other_columns_than_the_run_has_says_to_stop_it() {
    let mut copied = Copied::new("othercolumns").await;
    let run = copied.start().await;
    copied.sets(r#"columns = ["note"]"#);
    let name = copied.setup.table.clone();
    let refused = copied.tailfill(&["recopy", &name, "--yes"]).await.code(3).says(&["help: stop that run"]);
    run.interrupted().await;
    copied.performs(help(&refused)).await;
    let run = copied.start().await;
    copied.goes_on().await;
    run.interrupted().await;
    copied.ends_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_taken_over_once_the_run_that_is_up_has_stopped() {
    let mut copied = Copied::new("adoptalone").await;
    let run = copied.start().await;
    // as another state would have it
    let alter = format!("alter '{}', METADATA => {{'tailfill.run' => 'another'}}", copied.setup.table);
    shell::run(&alter).await;
    let refused = copied.tailfill(&["init", "--adopt"]).await.code(3).says(&["stop the run that is up"]);
    run.interrupted().await;
    let before = commands(&refused.err)[0].to_owned();
    let init = copied.tailfill(&before.split(' ').skip(1).collect::<Vec<_>>()).await.code(0);
    copied.performs(&init.out).await;
    copied.ends_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_gone_under_a_run_is_made_again_once_that_has_stopped() {
    let mut copied = Copied::new("goneunder").await;
    let run = copied.start().await;
    super::tables::drop_table(&copied).await;
    let refused = copied.tailfill(&["init"]).await.code(3).says(&["is gone", "stop the run"]);
    run.interrupted().await;
    let before = commands(&refused.err)[0].to_owned();
    let init = copied.tailfill(&before.split(' ').skip(1).collect::<Vec<_>>()).await.code(0);
    copied.performs(&init.out).await;
    copied.ends_equal().await;
    copied.close().await;
}
