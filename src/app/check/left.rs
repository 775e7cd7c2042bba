//! Mappings that a run leaves alone: those that are parked, and those that it will park, because a statement that it has
//! not come to took their table away or changed mapped columns. What is wrong with their tables refuses no run.

use super::finding::{Finding, Group, Rule};
use super::mysql::Depth;
use super::state::Known;
use super::{copies, mappings};
use crate::advice;
use crate::app::by_history;
use crate::config::Config;
use crate::config::checked::Mapping;
use crate::model::LifeCycle;
use crate::pipeline::Recopies;
use crate::source::{MysqlSource, SourceError};

/// The configuration of the mappings that a run follows, and of those that it leaves alone.
pub async fn split(
    config: &Config,
    source: &MysqlSource,
    known: &Known,
) -> Result<(Config, Config), SourceError> {
    let (mut will_be_parked, none) = (Vec::new(), Recopies::none());
    for table in config.tables() {
        let mapped = by_history::Mapped::of(config, &known.begun, &table, &none);
        let found = by_history::find(source, &mapped, &known.histories).await?;
        if found.known.is_some() {
            will_be_parked.push(table);
        }
    }
    let is_left = |mapping: &Mapping| {
        will_be_parked.contains(&mapping.table) || reasons(mapping, known).all(|reason| reason.is_some())
    };
    let (left, followed) = config.mappings.iter().cloned().partition(is_left);
    Ok((Config { mappings: followed, ..config.clone() }, Config { mappings: left, ..config.clone() }))
}

/// Why each target of a mapping is parked, if it is.
fn reasons<'a>(mapping: &'a Mapping, known: &'a Known) -> impl Iterator<Item = Option<&'a str>> {
    mapping.targets.iter().map(|target| {
        let key = (mapping.name.clone(), format!("{}/{}", target.table, target.family));
        match known.lives.get(&key).map(|life| &life.state) {
            Some(LifeCycle::Parked { reason }) => Some(reason.as_str()),
            _ => None,
        }
    })
}

/// What is wrong with them: nothing refuses.
pub async fn findings(left: &Config, source: &MysqlSource, known: &Known, depth: Depth) -> Vec<Finding> {
    let (schemas, mut findings) = mappings::schemas(source, &left.tables()).await;
    let (fitting, misfits) = mappings::fitting(left, &schemas, &known.begun);
    let facts = source.facts().await.ok();
    let (of_mappings, _) = mappings::findings(source, &fitting, facts.as_ref(), depth).await;
    findings.extend(misfits.into_iter().chain(copies::findings(left, &fitting, known)).chain(of_mappings));
    let does_not_fit = |mapping: &&Mapping| fitting.iter().all(|fits| fits.name != mapping.name);
    findings.extend(left.mappings.iter().filter(does_not_fit).map(|mapping| stands(mapping, known)));
    findings.into_iter().map(Finding::tolerated).collect()
}

fn stands(mapping: &Mapping, known: &Known) -> Finding {
    let rule = Rule::new(Group::Mappings, format!("{} copy", mapping.name), "one that a run can continue");
    match reasons(mapping, known).flatten().next() {
        Some(reason) => rule.warning(format!("parked: {reason}"), advice::parked(&mapping.name)),
        None => rule.warning(
            format!("{} is gone, or its definition differs from the one in the state", mapping.table),
            "a run parks the mapping at the statement that changed the table, and prints what to do",
        ),
    }
}
