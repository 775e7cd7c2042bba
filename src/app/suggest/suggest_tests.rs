//! The printed file: it is a configuration, and every query of it has a target.

use super::fixtures::{follows, table};
use super::recent::Recent;
use super::sample::{Sample, Sized};
use super::*;
use crate::model::{DateTime, Value};
use crate::sink::answer::{self, Answer, Ask};

fn options() -> SuggestOptions {
    SuggestOptions {
        url: "mysql://tailfill@db:3306/social".into(),
        password: None,
        password_from: None,
        tls: Vec::new(),
        server_id: None,
        table: "follows".into(),
        name: None,
        wish: ShapeWish::default(),
        asked: Vec::new(),
        hbase: Vec::new(),
        memcached: Vec::new(),
        json: false,
    }
}

/// What would be suggested for a table with these rows, without a server.
fn suggestion(table: Table, asked: Vec<Asked>, sample: Sample, options: &SuggestOptions) -> Suggestion {
    let shape = shape::shape(&table, &options.wish, true).expect("a shape");
    let mapping = shape.mapping(&table.schema, "m");
    let mut suggestion = Suggestion {
        name: mapping_name(&table.schema.name.table),
        segment: String::new(),
        plans: Vec::new(),
        item_bytes: Vec::new(),
        servers: servers::sections(options, ServerId::Free(4242)),
        table,
        shape,
        mapping,
        sample,
        recent: Ok(Recent { seconds: 300, ..Recent::default() }),
        asked_is_guess: asked.is_empty(),
        asked,
    };
    decide_targets(&mut suggestion, options).unwrap_or_else(|failure| panic!("{}", failure.render()));
    suggestion
}

fn asked(set: usize) -> Vec<Asked> {
    let kinds = [QueryKind::Latest, QueryKind::First, QueryKind::Page, QueryKind::Has, QueryKind::Count];
    let chosen = kinds.into_iter().enumerate().filter(|(at, _)| set & (1 << at) != 0);
    chosen.map(|(_, kind)| Asked { kind, limit: kind.returns_items().then_some(5_000) }).collect()
}

fn sized(key: u64, items: u64) -> Sized {
    Sized { key: vec![Value::UInt(key)], items, is_estimate: false }
}

/// Of followees 1 and 2; the first has nearly all followers.
fn sampled(items: u64) -> Sample {
    let row = vec![
        Value::UInt(1),
        Value::UInt(2),
        Value::DateTime(DateTime::from_ms_since_epoch(1_700_000_000_000)),
        Value::Text("hi".into()),
    ];
    Sample {
        rows_counted: Some(items + 1),
        lists_counted: Some(2),
        largest: Some(items),
        sized: vec![sized(1, items), sized(2, 1)],
        span: Some((0, 1_000 * 86_400_000_000)),
        places: 1,
        rows_read: 1,
        rows: vec![row],
        notes: Vec::new(),
    }
}

#[test]
fn every_query_of_every_set_is_answered_by_one_bounded_read() {
    let unordered = || table(0, &["a int", "b int", "v text null"], &["PRIMARY a b"]);
    for set in 0..32 {
        for items in [100, 1_000_000] {
            let given = suggestion(follows(), asked(set), sampled(items), &options());
            all_bounded(&given);
        }
        let without_latest = asked(set & !1);
        all_bounded(&suggestion(unordered(), without_latest, Sample::default(), &options()));
    }
}

fn all_bounded(suggestion: &Suggestion) {
    let (toml, mapping) =
        checked(&options(), suggestion).unwrap_or_else(|failure| panic!("{}", failure.render()));
    for asked in &suggestion.asked {
        let ask = Ask { kind: asked.kind, limit: asked.limit.unwrap_or_default() };
        let best = answer::best(&mapping, ask, |_| None).map(|(_, answer)| answer);
        assert!(matches!(best, Some(Answer::Bounded(_))), "{asked:?}: {best:?} in\n{toml}");
    }
}

