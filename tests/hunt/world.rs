//! One round's tables, sessions and process, and what happened to them so far.

use super::batch::{self, Session};
use super::column::quoted;
use super::mapping::{Mapping, Table};
use super::repertoire::{Repertoire, in_charset};
use super::tally::Tally;
use crate::support::mysql::connect;
use crate::support::tailfill::{Ended, Tailfill};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rand::Rng;
use rand::rngs::StdRng;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longer than anything that a command may take here, on a busy machine.
pub const END_LIMIT: Duration = Duration::from_secs(180);

/// How much of a statement is kept in the history.
const SHOWN: usize = 300;

pub struct World<'a> {
    pub port: u16,
    pub database: String,
    pub admin: Conn,
    pub repertoire: &'a Repertoire,
    pub tally: &'a mut Tally,
    pub dice: StdRng,
    pub tables: Vec<Table>,
    pub mappings: Vec<Mapping>,
    /// What was done, in order, with the second of the round.
    pub history: Vec<String>,
    /// What must not be.
    pub findings: Vec<String>,
    pub run: Option<Tailfill>,
    /// The table that is renamed away.
    pub gone: Option<usize>,
    pub dir: PathBuf,
    pub config: PathBuf,
    started: u32,
    begin: Instant,
}

impl<'a> World<'a> {
    pub async fn new(
        (port, database): (u16, String),
        dir: &Path,
        repertoire: &'a Repertoire,
        tally: &'a mut Tally,
        dice: StdRng,
    ) -> World<'a> {
        let mut admin = connect(port, None).await;
        for statement in [format!("CREATE DATABASE {database}"), format!("USE {database}")] {
            admin.query_drop(statement).await.expect("a database can be made");
        }
        let config = dir.join("tailfill.toml");
        World {
            port,
            database,
            admin,
            repertoire,
            tally,
            dice,
            tables: Vec::new(),
            mappings: Vec::new(),
            history: Vec::new(),
            findings: Vec::new(),
            run: None,
            gone: None,
            dir: dir.to_owned(),
            config,
            started: 0,
            begin: Instant::now(),
        }
    }

    pub fn note(&mut self, what: &str) {
        let most = if what.starts_with('[') { SHOWN } else { usize::MAX };
        let shown: String = what.chars().take(most).collect();
        self.history.push(format!("{:7.3} {shown}", self.begin.elapsed().as_secs_f64()));
    }

    pub fn found(&mut self, what: String) {
        self.note(&format!("FOUND {what}"));
        self.findings.push(what);
    }

    /// Whether the server took it; what it refuses is noted and is no fault.
    pub async fn sql(&mut self, session: &mut Session, statement: &str) -> bool {
        let Some(bytes) = in_charset(&mut self.admin, statement, session.charset).await else { return false };
        let outcome = session.conn.query_drop(bytes).await;
        let said = match &outcome {
            Ok(()) => String::new(),
            Err(error) => format!(" -> {error}"),
        };
        self.note(&format!("{} {statement}{said}", session.say()));
        outcome.is_ok()
    }

    pub async fn session(&mut self) -> Session {
        let session = Session::open(self.port, &self.database, &mut self.dice).await;
        self.tally.add(&format!("session: {}", session.charset));
        session.mode.split(',').for_each(|mode| self.tally.add(&format!("sql_mode: {mode}")));
        session
    }

    /// Rows to copy.
    pub async fn fill(&mut self) {
        let statements = self.dice.random_range(3..60);
        let mut session = self.session().await;
        for place in 0..self.tables.len() {
            for _ in 0..statements {
                let table = &self.tables[place];
                let text = batch::insert(&session, "INSERT IGNORE", table, self.repertoire, &mut self.dice);
                self.sql(&mut session, &text).await;
            }
        }
    }

    /// Starts `tailfill ARGUMENTS`.
    pub fn start(&mut self, arguments: &[&str]) -> Tailfill {
        self.started += 1;
        self.note(&format!("tailfill {}", arguments.join(" ")));
        Tailfill::start(&self.dir, &format!("{}", self.started), &self.config, arguments, &[])
    }

    /// Runs `tailfill ARGUMENTS` to its end; `None` if it hangs, which is a finding.
    pub async fn tailfill(&mut self, arguments: &[&str]) -> Option<Ended> {
        let run = self.start(arguments);
        self.end_of(run, &arguments.join(" ")).await
    }

    /// Waits for the end of a process.
    pub async fn end_of(&mut self, mut run: Tailfill, what: &str) -> Option<Ended> {
        let begin = Instant::now();
        while !run.has_ended() {
            if begin.elapsed() > END_LIMIT {
                let status = self.start(&["status", "--json"]).ended().await.out;
                let said = run.kill().err;
                self.found(format!("`{what}` did not end in {END_LIMIT:?}:\n{said}\n{status}"));
                return None;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let ended = run.ended().await;
        let said = match ended.code {
            Some(0) => String::new(),
            _ => format!("\n{}", last_lines(&ended.err)),
        };
        self.note(&format!("`{what}` ended with {:?}{said}", ended.code));
        if ended.err.contains("panicked at") {
            self.found(format!("`{what}` panicked:\n{}", last_lines(&ended.err)));
        }
        Some(ended)
    }

    pub fn start_run(&mut self) {
        if self.run.is_none() {
            self.run = Some(self.start(&["run"]));
        }
    }

    /// Waits until the run has begun the histories of its tables: a first start refuses a table that is gone. `false`: it does
    /// not, which is a finding.
    pub async fn until_begun(&mut self) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < END_LIMIT {
            self.look_at_run().await;
            if self.run.is_none() {
                return false;
            }
            if self.run_listens() && self.is_begun().await {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.found(format!("the first run did not begin in {END_LIMIT:?}"));
        false
    }

    async fn is_begun(&mut self) -> bool {
        let Some(ended) = self.tailfill(&["status", "--json"]).await else { return false };
        let status: serde_json::Value = serde_json::from_str(&ended.out).unwrap_or_default();
        status["phase"].as_str().is_some_and(|phase| phase != "starting")
    }

    /// Ends the run if it is up: by TERM, or by SIGKILL.
    pub async fn end_run(&mut self, kill: bool) {
        let Some(mut run) = self.run.take() else { return };
        let by_itself = run.has_ended();
        if kill && !by_itself {
            run.kill();
            self.note("kill -9");
            return;
        }
        let had_begun = !run.err_so_far().is_empty();
        if !by_itself {
            run.signal("TERM");
        }
        let Some(ended) = self.end_of(run, "run").await else { return };
        // a process that was only just started does not listen for it yet
        let is_right = ended.code == Some(130) || (ended.signal == Some(15) && !had_begun);
        if by_itself || !is_right {
            self.ended_by_itself(&ended);
        }
    }

    /// Whether the run is up so far that other commands find it.
    pub fn run_listens(&mut self) -> bool {
        let listens =
            |run: &mut Tailfill| !run.has_ended() && run.err_so_far().contains("the admin server listens");
        self.run.as_mut().is_some_and(listens)
    }

    /// Notices a run that has ended although nobody asked for it.
    pub async fn look_at_run(&mut self) {
        if self.run.as_mut().is_some_and(Tailfill::has_ended) {
            self.end_run(false).await;
        }
    }

    fn ended_by_itself(&mut self, ended: &Ended) {
        self.tally.add("run: ends by itself");
        self.found(format!("`run` ended by itself with {:?}:\n{}", ended.code, last_lines(&ended.err)));
    }

    pub fn write_config(&self) {
        let port = |name: &str| {
            std::env::var(name).expect("start `scripts/services up` and export what `env` prints")
        };
        let (memcached, gateway) = (port("TAILFILL_MEMCACHED_PORT"), port("TAILFILL_THRIFT2_PORT"));
        let mut text = format!(
            "state_dir = \"state\"\n[source]\nurl = \"mysql://root@127.0.0.1:{}/{}\"\nserver_id = {}\n\
             [lease]\nservers = [\"127.0.0.1:{memcached}\"]\nexpiry = \"4s\"\n\
             [hbase]\ngateways = [\"127.0.0.1:{gateway}\"]\noperation_timeout = \"10s\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[tail]\nbatch_rows = 50\n[backfill]\nworkers = 2\nchunk_rows = 50\n",
            self.port,
            self.database,
            u32::from(self.port) + 1_000_000,
        );
        self.mappings.iter().for_each(|mapping| text += &mapping.toml(&self.database));
        std::fs::write(&self.config, text).expect("the round's folder can be written");
    }

    /// `database`.`table`.
    pub fn full_name(&self, table: &str) -> String {
        format!("{}.{}", quoted(&self.database), quoted(table))
    }
}

pub fn last_lines(text: &str) -> String {
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.contains(" | tail: ") && !line.contains("Z  INFO ")).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
