//! `tailfill recopy`, and the repair of what `verify` found: hands jobs to the run that has the state, or does them in
//! a run of their own, follows them, and prints what they did.

use super::output;
use super::run::recopy_alone;
use super::state::SOURCE;
use super::touched::{self, TouchedFile};
use super::{RecopyOptions, begun, check, status};
use crate::admin::{Client, ClientError};
use crate::advice;
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::pipeline::Recopies;
use crate::pipeline::jobs::{Ask, JobState, RecopyReport, RecopyTargetReport};
use crate::protocol::Journal;
use crate::retry::{Patience, Pauses};
use crate::status::Status;
use crate::store::redb::{FILE_NAME, RedbStore};
use std::fmt::Write as _;
use std::sync::Arc;

pub async fn recopy(config: &Config, options: RecopyOptions) -> Result<Exit, Failure> {
    let RecopyOptions { mapping, lists, yes, json } = options;
    let lists = (!lists.is_empty()).then_some(lists);
    let reports = carry_out(config, vec![Ask { mapping, lists, dry_run: !yes }]).await?;
    print(&reports, json)?;
    if !yes && !json && reports.iter().any(|report| touched(report) > 0) {
        output::eprint_line(advice::with_yes());
    }
    outcome(&reports)
}

/// Does jobs, in a live run where there is one.
pub async fn carry_out(config: &Config, asks: Vec<Ask>) -> Result<Vec<RecopyReport>, Failure> {
    match status::running(config).await? {
        Some(run) => {
            refuse_other_columns(config, &run, &asks)?;
            beside_a_run(config, &asks).await
        }
        None => alone(config, asks).await,
    }
}

/// The run writes the columns of the configuration that it was started with.
fn refuse_other_columns(config: &Config, run: &Status, asks: &[Ask]) -> Result<(), Failure> {
    let asked = run.targets.iter().filter(|target| asks.iter().any(|ask| ask.mapping == target.mapping));
    for target in asked {
        let targets = config.mapping(&target.mapping).map_or(&[][..], |mapping| &mapping.targets);
        let ours = targets.iter().find(|ours| ours.table == target.table && ours.family == target.family);
        let (Some(named), Some(written)) = (ours.and_then(|ours| ours.columns.as_ref()), &target.columns)
        else {
            continue;
        };
        let sorted = |names: &[String]| {
            let mut names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
            names.sort();
            names
        };
        if sorted(named) != sorted(written) {
            let text =
                format!("the run that is up uses other columns of {}: {}", target.table, written.join(", "));
            return Err(Failure::new(Exit::Refused, text).with_help(advice::stop_and_recopy(&target.mapping)));
        }
    }
    Ok(())
}

async fn beside_a_run(config: &Config, asks: &[Ask]) -> Result<Vec<RecopyReport>, Failure> {
    let client = Client::open(&config.state_dir)?;
    let mut reports = Vec::new();
    for ask in asks {
        let job = client.recopy(ask).await?;
        let (mut shown, mut looks) = (Shown::default(), Patience::for_ever(Pauses::OF_QUESTIONS));
        reports.push(loop {
            match client.recopy_report(job).await {
                Ok(report) if report.state.is_over() => break report,
                Ok(report) => shown.show(&report),
                Err(ClientError::NotRunning { .. }) => {
                    let text = "the run ended before the re-copy was done";
                    return Err(Failure::new(Exit::Failed, text)
                        .with_help("run the same command again: the re-copy keeps what it has written"));
                }
                Err(error) => return Err(error.into()),
            }
            looks.again().await;
        });
    }
    Ok(reports)
}

/// In a run of its own: it tails from the checkpoint on, does the jobs, and ends once it has caught up.
async fn alone(config: &Config, asks: Vec<Ask>) -> Result<Vec<RecopyReport>, Failure> {
    if !config.state_dir.join(FILE_NAME).exists() {
        return Err(nothing_copied());
    }
    {
        let journal = Journal::new(Arc::new(RedbStore::open_read_only(&config.state_dir).await?), SOURCE);
        // what `init` took over with rows in it is parked before anything is tailed
        let is_parked = !begun::parked(&*journal.store()).await?.is_empty();
        if journal.checkpoint().await?.is_none() && !is_parked {
            return Err(nothing_copied());
        }
    }
    let recopies = Recopies::only(Arc::new(TouchedFile::of(&config.state_dir)), asks);
    let showing = tokio::spawn({
        let recopies = recopies.clone();
        async move {
            let (mut shown, mut looks) = (Shown::default(), Patience::for_ever(Pauses::OF_QUESTIONS));
            loop {
                if let Some(report) = recopies.reports().iter().find(|report| !report.state.is_over()) {
                    shown.show(report);
                }
                looks.again().await;
            }
        }
    });
    let ended = recopy_alone(config, &recopies).await;
    showing.abort();
    match ended? {
        true => Ok(recopies.reports()),
        false => Err(Failure::new(Exit::Interrupted, "you stopped the re-copy before its end")),
    }
}

fn nothing_copied() -> Failure {
    Failure::new(Exit::Refused, "no run has copied rows with this state yet").with_help(advice::start())
}

/// What a job does, on standard error, when that changes.
#[derive(Default)]
struct Shown(String);

impl Shown {
    fn show(&mut self, report: &RecopyReport) {
        if report.doing != self.0 && !report.doing.is_empty() {
            output::eprint_line(&format!("recopy {}: {}", report.mapping, report.doing));
            self.0.clone_from(&report.doing);
        }
    }
}

pub fn print(reports: &[RecopyReport], json: bool) -> Result<(), Failure> {
    let mut text = String::new();
    for report in reports {
        match json {
            true => {
                text += &serde_json::to_string(report).map_err(|error| Failure::new(Exit::Failed, error))?;
                text.push('\n');
            }
            false => render(report, &mut text),
        }
    }
    check::print(&text)
}

fn render(report: &RecopyReport, text: &mut String) {
    for target in &report.targets {
        let RecopyTargetReport { table, family, from_mysql, from_hbase, .. } = target;
        let verb = if report.dry_run { "to be " } else { "" };
        let _ = write!(
            text,
            "{} -> {table}, family {family}: {from_mysql} items of MySQL and {from_hbase} of HBase compared, {} {verb}written, {} {verb}deleted",
            report.mapping, target.written, target.deleted
        );
        for (count, what) in [
            (target.recounted, "rows counted again"),
            (target.newer, "not changed: newer than every mark"),
            (target.foreign, "not changed: not of this mapping"),
        ] {
            if count > 0 {
                let _ = write!(text, ", {count} {what}");
            }
        }
        text.push_str(if target.unparked { "; no longer parked\n" } else { "\n" });
        for example in &target.examples {
            let _ = writeln!(text, "  {example}");
        }
        let rest = target.touched().saturating_sub(target.examples.len() as u64);
        if rest > 0 {
            let _ = writeln!(text, "  and {rest} more");
        }
    }
    if !report.dry_run && touched(report) > 0 {
        let _ = writeln!(text, "state_dir/{} lists each item", touched::FILE);
    }
}

fn touched(report: &RecopyReport) -> u64 {
    report.targets.iter().map(RecopyTargetReport::touched).sum()
}

/// How a command that did these jobs ends: with the first failure, else by what they had to leave.
pub fn outcome(reports: &[RecopyReport]) -> Result<Exit, Failure> {
    for report in reports {
        if let JobState::Failed(failed) = &report.state {
            return Err(failed.clone().into());
        }
    }
    let left = reports.iter().flat_map(|report| &report.targets).any(|target| target.left() > 0);
    Ok(if left { Exit::Differences } else { Exit::Done })
}
