//! `tailfill suggest`: a configuration for one table, made from what MySQL shows of it.
//!
//! `table` and `shape` (with `order`) decide list, item and order, `targets` the HBase tables; `sample` (at `places`) and
//! `recent` look at rows and changes, within bounds and without writing; `estimate` makes sizes and times of it; `text` and
//! `figures` (with `lines`) write it down. The configuration's own room reads each file before it is printed.

mod estimate;
mod figures;
#[cfg(test)]
mod fixtures;
mod lines;
mod options;
mod order;
mod places;
mod recent;
mod sample;
mod servers;
mod shape;
mod suggestion;
mod table;
mod targets;
mod text;

pub use options::{PasswordFrom, SuggestOptions};
pub use table::{OrderWish, ShapeWish};
pub use targets::Asked;

use super::check::print;
use super::connect;
use crate::config::{Begun, Config};
use crate::error::Exit;
use crate::failure::Failure;
use crate::model::{Mapping, QueryKind, TableName};
use crate::source::{InUse, MysqlSource, SourceError};
use servers::ServerId;
use std::collections::BTreeMap;
use std::sync::Arc;
use suggestion::Suggestion;
use table::Table;

/// The number that config/example.toml has.
const SERVER_ID: u32 = 4242;
/// Characters of a mapping's name.
const NAME_MAX: usize = 64;

/// Prints a configuration for a table.
pub async fn suggest(options: SuggestOptions) -> Result<Exit, Failure> {
    let config = servers::config(&options)?;
    let source = connect(&config).await?;
    let table = read_table(&source, &config).await?;
    let suggestion = consider(&source, table, &options).await?;
    let toml = checked(&options, &suggestion)?.0;
    if options.json {
        let json = serde_json::to_string(&figures::data(&suggestion, &toml));
        print(&(json.map_err(|error| Failure::new(Exit::Failed, error))? + "\n"))?;
    } else {
        print(&toml)?;
    }
    Ok(Exit::Done)
}

/// With a number of its own as a replica, so that it disturbs no run.
async fn connect(config: &Config) -> Result<MysqlSource, Failure> {
    let mut options = connect::mysql_options(config);
    options.server_id = rand::random::<u32>() | 1 << 31;
    Ok(MysqlSource::connect(options).await?)
}

async fn read_table(source: &MysqlSource, config: &Config) -> Result<Table, Failure> {
    let Some(name) = config.tables().into_iter().next() else {
        return Err(Failure::new(Exit::Usage, "--table names no table"));
    };
    let schema = match source.schema(&name).await {
        Ok(schema) => schema,
        Err(error @ SourceError::Schema { .. }) => return Err(absent(source, &name, error).await),
        Err(error) => return Err(error.into()),
    };
    let facts = source.table_facts(&schema.name).await?;
    if !facts.engine.eq_ignore_ascii_case("InnoDB") {
        let what = if facts.engine.is_empty() {
            "a view".to_owned()
        } else {
            format!("a table of {}", facts.engine)
        };
        let reason = format!("{} is {what}, and tailfill copies tables of InnoDB", schema.name);
        return Err(Failure::new(Exit::Refused, reason).with_help("name a table of InnoDB"));
    }
    let all: Vec<usize> = (0..schema.columns.len()).collect();
    let undecodable = source.undecodable(&schema, &all).await?;
    let build = source.table_build(&schema).await?;
    Ok(Table { schema: Arc::new(schema), build, rows: facts.rows_estimated, undecodable })
}

/// A table that is not there, with the one that a person may mean.
async fn absent(source: &MysqlSource, name: &TableName, error: SourceError) -> Failure {
    let likely = source.likely_table(name).await.ok().flatten();
    let failure = Failure::from(error);
    match likely {
        Some(likely) if likely != *name => failure.with_help(format!("did you mean {likely}?")),
        _ => failure,
    }
}

