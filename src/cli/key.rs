//! `tailfill key`: the bytes of a list's or an item's keys.

use super::answer::print;
use super::args::KeyArgs;
use super::keys;
use super::usage::{known_mapping, mapping, usage};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::lock::{LeaseKey, ListId};
use crate::model::{Layout, Mapping, OrderKey, Target, Value};
use crate::sink::encode::{self, Direction};
use crate::sink::{SinkError, layout, wide};
use std::fmt::Write as _;
use std::path::Path;

/// `config`: without a password, which is read only where MySQL has to be asked.
pub async fn key(config: &Config, file: &Path, args: KeyArgs) -> Result<Exit, Failure> {
    known_mapping(config, &args.mapping)?;
    let known = crate::app::mappings_of_state(config).await.unwrap_or_default();
    let mapping = match known.into_iter().find(|mapping| mapping.name == args.mapping) {
        Some(mapping) => mapping,
        None => mapping(&crate::config::load(file)?, &args.mapping).await?,
    };
    print(&render(&mapping, &args)?)?;
    Ok(Exit::Done)
}

/// The lease key, and for each target the address of the item, or as much of it as the arguments say.
fn render(mapping: &Mapping, args: &KeyArgs) -> Result<String, Failure> {
    let key = keys::parse("KEY", &args.key, &mapping.schema, &mapping.key)?;
    let item = args.item.as_deref();
    let item = item.map(|text| keys::parse("ITEM", text, &mapping.schema, &mapping.item)).transpose()?;
    let order = args.order.as_deref().map(|text| order_value(mapping, text)).transpose()?;

    let list_key = layout::list_key_of(mapping, &key).map_err(unencodable)?;
    let lease = LeaseKey::new(&mapping.name, ListId::new(mapping.id.0, &list_key));
    let mut text = String::new();
    let _ = writeln!(text, "list key   {}", hex::encode(&list_key));
    let _ = writeln!(text, "lease      {}", lease.0);
    for target in &mapping.targets {
        let given = Given { mapping, target, key: &key, item: item.as_deref(), order: order.as_ref() };
        let _ = writeln!(text, "\ntarget     {}, family {}", target.table, target.family);
        given.render(&list_key, &mut text).map_err(unencodable)?;
    }
    Ok(text)
}

fn order_value(mapping: &Mapping, text: &str) -> Result<Value, Failure> {
    let column = mapping.order.and_then(|order| mapping.schema.columns.get(order.column));
    let column = column.ok_or_else(|| usage(format!("--order: mapping {} has no `order`", mapping.name)))?;
    keys::value("--order", text, column)
}

/// A value that was typed in and cannot be in a key.
fn unencodable(error: SinkError) -> Failure {
    Failure::new(Exit::Usage, error)
}

/// What the arguments say of an item, for one target.
struct Given<'a> {
    mapping: &'a Mapping,
    target: &'a Target,
    key: &'a [Value],
    item: Option<&'a [Value]>,
    order: Option<&'a Value>,
}

/// A part's name and bytes.
type Part = (&'static str, Vec<u8>);

/// A row key or a qualifier, or its beginning, part by part.
struct KeyBytes {
    /// In their order.
    parts: Vec<Part>,
    is_whole: bool,
}

impl Given<'_> {
    fn render(&self, list_key: &[u8], text: &mut String) -> Result<(), SinkError> {
        let missing = self.missing();
        let row = self.row(list_key)?;
        row.render("row key", "", text);
        if self.target.layout == Layout::Wide
            && let Some(cell) = self.cell()?
        {
            cell.render("cell", &format!("{}:", self.target.family), text);
        }
        if !missing.is_empty() {
            let whole = match (row.is_whole, self.target.layout) {
                (true, _) => "the cell",
                (false, Layout::Tall) => "a whole row key",
                (false, Layout::Wide) => "a whole row key and the cell",
            };
            let _ = writeln!(text, "  (give {} for {whole})", missing.join(" and "));
        }
        Ok(())
    }

    /// What is missing for the whole address.
    fn missing(&self) -> Vec<&'static str> {
        let item = self.item.is_none().then_some("ITEM");
        let order = (self.order.is_none() && self.ordered().is_some()).then_some("--order VALUE");
        item.into_iter().chain(order).collect()
    }

    fn ordered(&self) -> Option<OrderKey> {
        self.mapping.order.filter(|_| self.target.ordered)
    }

    fn row(&self, list_key: &[u8]) -> Result<KeyBytes, SinkError> {
        let prefix = layout::list_prefix(self.target, list_key);
        let (salt, list_key) = prefix.split_at(1);
        let mut parts = vec![("salt", salt.to_vec()), ("list key", list_key.to_vec())];
        let is_whole = match (self.target.layout, self.target.segment) {
            (Layout::Tall, _) => {
                let item = self.item_parts()?;
                parts.extend(item.iter().flatten().cloned());
                item.is_some()
            }
            (Layout::Wide, None) => true,
            (Layout::Wide, Some(_)) if self.order.is_some() => {
                let row = wide::row_key_of(self.mapping, self.target, self.key, self.order)?;
                parts.push(("segment", row[prefix.len()..].to_vec()));
                true
            }
            (Layout::Wide, Some(_)) => false,
        };
        Ok(KeyBytes { parts, is_whole })
    }

    /// The qualifier of a wide item.
    fn cell(&self) -> Result<Option<KeyBytes>, SinkError> {
        Ok(self.item_parts()?.map(|parts| KeyBytes { parts, is_whole: true }))
    }

    /// Order and item; `None` while one is missing.
    fn item_parts(&self) -> Result<Option<Vec<Part>>, SinkError> {
        let (Some(item), true) = (self.item, self.missing().is_empty()) else { return Ok(None) };
        let mut parts = Vec::new();
        if let (Some(order_key), Some(order)) = (self.ordered(), self.order) {
            let direction = if order_key.descending { Direction::Descending } else { Direction::Ascending };
            let mut part = Vec::new();
            encode::push_part(self.mapping, order_key.column, order, direction, &mut part)?;
            parts.push(("order", part));
        }
        parts.push(("item", encode::key_parts_of(self.mapping, &self.mapping.item, item)?));
        Ok(Some(parts))
    }
}

