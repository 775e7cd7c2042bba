//! `tailfill support-bundle`: what somebody who helps has to know of a run, in one archive. It is made beside a live run and
//! without one, also when the servers are away or the configuration has faults, and it changes nothing. No secret gets into
//! it: the configuration leaves out what may be one, no other file that holds one is read into it, and [`scrub`] looks at
//! every text.

mod archive;
mod contents;
mod readme;
mod scrub;
mod system;

use super::options::SupportOptions;
use super::{output, position, status};
use crate::admin::{Client, ClientError, EVENTS_FILE, TOKEN_FILE, newest_lines};
use crate::advice;
use crate::clock::{Clock, SteadyClock};
use crate::config::shown::Shown;
use crate::config::{self, Config, ConfigError};
use crate::error::{Exit, chain};
use crate::failure::Failure;
use crate::model::DateTime;
use crate::pipeline::jobs::history::{self, Since};
use crate::status::Status;
use crate::store::records::PassageRecord;
use crate::store::redb::RedbStore;
use contents::{Bundle, Told};
use scrub::Secrets;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The newest records of the history of positions: a week.
const POSITIONS: Since = Since { since_ms: 0, limit: 10_000 };
/// Of each of the two event logs, which are smaller.
const EVENTS_BYTES_MAX: u64 = 8 << 20;
/// Of the log that a person adds.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// Writes the archive, and prints what is in it.
///
/// # Errors
/// The configuration or the log that was named cannot be read; the archive is there already, or cannot be written.
pub async fn bundle(config: &Path, options: SupportOptions) -> Result<Exit, Failure> {
    let at_ms = SteadyClock::start().now_ms();
    let name = name_of(at_ms);
    let path = options.output.unwrap_or_else(|| PathBuf::from(format!("{name}.tar.gz")));
    let bundle = collect(config, options.log.as_deref()).await?;
    let readme = bundle.secrets.removed_from(&readme::text(&bundle, at_ms));
    let pieces = bundle.pieces.iter().map(|piece| (piece.name, piece.text.as_str()));
    let packed = archive::pack(&name, std::iter::once(("README.txt", readme.as_str())).chain(pieces), at_ms);
    let bytes = packed.map_err(|error| Failure::new(Exit::Failed, error))?;
    archive::write(&path, &bytes).map_err(|error| {
        let what = format!("cannot write {}: {error}", path.display());
        Failure::new(Exit::Failed, what)
            .with_help("name a new file in a folder that you may write to: --output FILE.tar.gz")
    })?;
    output::answer(&format!("{} ({} bytes) holds:", path.display(), bytes.len()));
    output::answer(readme.split_once("\n\n").map_or("", |(_, contents)| contents).trim_end());
    Ok(Exit::Done)
}

/// `tailfill-support-20261129105032`.
fn name_of(at_ms: u64) -> String {
    let at = DateTime::from_ms_since_epoch(at_ms).in_seconds();
    format!("tailfill-support-{}", at.chars().filter(char::is_ascii_digit).collect::<String>())
}

