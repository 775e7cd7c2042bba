//! A reader and writer of HBase of the tests' own: a few calls of the gateways, unframed binary, in a few dozen lines.
//!
//! It shares no code with the program: neither the client nor the encoding nor the way tables are walked.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Row key and qualifier of a cell, and its value.
pub type Cells = BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>;

/// Longer than the gateway's own retries.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);
const PAGE_ROWS: i32 = 1_000;

const STRUCT: u8 = 12;
const BINARY: u8 = 11;
const LIST: u8 = 15;
const I64: u8 = 10;
const I32: u8 = 8;

/// A cell to be written, or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    pub row: Vec<u8>,
    pub family: &'static str,
    pub qualifier: Vec<u8>,
    /// `None`: HBase's present time.
    pub timestamp: Option<i64>,
}

/// Puts a cell.
pub fn put(gateway: &str, table: &str, at: &At, value: &[u8]) -> Result<(), String> {
    let mut cell =
        [field(BINARY, 1, &binary(at.family.as_bytes())), field(BINARY, 2, &binary(&at.qualifier))].concat();
    cell.extend(field(BINARY, 3, &binary(value)));
    cell.extend(at.timestamp.map(|timestamp| field(I64, 4, &timestamp.to_be_bytes())).unwrap_or_default());
    change(gateway, "put", table, &[field(BINARY, 1, &binary(&at.row)), one_of_list(2, &cell)].concat())
}

/// Deletes all versions of a cell up to its timestamp; of a cell with one that version alone, which leaves no marker for
/// others.
pub fn delete(gateway: &str, table: &str, at: &At) -> Result<(), String> {
    const VERSION: i32 = 0;
    const COLUMN: i32 = 1;
    let mut cell =
        [field(BINARY, 1, &binary(at.family.as_bytes())), field(BINARY, 2, &binary(&at.qualifier))].concat();
    cell.extend(at.timestamp.map(|timestamp| field(I64, 3, &timestamp.to_be_bytes())).unwrap_or_default());
    let kind = if at.timestamp.is_some() { VERSION } else { COLUMN };
    let row = field(BINARY, 1, &binary(&at.row));
    let delete = [row, one_of_list(2, &cell), field(I32, 4, &kind.to_be_bytes())];
    change(gateway, "deleteSingle", table, &delete.concat())
}

/// Adds a family to a table, which is there.
pub fn add_family(gateway: &str, table: &str, family: &str) -> Result<(), String> {
    let name = field(STRUCT, 1, &[field(BINARY, 2, &binary(table.as_bytes())), vec![0]].concat());
    let family = field(STRUCT, 2, &[field(BINARY, 1, &binary(family.as_bytes())), vec![0]].concat());
    Line::open(gateway)?.call("addColumnFamily", &[name, family].concat()).map(drop)
}

/// A call with a table and one change.
fn change(gateway: &str, call: &str, table: &str, change: &[u8]) -> Result<(), String> {
    let change = field(STRUCT, 2, &[change, &[0]].concat());
    let arguments = [field(BINARY, 1, &binary(table.as_bytes())), change].concat();
    Line::open(gateway)?.call(call, &arguments).map(drop)
}

/// A list of one structure.
fn one_of_list(id: i16, structure: &[u8]) -> Vec<u8> {
    field(LIST, id, &[&[STRUCT][..], &1_i32.to_be_bytes(), structure, &[0]].concat())
}

/// All cells of one family of a table.
pub fn family(gateway: &str, table: &str, family: &str) -> Result<Cells, String> {
    let mut line = Line::open(gateway)?;
    let (mut cells, mut from) = (Cells::new(), Vec::new());
    loop {
        let scan = [
            field(BINARY, 1, &binary(&from)),
            field(I32, 4, &PAGE_ROWS.to_be_bytes()),
            // columns
            one_of_list(3, &field(BINARY, 1, &binary(family.as_bytes()))),
            vec![0],
        ];
        let arguments = [
            field(BINARY, 1, &binary(table.as_bytes())),
            field(STRUCT, 2, &scan.concat()),
            field(I32, 3, &PAGE_ROWS.to_be_bytes()),
        ];
        let answer = line.call("getScannerResults", &arguments.concat())?;
        let rows = answer.field(0).map(Value::items).unwrap_or_default();
        for row in rows {
            let key = row.field(1).map(Value::bytes).unwrap_or_default();
            for cell in row.field(2).map(Value::items).unwrap_or_default() {
                let part = |id| cell.field(id).map(Value::bytes).unwrap_or_default().to_vec();
                cells.insert((key.to_vec(), part(2)), part(3));
            }
            from = [key, &[0]].concat();
        }
        if rows.len() < PAGE_ROWS as usize {
            return Ok(cells);
        }
    }
}

