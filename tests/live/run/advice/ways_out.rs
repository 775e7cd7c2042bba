//! What else a person may try once a mapping is parked, and what is left once the binlog is gone: each works, or is refused
//! with advice that works.

use super::Copied;
use crate::support::mysql::purge_binlogs;
use crate::support::own::Own;

const UNTIL: [&str; 3] = ["run", "--until", "caught-up"];

impl Copied {
    async fn gtids(&mut self) -> String {
        self.ask("SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')").await
    }

    /// Parks the mapping while no run is up; the GTID set right behind the statement.
    async fn is_parked_by_a_truncate(&mut self) -> String {
        self.sql("UPDATE follows SET note = 'before'").await;
        self.sql("TRUNCATE TABLE follows").await;
        let behind = self.gtids().await;
        self.fill().await;
        self.tailfill(&UNTIL).await.code(1).says(&["parked, so HBase misses changes", "TRUNCATE"]);
        self.sql("UPDATE follows SET note = 'later' WHERE followee_id = 1").await;
        behind
    }

    /// Tries a way; what it is answered, or what a plain run is answered then, is done word by word.
    async fn tries(&mut self, way: &[&str], code: i32, said: &[&str]) {
        println!("tries {way:?}");
        let tried = self.tailfill(&[&UNTIL[..], way].concat()).await;
        println!("{}", tried.err);
        let help = match tried.code(code).says(said) {
            parked if code == 1 => parked,
            // run without --from
            _ => self.tailfill(&UNTIL).await.code(1),
        };
        self.performs(&help.err[help.err.find("help:").expect("it says what to do")..]).await;
        self.ends_equal().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_ways_out_of_a_parking_work_or_say_what_does() {
    let mysql = Own::mysql(&[]).await;
    let mut copied = Copied::on(mysql.port, "waysout").await;
    copied.is_parked_by_a_truncate().await;
    copied.tries(&["--from", "now"], 3, &["--from would skip", "run without --from"]).await;
    let behind = copied.is_parked_by_a_truncate().await;
    copied.tries(&["--from", &behind], 1, &["parked, so HBase misses changes"]).await;
    copied.is_parked_by_a_truncate().await;
    copied.tries(&["--accept-gap"], 1, &["no gap to accept", "parked, so HBase misses changes"]).await;
    copied.is_parked_by_a_truncate().await;
    copied.tries(&["--from", "earliest"], 1, &["parked, so HBase misses changes"]).await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_state_after_a_parking_takes_the_table_over() {
    let mysql = Own::mysql(&[]).await;
    let mut copied = Copied::on(mysql.port, "parkedadopt").await;
    copied.is_parked_by_a_truncate().await;
    std::fs::remove_dir_all(copied.setup.dir.path().join("state")).expect("the state is there");
    let refused = copied.tailfill(&["init"]).await.code(3).says(&["`tailfill init --adopt`"]);
    copied.performs(&refused.err).await;
    let parked = copied.tailfill(&UNTIL).await.code(1);
    copied.performs(&parked.err[parked.err.find("help:").expect("it says what to do")..]).await;
    copied.ends_equal().await;
    copied.close().await;
}

/// D1: the state must not be lost to a position that lies before a statement that cannot be followed.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_before_a_statement_that_parked_is_refused_and_one_behind_it_works() {
    let mysql = Own::mysql(&[]).await;
    let mut copied = Copied::on(mysql.port, "before").await;
    let before = copied.gtids().await;
    copied.sql("DELETE FROM follows WHERE follower_id = 5").await;
    let behind = copied.is_parked_by_a_truncate().await;
    // while it is parked this replays what was there before, and stays parked
    copied.tries(&["--from", &before], 1, &["parked, so HBase misses changes"]).await;
    let refused = ["TRUNCATE", "run without --from", "name a position after that statement"];
    for from in [&before, "earliest"] {
        copied.tailfill(&[&UNTIL[..], &["--from", from]].concat()).await.code(3).says(&refused);
        copied.is_equal().await;
    }
    copied.tailfill(&[&UNTIL[..], &["--from", &behind]].concat()).await.code(0);
    copied.ends_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_binlog_is_gone_over_as_the_refusal_says() {
    let mysql = Own::mysql(&[]).await;
    let mut copied = Copied::on(mysql.port, "purgedway").await;
    let before = copied.gtids().await;
    copied.sql("DELETE FROM follows WHERE follower_id = 5").await;
    purge_binlogs(&mut copied.setup.database.conn).await;
    // each names a position that is gone, or the checkpoint that is
    for from in [&["--from", &before][..], &[]] {
        let refused = copied.tailfill(&[&UNTIL[..], from].concat()).await.code(5);
        println!("{}", refused.err);
        refused.says(&["purged", "`tailfill run --accept-gap`"]);
    }
    // what is left of the binlog begins behind the checkpoint
    copied.tailfill(&[&UNTIL[..], &["--from", "earliest"]].concat()).await.code(3).says(&["would skip"]);
    let refused = copied.tailfill(&UNTIL).await.code(5);
    copied.performs(&refused.err).await;
    copied.ends_equal().await;
    copied.close().await;
}

/// The first answer says what works, whether the binlog that is purged holds changes behind the checkpoint or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_parked_target_whose_binlog_is_purged_comes_back_as_the_first_answer_says() {
    for changes in [1, 0] {
        let mysql = Own::mysql(&[]).await;
        let mut copied = Copied::on(mysql.port, "parkedpurged").await;
        copied.sql("TRUNCATE TABLE follows").await;
        copied.fill().await;
        copied.tailfill(&UNTIL).await.code(1).says(&["parked, so HBase misses changes"]);
        for _ in 0..changes {
            copied.sql("UPDATE follows SET note = 'later' WHERE followee_id = 1").await;
        }
        purge_binlogs(&mut copied.setup.database.conn).await;
        let answer = copied.tailfill(&UNTIL).await;
        println!("{changes}: {}", answer.err);
        copied.performs(&answer.err[answer.err.find("help:").expect("it says what to do")..]).await;
        copied.ends_equal().await;
        copied.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recopy_of_a_table_that_is_gone_says_so_and_works_once_it_is_back() {
    let mut copied = Copied::new("tablegone").await;
    let create = copied.create_statement().await;
    let run = copied.start().await;
    copied.sql("DROP TABLE follows").await;
    let life = copied.until_life("parked").await;
    let name = copied.setup.table.clone();
    let gone = copied.tailfill(&["recopy", &name, "--yes"]).await.code(3);
    println!("{}", gone.err);
    let gone = gone.says(&[&format!("{name}.follows"), "does not exist", "help: create it"]);
    copied.sql(&create).await;
    copied.fill().await;
    assert_eq!(super::commands(&gone.err), super::commands(&life));
    copied.comes_back_by(&gone.err).await;
    run.interrupted().await;
    copied.ends_equal().await;
    copied.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recopy_of_one_list_of_a_parked_mapping_says_to_copy_all() {
    let mut copied = Copied::new("onelist").await;
    copied.is_parked_by_a_truncate().await;
    let name = copied.setup.table.clone();
    let refused = copied.tailfill(&["recopy", &name, "1", "--yes"]).await.code(3);
    copied.performs(&refused.err).await;
    copied.ends_equal().await;
    copied.close().await;
}
