//! HBase: gateways and tables. Judgements are pure; `findings` asks.

use super::clocks;
use super::finding::{Finding, Group, Rule};
use super::state::{Known, RunId};
use crate::advice;
use crate::app::connect;
use crate::clock::SteadyClock;
use crate::config::Config;
use crate::config::units::print_duration;
use crate::failpoints::Failpoints;
use crate::model::{Target, TargetId};
use crate::pipeline::life;
use crate::sink::cells::COUNTS_FAMILY;
use crate::sink::hbase::HbaseOptions;
use crate::sink::{RUN_ATTRIBUTE, ReadCounts, ReadRows, ScanRange, Sink, SinkError, TableState};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const PURGE_DELETES: &str = "hbase.hstore.time.to.purge.deletes";
/// HBase's way to say that cells live for ever: Java's `Integer.MAX_VALUE` seconds.
const FOREVER: [&str; 3] = ["", "FOREVER", "2147483647"];

/// Who asks, and so what a missing table means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Check,
    Run,
}

/// What tables are held against: the purge delay that is configured, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    pub purge: Duration,
    pub stage: Stage,
}

fn rule(name: impl Into<String>, expected: impl Into<String>) -> Rule {
    Rule::new(Group::Hbase, name, expected)
}

/// Every target of a configuration, without its columns: they do not matter to a table. Ids go as
/// those of [`Config::resolve`] do.
pub fn targets(config: &Config) -> Vec<Target> {
    let targets = config.mappings.iter().flat_map(|mapping| &mapping.targets);
    targets
        .enumerate()
        .map(|(id, target)| Target {
            id: TargetId(u16::try_from(id).unwrap_or(u16::MAX)),
            table: target.table.clone(),
            family: target.family.clone(),
            layout: target.layout,
            columns: Vec::new(),
            form: target.form,
            values: target.values,
            salt_buckets: target.salt_buckets,
            ordered: target.ordered,
            segment: None,
            counted: target.counted,
        })
        .collect()
}

/// Asks every gateway by itself; the first that answers is what the tables are looked at through.
pub async fn gateways(config: &Config, targets: &[Target]) -> (Option<Arc<dyn Sink>>, Vec<Finding>) {
    let options = connect::hbase_options(config);
    let connecting = options.gateways.iter().map(|address| {
        let one = HbaseOptions { gateways: vec![address.clone()], ..options.clone() };
        connect::gateways(config.hbase.kind, one, targets.to_vec())
    });
    let answers = futures::future::join_all(connecting).await;
    let spare = answers.iter().any(Result::is_ok);
    let kind = format!("{:?}, {:?}", config.hbase.kind, config.hbase.transport).to_lowercase();
    let mut sink = None;
    let mut findings = Vec::new();
    for (address, answer) in options.gateways.iter().zip(answers) {
        let rule = rule(format!("gateway {address}"), &kind);
        findings.push(match answer {
            Ok(connected) => {
                sink.get_or_insert(connected.sink);
                rule.ok("answers so")
            }
            Err(error) => gateway_failed(rule, error, spare),
        });
    }
    (sink, findings)
}

/// `spare`: another gateway answers.
fn gateway_failed(rule: Rule, error: SinkError, spare: bool) -> Finding {
    match error {
        SinkError::Unavailable { .. } if spare => rule.warning(
            error.to_string(),
            "check that it is up, and hbase.gateways; the other gateways do its work",
        ),
        error => rule.failed(error),
    }
}

/// Every table, and HBase's clock as seen through the first that is there.
pub async fn findings(
    sink: &dyn Sink,
    targets: &[Target],
    expected: Expected,
    known: &Known,
    clock: &SteadyClock,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut clock_finding = None;
    for target in targets {
        let state = match sink.describe(target.id).await {
            Ok(state) => state,
            Err(error) => {
                findings.push(rule(format!("{} table", target.table), "is there").unknown(error));
                continue;
            }
        };
        findings.extend(table(target, &state, expected, &known.run));
        if let (true, Some(finding)) = (state.has_families_of(target), check_answers(sink, target).await) {
            findings.push(finding);
        } else if state.has_families_of(target) {
            if known.is_fresh(target) {
                findings.push(check_no_rows(sink, target).await);
            }
            if clock_finding.is_none() {
                clock_finding = Some(clocks::hbase(sink, target.id, clock).await);
            }
        }
    }
    findings.extend(clock_finding.or_else(|| (expected.stage == Stage::Check).then(clocks::no_table)));
    findings
}

