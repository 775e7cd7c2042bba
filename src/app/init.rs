//! `tailfill init`: the HBase tables and the state, created or found to be as they must be.

use super::check::{self, Known, RunId};
use super::options::InitOptions;
use super::starting::Starting;
use super::{connect, state, status};
use crate::advice;
use crate::config::Config;
use crate::config::checked::{self, GatewayKind};
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::{Mapping, Target};
use crate::pipeline::life;
use crate::sink::hbase::{adopt_statement, shell_statement};
use crate::sink::{RUN_ATTRIBUTE, TableState, Tables};
use crate::store::StoreError;
use crate::store::redb::RedbStore;
use std::time::Duration;

/// Creates the tables that are not there, checks those that are, and says one line of each. Nothing is
/// created when the source refuses, and no table is dropped or emptied; so it can be repeated.
///
/// # Errors
/// Exit 3 when something refuses, every reason in the details: a table that is not as it must be, another
/// run's table without `adopt`, a table that the gateway cannot create. Exit 1 when a server is away.
pub async fn init(config: &Config, options: InitOptions) -> Result<Exit, Failure> {
    let (store, known) = state(config).await?;
    let resolved = connect::resolve(config, &known.begun).await?;
    let hbase = connect::hbase(config, &resolved.mappings).await?;
    check::before_init(config, &resolved, &known, options.accept_unanswered).await?;
    let RunId::Known(run_id) = &known.run else {
        return Err(Failure::new(Exit::Failed, "the run that is up does not show the id of its state"));
    };
    let targets: Vec<&Target> = resolved.mappings.iter().flat_map(|mapping| &mapping.targets).collect();
    let (adopt, store) = (options.adopt, store.as_ref());
    let init = Init { config, hbase: &hbase, run_id, known: &known, adopt, store };
    let starting = Starting::init(config);
    let mut refused = Vec::new();
    for table in by_table(&targets) {
        let name = &table[0].table;
        // each part of it may be repeated, as the whole command may
        let outcome = starting.step(&format!("HBase, table {name}"), || init.table(&table)).await?;
        let (line, reasons) = outcome.message(name);
        check::print(&line)?;
        check::print(&init.parked_since(&resolved.mappings, &table).await?)?;
        refused.extend(reasons);
    }
    match refused.is_empty() {
        true => Ok(Exit::Done),
        false => Err(refusal(refused)),
    }
}

/// The state, unless a run has it, and what it says.
async fn state(config: &Config) -> Result<(Option<RedbStore>, Known), Failure> {
    match state::open_state(&config.state_dir).await {
        Ok(store) => {
            state::run_id(&store).await?;
            let known = Known::of(&store).await?;
            Ok((Some(store), known))
        }
        Err(error @ StoreError::Locked { .. }) => match status::running(config).await? {
            Some(run) => Ok((None, Known::of_status(&run))),
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

fn refusal(details: Vec<String>) -> Failure {
    let mut failure = Failure::new(Exit::Refused, "the HBase tables are not ready");
    failure.details = details;
    failure.with_help(advice::init_again())
}

/// Targets that share a table, in the order of the configuration.
fn by_table<'a>(targets: &[&'a Target]) -> Vec<Vec<&'a Target>> {
    let mut tables: Vec<Vec<&Target>> = Vec::new();
    for target in targets {
        match tables.iter_mut().find(|table| table[0].table == target.table) {
            Some(table) => table.push(target),
            None => tables.push(vec![target]),
        }
    }
    tables
}

/// What became of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Created,
    /// There already, and as it must be, with what a person should look at.
    Ready(Vec<String>),
    Adopted,
    /// The gateways cannot; a statement for the HBase shell would create it.
    ToCreate {
        gateway: &'static str,
        statement: String,
    },
    Refused(Vec<String>),
}

