use super::*;
use crate::model::history::Entry;
use crate::model::{Column, ColumnType, Parking, Reached};
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
table = "s.t"
key = ["a"]
item = ["b"]
order = { by = "b" }
[[mapping.target]]
table = "followers"
columns = ["note"]
"#;

fn name() -> TableName {
    TableName { schema: "s".into(), table: "t".into() }
}

fn definition(columns: &[&str], unique: &[usize]) -> Definition {
    let column = |name: &&str| Column {
        name: (*name).to_owned(),
        column_type: ColumnType::Integer { bytes: 8, unsigned: false },
        nullable: false,
        declared: "bigint".into(),
        virtual_generated: false,
    };
    let (columns, unique) = (columns.iter().map(column).collect(), unique.to_vec());
    Definition::of(TableSchema {
        name: name(),
        columns,
        primary_key: unique.clone(),
        unique_keys: vec![unique],
    })
}

/// A history that began with these columns, and what is chosen where the table is `now`.
fn is_by_history(now: Option<&Definition>, parked: bool, config: &str) -> bool {
    let known = Arc::new(definition(&["a", "b", "note", "other"], &[0, 1]));
    let mut history = History { entries: vec![Entry::defined(Reached::default(), known)] };
    if parked {
        let parking =
            Parking { what: "w".into(), reason: "r".into(), transaction: None, place: "f:4".into() };
        history.entries.push(Entry::parked(Reached::default(), parking));
    }
    let config = crate::config::parse(config, Path::new(""), &|_| None).expect("a configuration");
    let (begun, table) = (Begun::default(), name());
    Mapped::of(&config, &begun, &table, &Recopies::none()).instead(now, &history).is_some()
}

#[test]
fn a_table_that_is_gone_or_means_something_else_is_mapped_by_what_is_known_until_it_is_parked() {
    let same = definition(&["note", "b", "a", "new"], &[2, 1]);
    assert!(
        !is_by_history(Some(&same), false, CONFIG),
        "columns that are not mapped, and places, may change"
    );
    let mut other = same.clone();
    other.schema.columns[0].column_type = ColumnType::Json;
    assert!(is_by_history(Some(&other), false, CONFIG));
    assert!(!is_by_history(Some(&other), true, CONFIG), "nothing is read by the known one any more");
    for gone in [None, Some(&definition(&["a", "b"], &[0, 1]))] {
        assert!(is_by_history(gone, false, CONFIG) && is_by_history(gone, true, CONFIG));
    }
    let no_proof = definition(&["a", "b", "note"], &[0, 2]);
    assert!(is_by_history(Some(&no_proof), false, CONFIG));
    let mut cascades = same.clone();
    cascades.unlogged.insert("fk".into());
    assert!(is_by_history(Some(&cascades), false, CONFIG));
}

#[test]
fn a_configuration_that_was_edited_for_the_table_of_now_is_taken_by_that() {
    let edited = CONFIG.replace(r#"["note"]"#, r#"["note", "new"]"#);
    assert!(!is_by_history(Some(&definition(&["a", "b", "note", "new"], &[0, 1])), false, &edited));
    let neither = CONFIG.replace(r#"["note"]"#, r#"["nowhere"]"#);
    assert!(!is_by_history(None, false, &neither));
}
