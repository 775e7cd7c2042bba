//! A pilot on real servers: lists of two mappings by name, by file and by sample, until all join.

use crate::support::compare::Differences;
use crate::support::lists::{Form, Lists};
use crate::support::scenario::{Scenario, copied};
use crate::support::shape::{FOLLOWS, LABELS};
use std::collections::BTreeSet;
use tailfill::model::bucket::bucket;

const UNTIL: [&str; 3] = ["run", "--until", "caught-up"];

/// Followers by a primary key that begins with the list key, labels by one that does not.
async fn two_mappings(test: &str) -> Scenario {
    let labels = Lists {
        name: "labels",
        shape: &LABELS,
        targets: vec![
            Form::tall("labels").columns(&["score"]),
            Form::tall("plain").columns(&["remark"]).without_order(),
        ],
    };
    let scenario = Scenario::new(test, &FOLLOWS).await.moving(vec![Lists::of(&FOLLOWS), labels]).await;
    let scenario = scenario.fill(100, 2_000).await;
    scenario.init().await;
    scenario
}

/// KEY of a list, by the values of its key columns as MySQL prints them.
fn key_name(key: &[String]) -> String {
    match key {
        [one] => one.clone(),
        more => serde_json::to_string(more).expect("texts are JSON"),
    }
}

fn keys(addresses: impl IntoIterator<Item = (Vec<String>, Vec<String>, Vec<String>)>) -> BTreeSet<String> {
    addresses.into_iter().map(|(list, _, _)| key_name(&list)).collect()
}

