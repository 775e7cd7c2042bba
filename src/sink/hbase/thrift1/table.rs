//! What Thrift1 tells of a table: its families, and a few settings of each.

use crate::sink::TableState;
use hbase_thrift::hbase::ColumnDescriptor;
use std::collections::BTreeMap;

/// Families by name, each name with a colon behind it.
pub type Families = BTreeMap<Vec<u8>, ColumnDescriptor>;

pub fn names(families: &Families) -> Vec<String> {
    families.keys().map(|name| text(name)).collect()
}

/// Nothing of the table's attributes, and of `family` what there is.
pub fn state(families: &Families, family: &str) -> TableState {
    let found = families.iter().find(|(name, _)| text(name) == family);
    TableState::Present {
        family: found.map(|(_, descriptor)| settings(descriptor)),
        attributes: None,
        families: names(families),
    }
}

/// By the names that HBase's shell has for them.
fn settings(family: &ColumnDescriptor) -> BTreeMap<String, String> {
    let settings = [
        ("VERSIONS", family.max_versions.map(|versions| versions.to_string())),
        ("COMPRESSION", family.compression.clone()),
        ("IN_MEMORY", family.in_memory.map(|in_memory| in_memory.to_string())),
        ("BLOOMFILTER", family.bloom_filter_type.clone()),
        ("BLOCKCACHE", family.block_cache_enabled.map(|enabled| enabled.to_string())),
        ("TTL", family.time_to_live.map(|seconds| seconds.to_string())),
    ];
    settings.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name.strip_suffix(b":").unwrap_or(name)).into_owned()
}
