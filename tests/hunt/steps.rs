//! What happens in a round, step by step.

use super::alters;
use super::batch::{self, Session};
use super::column::quoted;
use super::world::World;
use mysql_async::prelude::Queryable;
use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::seq::IndexedRandom;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
enum Step {
    Batch,
    Pause,
    Unmapped,
    Unrelated,
    Gentle,
    Harsh,
    Hidden,
    RenamedAndBack,
    RenamedAway,
    Truncate,
    Recreate,
    Swap,
    Rotate,
    Metadata,
    KillDump,
    KillRun,
    EndRun,
    StopRun,
    Recopy,
}

/// What a round does to its mapped tables besides changing rows.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// Nothing.
    Calm,
    /// Nothing that changes bytes of mapped columns.
    Gentle,
    Harsh,
}

/// With the weights of each [`Manner`].
const STEPS: [(Step, [u32; 3]); 19] = [
    (Step::Batch, [120; 3]),
    (Step::Pause, [50; 3]),
    (Step::Unmapped, [8; 3]),
    (Step::Unrelated, [12; 3]),
    (Step::Gentle, [0, 22, 22]),
    (Step::Harsh, [0, 0, 14]),
    (Step::Hidden, [0, 0, 4]),
    (Step::RenamedAndBack, [0, 0, 4]),
    (Step::RenamedAway, [0, 0, 3]),
    (Step::Truncate, [0, 0, 3]),
    (Step::Recreate, [0, 0, 3]),
    (Step::Swap, [0, 0, 2]),
    (Step::Rotate, [5; 3]),
    (Step::Metadata, [2; 3]),
    (Step::KillDump, [14; 3]),
    (Step::KillRun, [8; 3]),
    (Step::EndRun, [6; 3]),
    (Step::StopRun, [10; 3]),
    (Step::Recopy, [2, 2, 6]),
];

/// Plays `number` steps; the run may be down or stopped meanwhile, and is up or stands still at the end.
pub async fn play(world: &mut World<'_>, number: usize, manner: Manner) {
    let weights = STEPS.map(|(_, weights)| weights[manner as usize]);
    let weights = WeightedIndex::new(weights).expect("some step has a weight");
    let mut away = Away::default();
    for _ in 0..number {
        world.look_at_run().await;
        let (step, ..) = STEPS[weights.sample(&mut world.dice)];
        one(world, step, manner, &mut away).await;
        away.go_on(world);
        if world.findings.len() > 3 {
            break;
        }
    }
    away.end(world);
    back(world).await;
}

/// For how many more steps the run is down, or stopped.
#[derive(Default)]
struct Away {
    down: Option<u32>,
    stopped: Option<u32>,
}

impl Away {
    fn go_on(&mut self, world: &mut World<'_>) {
        let counted = |left: &mut Option<u32>| match left {
            Some(0) => left.take().is_some(),
            Some(steps) => {
                *steps -= 1;
                false
            }
            None => false,
        };
        if counted(&mut self.down) || (self.down.is_none() && world.run.is_none()) {
            world.start_run();
        }
        if counted(&mut self.stopped) {
            signal(world, "CONT");
        }
    }

    fn end(&mut self, world: &mut World<'_>) {
        if self.stopped.take().is_some() {
            signal(world, "CONT");
        }
    }
}

fn signal(world: &mut World<'_>, signal: &str) {
    if let Some(run) = &mut world.run
        && !run.has_ended()
    {
        run.signal(signal);
        world.note(signal);
    }
}

