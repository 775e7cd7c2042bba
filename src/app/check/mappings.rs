//! Mapped tables: what they must be so that every list arrives whole. Judgements are pure; `findings` asks.

use super::finding::{Finding, Group, Rule};
use super::mysql::Depth;
use crate::config::{Begun, Config, Fault};
use crate::model::{ColumnType, Mapping, TableName, TableSchema};
use crate::source::facts_table::TableFacts;
use crate::source::preflight::{Cascade, Uniqueness};
use crate::source::{Facts, MysqlSource, SourceError};
use std::collections::BTreeMap;
use std::sync::Arc;

pub type Schemas = BTreeMap<TableName, Arc<TableSchema>>;

fn rule(of: &dyn std::fmt::Display, name: &str, expected: impl Into<String>) -> Rule {
    Rule::new(Group::Mappings, format!("{of} {name}"), expected)
}

/// The definitions of the mapped tables, and a finding for each.
pub async fn schemas(source: &MysqlSource, tables: &[TableName]) -> (Schemas, Vec<Finding>) {
    let mut schemas = Schemas::new();
    let mut findings = Vec::new();
    for table in tables {
        let rule = rule(table, "table", "exists");
        findings.push(match source.schema(table).await {
            Ok(schema) => {
                let actual = format!("{} columns", schema.columns.len());
                schemas.insert(table.clone(), Arc::new(schema));
                rule.ok(actual)
            }
            Err(error @ SourceError::Schema { .. }) => rule.failed(error),
            Err(error) => rule.unknown(error),
        });
    }
    (schemas, findings)
}

/// The mappings that fit their tables, and what is wrong with the others. Mappings whose table is not
/// in `schemas` are passed over.
pub fn fitting(config: &Config, schemas: &Schemas, begun: &Begun) -> (Vec<Mapping>, Vec<Finding>) {
    let known = config.mappings.iter().filter(|mapping| schemas.contains_key(&mapping.table));
    let mut fitting = Config { mappings: known.cloned().collect(), ..config.clone() };
    let faults = match fitting.resolve(schemas, begun) {
        Ok(mappings) => return (mappings, Vec::new()),
        Err(faults) => faults.0,
    };
    let misfits: Vec<usize> = faults.iter().filter_map(mapping_of).collect();
    let findings = faults.iter().map(|fault| misfit(&fitting, fault)).collect();
    let mut place = 0..;
    fitting.mappings.retain(|_| place.next().is_some_and(|place| !misfits.contains(&place)));
    (fitting.resolve(schemas, begun).unwrap_or_default(), findings)
}

/// N in a path `mapping[N].key[0]`.
fn mapping_of(fault: &Fault) -> Option<usize> {
    fault.path.strip_prefix("mapping[")?.split_once(']')?.0.parse().ok()
}

fn misfit(config: &Config, fault: &Fault) -> Finding {
    let mapping = mapping_of(fault).and_then(|place| config.mappings.get(place));
    let name = mapping.map_or("mapping", |mapping| mapping.name.as_str());
    let place = fault.path.split_once("].").map_or(fault.path.as_str(), |(_, place)| place);
    let given = fault.given.as_deref().unwrap_or_default();
    rule(&name, place, "a column that fits its use")
        .refusal(format!("{given} {}", fault.rule), "change this key of the configuration, or the table")
}

/// Everything about the tables of mappings that fit, and their rows (estimated, over all tables).
pub async fn findings(
    source: &MysqlSource,
    mappings: &[Mapping],
    server: Option<&Facts>,
    depth: Depth,
) -> (Vec<Finding>, u64) {
    let mut findings = Vec::new();
    let mut rows = 0;
    let mut seen: Vec<&TableName> = Vec::new();
    for mapping in mappings {
        let schema = &*mapping.schema;
        if !seen.contains(&&schema.name) {
            seen.push(&schema.name);
            match source.table_facts(&schema.name).await {
                Ok(facts) => {
                    rows += facts.rows_estimated;
                    findings.push(primary_key(schema, &facts.primary_key_prefixes));
                    findings.extend(table(&schema.name, &facts));
                }
                Err(error) => findings.push(rule(&schema.name, "engine", "InnoDB").unknown(error)),
            }
            findings.push(match source.cascades_onto(&schema.name).await {
                Ok(found) => cascades(&schema.name, &found, server),
                Err(error) => rule(&schema.name, "cascades", CASCADES).unknown(error),
            });
        }
        findings.push(columns(mapping));
        findings.push(check_charsets(source, mapping).await);
        findings.push(check_duplicates(source, mapping, depth).await);
        if depth == Depth::All && has_text_key(mapping) {
            findings.push(check_spellings(source, mapping).await);
        }
        if depth == Depth::All {
            findings.extend(super::rows::check_dates(source, mapping).await);
        }
    }
    (findings, rows)
}