/// A table and the family of one target.
pub fn table(target: &Target, state: &TableState, expected: Expected, run: &RunId) -> Vec<Finding> {
    let Expected { purge, stage } = expected;
    let exists = rule(format!("{} table", target.table), "is there");
    let TableState::Present { family, attributes, families } = state else {
        return vec![match stage {
            Stage::Check => exists.note("not yet", advice::init()),
            Stage::Run => exists.refusal("it is not", advice::init()),
        }];
    };
    let has_family = rule(format!("{} family", target.table), &target.family);
    let mut findings = vec![exists.ok("it is"), owner(&target.table, attributes.as_ref(), run)];
    if target.counted && !families.iter().any(|family| family == COUNTS_FAMILY) {
        findings.push(counts_family(target));
    }
    match family {
        None => findings.push(
            has_family.refusal(format!("the table has: {}", families.join(", ")), advice::add_family()),
        ),
        Some(settings) => {
            findings.push(has_family.ok("there"));
            findings.extend(family_settings(target, settings, attributes.is_some(), purge));
        }
    }
    findings
}

/// A table that is disabled says what it is, and nothing else. `None`: it is not.
pub async fn check_answers(sink: &dyn ReadRows, target: &Target) -> Option<Finding> {
    let range = ScanRange { limit: 1, ..ScanRange::default() };
    match sink.scan_keys(target.id, &range).await {
        Err(SinkError::Disabled { table }) => {
            let advice = format!("in the HBase shell: enable '{table}'");
            Some(rule(format!("{table} state"), "enabled").refusal("disabled", advice))
        }
        _ => None,
    }
}

/// A counted target keeps its counts in a family of their own.
fn counts_family(target: &Target) -> Finding {
    rule(format!("{} family", target.table), format!("{COUNTS_FAMILY}, because the target is counted")).refusal(
        format!("the table has no family {COUNTS_FAMILY}"),
        format!(
            "in the HBase shell: alter '{}', {{NAME => '{COUNTS_FAMILY}', VERSIONS => 1}}; or set count = false",
            target.table
        ),
    )
}

/// Whose table it is, by the attribute that `init` sets.
fn owner(table: &str, attributes: Option<&BTreeMap<String, String>>, run: &RunId) -> Finding {
    let rule = rule(format!("{table} {RUN_ATTRIBUTE}"), "of this state");
    let Some(attributes) = attributes else {
        let shown = match run {
            RunId::Known(ours) => format!("'{RUN_ATTRIBUTE}' => '{ours}'"),
            RunId::NotYet | RunId::InUse => format!("no '{RUN_ATTRIBUTE}' of another state"),
        };
        return untold(rule, table, &shown);
    };
    let advice = advice::adopt();
    match (attributes.get(RUN_ATTRIBUTE), run) {
        (Some(found), RunId::Known(ours)) if found == ours => rule.ok(found),
        (_, RunId::InUse) => rule.note("not compared", "a run has this state; it compared at its start"),
        (Some(found), _) => rule.refusal(format!("of another state ({found})"), advice),
        (None, _) => rule.refusal("tailfill did not create this table", advice),
    }
}

/// What a Thrift1 gateway does not report it, and where it is told. Never a pass: nothing was seen.
fn untold(rule: Rule, table: &str, shown: &str) -> Finding {
    rule.warning(
        "a Thrift1 gateway does not report it",
        format!("check in the HBase shell: describe '{table}' must show {shown}"),
    )
}

