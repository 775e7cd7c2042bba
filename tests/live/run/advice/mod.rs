//! What the program says to do is done, word by word, on real servers; and both sides are equal afterwards.
//!
//! Commands are taken out of the sentences that the program prints (src/advice.rs): what stands between backquotes and
//! begins with `tailfill`.

mod alters;
mod columns;
mod first_steps;
mod rows;
mod statements;
mod tables;
mod ways_out;

use crate::support::mysql::mysql_port;
use crate::support::setup::{Run, Setup};
use crate::support::tailfill::Tailfill;
use crate::support::wait::until_so;
use mysql_async::prelude::Queryable;
use serde_json::Value as Json;
use tailfill::model::Reached;

/// A table that is copied under the minimal configuration, and what is done with it.
struct Copied {
    setup: Setup,
    started: u32,
    rounds: u32,
    /// Columns that were renamed.
    renamed: Vec<(&'static str, &'static str)>,
}

impl Copied {
    /// 60 rows in 6 lists, copied.
    async fn new(test: &str) -> Copied {
        Copied::on(mysql_port(), test).await
    }

    /// The same on a MySQL of the test's own.
    async fn on(mysql: u16, test: &str) -> Copied {
        let mut copied = Copied::with_on(mysql, test, |_| ()).await;
        copied.fill().await;
        copied.tailfill(&["init"]).await.code(0);
        copied.tailfill(&["run", "--until", "caught-up"]).await.code(0);
        copied
    }

    /// Before `init`, with a configuration that was edited by `edit`.
    async fn with(test: &str, edit: impl FnOnce(&mut Setup)) -> Copied {
        Copied::with_on(mysql_port(), test, edit).await
    }

    async fn with_on(mysql: u16, test: &str, edit: impl FnOnce(&mut Setup)) -> Copied {
        let mut setup = Setup::create_at(mysql, &format!("advice_{test}")).await;
        // so that a re-copy need not wait for the usual ones
        setup.with("[hbase]", "expiry = \"3s\"\n[hbase]\noperation_timeout = \"4s\"");
        // tests with one memcached would share the leases of mappings that are called alike
        let name = format!("name = \"{}\"", setup.table);
        setup.with("name = \"followers\"", &name);
        edit(&mut setup);
        Copied { setup, started: 0, rounds: 0, renamed: Vec::new() }
    }

    async fn fill(&mut self) {
        let rows = (0..60).map(|n| {
            format!(
                "({}, {}, NOW(3) - INTERVAL {n} MINUTE, {})",
                n / 6,
                n % 6,
                if n % 3 == 0 { "NULL" } else { "'a note'" }
            )
        });
        let rows: Vec<String> = rows.collect();
        let statement = format!(
            "INSERT INTO follows (follower_id, followee_id, created_at, note) VALUES {}",
            rows.join(", ")
        );
        self.sql(&statement).await;
    }

    async fn sql(&mut self, statement: &str) {
        self.setup.database.run(statement).await;
    }

    async fn ask(&mut self, query: &str) -> String {
        let answer: Option<String> = self.setup.database.conn.query_first(query).await.expect("a query");
        answer.unwrap_or_default()
    }

    /// How the table is made.
    async fn create_statement(&mut self) -> String {
        let conn = &mut self.setup.database.conn;
        let row: Option<(String, String)> =
            conn.query_first("SHOW CREATE TABLE follows").await.expect("it is there");
        row.expect("it is there").1
    }

    async fn tailfill(&self, arguments: &[&str]) -> Run {
        self.setup.tailfill(arguments).await
    }

    /// A run in the background.
    async fn start(&mut self) -> Tailfill {
        self.start_with(&["run"]).await
    }

    async fn start_with(&mut self, arguments: &[&str]) -> Tailfill {
        self.started += 1;
        let (dir, config) = (self.setup.dir.path(), self.setup.write_config(&self.setup.config));
        let run = Tailfill::start(dir, &format!("run{}", self.started), &config, arguments, &[]);
        until_so("the run to tail", async || self.status().await.is_some_and(|s| s["phase"] == "tailing"))
            .await;
        run
    }

    async fn status(&self) -> Option<Json> {
        let ended = self.tailfill(&["status", "--json"]).await;
        (ended.code == 0).then(|| serde_json::from_str(&ended.out).expect("status --json is JSON"))
    }

