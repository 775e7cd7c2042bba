//! What Thrift1 tells of a table: its families, and a few settings of each.

use crate::sink::TableState;
use crate::sink::hbase::thrift::kind::{BINARY, BOOLEAN, INT, MAP, STRUCTURE};
use crate::sink::hbase::thrift::write::{binary, end};
use crate::sink::hbase::thrift::{Error, Reader, Request};
use std::collections::BTreeMap;

/// By the names that HBase's shell has for them.
type Settings = BTreeMap<String, String>;

/// Families by name.
pub type Families = BTreeMap<String, Settings>;

/// The families of a table; an exception where it does not exist.
pub fn describe(table: &[u8]) -> Request<Families> {
    let mut call = Vec::new();
    binary(&mut call, 1, table);
    end(&mut call);
    Request::new("getColumnDescriptors", call, MAP, families)
}

/// Nothing of the table's attributes, and of `family` what there is.
pub fn state(families: &Families, family: &str) -> TableState {
    TableState::Present {
        family: families.get(family).cloned(),
        attributes: None,
        families: families.keys().cloned().collect(),
    }
}

/// Each name has a colon behind it.
fn families(reader: &mut Reader) -> Result<Families, Error> {
    let families = reader.map(STRUCTURE, settings)?.into_iter();
    let text = |name: &[u8]| String::from_utf8_lossy(name.strip_suffix(b":").unwrap_or(name)).into_owned();
    Ok(families.map(|(name, settings)| (text(&name), settings)).collect())
}

/// A ColumnDescriptor.
fn settings(reader: &mut Reader) -> Result<Settings, Error> {
    let mut settings = Settings::new();
    while let Some(field) = reader.field()? {
        let (name, value) = match field {
            (2, INT) => ("VERSIONS", reader.int()?.to_string()),
            (3, BINARY) => ("COMPRESSION", reader.text()?),
            (4, BOOLEAN) => ("IN_MEMORY", reader.boolean()?.to_string()),
            (5, BINARY) => ("BLOOMFILTER", reader.text()?),
            (8, BOOLEAN) => ("BLOCKCACHE", reader.boolean()?.to_string()),
            (9, INT) => ("TTL", reader.int()?.to_string()),
            (_, kind) => {
                reader.skip(kind)?;
                continue;
            }
        };
        settings.insert(name.to_owned(), value);
    }
    Ok(settings)
}
