//! Tables: how they are created, and what the gateway says of them.

use super::table::{self, Family, Pairs, Table, TableName};
use crate::model::Target;
use crate::sink::cells::COUNTS_FAMILY;
use crate::sink::{RUN_ATTRIBUTE, TABLE_ATTRIBUTE, TableState, new_table_id};
use bytes::Bytes;
use std::collections::BTreeMap;

const PURGE_DELETES: &str = "hbase.hstore.time.to.purge.deletes";

/// `namespace:table` or `table`.
pub fn table_name(table: &str) -> TableName {
    match table.split_once(':') {
        Some((namespace, name)) => TableName { namespace: Some(copied(namespace)), name: copied(name) },
        None => TableName { namespace: None, name: copied(table) },
    }
}

/// The targets that a table is created for: `target`, and every other registered one with the same
/// table, each family once.
pub fn sharing<'a>(target: &'a Target, registered: impl Iterator<Item = &'a Target>) -> Vec<&'a Target> {
    let mut sharing = vec![target];
    for other in registered.filter(|other| other.table == target.table) {
        if sharing.iter().all(|known| known.family != other.family) {
            sharing.push(other);
        }
    }
    sharing
}

/// The table of `targets` (never empty, all of one table).
pub fn descriptor(targets: &[&Target], run_id: &str, purge_deletes_ms: u64) -> Table {
    let attributes = [(RUN_ATTRIBUTE, run_id), (TABLE_ATTRIBUTE, &new_table_id(run_id))];
    Table {
        name: table_name(targets.first().map_or("", |target| &target.table)),
        families: families_of(targets).into_iter().map(|name| family(name, purge_deletes_ms)).collect(),
        attributes: pairs(attributes),
    }
}

/// The families that `targets` are written to, counts included.
fn families_of<'a>(targets: &[&'a Target]) -> Vec<&'a str> {
    let counts = targets.iter().any(|target| target.counted).then_some(COUNTS_FAMILY);
    targets.iter().map(|target| target.family.as_str()).chain(counts).collect()
}

