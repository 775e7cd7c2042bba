//! What the state says of each copy, against what is configured now. Judgements are pure, and those of the run.

use super::finding::{Finding, Group, Rule};
use super::state::Known;
use crate::advice;
use crate::config::Config;
use crate::model::{Mapping, Target};
use crate::pipeline::life::{self, Standing};

/// Every target of the mappings that fit.
pub fn findings(config: &Config, mappings: &[Mapping], known: &Known) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (mapping, target) in mappings.iter().flat_map(|m| m.targets.iter().map(move |t| (m, t))) {
        let standing = life::standing(known.life_of(mapping, target), mapping, target);
        let begun =
            standing != Standing::Begins || known.begun.has(&mapping.name, &target.table, &target.family);
        findings.push(judge(mapping, target, standing));
        if begun && !names_columns(config, mapping, target) {
            findings.extend(new_columns(mapping, target));
        }
    }
    findings
}

fn names_columns(config: &Config, mapping: &Mapping, target: &Target) -> bool {
    let targets = config.mapping(&mapping.name).map_or(&[][..], |mapping| &mapping.targets);
    let ours = |other: &&crate::config::checked::Target| {
        other.table == target.table && other.family == target.family
    };
    targets.iter().find(ours).is_some_and(|target| target.columns.is_some())
}

fn rule(mapping: &Mapping, target: &Target, name: &str, expected: &str) -> Rule {
    Rule::new(Group::Mappings, format!("{} -> {} {name}", mapping.name, target.table), expected)
}

/// Whether a run goes on with the copy.
pub fn judge(mapping: &Mapping, target: &Target, standing: Standing) -> Finding {
    let rule = rule(mapping, target, "copy", "one that a run can continue");
    match standing {
        Standing::Begins => rule.ok("not begun yet"),
        Standing::GoesOn => rule.ok("unchanged since the copy began"),
        Standing::Parked { reason } => {
            rule.warning(format!("parked: {reason}"), advice::parked(&mapping.name))
        }
        Standing::Changed(changes) => rule.warning(
            format!("its columns changed: {}; a run parks it", changes.join("; ")),
            advice::columns_changed(&mapping.name),
        ),
        Standing::Moved(changes) => {
            rule.refusal(life::moved(mapping, target, &changes), advice::addresses_changed())
        }
    }
}

/// Columns of the table that the copy was begun without.
pub fn new_columns(mapping: &Mapping, target: &Target) -> Option<Finding> {
    let used = |index: &usize| {
        let cells = mapping.key.iter().chain(&mapping.item).chain(&target.columns);
        cells.into_iter().any(|used| used == index)
    };
    let names = |columns: &mut dyn Iterator<Item = usize>| -> Vec<String> {
        columns.map(|index| mapping.schema.columns[index].name.clone()).collect()
    };
    let all = 0..mapping.schema.columns.len();
    let new =
        names(&mut all.filter(|index| !used(index) && !mapping.schema.columns[*index].virtual_generated));
    if new.is_empty() {
        return None;
    }
    let rule = rule(mapping, target, "new columns", "those with which the copy began");
    let actual = format!("not copied: {}", new.join(", "));
    let columns = names(&mut target.columns.iter().copied());
    Some(rule.note(actual, advice::new_column(&mapping.name, &columns, &new)))
}

#[cfg(test)]
#[path = "copies_tests.rs"]
mod tests;