/// Drops a table, if it is there.
pub fn drop_table(gateway: &str, table: &str) -> Result<(), String> {
    let mut line = Line::open(gateway)?;
    let name = field(STRUCT, 1, &[field(BINARY, 2, &binary(table.as_bytes())), vec![0]].concat());
    line.call("disableTable", &name)?;
    line.call("deleteTable", &name)?;
    Ok(())
}

/// Where the regions of a table begin, as a Thrift1 gateway tells.
pub fn regions(gateway: &str, table: &str) -> Result<Vec<Vec<u8>>, String> {
    let name = field(BINARY, 1, &binary(table.as_bytes()));
    let answer = Line::open(gateway)?.call("getTableRegions", &name)?;
    let regions = answer.field(0).map(Value::items).unwrap_or_default();
    let start = |region: &Value| region.field(1).map(Value::bytes).unwrap_or_default().to_vec();
    Ok(regions.iter().map(start).collect())
}

fn binary(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as i32).to_be_bytes()[..], bytes].concat()
}

fn field(kind: u8, id: i16, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &id.to_be_bytes(), value].concat()
}

/// What an answer is made of, as far as these calls need it.
#[derive(Debug)]
enum Value {
    Plain,
    Binary(Vec<u8>),
    Structure(BTreeMap<i16, Value>),
    List(Vec<Value>),
}

impl Value {
    fn field(&self, id: i16) -> Option<&Value> {
        match self {
            Value::Structure(fields) => fields.get(&id),
            _ => None,
        }
    }

    fn items(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            _ => &[],
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Value::Binary(bytes) => bytes,
            _ => &[],
        }
    }
}

struct Line(std::io::BufReader<TcpStream>);

impl Line {
    fn open(gateway: &str) -> Result<Line, String> {
        let stream = TcpStream::connect(gateway).map_err(|error| format!("{gateway}: {error}"))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT)).map_err(|error| error.to_string())?;
        Ok(Line(std::io::BufReader::new(stream)))
    }

    /// The answer's structure; an exception is an error.
    fn call(&mut self, name: &str, arguments: &[u8]) -> Result<Value, String> {
        let begin = [&[0x80, 1, 0, 1][..], &binary(name.as_bytes()), &[0; 4]].concat();
        let whole = [&begin[..], arguments, &[0]].concat();
        self.0.get_mut().write_all(&whole).map_err(|error| format!("{name}: {error}"))?;
        let answer = self.answer().map_err(|error| format!("{name}: {error}"))?;
        match answer.field(1) {
            None => Ok(answer),
            Some(exception) => {
                let said = exception.field(1).map(Value::bytes).unwrap_or_default();
                Err(format!("{name}: {}", String::from_utf8_lossy(said)))
            }
        }
    }

    fn answer(&mut self) -> std::io::Result<Value> {
        let kind = self.i32()? as u8;
        let _name = self.bytes()?;
        self.i32()?;
        let answer = self.value(STRUCT)?;
        match kind {
            2 => Ok(answer),
            _ => Err(std::io::Error::other(format!("the gateway refuses the call: {answer:?}"))),
        }
    }

    fn value(&mut self, kind: u8) -> std::io::Result<Value> {
        Ok(match kind {
            2 | 3 => self.plain(1)?,
            6 => self.plain(2)?,
            8 => self.plain(4)?,
            4 | I64 => self.plain(8)?,
            BINARY => Value::Binary(self.bytes()?),
            STRUCT => {
                let mut fields = BTreeMap::new();
                loop {
                    let kind = self.exactly(1)?[0];
                    if kind == 0 {
                        break Value::Structure(fields);
                    }
                    let id = self.exactly(2)?;
                    let value = self.value(kind)?;
                    fields.insert(i16::from_be_bytes([id[0], id[1]]), value);
                }
            }
            14 | LIST => {
                let kind = self.exactly(1)?[0];
                let length = self.i32()?;
                Value::List((0..length).map(|_| self.value(kind)).collect::<Result<_, _>>()?)
            }
            other => return Err(std::io::Error::other(format!("type {other} in an answer"))),
        })
    }

    fn plain(&mut self, length: usize) -> std::io::Result<Value> {
        self.exactly(length)?;
        Ok(Value::Plain)
    }

    fn i32(&mut self) -> std::io::Result<i32> {
        let bytes = self.exactly(4)?;
        Ok(i32::from_be_bytes(bytes.try_into().expect("four bytes")))
    }

    fn bytes(&mut self) -> std::io::Result<Vec<u8>> {
        let length = self.i32()?;
        self.exactly(length as usize)
    }

    fn exactly(&mut self, length: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