impl Outcome {
    /// A line for the reader, and what refuses.
    fn message(self, table: &str) -> (String, Vec<String>) {
        match self {
            Outcome::Created => (format!("{table}: created\n"), vec![]),
            Outcome::Ready(warnings) if warnings.is_empty() => {
                (format!("{table}: already there, and as it must be\n"), vec![])
            }
            Outcome::Ready(warnings) => (
                format!("{table}: already there; read these warnings:\n  {}\n", warnings.join("\n  ")),
                vec![],
            ),
            Outcome::Adopted => (format!("{table}: taken over, and as it must be\n"), vec![]),
            Outcome::ToCreate { gateway, statement } => (
                format!(
                    "{table}: {gateway} cannot create it; run this in the HBase shell, then init again:\n{statement}\n"
                ),
                vec![format!(
                    "{table} does not exist: run the statement above in the HBase shell, then init again"
                )],
            ),
            Outcome::Refused(reasons) => (format!("{table}: refused\n"), reasons),
        }
    }
}

struct Init<'a> {
    config: &'a Config,
    hbase: &'a connect::Hbase,
    run_id: &'a str,
    known: &'a Known,
    adopt: bool,
    /// `None`: a run has it.
    store: Option<&'a RedbStore>,
}

impl Init<'_> {
    /// The table of `targets`, at least one.
    async fn table(&self, targets: &[&Target]) -> Result<Outcome, Failure> {
        let purge = self.config.hbase.purge_deletes;
        let state = self.hbase.sink.describe(targets[0].id).await?;
        if state == TableState::Missing {
            if let Some(reason) = self.unknown_to_the_run(targets) {
                return Ok(Outcome::Refused(vec![reason]));
            }
            self.void(targets, "its HBase table was gone").await?;
            let Some(tables) = &self.hbase.tables else {
                let (gateway, statement) = (self.gateway(), self.statement(targets, purge));
                return Ok(Outcome::ToCreate { gateway, statement });
            };
            let purge_ms = u64::try_from(purge.as_millis()).unwrap_or(u64::MAX);
            tables.create(targets[0], self.run_id, purge_ms).await?;
            return self.judged(targets, Some(self.run_id), |_| Outcome::Created).await;
        }
        if !self.adopt || self.is_ours(&state) {
            return self.judged(targets, Some(self.run_id), Outcome::Ready).await;
        }
        // Nothing is written to a table that is refused for another reason.
        let refused = self.judged(targets, None, |_| Outcome::Adopted).await?;
        if refused != Outcome::Adopted {
            return Ok(refused);
        }
        if self.store.is_none() {
            let reason = format!("{}: {}", targets[0].table, advice::adopt_alone());
            return Ok(Outcome::Refused(vec![reason]));
        }
        self.void(targets, "init took its HBase table over").await?;
        if let Some(reason) = self.take_over(targets[0]).await? {
            return Ok(Outcome::Refused(vec![reason]));
        }
        let known = Known::of(self.store.expect("the state was read above")).await?;
        self.judged_by(&known, targets, Some(self.run_id), |_| Outcome::Adopted).await
    }

    /// A table that is gone while the run goes on as if it were there: what it wrote last may be lost with the table.
    fn unknown_to_the_run(&self, targets: &[&Target]) -> Option<String> {
        let tailed = |target: &&&Target| !self.known.is_fresh(target) && !self.known.is_parked(target);
        let found = self.store.is_none().then(|| targets.iter().find(tailed)).flatten();
        found.map(|target| advice::gone_under_a_run(&target.table))
    }

    /// Parks the targets of a table that is none of those that their copies filled: durable before it can be written to.
    async fn void(&self, targets: &[&Target], what: &str) -> Result<(), Failure> {
        let Some(store) = self.store else { return Ok(()) };
        for target in targets {
            let Some(mapping) = self.config.mappings.iter().find(|mapping| has(mapping, target)) else {
                continue;
            };
            let sink = &*self.hbase.sink;
            let state = sink.describe(target.id).await?;
            let holds_rows = state.has_families_of(target) && life::holds_rows(sink, target).await?;
            let reason = format!("{what}; {}", advice::columns_changed(&mapping.name));
            life::void(store, &state::copy_key(&mapping.name, target), holds_rows, reason).await?;
        }
        Ok(())
    }

    /// The targets of a table that this command parked, and what to do.
    async fn parked_since(&self, mappings: &[Mapping], targets: &[&Target]) -> Result<String, Failure> {
        let Some(store) = self.store else { return Ok(String::new()) };
        let now = Known::of(store).await?;
        let parked = targets.iter().filter(|target| now.is_parked(target) && !self.known.is_parked(target));
        let line = |target: &&Target| {
            let mapping =
                mappings.iter().find(|mapping| mapping.targets.iter().any(|other| other.id == target.id));
            let name = mapping.map_or("", |mapping| &mapping.name);
            format!("  mapping {name} is parked there: {}\n", advice::copied_anew(name))
        };
        Ok(parked.map(line).collect())
    }

    /// What kind of gateway cannot create or alter tables.
    fn gateway(&self) -> &'static str {
        match self.config.hbase.kind {
            GatewayKind::Thrift1 => "a Thrift1 gateway",
            GatewayKind::Thrift2 => "a framed gateway",
        }
    }

    fn statement(&self, targets: &[&Target], purge: Duration) -> String {
        let purge_ms = u64::try_from(purge.as_millis()).unwrap_or(u64::MAX);
        let regions = connect::hbase_options(self.config).regions_max;
        shell_statement(targets, self.run_id, purge_ms, regions)
    }

    fn is_ours(&self, state: &TableState) -> bool {
        let TableState::Present { attributes, .. } = state else { return false };
        let found = attributes.as_ref().and_then(|attributes| attributes.get(RUN_ATTRIBUTE));
        found.is_some_and(|found| found == self.run_id)
    }

    /// Writes our id to the table; why it cannot be, and what to do.
    async fn take_over(&self, target: &Target) -> Result<Option<String>, Failure> {
        if let Some(tables) = &self.hbase.tables {
            return Ok(tables.adopt(target, self.run_id).await.map(|()| None)?);
        }
        let (table, statement) = (&target.table, adopt_statement(&target.table, self.run_id));
        Ok(Some(match self.config.hbase.kind {
            GatewayKind::Thrift1 => advice::adopt_by_shell(table, &statement),
            GatewayKind::Thrift2 => advice::adopt_by_shell_framed(table, &statement),
        }))
    }

    /// Every reason against a table that is there, and whose it is if `run_id` says whose it must be; or what it is
    /// `otherwise`, with what a person should look at.
    async fn judged(
        &self,
        targets: &[&Target],
        run_id: Option<&str>,
        otherwise: impl FnOnce(Vec<String>) -> Outcome,
    ) -> Result<Outcome, Failure> {
        self.judged_by(self.known, targets, run_id, otherwise).await
    }

    async fn judged_by(
        &self,
        known: &Known,
        targets: &[&Target],
        run_id: Option<&str>,
        otherwise: impl FnOnce(Vec<String>) -> Outcome,
    ) -> Result<Outcome, Failure> {
        let (mut refusals, mut warnings) = (Vec::new(), Vec::new());
        for target in targets {
            let sink = &*self.hbase.sink;
            let found = check::against_table(self.config, sink, target, run_id, known).await?;
            extend(&mut refusals, found.refusals);
            extend(&mut warnings, found.warnings);
        }
        Ok(if refusals.is_empty() { otherwise(warnings) } else { Outcome::Refused(refusals) })
    }
}

fn has(mapping: &checked::Mapping, target: &Target) -> bool {
    mapping.targets.iter().any(|ours| ours.table == target.table && ours.family == target.family)
}

/// Targets of one table have some lines in common.
fn extend(lines: &mut Vec<String>, more: Vec<String>) {
    for line in more {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
}
