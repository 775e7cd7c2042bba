//! What a soak writes down.

use super::process::Lives;
use super::round::Round;
use super::tally::Tally;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// A soak so far.
pub struct Log {
    pub seed: u64,
    pub minutes: u64,
    pub start: String,
    pub tally: Tally,
    pub rounds: Vec<Round>,
}

impl Log {
    /// Writes it to the file that `TAILFILL_SOAK_LOG` names, if it names one.
    pub async fn write(&self) {
        if let Some(path) = std::env::var_os("TAILFILL_SOAK_LOG") {
            let report = self.report(&super::now().await);
            std::fs::write(path, format!("{report:#}\n")).expect("the log can be written");
        }
    }

    pub fn report(&self, end: &str) -> Json {
        let mut lives = Lives::default();
        let (mut compared, mut counts): (BTreeMap<String, u64>, u64) = (BTreeMap::new(), 0);
        for round in &self.rounds {
            lives.add(round.lives.clone());
            for target in &round.compared {
                *compared.entry(target.target.clone()).or_default() += target.items;
                counts += target.counted_rows;
            }
        }
        let wrong: Vec<String> = self.rounds.iter().flat_map(Round::all_wrong).collect();
        let each_round: Vec<Json> = self.rounds.iter().map(Round::json).collect();
        json!({
            "seed": self.seed,
            "commit": std::env::var("TAILFILL_SOAK_COMMIT").unwrap_or_default(),
            "start": self.start,
            "end": end,
            "minutes": self.minutes,
            "rounds": self.rounds.len(),
            "transactions": self.rounds.iter().map(Round::all_transactions).sum::<u64>(),
            "starts": lives.starts,
            "stops": { "kill_9": lives.kills, "sigterm": lives.terms, "by_itself": lives.by_itself },
            "faults": self.tally.all(),
            "faults_never_delivered": self.tally.never(),
            "rows_compared": compared,
            "counts_compared": counts,
            "memory_high_bytes": lives.memory_high_bytes,
            "log_bytes": self.rounds.iter().map(|round| round.footprint.log).sum::<u64>(),
            "differences": self.rounds.iter().map(Round::differences).sum::<u64>(),
            "wrong": wrong,
            "grown": super::flat::grown(&self.rounds),
            "each_round": each_round,
        })
    }
}
