//! Tables, as Thrift2 gateways describe and create them.

use super::thrift::kind::{BINARY, BOOLEAN, INT, LIST, MAP, STRUCTURE};
use super::thrift::write::{self, binaries, binary, end, int, structure, structures};
use super::thrift::{Error, Reader, Request};
use bytes::Bytes;
use std::collections::BTreeMap;

pub type Pairs = BTreeMap<Bytes, Bytes>;

/// A TTableName.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableName {
    pub namespace: Option<Bytes>,
    pub name: Bytes,
}

/// A TTableDescriptor, as far as tailfill sets or reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub name: TableName,
    pub families: Vec<Family>,
    pub attributes: Pairs,
}

/// A TColumnFamilyDescriptor. What HBase says of a family is all in `attributes` and `configuration`; the numbers are for
/// creating one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Family {
    pub name: Bytes,
    pub attributes: Pairs,
    pub configuration: Pairs,
    /// Field id and value: see [`BLOOM_FILTER`] and the others.
    pub numbers: BTreeMap<u8, i32>,
}

/// Field ids of a family's numbers.
pub const BLOOM_FILTER: u8 = 5;
pub const BLOCK_ENCODING: u8 = 8;
pub const VERSIONS: u8 = 10;
const TIME_TO_LIVE: u8 = 13;

/// A TBloomFilterType.
pub const BLOOM_FILTER_ROW: i32 = 1;
/// A TDataBlockEncoding.
pub const BLOCK_ENCODING_FAST_DIFF: i32 = 4;

pub fn exists(name: &TableName) -> Request<bool> {
    Request::new("tableExists", named(name), BOOLEAN, Reader::boolean)
}

pub fn describe(name: &TableName) -> Request<Table> {
    Request::new("getTableDescriptor", named(name), STRUCTURE, table)
}

/// With `splits` where regions begin (but the first).
pub fn create(table: &Table, splits: &[Bytes]) -> Request<()> {
    let mut call = described(table);
    binaries(&mut call, 2, splits.iter().map(|key| &key[..]));
    end(&mut call);
    Request::to_do("createTable", call)
}

pub fn modify(table: &Table) -> Request<()> {
    let mut call = described(table);
    end(&mut call);
    Request::to_do("modifyTable", call)
}

pub fn disable(name: &TableName) -> Request<()> {
    Request::to_do("disableTable", named(name))
}

pub fn delete(name: &TableName) -> Request<()> {
    Request::to_do("deleteTable", named(name))
}

/// Arguments with nothing but a table's name.
fn named(name: &TableName) -> Vec<u8> {
    let mut call = Vec::new();
    structure(&mut call, 1);
    write_name(&mut call, name);
    end(&mut call);
    call
}

/// Arguments that begin with a descriptor.
fn described(table: &Table) -> Vec<u8> {
    let mut call = Vec::new();
    structure(&mut call, 1);
    structure(&mut call, 1);
    write_name(&mut call, &table.name);
    structures(&mut call, 2, table.families.len());
    table.families.iter().for_each(|family| write_family(&mut call, family));
    write_pairs(&mut call, 3, &table.attributes);
    end(&mut call);
    call
}

fn write_name(call: &mut Vec<u8>, name: &TableName) {
    if let Some(namespace) = &name.namespace {
        binary(call, 1, namespace);
    }
    binary(call, 2, &name.name);
    end(call);
}

fn write_family(call: &mut Vec<u8>, family: &Family) {
    binary(call, 1, &family.name);
    write_pairs(call, 2, &family.attributes);
    write_pairs(call, 3, &family.configuration);
    family.numbers.iter().for_each(|(id, number)| int(call, *id, *number));
    end(call);
}

fn write_pairs(call: &mut Vec<u8>, id: u8, pairs: &Pairs) {
    write::map(call, id, pairs.iter().map(|(name, value)| (&name[..], &value[..])));
}

fn table(reader: &mut Reader) -> Result<Table, Error> {
    let mut table = Table::default();
    while let Some(field) = reader.field()? {
        match field {
            (1, STRUCTURE) => table.name = name(reader)?,
            (2, LIST) => table.families = reader.list(STRUCTURE, family)?,
            (3, MAP) => table.attributes = pairs(reader)?,
            (_, kind) => reader.skip(kind)?,
        }
    }
    Ok(table)
}

fn name(reader: &mut Reader) -> Result<TableName, Error> {
    let mut name = TableName::default();
    while let Some(field) = reader.field()? {
        match field {
            (1, BINARY) => name.namespace = Some(reader.binary()?),
            (2, BINARY) => name.name = reader.binary()?,
            (_, kind) => reader.skip(kind)?,
        }
    }
    Ok(name)
}

fn family(reader: &mut Reader) -> Result<Family, Error> {
    let mut family = Family::default();
    while let Some((id, kind)) = reader.field()? {
        match (u8::try_from(id).unwrap_or(0), kind) {
            (1, BINARY) => family.name = reader.binary()?,
            (2, MAP) => family.attributes = pairs(reader)?,
            (3, MAP) => family.configuration = pairs(reader)?,
            (number @ (BLOOM_FILTER | BLOCK_ENCODING | VERSIONS | TIME_TO_LIVE), INT) => {
                family.numbers.insert(number, reader.int()?);
            }
            _ => reader.skip(kind)?,
        }
    }
    Ok(family)
}

fn pairs(reader: &mut Reader) -> Result<Pairs, Error> {
    Ok(reader.map(BINARY, Reader::binary)?.into_iter().collect())
}