const CASCADES: &str = "no foreign key changes its rows unlogged";

/// Chunks are ranges of it. `prefixes`: its parts that are only the beginning of a column.
pub fn primary_key(schema: &TableSchema, prefixes: &[String]) -> Finding {
    let rule = rule(&schema.name, "primary key", "one of whole columns");
    if !schema.primary_key.is_empty() {
        return rule.ok(names(schema, &schema.primary_key));
    }
    match prefixes {
        [] => rule.refusal("none", "add one: the backfill copies ranges of the primary key"),
        prefixes => rule.refusal(
            format!("it has only the beginning of a column: {}", prefixes.join(", ")),
            "the backfill copies ranges of the primary key, so make one of whole columns: ALTER TABLE ... DROP PRIMARY \
             KEY, ADD PRIMARY KEY (...)",
        ),
    }
}

fn names(schema: &TableSchema, columns: &[usize]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| schema.columns[*column].name.as_str()).collect();
    names.join(", ")
}

/// Engine and triggers.
pub fn table(name: &TableName, facts: &TableFacts) -> Vec<Finding> {
    let engine = if facts.engine.is_empty() { "none: it is a view" } else { facts.engine.as_str() };
    let mut findings = vec![rule(name, "engine", "InnoDB").must(
        facts.engine.eq_ignore_ascii_case("InnoDB"),
        engine,
        "only InnoDB's reads can be ordered against the binlog: ALTER TABLE ... ENGINE = InnoDB, or map the base table",
    )];
    if !facts.triggers.is_empty() {
        findings.push(
            rule(name, "triggers", "any").note(
                facts.triggers.join(", "),
                "the binlog has their changes as rows, like any other change",
            ),
        );
    }
    findings
}

/// Foreign keys that delete or change rows by themselves. MySQL 9.6 and later log that as row events
/// unless native foreign keys are switched on.
pub fn cascades(table: &TableName, found: &[Cascade], server: Option<&Facts>) -> Finding {
    let rule = rule(table, "cascades", CASCADES);
    let Some(first) = found.first() else { return rule.ok("none does") };
    let actual = found
        .iter()
        .map(|key| {
            format!(
                "{} (from {}: ON DELETE {}, ON UPDATE {})",
                key.constraint, key.parent, key.on_delete, key.on_update
            )
        })
        .collect::<Vec<String>>()
        .join(", ");
    if server.is_some_and(|server| server.innodb_native_foreign_keys.eq_ignore_ascii_case("OFF")) {
        return rule
            .note(actual, "this server logs what they change as rows (innodb_native_foreign_keys = OFF)");
    }
    rule.refusal(
        actual,
        format!(
            "this server does not log what they change, so deletes would be lost: replace {} by deletes of the \
             application, or (MySQL 9.6 and later) start the server with innodb_native_foreign_keys = OFF",
            first.constraint
        ),
    )
}

fn columns(mapping: &Mapping) -> Finding {
    let schema = &*mapping.schema;
    let mut actual = format!("key {}; item {}", names(schema, &mapping.key), names(schema, &mapping.item));
    if let Some(order) = mapping.order {
        actual += &format!("; order {}", names(schema, &[order.column]));
    }
    rule(&mapping.name, "columns", "exist; those of keys are NOT NULL and of a key type").ok(actual)
}

fn mapped(mapping: &Mapping) -> Vec<usize> {
    let cells = mapping.targets.iter().flat_map(|target| &target.columns);
    let mut columns: Vec<usize> = mapping.key.iter().chain(&mapping.item).chain(cells).copied().collect();
    columns.extend(mapping.order.map(|order| order.column));
    columns.sort_unstable();
    columns.dedup();
    columns
}

