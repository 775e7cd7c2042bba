//! What the application asks of its lists: by which target it is answered, and at what cost. Judgements are pure;
//! `findings` asks how large lists are, and has MySQL prepare the application's own SELECTs.

use super::finding::{Finding, Group, Rule};
use super::mysql::Depth;
use super::scope::Scope;
use crate::config::Config;
use crate::config::checked::Query;
use crate::model::{Mapping, Target, TargetId};
use crate::sink::answer::{self, Answer, Ask, ListSize, Segments};
use crate::source::facts_application::ApplicationPlan;
use crate::source::facts_list::LargestList;
use crate::source::{MysqlSource, SourceError};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a look at the size of lists may take, for each query of it.
const LOOK: Duration = Duration::from_secs(5);

/// How large a mapping's largest list is in each target; empty where that is not known.
pub type Sizes = BTreeMap<TargetId, ListSize>;

fn rule(mapping: &Mapping, name: &str, expected: impl Into<String>) -> Rule {
    Rule::new(Group::Queries, format!("{} {name}", mapping.name), expected)
}

/// Every query of the mappings that fit. How large lists are is looked up for a check alone, since it may take seconds; so are
/// the application's own SELECTs, which a run does without.
pub async fn findings(
    source: &MysqlSource,
    config: &Config,
    mappings: &[Mapping],
    scope: Scope,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for mapping in mappings {
        let queries = config.mapping(&mapping.name).map_or(&[][..], |mapping| &mapping.queries);
        let mut sizes = Sizes::new();
        if scope.depth == Depth::All && !queries.is_empty() {
            let widths: Vec<u64> = mapping.targets.iter().filter_map(|target| target.segment).collect();
            let found = source.largest_list(mapping, &widths, LOOK).await;
            findings.push(largest(mapping, &found));
            sizes = found.ok().flatten().map(|found| sizes_of(mapping, &found)).unwrap_or_default();
        }
        for query in queries {
            findings.extend(judge(mapping, query, &sizes, scope));
            if let Some(sql) = query.sql.as_ref().filter(|_| scope.depth == Depth::All) {
                let plan = source.application_plan(mapping, sql, query.kind).await;
                findings.push(own_select(mapping, query, &plan));
            }
        }
    }
    findings
}

/// What MySQL says of the application's own SELECT.
pub fn own_select(mapping: &Mapping, query: &Query, plan: &Result<ApplicationPlan, SourceError>) -> Finding {
    let name = format!("{} sql", query.name);
    let rule = rule(mapping, &name, "MySQL takes it, and finds the list by an index");
    match plan {
        Err(error @ SourceError::Refused { .. }) => rule.refusal(
            error.to_string(),
            "correct the statement, or take `sql` away: then verify --business asks MySQL what `kind` means",
        ),
        Err(error) => rule.unknown_note(error.to_string(), "check again"),
        Ok(ApplicationPlan { read_whole: None }) => {
            rule.ok("MySQL takes it; the table is empty, so nothing was explained")
        }
        Ok(ApplicationPlan { read_whole: Some(tables) }) if tables.is_empty() => rule.ok("MySQL takes it"),
        Ok(ApplicationPlan { read_whole: Some(tables) }) => rule.warning(
            format!("EXPLAIN: MySQL reads {} whole for each list", tables.join(", ")),
            "create an index that begins with the columns of the WHERE clause; until then verify --business takes long",
        ),
    }
}

/// `found`: `None` when the table is too large to look through.
pub fn largest(mapping: &Mapping, found: &Result<Option<LargestList>, SourceError>) -> Finding {
    let rule = rule(mapping, "largest list", "known, because the costs are for it");
    let found = match found {
        Err(error) => return rule.unknown_note(error.to_string(), "the costs are for each item"),
        Ok(None) => {
            let actual = format!("MySQL did not find it within {} s", LOOK.as_secs());
            return rule.unknown_note(actual, "the costs are for each item of a list");
        }
        Ok(Some(found)) => found,
    };
    let mut actual = format!("{} items", found.items);
    let segmented = mapping.targets.iter().filter(|target| target.segment.is_some());
    for (target, sizes) in segmented.zip(&found.segments) {
        actual += &match sizes {
            Some(sizes) => {
                format!("; in {} {} segments, of up to {}", target.table, sizes.count, sizes.largest)
            }
            None => {
                format!("; its segments in {} were not counted within {} s", target.table, LOOK.as_secs())
            }
        };
    }
    rule.ok(actual)
}