/// Looks at each target: lists that `takes_part` names are equal, by a comparison that shares no code with the program, and
/// nothing of any other list is there. Returns how many lists take part, by target.
async fn only(scenario: &Scenario, takes_part: impl Fn(&str, &str) -> bool) -> Vec<usize> {
    let mut counts = Vec::new();
    let mappings = ["lists", "lists", "labels", "labels"];
    for (target, found) in scenario.differences().await.into_iter().enumerate() {
        let Differences { missing, extra, different } = found;
        assert!(extra.is_empty() && different.is_empty(), "target {target}: {extra:?} {different:?}");
        let named = |key: &String| takes_part(mappings[target], key);
        let missing = keys(missing);
        assert!(!missing.iter().any(named), "target {target}: {missing:?}");
        let shown = keys(scenario.shown(target).await.into_keys());
        assert!(shown.iter().all(named), "target {target}: {shown:?}");
        counts.push(shown.len());
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_of_two_mappings_grows_under_a_writing_application_until_all_join() {
    let mut scenario = two_mappings("sample").await;
    let application = scenario.application(1).await;
    let sample = ["run", "--sample", "20%", "--until", "caught-up"];
    scenario.run(&sample).await.expect_code(0);
    let run = scenario.start(&["run", "--sample", "20%", "--only", "lists=7"]);
    let lists = "20% of labels; 20% and 1 list of lists";
    let is_up = |status: &serde_json::Value| status["phase"] == "tailing" && status["pilot_lists"] == lists;
    scenario.until_status("the pilot to be copied", |status| is_up(status) && copied(status)).await;
    let compared = scenario.verify(0).await;
    assert_eq!(compared["pilot"], lists);
    application.stop().await;
    scenario.until_written().await;
    run.interrupted().await;
    let part = |buckets: u32| {
        move |mapping: &str, key: &str| bucket(mapping, key) < buckets || (mapping, key) == ("lists", "7")
    };
    let few = only(&scenario, part(200_000)).await;
    assert!(few.iter().all(|lists| (1..90).contains(lists)), "{few:?}");
    // a stopped run: what it has is in the state
    let status = scenario.status().await.expect("a pilot's state is a healthy one");
    assert_eq!(status["pilot_lists"], "20% of labels; 20% and 1 list of lists", "{status}");
    let report = scenario.verify(0).await;
    assert_eq!(report["targets"][0]["lists_compared"], few[0], "{report}");
    // a higher share adds lists, and the ones of before stay
    let application = scenario.application(1).await;
    scenario
        .run(&["run", "--sample", "60%", "--only", "lists=7", "--until", "caught-up"])
        .await
        .expect_code(0);
    application.stop().await;
    scenario.catch_up().await;
    let more = only(&scenario, part(600_000)).await;
    assert!(few.iter().zip(&more).all(|(few, more)| few < more), "{few:?} {more:?}");
    let application = scenario.application(1).await;
    let run = scenario.start(&["run", "--all"]);
    scenario.until_status("all to be copied", copied).await;
    application.stop().await;
    assert!(scenario.comes_to_rest(run).await > 0);
    let status = scenario.status().await.expect("a healthy state");
    assert_eq!((&status["pilot"], &status["pilot_lists"]), (&false.into(), &serde_json::Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_a_file_are_moved_compared_asked_for_and_not_copied_twice() {
    let mut scenario = two_mappings("onlyfile").await;
    let label =
        scenario.ask("SELECT JSON_ARRAY(label, lang) FROM labels WHERE label LIKE 'label%' LIMIT 1").await;
    let file = scenario.dir().join("lists.txt");
    std::fs::write(&file, format!("lists=7\n\nlists=bob\nlabels={label}\nlabels=[1]\n")).expect("a file");
    let path = file.to_str().expect("a plain name");
    let pilot = ["run", "--only-file", path, "--until", "caught-up"];
    let refused = scenario.run(&pilot).await.expect_code(2);
    refused.says(&["line 3: column followee_id", "line 5: give 2 values"]);
    std::fs::write(&file, format!("lists=7\nlists=50\nlabels={label}\n")).expect("a file");
    scenario.run(&pilot).await.expect_code(0);
    let label = serde_json::to_string(&serde_json::from_str::<serde_json::Value>(&label).expect("JSON"))
        .expect("JSON");
    let takes_part = |mapping: &str, key: &str| match mapping {
        "lists" => ["7", "50"].contains(&key),
        _ => key == label,
    };
    assert_eq!(only(&scenario, takes_part).await, [2, 2, 1, 1]);
    let report = scenario.verify(0).await;
    assert_eq!(report["pilot"], "1 list of labels; 2 lists of lists");
    assert_eq!(
        (&report["targets"][0]["lists_compared"], &report["extra"]),
        (&2.into(), &0.into()),
        "{report}"
    );
    scenario.run(&["get", "lists", "7", "--first", "3", "--from", "both"]).await.expect_code(0);
    let outside =
        scenario.run(&["get", "lists", "8", "--first", "3", "--from", "hbase"]).await.expect_code(3);
    outside.says(&["2 lists of lists", "--from mysql", "run --all"]);
    // what is damaged within the pilot is found and mended; what is outside is nobody's business
    let (sink, id) = (scenario.hbase().await, tailfill::model::TargetId(0));
    let of_list = scenario.shown(0).await.into_keys().filter(|(list, _, _)| list[0] == "7").count();
    let first = tailfill::sink::ScanRange { limit: 1, ..Default::default() };
    let rows = tailfill::sink::ReadRows::scan(&sink, id, &first).await;
    let gone = rows.expect("HBase answers").remove(0);
    crate::support::shell::run(&format!(
        "deleteall '{}', \"{}\"",
        scenario.table(0),
        gone.row.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>()
    ))
    .await;
    assert!(of_list > 0);
    assert_eq!(scenario.verify(4).await["missing"], 1);
    scenario.run(&["recopy", "lists", "--yes"]).await.expect_code(0);
    scenario.verify(0).await;
    // without an option the next run has the same lists, and says so
    scenario.sql("UPDATE IGNORE follows SET followee_id = 7 WHERE followee_id = 8").await;
    let again = scenario.run(&UNTIL).await.expect_code(0);
    let again = again.says(&["the pilot continues"]);
    assert!(again.out.contains(": 0 rows copied"), "{}", again.out);
    assert_eq!(only(&scenario, takes_part).await, [2, 2, 1, 1]);
    let all = scenario.ask("SELECT COUNT(*) FROM follows WHERE followee_id NOT IN (7, 50)").await;
    let others = scenario.ask("SELECT COUNT(*) FROM labels").await.parse::<u64>().expect("a number");
    let of_label = scenario.shown(2).await.len() as u64;
    let rows = 2 * (all.parse::<u64>().expect("a number") + others - of_label);
    let joined = scenario.run(&["run", "--all", "--until", "caught-up"]).await.expect_code(0);
    assert!(joined.out.contains(&format!(": {rows} rows copied")), "{}", joined.out);
    assert!(scenario.compare().await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_lists_are_refused_and_the_ways_out_work() {
    let mut scenario = Scenario::new("narrower", &FOLLOWS).await.fill(20, 200).await;
    scenario.init().await;
    scenario.run(&[&UNTIL[..], &["--only", "1,2"]].concat()).await.expect_code(0);
    for fewer in [&["--only", "1"][..], &["--sample", "1%"], &["--only", "1,3"]] {
        let refused = scenario.run(&[&UNTIL[..], fewer].concat()).await.expect_code(3);
        refused.says(&[
            "2 lists of lists",
            "`tailfill run` continues",
            "`tailfill run --all`",
            "a new state_dir",
        ]);
    }
    scenario.run(&UNTIL).await.expect_code(0);
    scenario.run(&[&UNTIL[..], &["--only", "2,1,3"]].concat()).await.expect_code(0);
    scenario.sql("DELETE FROM follows WHERE followee_id = 3 LIMIT 1").await;
    scenario.run(&[&UNTIL[..], &["--all"]].concat()).await.expect_code(0);
    assert!(scenario.compare().await > 0);
    let refused = scenario.run(&[&UNTIL[..], &["--only", "1,2,3"]].concat()).await.expect_code(3);
    refused.says(&["moved all lists", "`tailfill run` continues with all lists"]);
    scenario.run(&UNTIL).await.expect_code(0);
    assert!(scenario.compare().await > 0);
    scenario.run(&["run", "--all", "--sample", "1%"]).await.expect_code(2);
}
