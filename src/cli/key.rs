//! `tailfill key`: the bytes of a list's or an item's keys.

use super::args::KeyArgs;
use super::{keys, usage};
use crate::config::Config;
use crate::error::Exit;
use crate::failure::Failure;
use crate::lock::{LeaseKey, ListId};
use crate::model::{Mapping, Target, Value};
use crate::sink::encode::{self, Direction};
use crate::sink::{SinkError, layout};
use std::fmt::Write as _;

pub async fn key(config: &Config, args: KeyArgs) -> Result<Exit, Failure> {
    let mapping = super::mapping(config, &args.mapping).await?;
    super::print(&render(&mapping, &args)?)?;
    Ok(Exit::Done)
}

/// The lease key, and for each target its row key, or as much of it as the arguments say.
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
        let parts = Parts::of(mapping, target, &list_key, item.as_deref(), order.as_ref());
        parts.map_err(unencodable)?.render(target, &mut text);
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

/// A row key, or its beginning, part by part.
struct Parts {
    /// (name, bytes), in the order of the row key.
    parts: Vec<(&'static str, Vec<u8>)>,
    /// What is missing for a whole row key.
    missing: Option<&'static str>,
}

impl Parts {
    fn of(
        mapping: &Mapping,
        target: &Target,
        list_key: &[u8],
        item: Option<&[Value]>,
        order: Option<&Value>,
    ) -> Result<Parts, SinkError> {
        let prefix = layout::list_prefix(target, list_key);
        let (salt, list_key) = prefix.split_at(1);
        let mut parts = vec![("salt", salt.to_vec()), ("list key", list_key.to_vec())];
        let Some(item) = item else { return Ok(Parts { parts, missing: Some("ITEM") }) };
        if let Some(order_key) = mapping.order.filter(|_| target.ordered) {
            let Some(order) = order else { return Ok(Parts { parts, missing: Some("--order VALUE") }) };
            let direction = if order_key.descending { Direction::Descending } else { Direction::Ascending };
            let mut part = Vec::new();
            encode::push_part(mapping, order_key.column, order, direction, &mut part)?;
            parts.push(("order", part));
        }
        parts.push(("item", encode::key_parts_of(mapping, &mapping.item, item)?));
        Ok(Parts { parts, missing: None })
    }

    fn render(&self, target: &Target, text: &mut String) {
        let hex: Vec<String> = self.parts.iter().map(|(_, bytes)| hex::encode(bytes)).collect();
        let names: Vec<&str> = self.parts.iter().map(|(name, _)| *name).collect();
        let whole: Vec<u8> = self.parts.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        let label = if self.missing.is_some() { "prefix " } else { "row key" };
        let _ = writeln!(text, "\ntarget     {}, family {}", target.table, target.family);
        let _ = writeln!(text, "  parts    {}", names.join(" + "));
        let _ = writeln!(text, "  {label}  {}", hex.join(" "));
        let _ = writeln!(text, "  shell    {}", shell_form(&whole));
        if let Some(missing) = self.missing {
            let _ = writeln!(text, "  (give {missing} for a whole row key)");
        }
    }
}

/// Bytes as the HBase shell takes them: in double quotes, what is not a plain letter or digit as
/// `\xHH`. Letters and digits cannot be read as part of an escape, which has exactly two.
fn shell_form(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.:/".contains(byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text.push('"');
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

    #[test]
    fn what_is_printed_as_a_row_key_is_what_the_layout_writes() {
        let mapping = followers();
        let micros = crate::model::DateTime::from_micros_since_epoch(1_704_067_200_123_000);
        let order = Value::DateTime(micros);
        let text = render(&mapping, &args(Some("42"), Some("2024-01-01 00:00:00.123"))).unwrap();
        for target in &mapping.targets {
            let row = crate::sink::tall::row_key_of(
                &mapping,
                target,
                &[Value::UInt(7)],
                Some(&order),
                &[Value::UInt(42)],
            )
            .unwrap();
            assert!(text.contains(&shell_form(&row)), "{}", target.table);
        }
    }

    #[test]
    fn without_item_or_order_the_prefix_is_printed_and_what_is_missing() {
        let prefix = "  prefix   0a 0000000000000007\n";
        let list = render(&followers(), &args(None, None)).unwrap();
        assert_eq!(list.matches(prefix).count(), 2);
        assert_eq!(list.matches("(give ITEM for a whole row key)").count(), 2);
        let item = render(&followers(), &args(Some("42"), None)).unwrap();
        assert_eq!(item.matches("(give --order VALUE for a whole row key)").count(), 1);
        assert!(item.contains("  row key  0a 0000000000000007 000000000000002a\n"));
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