impl KeyBytes {
    /// `before` stands before the bytes where the HBase shell takes them.
    fn render(&self, name: &str, before: &str, text: &mut String) {
        let hex: Vec<String> = self.parts.iter().map(|(_, bytes)| hex::encode(bytes)).collect();
        let names: Vec<&str> = self.parts.iter().map(|(name, _)| *name).collect();
        let whole: Vec<u8> = self.parts.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        let label = if self.is_whole { name } else { "prefix" };
        let _ = writeln!(text, "  parts    {}", names.join(" + "));
        let _ = writeln!(text, "  {label:<7}  {}", hex.join(" "));
        let _ = writeln!(text, "  shell    \"{before}{}\"", shell_form(&whole));
    }
}

/// Bytes as the HBase shell takes them between double quotes: what is not a plain letter or digit as
/// `\xHH`. Letters and digits cannot be read as part of an escape, which has exactly two.
fn shell_form(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.:/".contains(byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CellForm, Column, ColumnType, Layout, OrderKey, TargetId, ValueEncoding};
    use std::sync::Arc;

    /// DESIGN section 5's vector: followee, follower, created_at descending, 16 buckets; and a
    /// membership target without the order.
    fn followers() -> Mapping {
        let id = ColumnType::Integer { bytes: 8, unsigned: true };
        let mut mapping = keys::tests::mapping("followers", vec![id]);
        let schema = Arc::make_mut(&mut mapping.schema);
        schema.columns.push(Column {
            name: "created_at".to_owned(),
            column_type: ColumnType::DateTime { fraction: 3 },
            nullable: false,
            declared: "datetime(3)".to_owned(),
            virtual_generated: false,
        });
        mapping.order = Some(OrderKey { column: 2, descending: true });
        let target = |id, table: &str, ordered| Target {
            id: TargetId(id),
            table: table.to_owned(),
            family: "f".to_owned(),
            layout: Layout::Tall,
            form: CellForm::Columns,
            columns: vec![2],
            values: ValueEncoding::Utf8,
            salt_buckets: 16,
            ordered,
            segment: None,
            counted: false,
        };
        mapping.targets = vec![target(0, "followers", true), target(1, "members", false)];
        mapping
    }

    fn args(item: Option<&str>, order: Option<&str>) -> KeyArgs {
        KeyArgs {
            mapping: "followers".to_owned(),
            key: "7".to_owned(),
            item: item.map(str::to_owned),
            order: order.map(str::to_owned),
        }
    }

    #[test]
    fn an_item_with_its_order_value_has_the_row_keys_of_the_design() {
        let text = render(&followers(), &args(Some("42"), Some("2024-01-01 00:00:00.123"))).unwrap();
        assert_eq!(
            text,
            r#"list key   0000000000000007
lease      tf1:followers:a3eb8db89fc5123ccfd49585059f292b

target     followers, family f
  parts    salt + list key + order + item
  row key  0a 0000000000000007 7ff9f228efdcff87 000000000000002a
  shell    "\x0A\x00\x00\x00\x00\x00\x00\x00\x07\x7F\xF9\xF2\x28\xEF\xDC\xFF\x87\x00\x00\x00\x00\x00\x00\x00\x2A"

target     members, family f
  parts    salt + list key + item
  row key  0a 0000000000000007 000000000000002a
  shell    "\x0A\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x2A"
"#
        );
    }

    /// By segments of 30 days, without them, and without order.
    fn wide() -> Mapping {
        let mapping = followers();
        let wide = |id, table: &str, ordered, segment| Target {
            id: TargetId(id),
            table: table.to_owned(),
            layout: Layout::Wide,
            form: CellForm::Msgpack,
            ordered,
            segment,
            ..mapping.targets[0].clone()
        };
        let month = 30 * 86_400 * 1_000_000;
        let targets = vec![
            wide(0, "months", true, Some(month)),
            wide(1, "whole", true, None),
            wide(2, "has", false, None),
        ];
        Mapping { targets, ..mapping }
    }

    #[test]
    fn a_wide_item_has_a_row_and_a_cell() {
        let text = render(&wide(), &args(Some("42"), Some("2024-01-01 00:00:00.123"))).unwrap();
        let (_, targets) = text.split_once("\n\n").unwrap();
        assert_eq!(
            targets,
            r#"target     months, family f
  parts    salt + list key + segment
  row key  0a 0000000000000007 7ffffffffffffd6e
  shell    "\x0A\x00\x00\x00\x00\x00\x00\x00\x07\x7F\xFF\xFF\xFF\xFF\xFF\xFDn"
  parts    order + item
  cell     7ff9f228efdcff87 000000000000002a
  shell    "f:\x7F\xF9\xF2\x28\xEF\xDC\xFF\x87\x00\x00\x00\x00\x00\x00\x00\x2A"

target     whole, family f
  parts    salt + list key
  row key  0a 0000000000000007
  shell    "\x0A\x00\x00\x00\x00\x00\x00\x00\x07"
  parts    order + item
  cell     7ff9f228efdcff87 000000000000002a
  shell    "f:\x7F\xF9\xF2\x28\xEF\xDC\xFF\x87\x00\x00\x00\x00\x00\x00\x00\x2A"

target     has, family f
  parts    salt + list key
  row key  0a 0000000000000007
  shell    "\x0A\x00\x00\x00\x00\x00\x00\x00\x07"
  parts    item
  cell     000000000000002a
  shell    "f:\x00\x00\x00\x00\x00\x00\x00\x2A"
"#
        );
    }

    #[test]
    fn what_is_printed_is_what_the_layouts_write() {
        let micros = crate::model::DateTime::from_micros_since_epoch(1_704_067_200_123_000);
        let order = Value::DateTime(micros);
        for mapping in [followers(), wide()] {
            let text = render(&mapping, &args(Some("42"), Some("2024-01-01 00:00:00.123"))).unwrap();
            for target in &mapping.targets {
                let (key, item) = ([Value::UInt(7)], [Value::UInt(42)]);
                let address =
                    layout::Codec::of(&mapping, target).address_of(&key, Some(&order), &item).unwrap();
                let (_, own) = text.split_once(&format!("target     {},", target.table)).unwrap();
                assert!(own.contains(&format!("\"{}\"\n", shell_form(&address.row))), "{}", target.table);
                if let Some(cell) = address.cell {
                    assert!(own.contains(&format!("\"f:{}\"\n", shell_form(&cell))), "{}", target.table);
                }
            }
        }
    }

    #[test]
    fn without_item_or_order_the_prefix_is_printed_and_what_is_missing() {
        let prefix = "  prefix   0a 0000000000000007\n";
        let list = render(&followers(), &args(None, None)).unwrap();
        assert_eq!(list.matches(prefix).count(), 2);
        assert_eq!(list.matches("(give ITEM and --order VALUE for a whole row key)").count(), 1);
        assert_eq!(list.matches("(give ITEM for a whole row key)").count(), 1);
        let item = render(&followers(), &args(Some("42"), None)).unwrap();
        assert_eq!(item.matches("(give --order VALUE for a whole row key)").count(), 1);
        assert!(item.contains("  row key  0a 0000000000000007 000000000000002a\n"));
    }

    #[test]
    fn a_wide_row_is_whole_without_item_unless_it_has_segments() {
        let list = render(&wide(), &args(None, None)).unwrap();
        assert_eq!(list.matches("  prefix   0a 0000000000000007\n").count(), 1);
        assert_eq!(list.matches("  row key  0a 0000000000000007\n").count(), 2);
        assert_eq!(list.matches("(give ITEM and --order VALUE for a whole row key and the cell)").count(), 1);
        assert_eq!(list.matches("(give ITEM and --order VALUE for the cell)").count(), 1);
        assert_eq!(list.matches("(give ITEM for the cell)").count(), 1);
        let item = render(&wide(), &args(Some("42"), None)).unwrap();
        assert_eq!(item.matches("(give --order VALUE for").count(), 2);
        assert_eq!(item.matches("  cell     000000000000002a\n").count(), 1);
    }

    #[test]
    fn an_order_value_for_a_mapping_without_order_is_a_usage_error() {
        let mapping = Mapping { order: None, ..followers() };
        let failure = render(&mapping, &args(Some("42"), Some("1"))).unwrap_err();
        assert_eq!(
            (failure.exit, failure.error.to_string().as_str()),
            (Exit::Usage, "--order: mapping followers has no `order`")
        );
    }
}
