//! The checks: every setting, grant and assumption that a run rests on.
//!
//! Each file looks at one thing: it asks for facts, and judges them with functions that need no server.
//! `check` looks at everything and prints it; `gate` and `init` look at the same without what reads
//! whole tables (spellings and sizes of lists always; duplicates where a unique index proves that there are none, or where a
//! run goes on), and without what is proved by the connections that they hold already.

mod checkpoint;
mod clocks;
mod connections;
mod copies;
mod finding;
mod hbase;
mod left;
mod mappings;
mod memcached;
mod mysql;
mod queries;
mod report;
mod rows;
mod scope;
mod state;

pub use state::{Known, RunId};

use super::connect::{self, Resolved};
use super::options::CheckOptions;
use super::state::run_id;
use crate::clock::SteadyClock;
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::lock::memcache::MemcacheLeases;
use crate::model::{Mapping, Target};
use crate::pipeline::Recopies;
use crate::sink::Sink;
use crate::source::{MysqlSource, SourceError};
use crate::store::Store;
use finding::{Finding, Group, Level, Rule};
use hbase::{Expected, Stage};
use mysql::Depth;
use report::CheckReport;
use scope::Scope;
use std::io::{ErrorKind, Write};

/// `tailfill check`: prints every finding; exits with 3 when a run would be refused, with 1 when a server
/// is away and nothing else refuses.
pub async fn check(config: &Config, options: CheckOptions) -> Result<Exit, Failure> {
    let clock = SteadyClock::start();
    let (known, mut findings) = state::findings(config).await;
    let leases = connect::lease_server(config);
    let accept_unanswered = options.accept_unanswered;
    let scope = Scope { start: known.start, depth: Depth::All, accept_unanswered };
    let (source, memcached, hbase) = tokio::join!(
        check_source(config, &known, scope, &clock),
        memcached::findings(config, leases.as_deref()),
        check_hbase(config, &known, &clock),
    );
    findings.extend(source.into_iter().chain(memcached).chain(hbase));
    let report = CheckReport::new(findings);
    print(&if options.json { report.json()? } else { report.to_string() })?;
    Ok(report.exit())
}

/// The servers of a run that begins.
pub struct Servers<'a> {
    pub mysql: &'a Resolved,
    pub hbase: &'a dyn Sink,
    pub memcached: Option<&'a MemcacheLeases>,
}

/// Refuses a run that could lose data.
///
/// # Errors
/// Exit 3 with every refusal in its details; 1 when nothing but a server that is away refuses.
pub async fn gate(
    config: &Config,
    servers: Servers<'_>,
    (store, recopies): (&dyn Store, &Recopies),
    accept_unanswered: bool,
) -> Result<(), Failure> {
    let clock = SteadyClock::start();
    run_id(store).await?;
    let known = Known::of(store).await?;
    let scope = Scope { start: known.start, depth: Depth::Quick, accept_unanswered };
    let resolved = servers.mysql;
    let followed = followed(resolved, &known, recopies);
    let mut targets = hbase::targets(config);
    targets.retain(|target| !known.is_parked(target));
    let expected = Expected { purge: config.hbase.purge_deletes, stage: Stage::Run };
    let (source, memcached, hbase) = tokio::join!(
        check_server(config, &resolved.source, &followed, scope, &clock),
        memcached::findings(config, servers.memcached),
        hbase::findings(servers.hbase, &targets, expected, &known, &clock),
    );
    let copies = refusals_of_copies(config, resolved, &known);
    CheckReport::new(source.into_iter().chain(copies).chain(memcached).chain(hbase).collect()).pass("run")
}

/// The mappings whose tables have to be as they must be: not one that is parked, unless it is taken back now, nor one that
/// will be parked where the tail comes to what happened to its table.
fn followed(resolved: &Resolved, known: &Known, recopies: &Recopies) -> Vec<Mapping> {
    let is_followed = |mapping: &&Mapping| {
        let is_parked = mapping.targets.iter().all(|target| known.is_parked(target));
        !resolved.by_history.contains(&mapping.schema.name) && (!is_parked || recopies.unparks(&mapping.name))
    };
    resolved.mappings.iter().filter(is_followed).cloned().collect()
}

/// Refuses an `init` for what would refuse the run too, HBase's tables aside.
pub async fn before_init(
    config: &Config,
    resolved: &Resolved,
    known: &Known,
    accept_unanswered: bool,
) -> Result<(), Failure> {
    let clock = SteadyClock::start();
    let scope = Scope { start: known.start, depth: Depth::Quick, accept_unanswered };
    let leases = connect::lease_server(config);
    let (source, memcached) = tokio::join!(
        check_server(config, &resolved.source, &resolved.mappings, scope, &clock),
        memcached::findings(config, leases.as_deref()),
    );
    let copies = refusals_of_copies(config, resolved, known);
    CheckReport::new(source.into_iter().chain(copies).chain(memcached).collect()).pass("init")
}

/// What `check` says of the copies, without what a run says itself when it begins.
fn refusals_of_copies(config: &Config, resolved: &Resolved, known: &Known) -> Vec<Finding> {
    let findings = copies::findings(config, &resolved.mappings, known).into_iter();
    findings.filter(Finding::refuses).collect()
}

