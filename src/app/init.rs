//! `tailfill init`: the HBase tables and the state, created or found to be as they must be.

use super::check::{self, Start};
use super::options::InitOptions;
use super::{connect, run};
use crate::config::Config;
use crate::config::checked::Transport;
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::Target;
use crate::sink::hbase::{HbaseSink, adopt_statement, shell_statement};
use crate::sink::{RUN_ATTRIBUTE, Sink, TableState};
use crate::store::redb::RedbStore;
use std::time::Duration;

/// Creates the tables that are not there, checks those that are, and says one line of each. Nothing is
/// created when the source refuses, and no table is dropped or emptied; so it can be repeated.
///
/// # Errors
/// Exit 3 when something refuses, every reason in the details: a table that is not as it must be, another
/// run's table without `adopt`, a table that the gateway cannot create. Exit 1 when a server is away.
pub async fn init(config: &Config, options: InitOptions) -> Result<Exit, Failure> {
    let store = RedbStore::open(&config.state_dir).await?;
    let resolved = connect::resolve(config).await?;
    let sink = connect::sink(config, &resolved.mappings).await?;
    let start = check::start(&store).await?;
    check::before_init(config, &resolved, start, options.accept_unanswered).await?;
    let run_id = run::run_id(&store).await?;
    let targets: Vec<&Target> = resolved.mappings.iter().flat_map(|mapping| &mapping.targets).collect();
    let init = Init { config, sink: &sink, run_id: &run_id, start, adopt: options.adopt };
    let mut refused = Vec::new();
    for table in by_table(&targets) {
        let (line, reasons) = init.table(&table).await?.said(&table[0].table);
        check::print(&line)?;
        refused.extend(reasons);
    }
    match refused.is_empty() {
        true => Ok(Exit::Done),
        false => Err(refusal(refused)),
    }
}

fn refusal(details: Vec<String>) -> Failure {
    let mut failure = Failure::new(Exit::Refused, "the HBase tables are not ready");
    failure.details = details;
    failure.with_help("mend this, then run `tailfill init` again")
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
    /// There already, and as it must be.
    Ready,
    Adopted,
    /// A statement for the HBase shell would create it.
    ToCreate(String),
    Refused(Vec<String>),
}

impl Outcome {
    /// A line for the reader, and what refuses.
    fn said(self, table: &str) -> (String, Vec<String>) {
        match self {
            Outcome::Created => (format!("{table}: created\n"), vec![]),
            Outcome::Ready => (format!("{table}: already there, and as it must be\n"), vec![]),
            Outcome::Adopted => (format!("{table}: taken over, and as it must be\n"), vec![]),
            Outcome::ToCreate(statement) => (
                format!(
                    "{table}: a framed gateway cannot create tables; run this in the HBase shell, then init again:\n{statement}\n"
                ),
                vec![format!(
                    "{table} is not there: run the statement above in the HBase shell, then init again"
                )],
            ),
            Outcome::Refused(reasons) => (format!("{table}: refused\n"), reasons),
        }
    }
}

struct Init<'a> {
    config: &'a Config,
    sink: &'a HbaseSink,
    run_id: &'a str,
    start: Start,
    adopt: bool,
}

impl Init<'_> {
    /// The table of `targets`, at least one.
    async fn table(&self, targets: &[&Target]) -> Result<Outcome, Failure> {
        let purge = self.config.hbase.purge_deletes;
        let state = self.sink.describe(targets[0].id).await?;
        if state == TableState::Missing {
            if self.config.hbase.transport == Transport::Framed {
                return Ok(Outcome::ToCreate(self.statement(targets, purge)));
            }
            let purge_ms = u64::try_from(purge.as_millis()).unwrap_or(u64::MAX);
            self.sink.create(targets[0], self.run_id, purge_ms).await?;
            return Ok(self.judged(targets, Some(self.run_id)).await?.unwrap_or(Outcome::Created));
        }
        if !self.adopt || self.is_ours(&state) {
            return Ok(self.judged(targets, Some(self.run_id)).await?.unwrap_or(Outcome::Ready));
        }
        // Nothing is written to a table that is refused for another reason.
        if let Some(refused) = self.judged(targets, None).await? {
            return Ok(refused);
        }
        if let Some(reason) = self.take_over(targets[0]).await? {
            return Ok(Outcome::Refused(vec![reason]));
        }
        Ok(self.judged(targets, Some(self.run_id)).await?.unwrap_or(Outcome::Adopted))
    }

    fn statement(&self, targets: &[&Target], purge: Duration) -> String {
        let purge_ms = u64::try_from(purge.as_millis()).unwrap_or(u64::MAX);
        let regions = connect::hbase_options(self.config).regions_max;
        shell_statement(targets, self.run_id, purge_ms, regions)
    }

    fn is_ours(&self, state: &TableState) -> bool {
        let TableState::Present { attributes, .. } = state else { return false };
        attributes.get(RUN_ATTRIBUTE).is_some_and(|found| found == self.run_id)
    }

    /// Writes our id to the table; why it cannot be, and what to do.
    async fn take_over(&self, target: &Target) -> Result<Option<String>, Failure> {
        if self.config.hbase.transport == Transport::Framed {
            let statement = adopt_statement(&target.table, self.run_id);
            return Ok(Some(format!(
                "{} is another run's, and a framed gateway cannot take it over: run this in the HBase shell, then \
                 init again: {statement}",
                target.table
            )));
        }
        self.sink.adopt(target, self.run_id).await?;
        Ok(None)
    }

    /// Every reason against a table that is there, and whose it is if `run_id` says whose it must be; `None`
    /// when there is none.
    async fn judged(&self, targets: &[&Target], run_id: Option<&str>) -> Result<Option<Outcome>, Failure> {
        let mut reasons = Vec::new();
        for target in targets {
            for reason in check::against_table(self.config, self.sink, target, run_id, self.start).await? {
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        Ok((!reasons.is_empty()).then_some(Outcome::Refused(reasons)))
    }
}