/// `all_told`: what is not among the settings is not set.
fn family_settings(
    target: &Target,
    settings: &BTreeMap<String, String>,
    all_told: bool,
    purge: Duration,
) -> Vec<Finding> {
    let place = format!("{}:{}", target.table, target.family);
    let value = |name: &str| settings.get(name).map(String::as_str).unwrap_or_default();
    let alter = |change: &str| {
        format!("in the HBase shell: alter '{}', {{NAME => '{}', {change}}}", target.table, target.family)
    };
    let versions = value("VERSIONS");
    let life = value("TTL");
    let found = |name: &str| settings.get(name).map(String::as_str).or(all_told.then_some(""));
    let mut findings = vec![
        purge_delay(target, found(PURGE_DELETES), purge, &alter),
        version_behaviour(target, found("NEW_VERSION_BEHAVIOR"), &alter),
        rule(format!("{place} VERSIONS"), "1").should(
            versions == "1",
            if versions.is_empty() { "not known" } else { versions },
            format!("{}: older versions only use disk space", alter("VERSIONS => 1")),
        ),
        rule(format!("{place} TTL"), "FOREVER").should(
            FOREVER.contains(&life),
            if FOREVER.contains(&life) { "FOREVER".to_owned() } else { format!("{life} s") },
            "HBase drops items this long after their last change in HBase, and `verify` reports them as missing",
        ),
    ];
    let least = value("MIN_VERSIONS");
    if !matches!(least, "" | "0") {
        findings.push(
            rule(format!("{place} MIN_VERSIONS"), "0").note(least, "it only keeps versions beyond a TTL"),
        );
    }
    findings
}

/// `found`: `None` when it is not told.
fn version_behaviour(target: &Target, found: Option<&str>, alter: &dyn Fn(&str) -> String) -> Finding {
    let rule = rule(format!("{}:{} NEW_VERSION_BEHAVIOR", target.table, target.family), "false");
    let Some(found) = found else {
        return untold(rule, &target.table, "no NEW_VERSION_BEHAVIOR => 'true'");
    };
    let change = alter("NEW_VERSION_BEHAVIOR => 'false'");
    rule.must(
        !found.eq_ignore_ascii_case("true"),
        if found.is_empty() { "false" } else { found },
        format!("{change}: with it the order of arrival wins over timestamps"),
    )
}

/// `found`: `None` when it is not told.
fn purge_delay(
    target: &Target,
    found: Option<&str>,
    purge: Duration,
    alter: &dyn Fn(&str) -> String,
) -> Finding {
    let wanted = u64::try_from(purge.as_millis()).unwrap_or(u64::MAX);
    let name = format!("{}:{} purge delay", target.table, target.family);
    let rule = rule(name, format!("at least {} ({wanted} ms)", print_duration(purge)));
    let Some(found) = found else {
        let shown = format!("'{PURGE_DELETES}' => '{wanted}' or more in family '{}'", target.family);
        return untold(rule, &target.table, &shown);
    };
    let change = format!(
        "{}: without it HBase forgets deletes, and an older write brings the item back",
        alter(&format!("CONFIGURATION => {{'{PURGE_DELETES}' => '{wanted}'}}"))
    );
    match found.parse::<u64>() {
        _ if Failpoints::default().purge_delay_not_asked() => rule.ok("not asked"),
        Ok(millis) if millis >= wanted => rule.ok(print_duration(Duration::from_millis(millis))),
        Ok(millis) => rule.refusal(print_duration(Duration::from_millis(millis)), change),
        Err(_) if found.is_empty() => rule.refusal("not set", change),
        Err(_) => rule.refusal(found, change),
    }
}

/// Nothing was written before a copy begins, so what is there is not ours.
pub async fn check_no_rows(sink: &dyn ReadCounts, target: &Target) -> Finding {
    match life::holds_rows(sink, target).await {
        Ok(has_rows) => empty(target, has_rows),
        Err(error) => empty_rule(target).unknown(error),
    }
}

fn empty_rule(target: &Target) -> Rule {
    rule(format!("{}:{} rows", target.table, target.family), "none before its copy begins")
}

/// A target before its copy begins.
pub fn empty(target: &Target, has_rows: bool) -> Finding {
    empty_rule(target).must(
        !has_rows,
        if has_rows { "there are some" } else { "none" },
        advice::not_empty(&target.table),
    )
}

#[cfg(test)]
#[path = "hbase_tests.rs"]
mod tests;