#[test]
fn the_file_for_follows_says_what_it_saw_and_why() {
    let given = suggestion(follows(), asked(0b11001), sampled(1_000_000), &options());
    let toml = checked(&options(), &given).expect("a configuration").0;
    for words in [
        "key = [\"followee_id\"]",
        "# The list: the primary key begins with it.",
        "item = [\"follower_id\"]",
        "order = { by = \"created_at\", descending = true }",
        "# The order: the index by_time has it behind the list.",
        "1,000,001 rows; ",
        "the largest lists: 1 (1,000,000), 2 (1)",
        "table = \"follows_has\"",
        "ordered = false",
        "segment = \"1d\"",
        "count = true",
        "limit = 5000",
        "# - the copy takes about 21 s: 1,000,001 rows into 3 targets",
        "server_id = 4242",
    ] {
        assert!(toml.contains(words), "{words:?} is not in\n{toml}");
    }
    assert!(toml.lines().all(|line| line.chars().count() <= 100), "{toml}");
    let json = serde_json::to_value(figures::data(&given, &toml)).expect("JSON");
    assert_eq!(json["list"], serde_json::json!(["followee_id"]));
    assert_eq!(json["largest_lists"][0]["key"], "1");
    assert_eq!(json["targets"][1]["layout"], "tall");
    assert_eq!(json["config"], toml.as_str());
}

#[test]
fn names_with_any_character_stay_names() {
    let columns = ["a~\"b\" int", "c\\d int", "e\nf text null", "g text virtual"];
    let mut odd = table(0, &columns, &[]);
    let schema = Arc::make_mut(&mut odd.schema);
    schema.name = TableName { schema: "my.db".into(), table: "`t`\n[x]".into() };
    (schema.primary_key, schema.unique_keys) = (vec![0, 1], vec![vec![0, 1]]);
    let part = |column| crate::source::facts_index::IndexPart { column, descending: false, distinct: 0 };
    odd.build.indexes = vec![crate::source::facts_index::Index {
        name: "PRIMARY".into(),
        parts: vec![part(0), part(1)],
        is_whole: true,
        is_unique: true,
    }];
    let given = suggestion(odd, asked(0b1010), Sample::default(), &options());
    let (toml, mapping) =
        checked(&options(), &given).unwrap_or_else(|failure| panic!("{}", failure.render()));
    assert_eq!(mapping.targets[0].columns, [2], "virtual columns are left out\n{toml}");
}

#[test]
fn a_password_is_named_and_never_written() {
    let secret = crate::config::Secret::new("hunter2".into());
    let given = SuggestOptions { password: Some(secret), ..options() };
    assert!(servers::config(&given).is_ok_and(|config| config.source.password.is_some()));
    let toml = servers::sections(&given, ServerId::Given(1));
    assert!(toml.contains("password_env = \"TAILFILL_PASSWORD\"") && !toml.contains("hunter2"), "{toml}");
    assert!(!format!("{given:?}").contains("hunter2"));
    let named = SuggestOptions { password_from: Some(PasswordFrom::Env("DB_SECRET".into())), ..given };
    assert!(servers::sections(&named, ServerId::Given(1)).contains("password_env = \"DB_SECRET\""));
    assert!(servers::config(&named).is_ok_and(|config| config.source.password.is_some()));
}

#[test]
fn faults_of_the_command_line_name_its_options() {
    let given = SuggestOptions {
        url: "mysql://u:hunter2@h?x=1".into(),
        table: "a.b.c".into(),
        name: Some("no name".into()),
        hbase: vec!["here".into()],
        memcached: vec!["there:0".into()],
        tls: vec![("tls", "maybe".into())],
        ..options()
    };
    let refusal = servers::config(&given).expect_err("it is faulty").render();
    for option in ["--source: ", "--table = ", "--name = ", "--hbase = ", "--memcached = ", "--tls = "] {
        assert!(refusal.contains(option), "{option} is not in\n{refusal}");
    }
    assert!(!refusal.contains("hunter2"), "{refusal}");
}
