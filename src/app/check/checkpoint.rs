//! Whether a run could go on from the checkpoint, and would be alone: what a run asks when it begins.

use super::finding::{Finding, Group, Rule};
use super::mysql::Start;
use super::state::{Known, RunId};
use crate::app::alone;
use crate::config::Config;
use crate::pipeline::tail::identity::{self, Sighting};
use crate::source::{MysqlSource, Source, SourceError, claim};

fn rule(name: &str, expected: &str) -> Rule {
    Rule::new(Group::Mysql, name, expected)
}

pub async fn findings(source: &MysqlSource, config: &Config, known: &Known) -> Vec<Finding> {
    if known.start == Start::Running {
        return Vec::new();
    }
    let mut findings = vec![check_other_runs(source, config, known).await];
    if let Some(checkpoint) = &known.checkpoint {
        let rule = rule("checkpoint", "the source can continue from it");
        findings.push(match continued(source, known).await {
            Ok(()) => rule.ok(checkpoint.position.to_string()),
            Err(error) => rule.failed(error),
        });
    }
    findings
}

async fn check_other_runs(source: &MysqlSource, config: &Config, known: &Known) -> Finding {
    let rule = rule("other runs", "none has this state or server_id");
    let id = match &known.run {
        RunId::Known(id) => id.as_str(),
        RunId::NotYet | RunId::InUse => "",
    };
    match source.claimed(&claim::names(id, config.source.server_id)).await {
        Ok(None) => rule.ok("none"),
        Ok(Some(held)) => rule.refusal(alone::sentence(&held), alone::ADVICE),
        Err(error) => rule.unknown(error),
    }
}

async fn continued(source: &MysqlSource, known: &Known) -> Result<(), SourceError> {
    let Some(checkpoint) = &known.checkpoint else { return Ok(()) };
    if let Some(reason) = &known.source_lost {
        return Err(identity::lost(reason.clone()));
    }
    let wanted = &checkpoint.position.reached;
    let missing = source.uncommitted(wanted).await?;
    if !missing.is_empty() {
        let reason = format!("MySQL has not committed {missing}, which tailfill has read from it");
        return Err(identity::lost(reason));
    }
    source.still_has(wanted).await?;
    let sightings: Vec<Sighting> = checkpoint.witness.iter().cloned().map(Sighting::anywhere).collect();
    identity::compare(source, &sightings).await?;
    Ok(())
}
