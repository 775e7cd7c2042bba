//! Judging what the state says of copies.

use super::*;
use crate::app::check::finding::Level;
use crate::model::{LifeCycle, TargetDefinition};
use crate::sink::fixtures::{column, followers};
use crate::store::records::LifeRecord;
use std::sync::Arc;

fn record(mapping: &Mapping) -> LifeRecord {
    let definition = Some(TargetDefinition::of(mapping, &mapping.targets[0]));
    LifeRecord { state: LifeCycle::CaughtUp, definition, ..LifeRecord::default() }
}

fn judged(record: Option<&LifeRecord>, mapping: &Mapping) -> Finding {
    let target = &mapping.targets[0];
    judge(mapping, target, life::standing(record, mapping, target))
}

#[test]
fn columns_that_changed_are_parked_by_a_run_and_come_back_by_a_recopy() {
    let before = followers();
    let mut now = before.clone();
    now.targets[0].columns = vec![3];
    let finding = judged(Some(&record(&before)), &now);
    assert_eq!(finding.level, Level::Warning);
    assert_eq!(finding.actual, "its columns changed: column created_at is gone; a run parks it");
    assert!(finding.advice.contains("`tailfill recopy m --yes`"), "{}", finding.advice);
    assert_eq!(judged(Some(&record(&before)), &before).level, Level::Ok);
    assert_eq!(judged(None, &now).actual, "not begun yet");
}

#[test]
fn items_that_lie_elsewhere_are_refused() {
    let before = followers();
    let mut now = before.clone();
    now.targets[0].salt_buckets = 7;
    let finding = judged(Some(&record(&before)), &now);
    assert_eq!(finding.level, Level::Refusal);
    assert!(
        finding.actual.ends_with("since its copy began: salt_buckets was 16, is 7"),
        "{}",
        finding.actual
    );
    assert!(finding.advice.contains("another HBase table"));
}

#[test]
fn a_new_column_is_offered_with_what_takes_it_in() {
    let mut mapping = followers();
    assert_eq!(new_columns(&mapping, &mapping.targets[0]), None);
    let mut schema = (*mapping.schema).clone();
    schema.columns.push(column("muted", crate::model::ColumnType::Double));
    mapping.schema = Arc::new(schema);
    let finding = new_columns(&mapping, &mapping.targets[0]).expect("one is new");
    assert_eq!((finding.level, finding.actual.as_str()), (Level::Note, "not copied: muted"));
    let named = r#"set columns = ["created_at", "note", "muted"] in this target"#;
    assert!(finding.advice.contains(named), "{}", finding.advice);
    assert!(finding.advice.contains("`tailfill recopy m --yes`"), "{}", finding.advice);
}