async fn check_charsets(source: &MysqlSource, mapping: &Mapping) -> Finding {
    match source.undecodable(&mapping.schema, &mapped(mapping)).await {
        Ok(unknown) => charsets(&mapping.name, &unknown),
        Err(error) => rule(&mapping.name, "character sets", "can be decoded").unknown(error),
    }
}

/// `unknown`: column and character set.
pub fn charsets(mapping: &str, unknown: &[(String, String)]) -> Finding {
    let rule = rule(&mapping, "character sets", "can be decoded");
    if unknown.is_empty() {
        return rule.ok("all of them");
    }
    let list: Vec<String> = unknown.iter().map(|(column, set)| format!("{column} ({set})")).collect();
    rule.refusal(
        format!("not: {}", list.join(", ")),
        "convert the column (ALTER TABLE ... CONVERT TO CHARACTER SET utf8mb4), or remove it from the mapping",
    )
}

/// Only an index proves it. A check looks through the table all the same, to say whether one can be added.
async fn check_duplicates(source: &MysqlSource, mapping: &Mapping, depth: Depth) -> Finding {
    let columns: Vec<usize> = mapping.key.iter().chain(&mapping.item).copied().collect();
    if depth == Depth::Quick && !mapping.is_unique() {
        return unique(mapping, &Uniqueness::Unproven);
    }
    match source.uniqueness(&mapping.schema, &columns).await {
        Ok(proof) => unique(mapping, &proof),
        Err(error) => unique_rule(mapping).unknown(error),
    }
}

fn unique_rule(mapping: &Mapping) -> Rule {
    rule(&mapping.name, "unique", "key and item name one row")
}

/// Whether key and item name one row.
pub fn unique(mapping: &Mapping, proof: &Uniqueness) -> Finding {
    let columns: Vec<usize> = mapping.key.iter().chain(&mapping.item).copied().collect();
    let columns: Vec<String> = columns
        .iter()
        .map(|column| crate::model::table::quote(&mapping.schema.columns[*column].name))
        .collect();
    let index =
        format!("ALTER TABLE {} ADD UNIQUE KEY ({})", mapping.schema.name.quoted(), columns.join(", "));
    let rule = unique_rule(mapping);
    match proof {
        Uniqueness::ByIndex => rule.ok("a unique index ensures it"),
        Uniqueness::AtPresent => rule.refusal(
            "true so far, but no unique index ensures it",
            format!("{index}: of two rows with one address, the delete of one would hide both"),
        ),
        Uniqueness::Duplicates => rule.refusal(
            "several rows share key and item",
            format!("add the column that tells them apart to item, or delete the duplicates and {index}"),
        ),
        Uniqueness::Unproven => rule.refusal(
            "no unique index over NOT NULL columns ensures it",
            format!("{index}: of two rows with one address, the delete of one would hide both"),
        ),
    }
}

fn has_text_key(mapping: &Mapping) -> bool {
    let is_text =
        |column: &usize| matches!(mapping.schema.columns[*column].column_type, ColumnType::Text { .. });
    mapping.key.iter().any(is_text)
}

async fn check_spellings(source: &MysqlSource, mapping: &Mapping) -> Finding {
    match source.equal_spellings(&mapping.schema, &mapping.key).await {
        Ok(found) => spellings(mapping, found),
        Err(error) => spellings_rule(mapping).unknown_note(error.to_string(), ""),
    }
}

fn spellings_rule(mapping: &Mapping) -> Rule {
    rule(&mapping.name, "spellings", "list keys that MySQL calls equal are equal to the byte")
}

/// List keys with several spellings; `None` when the table is too large to tell.
pub fn spellings(mapping: &Mapping, found: Option<bool>) -> Finding {
    let rule = spellings_rule(mapping);
    match found {
        Some(false) => rule.ok("they are"),
        Some(true) => rule.warning(
            "some differ (as `Bob` and `bob`)",
            "each spelling becomes a list of its own: let the application read every spelling that it stored, or make them one",
        ),
        None => rule.unknown_note("the table is too large to check every row", "each spelling becomes a list of its own"),
    }
}

#[cfg(test)]
#[path = "mappings_tests.rs"]
mod tests;
