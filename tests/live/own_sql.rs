//! `[[mapping.query]] sql` on real servers: MySQL is asked with the application's own SELECT.

use super::business::{agrees_again_and_again, business, different};
use super::verify::copied_as;
use crate::support::scenario::Scenario;
use crate::support::shape::{ENTRIES, FOLLOWS, LABELS, STOCK, Shape};

/// They mean what their kinds mean.
const FOLLOWS_SQL: &str = r#"
[[mapping.query]]
name = "newest"
kind = "latest"
limit = 50
sql = """
SELECT f.created_at, f.Follower_ID, 'why?' AS why -- ties by item, as HBase has them
  FROM follows f WHERE f.followee_id = ? ORDER BY f.created_at DESC, f.follower_id LIMIT 50"""
[[mapping.query]]
name = "oldest"
kind = "first"
limit = 7
sql = "WITH mine AS (SELECT * FROM follows WHERE followee_id = ?) SELECT follower_id FROM mine ORDER BY created_at, follower_id DESC LIMIT 7"
[[mapping.query]]
name = "follows"
kind = "has"
sql = "SELECT EXISTS (SELECT 1 FROM follows WHERE followee_id = ? AND follower_id = ?)"
[[mapping.query]]
name = "edge"
kind = "has"
sql = "SELECT * FROM follows WHERE followee_id = ? AND follower_id = ?"
[[mapping.query]]
name = "size"
kind = "count"
sql = "SELECT COUNT(*) FROM follows WHERE followee_id = ?"
"#;

const LABELS_SQL: &str = r#"
[[mapping.query]]
name = "oldest"
kind = "first"
limit = 20
sql = "SELECT document FROM labels WHERE label = ? AND lang = ? ORDER BY score, document LIMIT 20"
[[mapping.query]]
name = "size"
kind = "count"
sql = "SELECT COUNT(*) FROM labels WHERE label = ? AND lang = ?"
"#;

const ENTRIES_SQL: &str = r#"
[[mapping.query]]
name = "newest"
kind = "latest"
limit = 20
sql = "SELECT token FROM entries WHERE wall = ? ORDER BY day DESC, token LIMIT 20"
[[mapping.query]]
name = "there"
kind = "has"
sql = "SELECT 1 FROM entries WHERE wall = ? AND token = ?"
"#;

const STOCK_SQL: &str = r#"
[[mapping.query]]
name = "there"
kind = "has"
sql = "SELECT sku, size FROM stock WHERE region = ? AND shop = ? AND sku = ? AND size = ?"
[[mapping.query]]
name = "size"
kind = "count"
sql = "SELECT COUNT(*) FROM stock WHERE region = ? AND shop = ?"
"#;

const WITH_A_FILTER: &str = r#"
[[mapping.query]]
name = "newest"
kind = "latest"
limit = 1000
sql = "SELECT follower_id FROM follows WHERE followee_id = ? AND note IS NOT NULL ORDER BY created_at DESC, follower_id LIMIT 1000"
[[mapping.query]]
name = "size"
kind = "count"
sql = "SELECT COUNT(*) FROM follows WHERE followee_id = ?"
"#;

const ELSEWHERE: &str = r#"
[[mapping.query]]
name = "suggested"
kind = "latest"
limit = 1000
sql = "SELECT 18446744073709551615 AS follower_id FROM follows WHERE followee_id = ? LIMIT 1"
"#;

const WRONG: &str = r#"
[[mapping.query]]
name = "size"
kind = "count"
[[mapping.query]]
name = "newest"
kind = "latest"
limit = 50
sql = "SELECT folower_id FROM follows WHERE followee_id = ? LIMIT 50"
"#;

const LACKING: &str = r#"
[[mapping.query]]
name = "newest"
kind = "latest"
limit = 50
sql = "SELECT created_at FROM follows WHERE followee_id = ? LIMIT 50"
"#;

const WRITING: &str = r#"
[[mapping.query]]
name = "size"
kind = "count"
sql = "SELECT take_all() + COUNT(*) FROM follows WHERE followee_id = ?"
"#;

const SCANNING: &str = r#"
[[mapping.query]]
name = "size"
kind = "count"
sql = "SELECT COUNT(*) FROM follows AS f WHERE f.followee_id + 0 = ?"
"#;

