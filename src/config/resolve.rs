//! From names to columns: a checked configuration matched with the source's tables.

use super::checked::{Config, Mapping, SegmentWidth, Target};
use super::fault::{Fault, Faults, likely};
use super::units::print_duration;
use crate::model::{self, ColumnType, MappingId, OrderKey, TableId, TableName, TableSchema, TargetId};
use crate::sink::condition::is_moment;
use crate::sink::encode::can_be_key;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The columns that copies were begun with, by mapping and `table/family`: those are a target's columns as long as the file
/// names none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begun(BTreeMap<(String, String), Vec<String>>);

impl Begun {
    /// Notes the columns of a copy, by name. The first that is noted counts.
    pub fn note(&mut self, mapping: &str, target: &str, columns: Vec<String>) {
        self.0.entry((mapping.to_owned(), target.to_owned())).or_insert(columns);
    }

    fn of(&self, mapping: &str, target: &Target) -> Option<&[String]> {
        let key = (mapping.to_owned(), format!("{}/{}", target.table, target.family));
        self.0.get(&key).map(Vec::as_slice)
    }

    /// Whether a copy was begun.
    pub fn has(&self, mapping: &str, table: &str, family: &str) -> bool {
        self.0.contains_key(&(mapping.to_owned(), format!("{table}/{family}")))
    }
}

impl Config {
    /// The mappings with their columns found: [`TableId`] is the table's place in the order of first
    /// mention (two spellings of one name are one table), [`MappingId`] the mapping's place in the file, [`TargetId`] rises over
    /// the targets of all mappings.
    ///
    /// # Errors
    /// Every fault at once: a table or column that is not there; a virtual generated column; a
    /// column of key, item or order that is nullable or of a type that has no key encoding
    /// (DESIGN section 5).
    pub fn resolve(
        &self,
        schemas: &BTreeMap<TableName, Arc<TableSchema>>,
        begun: &Begun,
    ) -> Result<Vec<model::Mapping>, Faults> {
        let mut faults = Vec::new();
        let mut next_target = 0;
        let mut resolved = Vec::new();
        let mut stored: Vec<&TableName> = Vec::new();
        for (index, mapping) in self.mappings.iter().enumerate() {
            let path = format!("mapping[{index}]");
            let Some(schema) = schemas.get(&mapping.table) else {
                faults.push(missing_table(&path, mapping, schemas));
                continue;
            };
            let mut columns = Columns { schema, begun, path, faults: &mut faults };
            let mut found = columns.mapping(mapping, &mut next_target);
            found.id = MappingId(small(index));
            let known = stored.iter().position(|name| **name == schema.name);
            found.table = TableId(small(known.unwrap_or(stored.len())));
            if known.is_none() {
                stored.push(&schema.name);
            }
            resolved.push(found);
        }
        if faults.is_empty() { Ok(resolved) } else { Err(Faults(faults)) }
    }
}

/// A place in a list of the configuration, which is far shorter than 65,536.
fn small(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

fn missing_table(path: &str, mapping: &Mapping, schemas: &BTreeMap<TableName, Arc<TableSchema>>) -> Fault {
    let given = mapping.table.to_string();
    let names: Vec<String> = schemas.keys().map(TableName::to_string).collect();
    let hint = likely(&given, names.iter().map(String::as_str));
    let hint = hint.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    let rule = format!("is not a table of the source, or the user of source.url may not see it{hint}");
    Fault { line: None, path: format!("{path}.table"), given: Some(format!("{given:?}")), rule }
}

/// Looks columns of one mapping up, and collects what is wrong with them.
struct Columns<'a> {
    schema: &'a Arc<TableSchema>,
    begun: &'a Begun,
    path: String,
    faults: &'a mut Vec<Fault>,
}

