//! A round: random tables, a random history under a run, and the comparison at its end.

use super::batch::Session;
use super::mapping::{Form, Mapping, Table};
use super::oracle;
use super::repertoire::Repertoire;
use super::steps::{self, Manner};
use super::tally::Tally;
use super::world::{World, last_lines};
use crate::support::scenario::gateway;
use crate::support::thrift;
use mysql_async::prelude::Queryable;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// What was found in a round, with its history.
pub struct Round {
    pub findings: Vec<String>,
    pub history: Vec<String>,
    pub config: String,
    pub ended: &'static str,
}

pub async fn play(port: u16, seed: u64, repertoire: &Repertoire, tally: &mut Tally) -> Round {
    let dice = StdRng::seed_from_u64(seed);
    let database = format!("hunt_{:08x}", rand::random::<u32>());
    let dir = tempfile::Builder::new().prefix("tailfill-hunt-").tempdir().expect("a temporary folder");
    let mut world = World::new((port, database), dir.path(), repertoire, tally, dice).await;
    let ended = live(&mut world).await;
    world.tally.add(&format!("end: {ended}"));
    let config = std::fs::read_to_string(&world.config).unwrap_or_default();
    clean_up(&mut world).await;
    Round { findings: world.findings, history: world.history, config, ended }
}

async fn clean_up(world: &mut World<'_>) {
    world.run = None;
    let statements =
        [format!("DROP DATABASE {}", world.database), "DROP DATABASE IF EXISTS elsewhere".to_owned()];
    for statement in statements {
        world.admin.query_drop(statement).await.expect("the round's database can be dropped");
    }
    let tables: Vec<String> = world
        .mappings
        .iter()
        .flat_map(|mapping| mapping.targets.iter().map(|target| target.table.clone()))
        .collect();
    let dropping = tokio::task::spawn_blocking(move || {
        // one that was never made cannot be dropped
        tables.iter().for_each(|table| drop(thrift::drop_table(&gateway(), table)));
    });
    dropping.await.expect("it does not panic");
}

