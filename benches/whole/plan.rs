//! The order of things: which cases run, in turns where they are compared, and what is reported of them.

use crate::application::Rows;
use crate::case::Case;
use crate::data::{self, Backlog};
use crate::ground::Ground;
use crate::measure::{BenchReport, Round, bound, ratio};
use crate::moved::Side;
use crate::{
    beside, connections, cost, counted, gateway, giant, lag, layouts, moved, overhead, reading, rows, show,
    standing, throttled, verified,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use tailfill::sink::RowWrite;

/// Cases that write the whole table, in the order of a round.
const IN_TURNS: [Case; 4] = [Case::Gateway, Case::GatewayOrdered, Case::Tail, Case::Backfill];

/// Cases that run by themselves, in the order of [`Case`].
const AFTERWARDS: [Case; 8] = [
    Case::Lease,
    Case::Journal,
    Case::Idle,
    Case::Lag,
    Case::Both,
    Case::Restart,
    Case::Huge,
    Case::Throttle,
];

/// The rounds of each case that is one of [`IN_TURNS`].
pub type Rounds = BTreeMap<Case, Vec<Round>>;

/// Runs what was asked for, and what that needs.
pub async fn run(ground: &Arc<Ground>, asked: &[Case]) -> anyhow::Result<Vec<BenchReport>> {
    let mut cases = Case::closure(asked);
    let run = Run { ground: ground.clone(), begin: Instant::now() };
    let mut reports = Vec::new();
    if cases.remove(&Case::Giant) {
        reports.extend(giant::run(ground, &|what| run.say(what)).await?);
    }
    if cases.is_empty() {
        return Ok(reports);
    }
    run.say("loading the table");
    let backlog = data::load(ground).await?;
    run.say(&format!("loaded in {:.0} s", backlog.seconds));
    // before anything large lies in this process, whose memory they measure
    if cases.contains(&Case::Decode) {
        run.say("decode");
        reports.extend(reading::decode(ground, &backlog).await?);
    }
    if cases.contains(&Case::Snapshot) {
        run.say("snapshot");
        reports.extend(reading::snapshot(ground, &backlog).await?);
    }
    if cases.contains(&Case::Hbase) {
        run.say("hbase");
        reports.extend(cost::run(ground, &backlog).await?);
    }
    if cases.contains(&Case::Layouts) {
        run.say("layouts");
        reports.extend(layouts::run(ground, &backlog, &|what| run.say(what)).await?);
    }
    if cases.contains(&Case::Counted) {
        run.say("counted");
        reports.extend(counted::run(ground, &backlog, &|what| run.say(what)).await?);
    }
    if cases.contains(&Case::Beside) {
        run.say("beside");
        reports.extend(beside::run(ground, &backlog, &|what| run.say(what)).await?);
    }
    if cases.contains(&Case::Connections) {
        run.say("connections");
        reports.extend(connections::run(ground, &backlog, &|what| run.say(what)).await?);
    }
    if cases.contains(&Case::Verify) {
        run.say("verify");
        reports.extend(verified::run(ground, &backlog, &|what| run.say(what)).await?);
    }
    let rounds = run.in_turns(&cases, &backlog).await?;
    reports.extend(reports_of(&rounds));
    // these write to the table: no backlog is measured after them
    let rows = Arc::new(Rows::new(backlog.edges.clone()));
    for case in cases.into_iter().filter(|case| AFTERWARDS.contains(case)) {
        run.say(&case.name());
        reports.extend(run.afterwards(case, &rounds, &rows).await?);
    }
    Ok(reports)
}

struct Run {
    ground: Arc<Ground>,
    begin: Instant,
}

impl Run {
    /// Shows how far it is, on standard error: the results alone are on standard output.
    fn say(&self, what: &str) {
        let seconds = self.begin.elapsed().as_secs();
        eprintln!("[{}:{:02}] {what}", seconds / 60, seconds % 60);
    }

    async fn in_turns(&self, cases: &BTreeSet<Case>, backlog: &Backlog) -> anyhow::Result<Rounds> {
        let turns: Vec<Case> = IN_TURNS.into_iter().filter(|case| cases.contains(case)).collect();
        let mut rounds = Rounds::new();
        if turns.is_empty() {
            return Ok(rounds);
        }
        let ready = rows::ready(&self.ground, backlog).await?;
        for number in 1..=self.ground.scale.rounds {
            for &case in &turns {
                let round = self.turn(case, backlog, &ready).await?;
                let rate = show::grouped(round.whole.rate());
                self.say(&format!("round {number}, {}: {rate} rows/s", case.name()));
                rounds.entry(case).or_default().push(round);
            }
        }
        Ok(rounds)
    }

    async fn afterwards(
        &self,
        case: Case,
        rounds: &Rounds,
        rows: &Arc<Rows>,
    ) -> anyhow::Result<Vec<BenchReport>> {
        let ground = &self.ground;
        let report = match case {
            Case::Lease => overhead::lease(ground, rounds).await,
            Case::Journal => overhead::journal(ground, rounds).await,
            Case::Idle => standing::idle(ground).await,
            Case::Lag => lag::lag(ground, rows).await,
            Case::Both => {
                let alone = rounds.get(&Case::Backfill).map_or(&[][..], Vec::as_slice);
                return lag::both(ground, rows, alone).await;
            }
            Case::Throttle => throttled::run(ground, rows).await,
            Case::Restart => standing::restart(ground, rows).await,
            Case::Huge => Ok(BenchReport::of(case.name(), &[moved::huge(ground).await?])),
            in_turns => anyhow::bail!("{} runs in turns", in_turns.name()),
        };
        Ok(vec![report?])
    }

    async fn turn(&self, case: Case, backlog: &Backlog, ready: &[RowWrite]) -> anyhow::Result<Round> {
        let ground = &self.ground;
        match case {
            Case::Tail => moved::tall(ground, case, Side::Tail, backlog, ready).await,
            Case::Backfill => moved::tall(ground, case, Side::Backfill, backlog, ready).await,
            case => gateway::run(ground, case, ready).await,
        }
    }
}

fn reports_of(rounds: &Rounds) -> Vec<BenchReport> {
    let limits = rounds.get(&Case::GatewayOrdered).map_or(&[][..], Vec::as_slice);
    let gateways = rounds.get(&Case::Gateway).map_or(&[][..], Vec::as_slice);
    let report = |(case, own): (&Case, &Vec<Round>)| {
        let mut report = BenchReport::of(case.name(), own);
        if *case != Case::GatewayOrdered {
            report.compare(&Case::GatewayOrdered.name(), own, limits, bound(limits, own));
        }
        if matches!(case, Case::Tail | Case::Backfill) {
            report.ratio_to_gateway = ratio(own, gateways, |round| Some(round.whole));
        }
        report
    };
    rounds.iter().map(report).collect()
}
