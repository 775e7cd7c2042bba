//! Judging mapped tables.

use super::*;
use crate::app::check::finding::Level;
use crate::model::Column;
use std::path::Path;

const CONFIG: &str = r#"
[source]
url = "mysql://u@h"
server_id = 1
[lease]
kind = "local"
[hbase]
gateways = ["h:1"]
[[mapping]]
name = "followers"
table = "social.follows"
key = ["followee"]
item = ["follower"]
[[mapping.target]]
table = "followers"
[[mapping]]
name = "notes"
table = "social.follows"
key = ["note"]
item = ["follower"]
[[mapping.target]]
table = "notes"
[[mapping]]
name = "elsewhere"
table = "social.absent"
key = ["a"]
item = ["b"]
[[mapping.target]]
table = "elsewhere"
"#;

fn config() -> Config {
    crate::config::parse(CONFIG, Path::new(""), &|_| None).expect("a configuration")
}

fn schema() -> TableSchema {
    let column = |name: &str, column_type, nullable| Column {
        name: name.into(),
        column_type,
        nullable,
        declared: "some type".into(),
        virtual_generated: false,
    };
    let id = ColumnType::Integer { bytes: 8, unsigned: true };
    let text = ColumnType::Text { charset: "utf8mb4".into(), collation: "utf8mb4_0900_ai_ci".into() };
    TableSchema {
        name: TableName { schema: "social".into(), table: "follows".into() },
        columns: vec![
            column("followee", id.clone(), false),
            column("follower", id, false),
            column("note", text, true),
        ],
        primary_key: vec![0, 1],
        unique_keys: vec![vec![0, 1]],
    }
}

fn schemas() -> Schemas {
    Schemas::from([(schema().name, Arc::new(schema()))])
}

fn followers() -> Mapping {
    fitting(&config(), &schemas(), &Begun::default()).0.remove(0)
}

fn cascade() -> Cascade {
    Cascade {
        constraint: "follows_fk".into(),
        parent: TableName { schema: "social".into(), table: "users".into() },
        on_delete: "CASCADE".into(),
        on_update: "NO ACTION".into(),
    }
}

#[test]
fn a_mapping_that_does_not_fit_hides_nothing_of_the_others() {
    let (mappings, findings) = fitting(&config(), &schemas(), &Begun::default());
    assert_eq!(mappings.iter().map(|mapping| mapping.name.as_str()).collect::<Vec<_>>(), ["followers"]);
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!((finding.id.as_str(), finding.level), ("mappings.notes key[0]", Level::Refusal));
    assert!(finding.actual.contains("it can be NULL"), "{}", finding.actual);
}

#[test]
fn chunks_need_a_primary_key_and_reads_need_innodb() {
    assert_eq!(primary_key(&schema(), &[]).actual, "followee, follower");
    let without = TableSchema { primary_key: vec![], ..schema() };
    assert_eq!(primary_key(&without, &[]).level, Level::Refusal);
    let prefix = primary_key(&without, &["name(10)".into()]);
    assert_eq!(prefix.actual, "it has only the beginning of a column: name(10)");
    let level = |engine: &str| {
        table(&schema().name, &TableFacts { engine: engine.into(), ..TableFacts::default() })[0].level
    };
    assert_eq!((level("InnoDB"), level("MyISAM"), level("")), (Level::Ok, Level::Refusal, Level::Refusal));
}

#[test]
fn triggers_are_noted() {
    let facts = TableFacts {
        engine: "InnoDB".into(),
        triggers: vec!["a".into(), "b".into()],
        ..TableFacts::default()
    };
    let findings = table(&schema().name, &facts);
    assert_eq!((findings[1].level, findings[1].actual.as_str()), (Level::Note, "a, b"));
}

#[test]
fn cascades_are_refused_unless_the_server_logs_them() {
    let server = |native: &str| Facts { innodb_native_foreign_keys: native.into(), ..Facts::default() };
    let judge = |server: Option<&Facts>| cascades(&schema().name, &[cascade()], server).level;
    assert_eq!(cascades(&schema().name, &[], None).level, Level::Ok);
    assert_eq!(judge(Some(&server("OFF"))), Level::Note);
    // below 9.6 there is no such variable
    assert_eq!(judge(Some(&server(""))), Level::Refusal);
    assert_eq!(judge(Some(&server("ON"))), Level::Refusal);
    assert_eq!(judge(None), Level::Refusal);
    let finding = cascades(&schema().name, &[cascade()], None);
    assert_eq!(finding.actual, "follows_fk (from social.users: ON DELETE CASCADE, ON UPDATE NO ACTION)");
}

#[test]
fn key_and_item_must_name_one_row() {
    let level = |proof| unique(&followers(), &proof).level;
    assert_eq!(level(Uniqueness::ByIndex), Level::Ok);
    assert_eq!(level(Uniqueness::AtPresent), Level::Refusal);
    assert_eq!(level(Uniqueness::Duplicates), Level::Refusal);
    assert_eq!(level(Uniqueness::Unproven), Level::Refusal);
    let advice = unique(&followers(), &Uniqueness::Unproven).advice;
    assert!(advice.starts_with("ALTER TABLE `social`.`follows` ADD UNIQUE KEY (`followee`, `follower`): "));
}

#[test]
fn several_spellings_of_a_list_are_a_warning() {
    let level = |found| spellings(&followers(), found).level;
    assert_eq!(level(Some(false)), Level::Ok);
    assert_eq!(level(Some(true)), Level::Warning);
    assert_eq!(level(None), Level::Unknown);
    assert!(!spellings(&followers(), None).refuses());
}

#[test]
fn a_character_set_that_cannot_be_decoded_is_refused() {
    assert_eq!(charsets("followers", &[]).level, Level::Ok);
    let finding = charsets("followers", &[("note".into(), "klingon".into())]);
    assert_eq!((finding.level, finding.actual.as_str()), (Level::Refusal, "not: note (klingon)"));
}

#[test]
fn every_column_in_use_is_looked_at_once() {
    assert_eq!(mapped(&followers()), [0, 1, 2]);
    assert!(!has_text_key(&followers()));
}