async fn collect(path: &Path, log: Option<&Path>) -> Result<Bundle, Failure> {
    let unreadable = |reason| ConfigError::Unreadable { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let log = log.map(read_log).transpose()?;
    let loaded = config::load(path);
    let plain = config::load_without_password(path);
    let Some(shown) = Shown::read(&text, path.parent().unwrap_or_else(|| Path::new(""))) else {
        plain?; // it says where it is not TOML
        return Err(Failure::new(Exit::Usage, "the configuration is not TOML"));
    };
    let state_dir = shown.state_dir();
    let found = shown.secrets();
    let mut bundle =
        Bundle { secrets: secrets(&found.secrets, &state_dir), unread: found.unread, ..Bundle::default() };
    take_config(&mut bundle, plain.as_ref().err(), shown);
    take_run(&mut bundle, plain.as_ref().ok(), &state_dir).await;
    for (name, what) in [
        ("events.jsonl", "the event log: what happened to the runs, the newest last"),
        ("events.jsonl.1", "the events before"),
    ] {
        let file = state_dir.join(EVENTS_FILE).with_file_name(name);
        bundle.take(name, what, read_events(&file));
    }
    let system = system::text(plain.as_ref().ok(), loaded.as_ref().map_err(faults_of), &state_dir);
    let what = "versions of tailfill, the system and the servers; files of the state";
    bundle.take("system.txt", what, Ok(system.await));
    let log = log.unwrap_or_else(|| Err(advice::add_log().to_owned()));
    bundle.take("log.txt", "the log that you added, its end", log);
    Ok(bundle)
}

/// Those of the configuration, and the token of a run.
fn secrets(passwords: &[String], state_dir: &Path) -> Secrets {
    let mut secrets = Secrets::default();
    passwords.iter().for_each(|password| secrets.add(password));
    if let Ok(token) = std::fs::read_to_string(state_dir.join(TOKEN_FILE)) {
        secrets.add(&token);
    }
    secrets
}

/// The configuration, or what is wrong with it.
fn take_config(bundle: &mut Bundle, fault: Option<&ConfigError>, shown: Shown) {
    let text = match fault {
        None => shown.without_secrets(),
        Some(_) => {
            Err("it has faults, so tailfill cannot know what is a secret; config-faults.txt has them"
                .to_owned())
        }
    };
    bundle.take("config.toml", "the configuration, without passwords, users and comments", text);
    if let Some(fault) = fault {
        bundle.take("config-faults.txt", "what is wrong with the configuration", Ok(faults_of(fault)));
    }
}

/// One on each line; none repeats a secret.
fn faults_of(error: &ConfigError) -> String {
    match error {
        ConfigError::Faulty { faults, .. } => faults.to_string(),
        ConfigError::Unreadable { .. } => chain(error),
    }
}

/// Status, positions and metrics: of the run that has the state, or of the state.
async fn take_run(bundle: &mut Bundle, config: Option<&Config>, state_dir: &Path) {
    let (status, positions, metrics) = match look(state_dir).await {
        Ok(Some((client, status))) => {
            bundle.run = format!(
                "is live: {}, process {}, version {}",
                status.phase.name(),
                status.pid,
                status.version
            );
            let positions = client.position_history(POSITIONS).await.map_err(|error| chain(&error));
            (Ok(*status), positions, client.metrics().await.map_err(|error| chain(&error)))
        }
        Ok(None) => {
            "is stopped: no run has the state".clone_into(&mut bundle.run);
            let (status, positions) = of_state(config, state_dir).await;
            (status, positions, Err("no run has the state".to_owned()))
        }
        Err(error) => {
            let reason = chain(&error);
            bundle.run = format!("has the state, and does not answer: {reason}");
            (Err(reason.clone()), Err(reason.clone()), Err(reason))
        }
    };
    let json = status
        .as_ref()
        .map_err(String::clone)
        .and_then(|status| serde_json::to_string_pretty(status).map_err(|error| error.to_string()));
    bundle.take("status.json", "the status for programs", json);
    bundle.take("status.txt", "the same for people", status.map(|status| status.to_string()));
    let lines =
        positions.and_then(|records| position::json_lines(&records).map_err(|failure| words(&failure)));
    bundle.take("positions.jsonl", "where the tail stood, the newest 10,000 records", lines);
    bundle.take("metrics.txt", "the metrics of this moment", metrics);
}

/// The run that has the state, as it is now; it may be starting.
async fn look(state_dir: &Path) -> Result<Option<(Client, Box<Status>)>, ClientError> {
    let answer = match Client::open(state_dir) {
        Ok(client) => client.status().await.map(|status| Some((client, Box::new(status)))),
        Err(error) => Err(error),
    };
    match answer {
        Err(ClientError::NotRunning { .. }) => Ok(None),
        answer => answer,
    }
}

/// What the state says, which stays as it is.
async fn of_state(config: Option<&Config>, state_dir: &Path) -> (Told<Status>, Told<Vec<PassageRecord>>) {
    let store = match RedbStore::open_unchanged(state_dir).await {
        Ok(store) => store,
        Err(error) => return (Err(chain(&error)), Err(chain(&error))),
    };
    let positions = history::read(&store, POSITIONS).await.map_err(|error| chain(&error));
    let status = match config {
        Some(config) => status::of_state(config, store).await.map_err(|failure| words(&failure)),
        None => Err("no run has the state, and the configuration has faults".to_owned()),
    };
    (status, positions)
}

fn words(failure: &Failure) -> String {
    chain(&*failure.error)
}

fn read_events(path: &Path) -> Told<String> {
    match newest_lines(path, EVENTS_BYTES_MAX) {
        Ok(lines) if lines.is_empty() => Err("there is none".to_owned()),
        Ok(lines) => Ok(String::from_utf8_lossy(&lines).into_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// # Errors
/// There is no such file: somebody has named it.
fn read_log(path: &Path) -> Result<Told<String>, Failure> {
    let lines = File::open(path).and_then(|_| newest_lines(path, LOG_BYTES_MAX)).map_err(|error| {
        let what = format!("the log {} cannot be read: {error}", path.display());
        Failure::new(Exit::Usage, what).with_help("name a file with --log, or leave --log out")
    })?;
    Ok(Ok(String::from_utf8_lossy(&lines).into_owned()))
}

#[cfg(test)]
mod tests;
