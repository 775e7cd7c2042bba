//! `tailfill pause` and `tailfill resume`: hands the levers to the run that has the state, or sets them in the state for the
//! next run.

use super::output;
use super::state::open_for_lever;
use super::{LeverOptions, status};
use crate::admin::Client;
use crate::advice;
use crate::clock::{Clock, SteadyClock};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::{Lever, Wanted, Work};
use crate::pipeline::jobs::levers::{self, LeverAsk, LeverSet};
use crate::store::Store;

/// Sets levers, and prints what they do now.
pub async fn set(config: &Config, options: LeverOptions) -> Result<Exit, Failure> {
    let LeverOptions { works, wanted, reason } = options;
    let ask = LeverAsk { works, lever: lever(wanted, reason) };
    let (set, live) = match status::running(config).await? {
        Some(_) => (Client::open(&config.state_dir)?.set_levers(&ask).await??, true),
        None => (in_state(config, &ask).await?, false),
    };
    for work in &ask.works {
        output::answer(&sentence(*work, &set, live));
    }
    if !live {
        output::answer("no run is up: the next one starts like this");
    }
    if wanted == Wanted::Paused {
        output::eprint_line(advice::resume());
    }
    Ok(Exit::Done)
}

/// The account that runs this command.
pub fn account() -> String {
    let account = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    account.filter(|name| !name.is_empty()).unwrap_or_else(|| "an unnamed account".to_owned())
}

/// A lever that this account sets now.
pub(super) fn lever(wanted: Wanted, reason: String) -> Lever {
    Lever { wanted, by: account(), at_ms: SteadyClock::start().now_ms(), reason }
}

async fn in_state(config: &Config, ask: &LeverAsk) -> Result<LeverSet, Failure> {
    let set = levers::set_in(&open_for_lever(&config.state_dir).await?, ask).await?;
    levers::note(ask, &set);
    Ok(set)
}

/// What a lever does now.
fn sentence(work: Work, set: &LeverSet, live: bool) -> String {
    let (name, lever) = (work.name(), set.control.of(work));
    if !set.changed.contains(&work) {
        return match (lever.wanted, lever.by.is_empty()) {
            (Wanted::Running, true) => format!("the {name} is not paused"),
            _ => format!("the {name} is as it was: {lever}"),
        };
    }
    let does = match (work, lever.wanted) {
        _ if !live => "",
        (Work::Tail, Wanted::Paused) => {
            ": the run reads no more changes after this transaction, and writes and checkpoints what it has received"
        }
        (Work::Backfill, Wanted::Paused) => ": no new part begins, and the parts under way end",
        (Work::Tail, Wanted::Running) => {
            ": the run reads the changes after the last one that it has received"
        }
        (Work::Backfill, Wanted::Running) => ": the run copies and counts what is left",
    };
    format!("the {name} is {}{does}", lever.wanted.name())
}

/// What a start finds in its state. With `resume` everything runs again.
///
/// # Errors
/// The run is to end by itself (`ends`), and something is paused.
pub async fn at_start(store: &dyn Store, resume: bool, ends: bool) -> Result<(), Failure> {
    if resume {
        let lever = lever(Wanted::Running, "run --resume".to_owned());
        let ask = LeverAsk { works: Work::ALL.to_vec(), lever };
        levers::note(&ask, &levers::set_in(store, &ask).await?);
        return Ok(());
    }
    let control = levers::stored(store).await?;
    let paused: Vec<String> =
        control.paused().map(|(work, lever)| format!("the {} is {lever}", work.name())).collect();
    if ends && !paused.is_empty() {
        return Err(Failure::new(Exit::Refused, paused.join("; ")).with_help(advice::resume_first()));
    }
    for words in paused {
        tracing::warn!("{words}; {}", advice::resume());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Control;

    #[test]
    fn what_changed_says_what_happens_and_what_did_not_says_who_set_it() {
        let mut control = Control::default();
        let ann = Lever { wanted: Wanted::Paused, by: "ann".into(), at_ms: 0, reason: "deploy".into() };
        let changed = control.set(&[Work::Tail], &ann);
        let set = LeverSet { changed, control: control.clone() };
        assert!(
            sentence(Work::Tail, &set, true).starts_with("the tail is paused: the run reads no more changes")
        );
        assert_eq!(sentence(Work::Tail, &set, false), "the tail is paused");
        assert_eq!(sentence(Work::Backfill, &set, true), "the backfill is not paused");
        let again = LeverSet { changed: Vec::new(), control };
        assert_eq!(
            sentence(Work::Tail, &again, true),
            "the tail is as it was: paused by ann since 1970-01-01 00:00:00 UTC: deploy"
        );
    }
}