fn family(name: &str, purge_deletes_ms: u64) -> Family {
    let numbers = [
        (table::BLOOM_FILTER, table::BLOOM_FILTER_ROW),
        (table::BLOCK_ENCODING, table::BLOCK_ENCODING_FAST_DIFF),
        (table::VERSIONS, 1),
    ];
    Family {
        name: copied(name),
        // With the new version behaviour the order of arrival would win over timestamps.
        attributes: pairs([("NEW_VERSION_BEHAVIOR", "false")]),
        configuration: pairs([(PURGE_DELETES, &purge_deletes_ms.to_string())]),
        numbers: numbers.into(),
    }
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Pairs {
    pairs.into_iter().map(|(name, value)| (copied(name), copied(value))).collect()
}

/// Where the regions of a new table begin (but the first): single salt bytes, evenly spread over
/// the buckets.
pub fn split_keys(targets: &[&Target], regions_max: u16) -> Vec<Bytes> {
    salts(targets, regions_max).map(|salt| Bytes::copy_from_slice(&[salt])).collect()
}

fn salts(targets: &[&Target], regions_max: u16) -> impl Iterator<Item = u8> {
    let buckets = targets.iter().map(|target| target.salt_buckets).max().unwrap_or(1).clamp(1, 256);
    let regions = buckets.min(regions_max).max(1);
    (1..regions).map(move |region| (u32::from(region) * u32::from(buckets) / u32::from(regions)) as u8)
}

/// The HBase shell's statement that creates the table of `targets` as [`Tables::create`](crate::sink::Tables::create)
/// does.
pub fn shell_statement(targets: &[&Target], run_id: &str, purge_deletes_ms: u64, regions_max: u16) -> String {
    let table = targets.first().map_or("", |target| &target.table);
    let mut statement = format!("create '{table}'");
    for family in families_of(targets) {
        statement += &format!(
            ", {{NAME => '{}', VERSIONS => 1, BLOOMFILTER => 'ROW', DATA_BLOCK_ENCODING => 'FAST_DIFF', \
             NEW_VERSION_BEHAVIOR => 'false', CONFIGURATION => {{'{PURGE_DELETES}' => '{purge_deletes_ms}'}}}}",
            family
        );
    }
    // Between single quotes, for HBase to read (Bytes.toBytesBinary: capital letters): what Ruby makes of "\xa0" is no text.
    let splits: Vec<String> = salts(targets, regions_max).map(|salt| format!("'\\x{salt:02X}'")).collect();
    if !splits.is_empty() {
        statement += &format!(", SPLITS => [{}]", splits.join(", "));
    }
    let table_id = new_table_id(run_id);
    statement
        + &format!(", METADATA => {{'{RUN_ATTRIBUTE}' => '{run_id}', '{TABLE_ATTRIBUTE}' => '{table_id}'}}")
}

/// The names of a table's families.
pub fn families(descriptor: &Table) -> Vec<String> {
    descriptor.families.iter().map(|family| text(&family.name)).collect()
}

/// What is known of a table and of one of its families: settings and configuration in one map.
pub fn table_state(descriptor: &Table, family: &str) -> TableState {
    let found = descriptor.families.iter().find(|column| column.name == family.as_bytes());
    TableState::Present {
        family: found.map(settings),
        attributes: Some(texts(&descriptor.attributes)),
        families: families(descriptor),
    }
}

fn settings(family: &Family) -> BTreeMap<String, String> {
    let mut settings = texts(&family.attributes);
    settings.extend(texts(&family.configuration));
    settings
}

fn texts(pairs: &Pairs) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn copied(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::fixtures::target;

    #[test]
    fn regions_are_spread_evenly_over_the_salt() {
        let with = |buckets| Target { salt_buckets: buckets, ..target(0, "t", true) };
        let splits = |buckets, regions| {
            split_keys(&[&with(buckets)], regions).iter().map(|key| key[0]).collect::<Vec<u8>>()
        };
        assert_eq!(splits(16, 4), [4, 8, 12]);
        assert_eq!(splits(4, 16), [1, 2, 3]);
        assert_eq!(splits(256, 4), [64, 128, 192]);
        assert!(splits(1, 16).is_empty());
    }

    #[test]
    fn the_shell_statement_says_what_create_does() {
        let target = Target { salt_buckets: 3, ..target(0, "ns:t", true) };
        let statement = shell_statement(&[&target], "run-1", 1_209_600_000, 16);
        let (said, table_id) = statement.rsplit_once("'run-1-").expect("an id of the table");
        assert_eq!(table_id.len(), "0123456789abcdef'}".len(), "{table_id}");
        assert_eq!(
            said,
            "create 'ns:t', {NAME => 'f', VERSIONS => 1, BLOOMFILTER => 'ROW', DATA_BLOCK_ENCODING => \
             'FAST_DIFF', NEW_VERSION_BEHAVIOR => 'false', CONFIGURATION => \
             {'hbase.hstore.time.to.purge.deletes' => '1209600000'}}, SPLITS => ['\\x01', '\\x02'], \
             METADATA => {'tailfill.run' => 'run-1', 'tailfill.table' => "
        );
    }

    #[test]
    fn split_keys_in_the_shell_are_for_hbase_to_read() {
        let target = Target { salt_buckets: 256, ..target(0, "t", true) };
        let statement = shell_statement(&[&target], "run-1", 1, 4);
        assert!(statement.contains(r"SPLITS => ['\x40', '\x80', '\xC0']"), "{statement}");
    }

    #[test]
    fn targets_that_share_a_table_are_created_together() {
        let [a, b, c] = [target(0, "t", true), target(1, "t", true), target(2, "u", true)];
        let b = Target { family: "g".into(), ..b };
        let families: Vec<&str> =
            sharing(&a, [&a, &b, &c].into_iter()).iter().map(|target| target.family.as_str()).collect();
        assert_eq!(families, ["f", "g"]);
    }

    #[test]
    fn a_namespace_is_split_from_the_table_name() {
        assert_eq!(table_name("ns:t"), TableName { namespace: Some("ns".into()), name: "t".into() });
        assert_eq!(table_name("t"), TableName { namespace: None, name: "t".into() });
    }
}