impl Columns<'_> {
    fn mapping(&mut self, mapping: &Mapping, next_target: &mut usize) -> model::Mapping {
        let key = self.key_columns("key", &mapping.key);
        let item = self.key_columns("item", &mapping.item);
        let order = mapping.order.as_ref().and_then(|order| {
            let column = self.key_column("order.by", &order.by)?;
            Some(OrderKey { column, descending: order.descending })
        });
        let mut targets = Vec::new();
        for (index, target) in mapping.targets.iter().enumerate() {
            let columns = match (&target.columns, self.begun.of(&mapping.name, target)) {
                (None, Some(begun)) => self.begun(begun, &key, &item),
                _ => self.cells(index, target, &key, &item),
            };
            let segment = target.segment.and_then(|width| self.segment(index, width, order));
            targets.push(model::Target {
                id: TargetId(small(*next_target)),
                table: target.table.clone(),
                family: target.family.clone(),
                layout: target.layout,
                columns,
                form: target.form,
                values: target.values,
                salt_buckets: target.salt_buckets,
                ordered: target.ordered,
                segment,
                counted: target.counted,
            });
            *next_target += 1;
        }
        model::Mapping {
            id: MappingId(0),
            name: mapping.name.clone(),
            table: TableId(0),
            schema: Arc::clone(self.schema),
            key,
            item,
            order,
            targets,
        }
    }

    fn key_columns(&mut self, key: &str, names: &[String]) -> Vec<usize> {
        let mut found = Vec::new();
        for (index, name) in names.iter().enumerate() {
            found.extend(self.key_column(&format!("{key}[{index}]"), name));
        }
        found
    }

    /// A column that can be a part of a row key.
    fn key_column(&mut self, key: &str, name: &str) -> Option<usize> {
        let index = self.column(key, name)?;
        let column = &self.schema.columns[index];
        let declared = &column.declared;
        if !can_be_key(&column.column_type) {
            let rule = format!(
                "cannot be part of a key: its type is {declared} (allowed: integers, strings, binary strings, DATE, \
                 DATETIME and TIMESTAMP)"
            );
            self.fault(key, name, rule);
        }
        if column.nullable {
            let rule = format!("cannot be part of a key: it can be NULL ({declared}); declare it NOT NULL");
            self.fault(key, name, rule);
        }
        Some(index)
    }

    /// The columns that a copy was begun with, as far as they are still there: one that is gone makes another definition
    /// of the target, which is found by comparing.
    fn begun(&self, names: &[String], key: &[usize], item: &[usize]) -> Vec<usize> {
        let there = names.iter().filter_map(|name| self.schema.column_index(name));
        let in_every_image = |index: &usize| !self.schema.columns[*index].virtual_generated;
        let is_cell = |index: &usize| !key.contains(index) && !item.contains(index);
        there.filter(in_every_image).filter(is_cell).collect()
    }

    /// The columns that become cells of a target.
    fn cells(&mut self, index: usize, target: &Target, key: &[usize], item: &[usize]) -> Vec<usize> {
        let Some(names) = &target.columns else {
            let all = 0..self.schema.columns.len();
            let cells: Vec<usize> =
                all.filter(|column| !key.contains(column) && !item.contains(column)).collect();
            for name in cells.iter().map(|cell| &self.schema.columns[*cell]).filter(|c| c.virtual_generated) {
                let rule =
                    "is a virtual generated column, and the binlog may lack it: name the other columns here"
                        .to_owned();
                let path = format!("{}.target[{index}].columns", self.path);
                let given = Some(format!("{:?}", name.name));
                self.faults.push(Fault { line: None, path, given, rule });
            }
            return cells;
        };
        let mut found = Vec::new();
        for (place, name) in names.iter().enumerate() {
            let key = match target.form {
                model::CellForm::Alone => format!("target[{index}].value_column"),
                _ => format!("target[{index}].columns[{place}]"),
            };
            found.extend(self.column(&key, name));
        }
        found
    }

    /// The width of a segment in units of the order column.
    fn segment(&mut self, index: usize, width: SegmentWidth, order: Option<OrderKey>) -> Option<u64> {
        let column = &self.schema.columns[order?.column];
        let moment = is_moment(&column.column_type);
        let whole = matches!(column.column_type, ColumnType::Integer { .. } | ColumnType::Year);
        let (given, rule) = match width {
            SegmentWidth::Units(units) if whole => return Some(units),
            SegmentWidth::Duration(duration) if moment => {
                return Some(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
            }
            SegmentWidth::Units(units) => (units.to_string(), "a date takes a duration, like \"30d\""),
            SegmentWidth::Duration(duration) => {
                (format!("{:?}", print_duration(duration)), "an integer takes a whole number")
            }
        };
        let order = format!("the order column {} is {}", column.name, column.declared);
        let rule = match moment || whole {
            true => format!("does not fit: {order}, and {rule}"),
            false => format!("does not fit: {order}, and only integers and dates have segments"),
        };
        let path = format!("{}.target[{index}].segment", self.path);
        self.faults.push(Fault { line: None, path, given: Some(given), rule });
        None
    }

    /// A column that is there and in every row image.
    fn column(&mut self, key: &str, name: &str) -> Option<usize> {
        let Some(index) = self.schema.column_index(name) else {
            let names = self.schema.columns.iter().map(|column| column.name.as_str());
            let rule = match likely(name, names.clone()) {
                Some(likely) => format!("is not a column of {}; did you mean `{likely}`?", self.schema.name),
                None => {
                    let names: Vec<&str> = names.collect();
                    format!("is not a column of {} (its columns: {})", self.schema.name, names.join(", "))
                }
            };
            self.fault(key, name, rule);
            return None;
        };
        if self.schema.columns[index].virtual_generated {
            self.fault(key, name, "is a virtual generated column, and the binlog may lack it".to_owned());
        }
        Some(index)
    }

    fn fault(&mut self, key: &str, name: &str, rule: String) {
        let path = format!("{}.{key}", self.path);
        self.faults.push(Fault { line: None, path, given: Some(format!("{name:?}")), rule });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Column;
    use std::path::Path;

    const CONFIG: &str = r#"
[source]
url = "mysql://u@h"
server_id = 1
[lease]
kind = "local"
[hbase]
gateways = ["h:1"]
[[mapping]]
name = "followers"
table = "social.follows"
key = ["followee_id"]
item = ["FOLLOWER_id"]
order = { by = "created_at" }
[[mapping.target]]
table = "followers"
[[mapping.target]]
table = "members"
columns = []
ordered = false
[[mapping]]
name = "followees"
table = "social.follows"
key = ["follower_id"]
item = ["followee_id"]
[[mapping.target]]
table = "followees"
columns = ["note", "created_at"]
"#;

    fn column(name: &str, column_type: ColumnType, declared: &str) -> Column {
        let declared = declared.to_owned();
        Column { name: name.to_owned(), column_type, nullable: false, declared, virtual_generated: false }
    }

    fn schemas() -> BTreeMap<TableName, Arc<TableSchema>> {
        let id = ColumnType::Integer { bytes: 8, unsigned: true };
        let text = ColumnType::Text { charset: "utf8mb4".to_owned(), collation: "utf8mb4_bin".to_owned() };
        let double = Column {
            nullable: true,
            virtual_generated: true,
            ..column("score", ColumnType::Double, "double")
        };
        let name = TableName { schema: "social".to_owned(), table: "follows".to_owned() };
        let columns = vec![
            column("follower_id", id.clone(), "bigint unsigned"),
            column("followee_id", id, "bigint unsigned"),
            column("created_at", ColumnType::DateTime { fraction: 3 }, "datetime(3)"),
            Column { nullable: true, ..column("note", text, "varchar(20)") },
            double,
        ];
        let schema =
            TableSchema { name: name.clone(), columns, primary_key: vec![1, 0], unique_keys: vec![] };
        BTreeMap::from([(name, Arc::new(schema))])
    }

    fn resolve(text: &str) -> Result<Vec<model::Mapping>, Faults> {
        let config = crate::config::parse(text, Path::new(""), &|_| None).expect("a configuration");
        config.resolve(&schemas(), &Begun::default())
    }

    #[test]
    fn names_become_indexes_and_ids_rise_over_all_mappings() {
        let text =
            CONFIG.replacen("table = \"followers\"\n", "table = \"followers\"\ncolumns = [\"note\"]\n", 1);
        let mappings = resolve(&text).expect("mappings");
        let [followers, followees] = mappings.as_slice() else { panic!("two mappings") };
        assert_eq!((followers.id, followees.id), (MappingId(0), MappingId(1)));
        assert_eq!((followers.table, followees.table), (TableId(0), TableId(0)));
        assert_eq!((&followers.key, &followers.item), (&vec![1], &vec![0]));
        assert_eq!(followers.order, Some(OrderKey { column: 2, descending: false }));
        let targets: Vec<_> = mappings.iter().flat_map(|m| &m.targets).collect();
        assert_eq!(targets.iter().map(|t| t.id.0).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(targets.iter().map(|t| t.ordered).collect::<Vec<_>>(), [true, false, false]);
        let columns: Vec<_> = targets.iter().map(|t| t.columns.as_slice()).collect();
        assert_eq!(columns, [&[3][..], &[], &[3, 2]]);
    }

    #[test]
    fn default_columns_are_all_but_those_of_key_and_item_and_must_be_in_the_binlog() {
        let faults = resolve(CONFIG).unwrap_err();
        assert_eq!(
            faults.to_string(),
            "mapping[0].target[0].columns = \"score\": is a virtual generated column, and the binlog may lack \
             it: name the other columns here"
        );
    }

    #[test]
    fn the_columns_that_a_copy_was_begun_with_are_its_columns_until_the_file_names_some() {
        let mut begun = Begun::default();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        begun.note("followers", "followers/f", names(&["note", "gone", "created_at"]));
        begun.note("followers", "followers/f", names(&["score"]));
        begun.note("followees", "followees/f", names(&["created_at"]));
        let config = crate::config::parse(CONFIG, Path::new(""), &|_| None).expect("a configuration");
        let mappings = config.resolve(&schemas(), &begun).expect("score is new, and not asked for");
        let targets: Vec<_> = mappings.iter().flat_map(|m| &m.targets).map(|t| t.columns.clone()).collect();
        assert_eq!(targets, [vec![3, 2], vec![], vec![3, 2]]);
    }

    #[test]
    fn everything_that_does_not_fit_the_table_is_said_at_once() {
        let text = CONFIG
            .replacen("\"followee_id\"", "\"followeeid\"", 1)
            .replacen("FOLLOWER_id", "note", 1)
            .replacen("\"created_at\"", "\"score\"", 1)
            .replacen("columns = []", "columns = [\"zebra\"]", 1)
            .replacen("social.follows\"\nkey = [\"follower_id", "social.folows\"\nkey = [\"follower_id", 1)
            .replacen("table = \"followers\"\n", "table = \"followers\"\ncolumns = [\"note\"]\n", 1);
        assert_eq!(
            resolve(&text).unwrap_err().to_string(),
            "mapping[0].key[0] = \"followeeid\": is not a column of social.follows; did you mean `followee_id`?\n\
             mapping[0].item[0] = \"note\": cannot be part of a key: it can be NULL (varchar(20)); declare it NOT NULL\n\
             mapping[0].order.by = \"score\": is a virtual generated column, and the binlog may lack it\n\
             mapping[0].order.by = \"score\": cannot be part of a key: its type is double (allowed: integers, strings, \
             binary strings, DATE, DATETIME and TIMESTAMP)\n\
             mapping[0].order.by = \"score\": cannot be part of a key: it can be NULL (double); declare it NOT NULL\n\
             mapping[0].target[1].columns[0] = \"zebra\": is not a column of social.follows (its columns: follower_id, \
             followee_id, created_at, note, score)\n\
             mapping[1].table = \"social.folows\": is not a table of the source, or the user of source.url may not see \
             it; did you mean social.follows?"
        );
    }
}