/// Decides, and looks at rows and changes.
async fn consider(
    source: &MysqlSource,
    table: Table,
    options: &SuggestOptions,
) -> Result<Suggestion, Failure> {
    let wants = |kind| options.asked.iter().any(|asked: &Asked| asked.kind == kind);
    let latest_first = wants(QueryKind::Latest) || !wants(QueryKind::First);
    let shape = shape::shape(&table, &options.wish, latest_first)?;
    if shape.order.is_none() && wants(QueryKind::Latest) {
        let reason = format!("`latest` needs an order, and {}", shape.why_order);
        let help = "name a column with --order, or leave latest out of --queries";
        return Err(Failure::new(Exit::Refused, reason).with_help(help));
    }
    let mapping = shape.mapping(&table.schema, "suggested");
    let columns = (0..table.schema.columns.len()).filter(|column| table.can_be_cell(*column)).collect();
    let keys = shape.chosen.key.iter().chain(&shape.chosen.item).copied().collect();
    source.register(vec![InUse {
        schema: Arc::clone(&table.schema),
        columns,
        keys,
        mappings: Vec::new(),
    }])?;
    let sample = sample::take(source, &table, &mapping).await?;
    let recent = recent::read(source, &mapping).await.map_err(|error| error.to_string());
    let server_id = match options.server_id {
        Some(server_id) => ServerId::Given(server_id),
        None => source.free_server_id(SERVER_ID).await.map_or(ServerId::Unseen(SERVER_ID), ServerId::Free),
    };
    let asked_is_guess = options.asked.is_empty();
    let asked = if asked_is_guess { guess(shape.order.is_some()) } else { options.asked.clone() };
    let mut suggestion = Suggestion {
        name: options.name.clone().unwrap_or_else(|| mapping_name(&table.schema.name.table)),
        segment: String::new(),
        plans: Vec::new(),
        item_bytes: Vec::new(),
        servers: servers::sections(options, server_id),
        table,
        shape,
        mapping,
        sample,
        recent,
        asked,
        asked_is_guess,
    };
    decide_targets(&mut suggestion, options)?;
    Ok(suggestion)
}

/// The targets: first as if nobody knew how large lists are, which says how large an item is; then as that decides.
fn decide_targets(suggestion: &mut Suggestion, options: &SuggestOptions) -> Result<(), Failure> {
    let has_order = suggestion.shape.order.is_some();
    let items = suggestion.sample.largest_known().filter(|_| suggestion.sample.largest.is_some());
    let is_moment = suggestion.shape.order.is_some_and(|order| suggestion.table.is_moment(order.column));
    suggestion.segment = segment(suggestion, is_moment);
    let mut largest_bytes = None;
    for _ in 0..2 {
        let can_segment = suggestion.shape.order.is_some_and(|order| {
            suggestion.table.is_moment(order.column) || suggestion.table.is_integer(order.column)
        });
        let lists = targets::Lists { has_order, can_segment, largest_bytes };
        suggestion.plans = targets::plan(&suggestion.asked, lists);
        suggestion.item_bytes = vec![None; suggestion.plans.len()];
        let mapping = checked(options, suggestion)?.1;
        let bytes = |target| estimate::item_bytes(&mapping, target, &suggestion.sample.rows);
        suggestion.item_bytes = mapping.targets.iter().map(bytes).collect();
        let largest_item = suggestion.item_bytes.iter().copied().flatten().fold(0.0, f64::max);
        largest_bytes = items.map(|items| items as f64 * largest_item);
    }
    Ok(())
}

/// The width of segments for the largest list that was seen, where that is surely a large one.
fn segment(suggestion: &Suggestion, is_moment: bool) -> String {
    let sample = &suggestion.sample;
    let items = sample.sized.first().map_or(0, |sized| sized.items);
    let is_telling = items as f64 > targets::SEGMENT_ITEMS;
    estimate::segment(is_moment, sample.span.filter(|_| is_telling), items)
}

/// The file, and its mapping matched with the table: the rooms that read an operator's file read this one.
fn checked(options: &SuggestOptions, suggestion: &Suggestion) -> Result<(String, Mapping), Failure> {
    let toml = text::file(suggestion);
    let config = servers::parse(options, &toml).map_err(|faults| {
        let mut failure = Failure::new(Exit::Failed, "tailfill refuses the configuration that it suggests")
            .with_help(
                "report this with the definition of the table; config/example.toml explains every key",
            );
        failure.details = faults.0.iter().map(ToString::to_string).collect();
        failure
    })?;
    let schemas = config.tables().into_iter().map(|name| (name, Arc::clone(&suggestion.table.schema)));
    let schemas: BTreeMap<_, _> = schemas.collect();
    let mapping = config.resolve(&schemas, &Begun::default())?.into_iter().next();
    let mapping = mapping.ok_or_else(|| Failure::new(Exit::Failed, "the suggestion has no mapping"))?;
    Ok((toml, mapping))
}

/// Queries of an application of which nobody says anything.
fn guess(has_order: bool) -> Vec<Asked> {
    let items = if has_order { QueryKind::Latest } else { QueryKind::First };
    vec![Asked { kind: items, limit: Some(100) }, Asked { kind: QueryKind::Has, limit: None }]
}

/// A table's name as one of a mapping and of HBase tables.
fn mapping_name(table: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    table.chars().take(NAME_MAX).map(allowed).collect()
}

#[cfg(test)]
#[path = "suggest/suggest_tests.rs"]
mod tests;