/// The list in each target; its segments are those of the targets that have some, in their order.
pub fn sizes_of(mapping: &Mapping, found: &LargestList) -> Sizes {
    let mut segments = found.segments.iter();
    let size = |target: &Target| {
        let sizes = if target.segment.is_some() { segments.next().copied().flatten() } else { None };
        let segments = sizes.map(|sizes| Segments { count: sizes.count, largest: sizes.largest });
        (target.id, ListSize { items: found.items, segments })
    };
    mapping.targets.iter().map(size).collect()
}

/// Who answers a query best; and for a check how each target does.
pub fn judge(mapping: &Mapping, query: &Query, sizes: &Sizes, scope: Scope) -> Vec<Finding> {
    let ask = Ask { kind: query.kind, limit: query.limit.unwrap_or_default() };
    let size = |target: &Target| sizes.get(&target.id).copied();
    let Some((best, answer)) = answer::best(mapping, ask, size) else { return Vec::new() };
    let mut findings = vec![verdict(mapping, query, (best, &answer), size(best), scope)];
    if scope.depth == Depth::All {
        let hopeless = !matches!(answer, Answer::Bounded(_));
        findings.extend(mapping.targets.iter().map(|target| {
            let of_target = answer::answer(mapping, target, ask);
            let rule = rule(mapping, &format!("{} on {}", query.name, place(mapping, target)), "");
            on_target(rule, &of_target, size(target), hopeless)
        }));
    }
    findings
}

fn verdict(
    mapping: &Mapping,
    query: &Query,
    (best, answer): (&Target, &Answer),
    size: Option<ListSize>,
    scope: Scope,
) -> Finding {
    let asked = match query.limit {
        Some(limit) => format!("{} {limit}", query.kind.name()),
        None => query.kind.name().to_owned(),
    };
    let rule = rule(mapping, &query.name, format!("{asked}: a bounded read"));
    let table = place(mapping, best);
    match answer {
        Answer::Bounded(reads) => rule.ok(format!("best {table}: {}", reads.words(size))),
        Answer::Scan { reads, change } => {
            let actual = format!("best {table}: a scan of the whole list, {}", reads.words(size));
            rule.warning(actual, change.clone())
        }
        Answer::Not { reason, change } => {
            let actual = format!("no target answers it; {table}: {reason}");
            if scope.accept_unanswered {
                rule.warning(actual, format!("{change} (accepted: --accept-unanswered)"))
            } else {
                rule.refusal(actual, format!("{change}; or accept this with --accept-unanswered"))
            }
        }
    }
}

/// One target's way. What to change is said where no other target does better.
fn on_target(rule: Rule, answer: &Answer, size: Option<ListSize>, hopeless: bool) -> Finding {
    let advice = |change: &String| if hopeless { change.clone() } else { String::new() };
    match answer {
        Answer::Bounded(reads) => rule.ok(format!("a bounded read: {}", reads.words(size))),
        Answer::Scan { reads, change } => {
            rule.note(format!("a scan of the whole list: {}", reads.words(size)), advice(change))
        }
        Answer::Not { reason, change } => rule.note(format!("not at all: {reason}"), advice(change)),
    }
}

/// The table of a target, and its family where the mapping has several in one table.
fn place(mapping: &Mapping, target: &Target) -> String {
    match mapping.targets.iter().filter(|other| other.table == target.table).count() {
        1 => target.table.clone(),
        _ => format!("{}:{}", target.table, target.family),
    }
}

#[cfg(test)]
#[path = "queries_tests.rs"]
mod tests;
