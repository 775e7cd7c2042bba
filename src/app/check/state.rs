//! This program's own state: its folder, what is in it, the admin address.

use super::finding::{Finding, Group, Rule};
use super::hbase::RunId;
use super::mysql::Start;
use crate::app::run::{RUN_ID, SOURCE};
use crate::config::Config;
use crate::config::units::print_size;
use crate::failure::Failure;
use crate::model::LifeCycle;
use crate::store::records::{self, CheckpointRecord, CopyKey, LifeRecord, MetaRecord};
use crate::store::redb::{FILE_NAME, RedbStore};
use crate::store::{Space, Store, StoreError};
use rustix::fs::{Access, access, statvfs};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// The state is a few megabytes; a full disk ends a run.
const FREE_BYTES_MIN: u64 = 256 << 20;

/// What the state says of this run.
pub struct Known {
    pub start: Start,
    pub run: RunId,
}

fn rule(name: &str, expected: impl Into<String>) -> Rule {
    Rule::new(Group::Tailfill, name, expected)
}

/// Looks without making or changing anything.
pub async fn look(config: &Config) -> (Known, Vec<Finding>) {
    let folder = existing(&config.state_dir);
    let writable = access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    let free = statvfs(folder).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    let mut findings = vec![rule("state_dir", "writable").must(
        writable,
        config.state_dir.display().to_string(),
        format!("let this user write in {}, or name another folder", folder.display()),
    )];
    findings.push(free_space(free));
    let (known, finding) = look_into(config).await;
    findings.push(finding);
    findings.push(listen(config.admin.listen, known.start));
    (known, findings)
}

/// `path`, or the nearest folder above it that is there.
fn existing(path: &Path) -> &Path {
    let mut folders = path.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    folders.find(|folder| folder.exists()).unwrap_or(Path::new("."))
}

fn free_space(free: Option<u64>) -> Finding {
    let rule = rule("free disk space of state_dir", format!("at least {}", print_size(FREE_BYTES_MIN)));
    match free {
        Some(free) => rule.should(
            free >= FREE_BYTES_MIN,
            print_size(free >> 20 << 20),
            "make room: a run ends when its journal cannot be written",
        ),
        None => rule.unknown_note("the system does not say", ""),
    }
}

async fn look_into(config: &Config) -> (Known, Finding) {
    let state = rule("state", "none yet, or one that a run can go on from");
    if !config.state_dir.join(FILE_NAME).exists() {
        return (Known { start: Start::First, run: RunId::NotYet }, state.ok("none yet"));
    }
    match read(config).await {
        Ok(known) => {
            let actual = match (&known.start, &known.run) {
                (Start::First, _) => "nothing was tailed yet".to_owned(),
                (_, RunId::Known(id)) => format!("a run can go on from it ({id})"),
                (_, _) => "a run can go on from it".to_owned(),
            };
            (known, state.ok(actual))
        }
        Err(StoreError::Locked { .. }) => {
            let known = Known { start: Start::Running, run: RunId::InUse };
            (known, state.note("a tailfill runs with it", "`tailfill status` shows what it does"))
        }
        Err(error) => (Known { start: Start::Again, run: RunId::InUse }, state.failed(error)),
    }
}

async fn read(config: &Config) -> Result<Known, StoreError> {
    let store = RedbStore::open_read_only(&config.state_dir).await?;
    let id: Option<MetaRecord> = records::read(&store, Space::Meta, RUN_ID).await?;
    let run = id.map_or(RunId::NotYet, |record| RunId::Known(record.value));
    Ok(Known { start: start(&store).await?, run })
}

/// Whether something was tailed with this state.
pub async fn start(store: &dyn Store) -> Result<Start, StoreError> {
    let checkpoint: Option<CheckpointRecord> =
        records::read(store, Space::Checkpoint, SOURCE.as_bytes()).await?;
    Ok(if checkpoint.is_some() { Start::Again } else { Start::First })
}

/// The targets (`table/family`) that are parked: a run leaves them alone, so nothing is asked of their tables.
pub async fn parked(store: &dyn Store) -> Result<BTreeSet<String>, StoreError> {
    let mut parked = BTreeSet::new();
    for (key, value) in store.list(Space::LifeCycle, &[]).await? {
        let record: LifeRecord = records::decode(&value)?;
        if let (Some(key), LifeCycle::Parked { .. }) = (CopyKey::of_prefix(&key), record.state) {
            parked.insert(key.target);
        }
    }
    Ok(parked)
}

fn listen(address: SocketAddr, start: Start) -> Finding {
    let rule = rule("admin.listen", "a free port on loopback");
    if start == Start::Running {
        return rule.ok(address.to_string());
    }
    match TcpListener::bind(address) {
        Ok(_) => rule.ok(address.to_string()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => rule.failed(
            Failure::new(crate::error::Exit::Failed, format!("{address} is in use"))
                .with_help("stop what listens there, or give admin.listen another port (0: any)"),
        ),
        Err(error) => rule.failed(
            Failure::new(crate::error::Exit::Failed, format!("{address}: {error}"))
                .with_help("give admin.listen a loopback address of this machine"),
        ),
    }
}
