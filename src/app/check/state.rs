//! This program's own state: its folder, what is in it, the admin address.

use super::finding::{Finding, Group, Rule};
use super::mysql::Start;
use crate::advice;
use crate::app::state::{RUN_ID, SOURCE};
use crate::app::{begun, status};
use crate::config::units::print_size;
use crate::config::{Begun, Config};
use crate::failure::Failure;
use crate::model::{Histories, LifeCycle, Mapping, Target};
use crate::pipeline::tail::identity;
use crate::protocol::plan::Cohort;
use crate::status::Status;
use crate::store::records::{self, CheckpointRecord, CopyKey, LifeRecord, MetaRecord};
use crate::store::redb::{FILE_NAME, RedbStore};
use crate::store::{Space, Store, StoreError};
use rustix::fs::{Access, access, statvfs};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// The state is a few megabytes; a full disk ends a run.
const FREE_BYTES_MIN: u64 = 256 << 20;

/// The id of this state, which its tables carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunId {
    Known(String),
    /// The state was not made yet.
    NotYet,
    /// A tailfill runs with the state, so it cannot be read.
    InUse,
}

/// What the state says of this run.
pub struct Known {
    pub start: Start,
    pub run: RunId,
    /// The columns that copies were begun with.
    pub begun: Begun,
    pub checkpoint: Option<CheckpointRecord>,
    /// Why the source was found to be another one.
    pub source_lost: Option<String>,
    /// The lives of copies by mapping and `table/family`; empty where a run has the state.
    pub lives: BTreeMap<(String, String), LifeRecord>,
    /// The definitions of tables; empty where a run has the state.
    pub histories: Histories,
}

impl Known {
    /// A state of which nothing more is known.
    fn only(start: Start, run: RunId) -> Known {
        Known {
            start,
            run,
            begun: Begun::default(),
            checkpoint: None,
            source_lost: None,
            lives: BTreeMap::new(),
            histories: Histories::new(),
        }
    }

    /// What `store` says, which this process has.
    pub async fn of(store: &dyn Store) -> Result<Known, StoreError> {
        let id: Option<MetaRecord> = records::read(store, Space::Meta, RUN_ID).await?;
        let checkpoint = checkpoint(store).await?;
        Ok(Known {
            start: if checkpoint.is_some() { Start::Again } else { Start::First },
            run: id.map_or(RunId::NotYet, |record| RunId::Known(record.value)),
            begun: begun::of_store(store).await?,
            checkpoint,
            source_lost: identity::remembered_in(store).await?,
            lives: life_records(store).await?,
            histories: records::histories(store, SOURCE).await?,
        })
    }

    /// What a run says that has the state.
    pub fn of_status(status: &Status) -> Known {
        let lives = status.targets.iter().map(|target| {
            let state = match target.life_cycle.strip_prefix("parked (") {
                Some(reason) => LifeCycle::Parked { reason: reason.trim_end_matches(')').to_owned() },
                None => LifeCycle::Tailing,
            };
            let name = (target.mapping.clone(), format!("{}/{}", target.table, target.family));
            (name, LifeRecord { state, ..LifeRecord::default() })
        });
        Known {
            start: Start::Running,
            run: RunId::Known(status.state_id.clone()),
            begun: begun::of_status(status),
            checkpoint: None,
            source_lost: None,
            lives: lives.collect(),
            histories: Histories::new(),
        }
    }

    pub fn life_of(&self, mapping: &Mapping, target: &Target) -> Option<&LifeRecord> {
        self.lives.get(&(mapping.name.clone(), format!("{}/{}", target.table, target.family)))
    }

    /// Whether a target is parked: a run leaves it alone, so nothing is asked of its table.
    pub fn is_parked(&self, target: &Target) -> bool {
        self.lives_in(target).any(|life| matches!(life.state, LifeCycle::Parked { .. }))
    }

    /// Whether no copy into the target has begun, so that its table must be empty.
    pub fn is_fresh(&self, target: &Target) -> bool {
        self.run != RunId::InUse && self.lives_in(target).next().is_none()
    }