    /// Waits until the running tail has written what is committed by now.
    async fn until_written(&mut self) {
        let executed: Reached = self.ask("SELECT @@gtid_executed").await.parse().expect("a GTID set");
        until_so("the tail to have written what is committed", async || {
            let Some(status) = self.status().await else { return false };
            let written = status["positions"]["written"]["gtids"].as_str().expect("a GTID set");
            written.parse::<Reached>().expect("a GTID set").contains_set(&executed)
        })
        .await;
    }

    /// Where the target stands, as status says it, once that begins so.
    async fn until_life(&self, begins: &str) -> String {
        let mut life = String::new();
        until_so(&format!("the target to be {begins}"), async || {
            let Some(status) = self.status().await else { return false };
            life = status["targets"][0]["life_cycle"].as_str().expect("a text").to_owned();
            life.starts_with(begins)
        })
        .await;
        life
    }

    /// Does what a text says: each command in it, in order.
    async fn performs(&self, text: &str) {
        let commands = commands(text);
        assert!(!commands.is_empty(), "it says no command: {text}");
        for command in commands {
            let mut arguments: Vec<&str> = command.split(' ').skip(1).collect();
            if arguments[0] == "run" {
                arguments.extend(["--until", "caught-up"]); // else it would stay up
            }
            println!("performs: {command}");
            self.tailfill(&arguments).await.code(0);
        }
    }

    /// Doing what a text says beside the run brings the target back.
    async fn comes_back_by(&mut self, text: &str) {
        self.performs(text).await;
        self.until_life("caught_up").await;
        self.goes_on().await;
    }

    /// The run that is up writes what comes now, and both sides are equal beside it.
    async fn goes_on(&mut self) {
        self.sql("INSERT INTO follows (follower_id, followee_id, created_at) VALUES (77, 3, NOW(3))").await;
        self.sql("DELETE FROM follows WHERE follower_id = 77").await;
        self.sql("DELETE FROM follows WHERE followee_id = 4 ORDER BY follower_id LIMIT 1").await;
        self.until_written().await;
        self.tailfill(&["verify", "--full"]).await.code(0);
    }

    /// Nothing is parked, a plain run catches up, and both sides are equal.
    async fn ends_equal(&mut self) {
        self.rounds += 1;
        let [item, order] = ["follower_id", "created_at"].map(|name| self.now_called(name));
        let number = 4242 + self.rounds;
        self.sql(&format!("INSERT INTO follows ({item}, followee_id, {order}) VALUES ({number}, 1, NOW(3))"))
            .await;
        self.sql(&format!("DELETE FROM follows WHERE {item} = 2 AND followee_id = 2")).await;
        self.is_equal().await;
    }

    fn now_called(&self, name: &'static str) -> &'static str {
        self.renamed.iter().find(|(before, _)| *before == name).map_or(name, |(_, now)| now)
    }

    async fn is_equal(&self) {
        self.tailfill(&["run", "--until", "caught-up"]).await.code(0);
        let status = self.status().await.expect("it has a state");
        let life = status["targets"][0]["life_cycle"].as_str().expect("a text");
        assert!(["caught_up", "verified"].contains(&life), "{status}");
        self.tailfill(&["verify", "--full"]).await.code(0);
    }

    async fn close(self) {
        self.setup.close(&[]).await;
    }
}

impl Copied {
    /// Puts a line into the configuration of the target, in the place of one that begins alike.
    fn sets(&mut self, line: &str) {
        let key = line.split_once(" = ").expect("a key of the configuration").0;
        let lines = self.setup.config.lines().filter(|old| !old.starts_with(&format!("{key} = ")));
        let kept: Vec<&str> = lines.collect();
        self.setup.config = kept.join("\n") + &format!("\n{line}\n");
    }

    /// Does what a text says to set in the configuration: `columns = [..]`.
    fn edits(&mut self, text: &str) {
        let begin = text.find("columns = [").expect("it says which columns to set");
        let end = text[begin..].find(']').expect("a list") + begin + 1;
        self.sets(&text[begin..end]);
    }
}

/// The commands between backquotes.
fn commands(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).filter(|command| command.starts_with("tailfill ")).collect()
}