/// What is wrong with a target whose table is there.
#[derive(Debug, Default)]
pub struct Objections {
    /// What refuses it, a sentence each.
    pub refusals: Vec<String>,
    /// What it works with all the same, or what the gateway does not tell.
    pub warnings: Vec<String>,
}

/// Looks at a target whose table is there. Without `run_id` it does not matter whose table it is, nor what is in it.
pub async fn against_table(
    config: &Config,
    sink: &dyn Sink,
    target: &Target,
    run_id: Option<&str>,
    known: &Known,
) -> Result<Objections, Failure> {
    let run = run_id.map_or(RunId::InUse, |id| RunId::Known(id.to_owned()));
    let state = sink.describe(target.id).await?;
    let expected = Expected { purge: config.hbase.purge_deletes, stage: Stage::Run };
    let mut findings = hbase::table(target, &state, expected, &run);
    let answers = hbase::check_answers(sink, target).await;
    let disabled = answers.is_some();
    findings.extend(answers);
    if !disabled && run_id.is_some() && known.is_fresh(target) && state.has_families_of(target) {
        findings.push(hbase::check_no_rows(sink, target).await);
    }
    let mut objections = Objections::default();
    for finding in &findings {
        if finding.refuses() {
            objections.refusals.push(report::refusal_line(finding));
        } else if finding.level == Level::Warning {
            objections.warnings.push(report::refusal_line(finding));
        }
    }
    Ok(objections)
}

async fn check_hbase(config: &Config, known: &Known, clock: &SteadyClock) -> Vec<Finding> {
    let targets = hbase::targets(config);
    let (sink, mut findings) = hbase::gateways(config, &targets).await;
    if let Some(sink) = sink {
        let expected = Expected { purge: config.hbase.purge_deletes, stage: Stage::Check };
        findings.extend(hbase::findings(&*sink, &targets, expected, known, clock).await);
    }
    findings
}

async fn check_source(config: &Config, known: &Known, scope: Scope, clock: &SteadyClock) -> Vec<Finding> {
    let (source, mut findings) = connect_to_source(config).await;
    let Some(source) = source else { return findings };
    // a server that does not answer says so below
    let none = || Config { mappings: Vec::new(), ..config.clone() };
    let (followed, left) =
        left::split(config, &source, known).await.unwrap_or_else(|_| (config.clone(), none()));
    let (schemas, tables) = mappings::schemas(&source, &followed.tables()).await;
    let (fitting, misfits) = mappings::fitting(&followed, &schemas, &known.begun);
    findings.extend(tables.into_iter().chain(misfits));
    findings.extend(copies::findings(&followed, &fitting, known));
    findings.extend(left::findings(&left, &source, known, scope.depth).await);
    findings.extend(check_server(&followed, &source, &fitting, scope, clock).await);
    findings.extend(checkpoint::findings(&source, config, known).await);
    findings
}

/// A database that is not there, or may not be used, hides nothing of the server.
async fn connect_to_source(config: &Config) -> (Option<MysqlSource>, Vec<Finding>) {
    let options = connect::mysql_options(config);
    let rule = || Rule::new(Group::Mysql, "connection", "answers, and accepts the login");
    match MysqlSource::connect(options.clone()).await {
        Ok(source) => (Some(source), vec![rule().ok(options.address())]),
        Err(error @ SourceError::Refused { .. }) if options.database.is_some() => {
            let expected = "the database of source.url exists, and this user may use it";
            let advice = "create it, or correct source.url; if it is there: GRANT SELECT on the mapped tables to this user";
            let finding = Rule::new(Group::Mysql, "database", expected).refusal(error.to_string(), advice);
            let without = crate::source::MysqlOptions { database: None, ..options };
            (MysqlSource::connect(without).await.ok(), vec![finding])
        }
        Err(error) => (None, vec![rule().failed(error)]),
    }
}

/// A server that answers, and the mappings that fit it.
async fn check_server(
    config: &Config,
    source: &MysqlSource,
    mappings: &[Mapping],
    scope: Scope,
    clock: &SteadyClock,
) -> Vec<Finding> {
    let Scope { start, depth, .. } = scope;
    let tables = config.tables();
    let server_id = config.source.server_id;
    let (server, mut findings) = mysql::check_settings(source, server_id).await;
    findings.extend(mysql::check_rest(source, server_id, &tables, start, depth).await);
    findings.push(connections::finding(source, config).await);
    let (of_mappings, rows) = mappings::findings(source, mappings, server.facts.as_ref(), depth).await;
    findings.extend(of_mappings);
    if let (Some(facts), Some(logging)) = (&server.facts, &server.logging) {
        findings.push(mysql::retention(facts, logging, rows));
    }
    findings.extend(queries::findings(source, config, mappings, scope).await);
    findings.push(clocks::mysql(source, clock).await);
    findings
}

/// An answer on standard output. A reader that went away is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(Exit::Failed, error)),
        _ => Ok(()),
    }
}