/// How it ended, in a word.
async fn live(world: &mut World<'_>) -> &'static str {
    let full = world.dice.random::<bool>();
    let metadata = if full { "FULL" } else { "MINIMAL" };
    world.tally.add(&format!("row metadata: {metadata}"));
    world.note(&format!("row metadata {metadata}"));
    let setting = format!("SET GLOBAL binlog_row_metadata = {metadata}");
    world.admin.query_drop(setting).await.expect("root may set it");
    if !make_tables(world).await {
        return "no table";
    }
    world.fill().await;
    world.write_config();
    let Some(checked) = world.tailfill(&["check"]).await else { return "stuck" };
    let Some(made) = world.tailfill(&["init"]).await else { return "stuck" };
    if made.code != Some(0) {
        if checked.code == Some(0) {
            world.found(format!(
                "`check` passes and `init` ends with {:?}:\n{}",
                made.code,
                last_lines(&made.err)
            ));
        }
        return "refused";
    }
    let manner = *[Manner::Calm, Manner::Gentle, Manner::Harsh].choose(&mut world.dice).expect("three");
    let number = world.dice.random_range(15..60);
    world.note(&format!("{manner:?}"));
    world.tally.add(&format!("round: {manner:?}"));
    world.start_run();
    if !matches!(manner, Manner::Calm) && !world.until_begun().await {
        return "stuck";
    }
    steps::play(world, number, manner).await;
    judge(world).await
}

async fn make_tables(world: &mut World<'_>) -> bool {
    let mut session = Session::plain(world.port, &world.database).await;
    let plain = "CREATE TABLE plain (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(200), u INT)";
    world.sql(&mut session, plain).await;
    for number in 0..world.dice.random_range(1..=2) {
        // a key may be too long, or something else that this server does not take
        for _ in 0..10 {
            let used: Vec<String> = world.tables.iter().map(|table| table.name.clone()).collect();
            let (mut table, mut mapping) = Table::random(world.repertoire, &used, &mut world.dice);
            // leases are by this name, and rounds that are played side by side share a memcached
            mapping.name = format!("{}_m{number}", world.database);
            let prefix = format!("{}_{number}", world.database);
            mapping.add_targets(&table.columns, &prefix, &mut world.dice);
            table.only_days = mapping.targets.iter().any(|target| target.bytes);
            if world.sql(&mut session, &table.create()).await {
                count_kinds(world, &table, &mapping);
                world.tables.push(table);
                world.mappings.push(mapping);
                break;
            }
        }
    }
    !world.tables.is_empty()
}

fn count_kinds(world: &mut World<'_>, table: &Table, mapping: &Mapping) {
    for column in &table.columns {
        if let Some(charset) = column.kind.charset() {
            let place = if column.is_key { "key" } else { "value" };
            world.tally.add(&format!("charset: {charset} in a {place}"));
        }
    }
    for target in &mapping.targets {
        world.tally.add(if target.wide { "target: wide" } else { "target: tall" });
        for (kind, is_so) in [
            ("target: segments", target.segment.is_some()),
            ("target: counted", target.counted),
            ("target: columns not named", target.columns.is_none() && target.form != Form::Alone),
        ] {
            if is_so {
                world.tally.add(kind);
            }
        }
    }
}

/// Brings the run to rest, and holds both sides against each other.
async fn judge(world: &mut World<'_>) -> &'static str {
    world.end_run(false).await;
    let Some(ended) = world.tailfill(&["run", "--until", "caught-up"]).await else { return "stuck" };
    match ended.code {
        Some(0) => {
            all_equal(world).await;
            "equal"
        }
        Some(1) => after_parking(world, &ended.err).await,
        code => {
            world.found(format!("`run --until caught-up` ended with {code:?}:\n{}", last_lines(&ended.err)));
            "wrong code"
        }
    }
}

/// The oracle says equal of every mapping, and verify the same.
async fn all_equal(world: &mut World<'_>) {
    let mappings = world.mappings.clone();
    let found = oracle(world, &mappings).await;
    let is_equal = found.is_empty();
    found.into_iter().for_each(|what| world.found(format!("exit 0, and: {what}")));
    verify_agrees(world, is_equal).await;
}

async fn oracle(world: &mut World<'_>, mappings: &[Mapping]) -> Vec<String> {
    let mut found = Vec::new();
    for mapping in mappings {
        match oracle::compare(&mut world.admin, &gateway(), &world.database, mapping).await {
            Ok(differences) => found.extend(differences),
            Err(error) => found.push(format!("{}: cannot be judged: {error}", mapping.name)),
        }
    }
    found
}

async fn verify_agrees(world: &mut World<'_>, is_equal: bool) {
    let Some(ended) = world.tailfill(&["verify", "--full"]).await else { return };
    let expected = if is_equal { 0 } else { 4 };
    if ended.code != Some(expected) {
        let said = format!("{}\n{}", last_lines(&ended.out), last_lines(&ended.err));
        world.found(format!("the oracle says {expected} and `verify --full` {:?}:\n{said}", ended.code));
    }
}

/// Something could not be followed: it is named, all else is equal, and what the advice says brings it back.
async fn after_parking(world: &mut World<'_>, said: &str) -> &'static str {
    world.tally.add("end: parked");
    let parked = parked(world).await;
    if parked.is_empty() {
        world.found(format!("exit 1, and nothing is parked:\n{}", last_lines(said)));
        return "wrong code";
    }
    for (mapping, reason) in &parked {
        world.note(&format!("{mapping} is parked: {reason}"));
        if !KINDS_OF_STATEMENTS.iter().any(|kind| reason.contains(kind)) {
            world.found(format!("{mapping} is parked, and by what is not said: {reason}"));
        }
    }
    let is_parked = |mapping: &Mapping| parked.iter().any(|(name, _)| *name == mapping.name);
    let others: Vec<Mapping> = world.mappings.iter().filter(|mapping| !is_parked(mapping)).cloned().collect();
    for what in oracle(world, &others).await {
        world.found(format!("beside a parked mapping: {what}"));
    }
    let mut names: Vec<&String> = parked.iter().map(|(name, _)| name).collect();
    names.dedup();
    for name in names {
        if !fit_configuration(world, name).await {
            return "parked for good";
        }
        let Some(ended) = world.tailfill(&["recopy", name, "--yes"]).await else { return "stuck" };
        if ended.code != Some(0) {
            world.found(format!(
                "the advised recopy ends with {:?}:\n{}",
                ended.code,
                last_lines(&ended.err)
            ));
            return "wrong code";
        }
    }
    let Some(ended) = world.tailfill(&["run", "--until", "caught-up"]).await else { return "stuck" };
    if ended.code != Some(0) {
        let said = last_lines(&ended.err);
        world.found(format!("after a recopy `run --until caught-up` ends with {:?}:\n{said}", ended.code));
        return "wrong code";
    }
    all_equal(world).await;
    "equal after recopy"
}

/// Words of which a reason has to have one.
const KINDS_OF_STATEMENTS: [&str; 16] = [
    "ALTER",
    "TRUNCATE",
    "DROP",
    "RENAME",
    "CREATE",
    "INSERT",
    "UPDATE",
    "DELETE",
    "REPLACE",
    "SELECT",
    "XA",
    "ROLLBACK",
    "statement",
    "table map",
    "row image",
    "OPTIMIZE",
];

/// Mappings with a parked target, and the reasons, as status says them.
async fn parked(world: &mut World<'_>) -> Vec<(String, String)> {
    let Some(ended) = world.tailfill(&["status", "--json"]).await else { return Vec::new() };
    let status: serde_json::Value = serde_json::from_str(&ended.out).unwrap_or_default();
    let targets = status["targets"].as_array().cloned().unwrap_or_default();
    let one = |target: serde_json::Value| {
        let life = target["life_cycle"].as_str()?;
        Some((target["mapping"].as_str()?.to_owned(), life.strip_prefix("parked")?.to_owned()))
    };
    targets.into_iter().filter_map(one).collect()
}

/// Takes columns that are gone out of the configuration, as a person would. `false`: a column or the table is gone that the
/// mapping cannot do without.
async fn fit_configuration(world: &mut World<'_>, name: &str) -> bool {
    let query = "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? \
                 ORDER BY ORDINAL_POSITION";
    let place =
        world.mappings.iter().position(|mapping| mapping.name == name).expect("status names our mappings");
    let table = world.mappings[place].table.clone();
    let known: Vec<String> =
        world.admin.exec(query, (&world.database, &table)).await.expect("columns can be read");
    let mapping = &mut world.mappings[place];
    let needed =
        mapping.key.iter().chain(&mapping.item).chain(mapping.order.as_ref().map(|(order, _)| order));
    if !needed.into_iter().all(|column| known.contains(column)) {
        return false;
    }
    mapping.begun.retain(|column| known.contains(column));
    for target in &mut mapping.targets {
        if let Some(columns) = &mut target.columns {
            columns.retain(|column| known.contains(column));
        }
        if let Some(alone) = &mut target.alone
            && !known.contains(alone)
        {
            let Some(other) = mapping.begun.first() else { return false };
            other.clone_into(alone);
        }
    }
    world.write_config();
    true
}