async fn one(world: &mut World<'_>, step: Step, manner: Manner, away: &mut Away) {
    match step {
        Step::Batch => rows(world, manner).await,
        Step::Pause => {
            let pause = Duration::from_millis(world.dice.random_range(20..600));
            tokio::time::sleep(pause).await;
        }
        Step::Unmapped => unmapped(world).await,
        Step::Unrelated => unrelated(world).await,
        Step::Gentle => alter(world, false).await,
        Step::Harsh => alter(world, true).await,
        Step::Hidden => hidden(world).await,
        Step::RenamedAndBack => renamed_and_back(world).await,
        Step::RenamedAway if world.gone.is_some() => back(world).await,
        Step::RenamedAway => renamed_away(world).await,
        Step::Truncate => truncate(world).await,
        Step::Recreate => recreate(world).await,
        Step::Swap => swap(world).await,
        Step::Rotate => {
            let mut session = world.session().await;
            if world.sql(&mut session, "FLUSH BINARY LOGS").await {
                world.tally.add("binlog: rotated");
            }
        }
        Step::Metadata => metadata(world).await,
        Step::KillDump => kill_dump(world).await,
        Step::KillRun | Step::EndRun if world.run.is_some() => {
            away.end(world);
            let kill = matches!(step, Step::KillRun);
            world.end_run(kill).await;
            world.tally.add(if kill { "run: kill -9" } else { "run: TERM" });
            let steps = world.dice.random_range(0..6);
            if steps > 1 {
                world.tally.add("run: statements while it is away");
            }
            away.down = Some(steps);
        }
        Step::StopRun if world.run.is_some() && away.stopped.is_none() => {
            signal(world, "STOP");
            world.tally.add("run: stopped for a while");
            away.stopped = Some(world.dice.random_range(1..8));
        }
        Step::Recopy if away.stopped.is_none() && world.run_listens() => recopy(world).await,
        Step::KillRun | Step::EndRun | Step::StopRun | Step::Recopy => {}
    }
}

fn any_table(world: &mut World<'_>) -> usize {
    world.dice.random_range(0..world.tables.len())
}

/// A few statements of one session, alone or as one transaction; XA on mapped tables is something that no run follows.
async fn rows(world: &mut World<'_>, manner: Manner) {
    let mut session = world.session().await;
    let place = any_table(world);
    let number = world.dice.random_range(1..12);
    let whole = number > 1 && world.dice.random_ratio(2, 3);
    let xa = whole && matches!(manner, Manner::Harsh) && world.dice.random_ratio(1, 20);
    let name = format!("'x{}'", world.dice.random::<u32>());
    let rolled_back = whole && world.dice.random_ratio(1, 8);
    if whole {
        let begin = if xa { format!("XA START {name}") } else { "BEGIN".to_owned() };
        world.sql(&mut session, &begin).await;
        world.tally.add(if xa { "transaction: XA" } else { "transaction: several statements" });
    }
    for _ in 0..number {
        let (kind, text) =
            batch::statement(&session, &world.tables[place], world.repertoire, &mut world.dice);
        if world.sql(&mut session, &text).await {
            world.tally.add(kind);
        }
    }
    if whole && rolled_back {
        world.tally.add("transaction: rolled back");
    }
    let end: Vec<String> = match (whole, xa, rolled_back) {
        (false, ..) => vec![],
        (true, false, false) => vec!["COMMIT".into()],
        (true, false, true) => vec!["ROLLBACK".into()],
        (true, true, back) => {
            let end = if back { "ROLLBACK" } else { "COMMIT" };
            vec![format!("XA END {name}"), format!("XA PREPARE {name}"), format!("XA {end} {name}")]
        }
    };
    for statement in end {
        world.sql(&mut session, &statement).await;
    }
}

/// Statements in the binlog as text that touch nothing that is mapped.
async fn unmapped(world: &mut World<'_>) {
    let mut session = world.session().await;
    let format = *["STATEMENT", "MIXED"].choose(&mut world.dice).expect("two");
    world.sql(&mut session, &format!("SET SESSION binlog_format = {format}")).await;
    let table = quoted(&world.tables[0].name);
    let number = world.dice.random_range(0..1000);
    let text = match world.dice.random_range(0..4) {
        0 => format!("INSERT INTO plain (t) VALUES ('DELETE FROM {} -- ''')", table.replace('\'', "''")),
        1 => format!("UPDATE plain SET t = 'x{number}' WHERE id % 3 = 1"),
        2 => format!("DELETE FROM `{}`.plain WHERE id % 7 = 2", world.database),
        _ => format!("REPLACE INTO plain (id, t) VALUES ({number}, NOW(6))"),
    };
    if world.sql(&mut session, &text).await {
        world.tally.add("statement format: a table that is not mapped");
    }
}