async fn copied(test: &str, shape: &'static Shape, queries: &'static str) -> Scenario {
    copied_as(test, shape, (40, 2_000), |settings| settings.mapping = queries).await
}

#[tokio::test(flavor = "multi_thread")]
async fn own_selects_answer_alike_whatever_the_keys() {
    for (test, shape, queries) in [
        ("sqfollows", &FOLLOWS, FOLLOWS_SQL),
        ("sqlabels", &LABELS, LABELS_SQL),
        ("sqentries", &ENTRIES, ENTRIES_SQL),
        ("sqstock", &STOCK, STOCK_SQL),
    ] {
        let scenario = copied(test, shape, queries).await;
        let check = scenario.run(&["check"]).await.expect_code(0).out;
        assert!(check.contains(" sql"), "{check}");
        let report = business(&scenario, 0, &[]).await;
        assert_eq!(report["different"], 0, "{report}");
        let queries = report["mappings"][0]["queries"].as_array().expect("queries");
        for query in queries {
            assert!(query["sql"] == true && query["answers"].as_u64() >= Some(40), "{query}");
        }
        let text = scenario.run(&["verify", "--business"]).await.expect_code(0).out;
        assert!(text.contains("  MySQL was asked with the application's SQL: "), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn own_selects_are_compared_while_the_application_writes() {
    let scenario = copied("sqlive", &FOLLOWS, FOLLOWS_SQL).await;
    let run = scenario.start(&["run"]);
    scenario.until_status("the tail is up", |status| status["phase"] == "tailing").await;
    let application = scenario.application(4).await;
    agrees_again_and_again(&scenario, 150).await;
    assert!(application.stop().await > 50, "the application hardly worked");
    run.interrupted().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_of_the_application_is_a_difference_of_the_answer() {
    let scenario = copied("sqfilter", &FOLLOWS, WITH_A_FILTER).await;
    let report = business(&scenario, 4, &[]).await;
    assert_eq!(different(&report), ["newest"], "{report}");
    let what = report["mappings"][0]["findings"][0]["what"].as_str().expect("a finding");
    assert!(what.contains("HBase has"), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_from_elsewhere_is_a_difference_that_names_it() {
    let scenario = copied("sqelse", &FOLLOWS, ELSEWHERE).await;
    let report = business(&scenario, 4, &[]).await;
    let what = report["mappings"][0]["findings"][0]["what"].as_str().expect("a finding");
    assert!(what.contains("follower_id=18446744073709551615, which is no row of"), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_select_is_refused_by_check_and_by_verify_with_its_path() {
    for (test, queries, path, why) in [
        ("sqwrong", WRONG, "query newest (mapping[0].query[1].sql)", "Unknown column 'folower_id'"),
        (
            "sqlacking",
            LACKING,
            "query newest (mapping[0].query[0].sql)",
            "not all item columns (follower_id)",
        ),
    ] {
        let scenario = copied(test, &FOLLOWS, queries).await;
        let check = scenario.run(&["check"]).await.expect_code(3);
        let verify = scenario.run(&["verify", "--business"]).await.expect_code(3);
        for text in [check.out, verify.err] {
            assert!(text.contains(path) && text.contains(why), "{text}");
        }
        // a run does without it
        scenario.catch_up().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_select_that_would_write_is_refused_by_mysql_and_writes_nothing() {
    let mut scenario = copied("sqwrites", &FOLLOWS, WRITING).await;
    scenario
        .sql("CREATE FUNCTION take_all() RETURNS INT DETERMINISTIC BEGIN DELETE FROM follows; RETURN 0; END")
        .await;
    let rows = scenario.ask("SELECT COUNT(*) FROM follows").await;
    let refused = scenario.run(&["verify", "--business"]).await.expect_code(3).err;
    assert!(refused.contains("(mapping[0].query[0].sql)") && refused.contains("(error 1792)"), "{refused}");
    assert_eq!(scenario.ask("SELECT COUNT(*) FROM follows").await, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_warns_of_a_select_that_reads_the_whole_table() {
    let scenario = copied("sqscan", &FOLLOWS, SCANNING).await;
    let check = scenario.run(&["check"]).await.expect_code(0).out;
    assert!(check.contains("EXPLAIN: MySQL reads f whole for each list"), "{check}");
    assert_eq!(business(&scenario, 0, &[]).await["different"], 0);
}
