//! What a scenario moves: its mappings with their targets, in words of config/example.toml.

use super::shape::{Column, Shape};
use tailfill::model::{CellForm, Layout, Target, TargetId, ValueEncoding};

/// One `[[mapping]]`: the lists that a table is taken for.
#[derive(Clone)]
pub struct Lists {
    pub name: &'static str,
    pub shape: &'static Shape,
    pub targets: Vec<Form>,
}

/// What the cells of an item hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// A cell for each column, as `values` says.
    Columns,
    Msgpack,
    Json,
    /// The value of this column alone, as `values` says.
    Column(&'static str),
}

/// How `segment` is configured, and how wide that is in units of the order column.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub configured: &'static str,
    pub width: u64,
}

/// One `[[mapping.target]]`.
#[derive(Clone, Debug)]
pub struct Form {
    /// The end of the HBase table's name, of its own among the targets of a scenario.
    pub name: &'static str,
    pub wide: bool,
    pub cells: Cells,
    /// `values = "bytes"`.
    pub bytes: bool,
    pub salt: u16,
    pub ordered: bool,
    pub segment: Option<Segment>,
    /// `None`: all but those of key and item.
    pub columns: Option<Vec<&'static str>>,
    pub counted: bool,
}

const BUCKETS: u16 = 4;

impl Form {
    pub fn tall(name: &'static str) -> Form {
        Form {
            name,
            wide: false,
            cells: Cells::Columns,
            bytes: false,
            salt: BUCKETS,
            ordered: true,
            segment: None,
            columns: None,
            counted: false,
        }
    }

    pub fn wide(name: &'static str, cells: Cells) -> Form {
        Form { wide: true, cells, ..Form::tall(name) }
    }

    pub fn packed(self, cells: Cells) -> Form {
        Form { cells, ..self }
    }

    pub fn bytes(self) -> Form {
        Form { bytes: true, ..self }
    }

    pub fn salted(self, salt: u16) -> Form {
        Form { salt, ..self }
    }

    pub fn without_order(self) -> Form {
        Form { ordered: false, ..self }
    }

    pub fn segmented(self, configured: &'static str, width: u64) -> Form {
        Form { segment: Some(Segment { configured, width }), ..self }
    }

    pub fn columns(self, columns: &[&'static str]) -> Form {
        Form { columns: Some(columns.to_vec()), ..self }
    }

    pub fn counted(self) -> Form {
        Form { counted: true, ..self }
    }

    /// The columns whose values an item's cells hold, in configured order.
    pub fn columns_of(&self, shape: &Shape) -> Vec<Column> {
        match (self.cells, &self.columns) {
            (Cells::Column(name), _) => vec![shape.column(name)],
            (_, Some(names)) => names.iter().map(|name| shape.column(name)).collect(),
            (_, None) => shape.other_columns(),
        }
    }

    fn config(&self, table: &str) -> String {
        let Form { wide, cells, bytes, salt, ordered, segment, columns, counted, .. } = self;
        let layout = if *wide { "wide" } else { "tall" };
        let mut text =
            format!("[[mapping.target]]\ntable = \"{table}\"\nlayout = \"{layout}\"\nfamily = \"f\"\n");
        text += &match cells {
            Cells::Columns => String::new(),
            Cells::Msgpack => "value = \"msgpack\"\n".to_owned(),
            Cells::Json => "value = \"json\"\n".to_owned(),
            Cells::Column(name) => format!("value_column = \"{name}\"\n"),
        };
        if matches!(cells, Cells::Columns | Cells::Column(_)) {
            text += &format!("values = \"{}\"\n", if *bytes { "bytes" } else { "utf8" });
        }
        text += &format!("salt_buckets = {salt}\nordered = {ordered}\n");
        text += &segment.map_or(String::new(), |segment| format!("segment = {}\n", segment.configured));
        text += &columns.as_ref().map_or(String::new(), |columns| format!("columns = {columns:?}\n"));
        text + if *counted { "count = true\n" } else { "" }
    }

    /// The target, as far as reading its table goes.
    pub fn to_read(&self, id: usize, table: String) -> Target {
        Target {
            id: TargetId(u16::try_from(id).expect("a few targets")),
            table,
            family: "f".into(),
            layout: if self.wide { Layout::Wide } else { Layout::Tall },
            form: CellForm::Columns,
            columns: Vec::new(),
            values: ValueEncoding::Utf8,
            salt_buckets: self.salt,
            ordered: self.ordered,
            segment: None,
            counted: self.counted,
        }
    }
}

impl Lists {
    /// In order, and for membership: what most tests move.
    pub fn of(shape: &'static Shape) -> Lists {
        let names = |columns: &[Column]| columns.iter().map(|column| column.name).collect::<Vec<_>>();
        let values = names(shape.values);
        let in_order = [values.clone(), vec![shape.order.name], names(shape.automatic)].concat();
        let targets =
            vec![Form::tall("o").columns(&in_order), Form::tall("m").columns(&values).without_order()];
        Lists { name: "lists", shape, targets }
    }

    /// The mapping as a configuration says it; `hbase` gives the HBase table of a target.
    pub fn config(&self, table: &str, hbase: impl Fn(&Form) -> String) -> String {
        let names = |columns: &[Column]| columns.iter().map(|column| column.name).collect::<Vec<_>>();
        let Shape { key, item, order, descending, .. } = self.shape;
        let mut text = format!(
            "[[mapping]]\nname = \"{}\"\ntable = \"{table}\"\nkey = {:?}\nitem = {:?}\n\
             order = {{ by = \"{}\", descending = {descending} }}\n",
            self.name,
            names(key),
            names(item),
            order.name,
        );
        self.targets.iter().for_each(|form| text += &form.config(&hbase(form)));
        text
    }
}