/// Statements in the binlog as text that change a mapped table, most of them without naming it.
async fn hidden(world: &mut World<'_>) {
    let mut session = world.session().await;
    world.sql(&mut session, "SET SESSION binlog_format = STATEMENT").await;
    let place = any_table(world);
    let (column, pool) =
        world.tables[place].pools.choose(&mut world.dice).expect("a table has a key").clone();
    let whose = format!("{} = {}", quoted(&column), pool.choose(&mut world.dice).expect("some"));
    let table = quoted(&world.tables[place].name);
    let setup = format!("DELETE FROM {table} WHERE {whose}");
    let (kind, text) = match world.dice.random_range(0..4) {
        0 => ("statement format: a mapped table", setup),
        1 => {
            world.sql(&mut session, &format!("CREATE OR REPLACE VIEW seen AS SELECT * FROM {table}")).await;
            ("statement format: a view of a mapped table", format!("DELETE FROM seen WHERE {whose}"))
        }
        2 => {
            world.sql(&mut session, "DROP TRIGGER IF EXISTS by_trigger").await;
            world
                .sql(
                    &mut session,
                    &format!("CREATE TRIGGER by_trigger AFTER INSERT ON plain FOR EACH ROW {setup}"),
                )
                .await;
            ("statement format: a trigger", "INSERT INTO plain (t) VALUES ('fires')".to_owned())
        }
        _ => {
            world.sql(&mut session, "DROP FUNCTION IF EXISTS by_function").await;
            let body = format!("CREATE FUNCTION by_function() RETURNS INT BEGIN {setup}; RETURN 1; END");
            world.sql(&mut session, &body).await;
            ("statement format: a stored function", "SELECT by_function()".to_owned())
        }
    };
    if world.sql(&mut session, &text).await {
        world.tally.add(kind);
    }
    world.sql(&mut session, "DROP TRIGGER IF EXISTS by_trigger").await;
}

/// Statements about something else, that read as if they were not.
async fn unrelated(world: &mut World<'_>) {
    let mut session = world.session().await;
    let number = world.dice.random::<u32>();
    let table = quoted(&world.tables[0].name);
    let of = &world.tables[0].name.replace('\'', "''");
    let texts = [
        format!("CREATE TABLE other{number} (id INT PRIMARY KEY, {table} INT COMMENT 'DROP TABLE {of}')"),
        format!("CREATE TABLE slash{number} (p VARCHAR(9) COMMENT 'C:\\\\data\\\\')"),
        format!("CREATE TABLE kanji{number} (a INT COMMENT '誠')"),
        format!("CREATE VIEW v{number} AS SELECT * FROM {table}"),
        format!("CREATE TABLE like{number} LIKE {table}"),
        format!("CREATE TABLE as{number} AS SELECT * FROM {table} LIMIT 3"),
        format!("CREATE PROCEDURE p{number}() BEGIN TRUNCATE TABLE {table}; END"),
        format!("CREATE TEMPORARY TABLE {table} (id INT)"),
        "ALTER TABLE plain RENAME COLUMN t TO u, RENAME COLUMN u TO t, COMMENT 'a'".to_owned(),
        "ALTER TABLE plain COMMENT = 'it''s TRUNCATE'".to_owned(),
        "CREATE DATABASE IF NOT EXISTS elsewhere".to_owned(),
        format!("CREATE TABLE IF NOT EXISTS elsewhere.{table} (id INT)"),
        format!("DROP TABLE IF EXISTS elsewhere.{table}"),
        format!("GRANT SELECT ON {table} TO root@localhost"),
        "ANALYZE TABLE plain".to_owned(),
        format!("ANALYZE TABLE {table}"),
        format!("OPTIMIZE TABLE {table}"),
        "TRUNCATE plain".to_owned(),
    ];
    let text = texts.choose(&mut world.dice).expect("some");
    if world.sql(&mut session, text).await {
        world.tally.add("unrelated statement");
    }
}

async fn alter(world: &mut World<'_>, harsh: bool) {
    let place = any_table(world);
    let mapping = &world.mappings[place];
    let mapped: Vec<String> =
        mapping.targets.iter().flat_map(|target| mapping.columns_of(target)).cloned().collect();
    let Some(alter) = alters::random(&world.tables[place], &mapped, harsh, world.repertoire, &mut world.dice)
    else {
        return;
    };
    let mut session = world.session().await;
    for (text, after) in alter.steps {
        if !world.sql(&mut session, &text).await {
            return;
        }
        world.tables[place] = after;
    }
    world.tally.add(alter.kind);
}

