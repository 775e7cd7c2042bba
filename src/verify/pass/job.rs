//! What a pass compares, so that nobody goes on with the pass of something else.

use super::super::{Tail, Verification, VerifyError};
use crate::compare::retry;
use crate::model::{Pilot, TargetDefinition};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Something that a job is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// For people, as `the table s.follows`.
    name: String,
    /// SHA-256 of what it is, in hexadecimal.
    is: String,
}

impl Part {
    /// `is`: everything that matters of it.
    pub fn new(name: String, is: &str) -> Part {
        Part { name, is: hex::encode(Sha256::digest(is)) }
    }
}

/// Everything that has to be the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    parts: Vec<Part>,
    tail: Standing,
}

/// Who kept HBase up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Standing {
    /// A run, with all that MySQL had executed.
    Live,
    /// Nobody, since the last run had written these transactions.
    Stopped(String),
}

impl Job {
    pub async fn of(with: &Verification, others: &[Part]) -> Result<Job, VerifyError> {
        let server = retry(with, || async { Ok(with.source.server_uuid().await?) }).await?;
        let mut parts = vec![Part::new("the MySQL server".to_owned(), &server)];
        for mapping in &with.mappings {
            let schema = &mapping.schema;
            parts.push(Part::new(format!("the definition of table {}", schema.name), &text(&**schema)));
            for target in &mapping.targets {
                let name = format!(
                    "the target {}, family {}, of mapping {}",
                    target.table, target.family, mapping.name
                );
                let is = (
                    TargetDefinition::of(mapping, target),
                    (&target.table, &target.family, target.salt_buckets, target.counted),
                );
                parts.push(Part::new(name, &text(&is)));
            }
        }
        parts.push(Part::new("which lists are compared".to_owned(), &text(&with.cohort.pilot().map(lists))));
        parts.extend(others.iter().cloned());
        let tail = match &with.tail {
            Tail::Live(_) => Standing::Live,
            Tail::Stopped { checkpoint } => {
                let reached = checkpoint.as_ref().map(|checkpoint| checkpoint.position.reached.to_string());
                Standing::Stopped(reached.unwrap_or_default())
            }
        };
        Ok(Job { parts, tail })
    }

    /// Why nobody can go on with `earlier` as this job; `None`: it is the same.
    pub fn differs_from(&self, earlier: &Job) -> Option<String> {
        let has = |parts: &[Part], part: &Part| parts.iter().any(|other| other == part);
        let known = |part: &&Part| earlier.parts.iter().any(|other| other.name == part.name);
        // what is another thing now says more than what has come or gone
        let others = self.parts.iter().filter(known).chain(&earlier.parts).chain(&self.parts);
        let changed = others.into_iter().find(|part| has(&self.parts, part) != has(&earlier.parts, part));
        if let Some(Part { name, .. }) = changed {
            return Some(format!("something else was compared then: {name} is not the same now"));
        }
        if self.parts != earlier.parts {
            return Some("something else was compared then: the mappings have another order now".to_owned());
        }
        Some(match (&earlier.tail, &self.tail) {
            (Standing::Live, Standing::Stopped(_)) => {
                "it began beside a run, and no run tails now".to_owned()
            }
            (Standing::Stopped(_), Standing::Live) => {
                "it began without a run, and a run tails now".to_owned()
            }
            (Standing::Stopped(then), Standing::Stopped(now)) if then != now => {
                "it began without a run, and a run has written to HBase since".to_owned()
            }
            _ => return None,
        })
    }
}

fn lists(pilot: &Pilot) -> String {
    text(pilot)
}

/// As one text. What has no such form is no part of any job.
fn text(what: &impl Serialize) -> String {
    serde_json::to_string(what).expect("names, numbers and lists of them have a form in JSON")
}