    fn lives_in(&self, target: &Target) -> impl Iterator<Item = &LifeRecord> {
        let name = format!("{}/{}", target.table, target.family);
        self.lives.iter().filter(move |((_, target), _)| *target == name).map(|(_, life)| life)
    }
}

/// The record of each copy of all lists, or of a pilot whose rows it goes on with.
async fn life_records(store: &dyn Store) -> Result<BTreeMap<(String, String), LifeRecord>, StoreError> {
    let mut lives: BTreeMap<(String, String), LifeRecord> = BTreeMap::new();
    for (key, value) in store.list(Space::LifeCycle, &[]).await? {
        let Some(key) = CopyKey::of_prefix(&key).filter(|key| key.source == SOURCE) else { continue };
        let record: LifeRecord = records::decode(&value)?;
        let whole = key.cohort == Cohort::All.name();
        if whole || !matches!(record.state, LifeCycle::Parked { .. }) {
            // `all` comes before the names of pilots
            lives.entry((key.mapping, key.target)).or_insert(record);
        }
    }
    Ok(lives)
}

fn rule(name: &str, expected: impl Into<String>) -> Rule {
    Rule::new(Group::Tailfill, name, expected)
}

/// Looks without making or changing anything.
pub async fn findings(config: &Config) -> (Known, Vec<Finding>) {
    let folder = existing(&config.state_dir);
    let writable = access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    let free = statvfs(folder).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    let mut findings = vec![rule("state_dir", "writable").must(
        writable,
        config.state_dir.display().to_string(),
        format!("let this user write in {}, or name another folder", folder.display()),
    )];
    findings.push(free_space(free));
    let (known, finding) = read_state(config).await;
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
            "free disk space: a run ends when it cannot write its journal",
        ),
        None => rule.unknown_note("not known", ""),
    }
}

async fn read_state(config: &Config) -> (Known, Finding) {
    let state = rule("state", "none yet, or one from which a run can continue");
    if !config.state_dir.join(FILE_NAME).exists() {
        return (Known::only(Start::First, RunId::NotYet), state.ok("none yet"));
    }
    match read(config).await {
        Ok(known) => {
            let actual = match (&known.start, &known.run) {
                (Start::First, _) => "no run has tailed yet".to_owned(),
                (_, RunId::Known(id)) => format!("a run can continue from it ({id})"),
                (_, _) => "a run can continue from it".to_owned(),
            };
            (known, state.ok(actual))
        }
        Err(StoreError::Locked { .. }) => {
            let known = match status::running(config).await {
                Ok(Some(status)) => Known::of_status(&status),
                _ => Known::only(Start::Running, RunId::InUse),
            };
            (known, state.note("a run uses it", advice::see_status()))
        }
        Err(error) => (Known::only(Start::Again, RunId::InUse), state.failed(error)),
    }
}

async fn read(config: &Config) -> Result<Known, StoreError> {
    let store = RedbStore::open_read_only(&config.state_dir).await?;
    Known::of(&store).await
}

/// Where a run goes on; `None`: nothing was tailed with this state yet.
async fn checkpoint(store: &dyn Store) -> Result<Option<CheckpointRecord>, StoreError> {
    records::read(store, Space::Checkpoint, SOURCE.as_bytes()).await
}

fn listen(address: SocketAddr, start: Start) -> Finding {
    let rule = rule("admin.listen", "a free port on loopback");
    if start == Start::Running {
        return rule.ok(address.to_string());
    }
    match TcpListener::bind(address) {
        Ok(_) => rule.ok(address.to_string()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => rule
            .failed(Failure::new(crate::error::Exit::Failed, format!("{address} is in use")).with_help(
                "stop the program that listens there, or give admin.listen another port (0: any)",
            )),
        Err(error) => rule.failed(
            Failure::new(crate::error::Exit::Failed, format!("{address}: {error}"))
                .with_help("give admin.listen a loopback address of this machine"),
        ),
    }
}