async fn renamed_and_back(world: &mut World<'_>) {
    let mut session = world.session().await;
    let place = any_table(world);
    let name = quoted(&world.tables[place].name);
    let texts = [format!("RENAME TABLE {name} TO away"), format!("ALTER TABLE away RENAME TO {name}")];
    if world.sql(&mut session, &texts[0]).await && world.sql(&mut session, &texts[1]).await {
        world.tally.add("table: renamed away and back");
    }
}

/// The table is gone for the steps that follow, until it is renamed again.
async fn renamed_away(world: &mut World<'_>) {
    let mut session = world.session().await;
    let place = any_table(world);
    let text = format!("RENAME TABLE {} TO gone", quoted(&world.tables[place].name));
    if world.sql(&mut session, &text).await {
        world.tally.add("table: gone for a while");
        world.gone = Some(place);
    }
}

async fn back(world: &mut World<'_>) {
    let Some(place) = world.gone.take() else { return };
    let mut plain = Session::plain(world.port, &world.database).await;
    let text = format!("RENAME TABLE gone TO {}", quoted(&world.tables[place].name));
    if !world.sql(&mut plain, &text).await {
        world.found(format!("the hunt itself lost its table: {text}"));
    }
}

async fn truncate(world: &mut World<'_>) {
    let mut session = world.session().await;
    let place = any_table(world);
    let name = &world.tables[place].name;
    let text = match world.dice.random::<bool>() {
        true => format!("TRUNCATE TABLE {}", quoted(name)),
        false => format!("/* all */ truncate {}", world.full_name(name)),
    };
    if world.sql(&mut session, &text).await {
        world.tally.add("table: TRUNCATE");
    }
}

async fn recreate(world: &mut World<'_>) {
    let mut session = world.session().await;
    let place = any_table(world);
    let text = format!("DROP TABLE {}", quoted(&world.tables[place].name));
    let create = world.tables[place].create();
    // a name that another session's charset has not would leave the round without its table
    let mut plain = Session::plain(world.port, &world.database).await;
    if world.sql(&mut session, &text).await && world.sql(&mut plain, &create).await {
        world.tables[place].indexes.clear();
        world.tally.add("table: dropped and created again");
    }
}

/// As tools for online schema changes do it.
async fn swap(world: &mut World<'_>) {
    let mut session = world.session().await;
    let place = any_table(world);
    let name = quoted(&world.tables[place].name);
    for text in [
        "DROP TABLE IF EXISTS fresh, old".to_owned(),
        format!("CREATE TABLE fresh LIKE {name}"),
        format!("RENAME TABLE {name} TO old, fresh TO {name}"),
    ] {
        if !world.sql(&mut session, &text).await {
            return;
        }
    }
    world.tally.add("table: swapped with a copy");
}

async fn metadata(world: &mut World<'_>) {
    let full = world.dice.random::<bool>();
    let mut session = world.session().await;
    let value = if full { "FULL" } else { "MINIMAL" };
    if world.sql(&mut session, &format!("SET GLOBAL binlog_row_metadata = {value}")).await {
        world.tally.add("binlog: row metadata changed");
    }
}

async fn kill_dump(world: &mut World<'_>) {
    let query = "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'";
    let ids: Vec<u64> = world.admin.query(query).await.expect("the process list can be read");
    for id in ids {
        // it may have ended by itself
        let _ = world.admin.query_drop(format!("KILL {id}")).await;
        world.note("the dump connection is killed");
        world.tally.add("run: dump connection killed");
    }
}

/// Beside the run, whether something is parked or not; statements go on in the next round of steps.
async fn recopy(world: &mut World<'_>) {
    let place = any_table(world);
    let name = world.mappings[place].name.clone();
    if let Some(ended) = world.tailfill(&["recopy", &name, "--yes"]).await
        && ended.code == Some(0)
    {
        world.tally.add("recopy: beside a run");
    }
}
