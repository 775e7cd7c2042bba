//! Random tables, the mappings of them, and the configuration that says so.

use super::column::{Column, Kind, quoted};
use super::repertoire::Repertoire;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use serde_json::to_string as toml_text;

/// A mapped table as the hunt believes it to be; statements that succeed change it.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    /// Literals that rows are made of, by column of the key and the item: few, so that rows meet.
    pub pools: Vec<(String, Vec<String>)>,
    /// Behind the columns in CREATE TABLE.
    pub keys: String,
    /// Indexes that were added.
    pub indexes: Vec<String>,
    /// A target has no form for a date that names no day.
    pub only_days: bool,
}

#[derive(Clone, Debug)]
pub struct Mapping {
    pub name: String,
    pub table: String,
    pub key: Vec<String>,
    pub item: Vec<String>,
    pub order: Option<(String, bool)>,
    pub targets: Vec<Target>,
    /// All columns but those of key and item when the targets were begun.
    pub begun: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    Columns,
    Msgpack,
    Json,
    /// One column alone, by its place in the mapping's columns.
    Alone,
}

#[derive(Clone, Debug)]
pub struct Target {
    pub table: String,
    pub wide: bool,
    pub columns: Option<Vec<String>>,
    pub form: Form,
    pub alone: Option<String>,
    pub bytes: bool,
    pub salt: u32,
    pub ordered: bool,
    /// As the file says it, and in numbers or microseconds.
    pub segment: Option<(String, i128)>,
    pub counted: bool,
}

const TABLE_NAMES: [&str; 10] = [
    "follows",
    "Größe der Liste",
    "Order Items",
    "t_ÄÖ",
    "日本の表",
    "select",
    "a-b",
    "x  y",
    "UPPER",
    "it's",
];
const COLUMN_NAMES: [&str; 24] = [
    "id",
    "Follower Id",
    "größe",
    "ORDER",
    "note",
    "a b",
    "x-y",
    "UPPER",
    "naïve",
    "quo'te",
    "dq\"x",
    "日時",
    "c%d",
    "name",
    "table",
    "from",
    "Ünïcode",
    "z1",
    "z2",
    "z3",
    "z4",
    "z5",
    "z6",
    "z7",
];

/// A name that the table has not, as MySQL compares names.
pub fn fresh_name(taken: &[Column], dice: &mut StdRng) -> String {
    let is_free =
        |name: &&&str| !taken.iter().any(|column| column.name.to_lowercase() == name.to_lowercase());
    let free: Vec<&&str> = COLUMN_NAMES.iter().filter(is_free).collect();
    free.choose(dice).map_or_else(|| format!("n{}", dice.random::<u32>()), |name| (**name).to_owned())
}

impl Table {
    /// A random one, and what it is moved to.
    pub fn random(repertoire: &Repertoire, used: &[String], dice: &mut StdRng) -> (Table, Mapping) {
        let free: Vec<&&str> =
            TABLE_NAMES.iter().filter(|name| !used.iter().any(|used| used == **name)).collect();
        let name = (**free.choose(dice).expect("a round has fewer tables than names")).to_owned();
        let (keys, items) = (dice.random_range(1..=2), dice.random_range(1..=2));
        let ordered = dice.random_ratio(2, 3);
        let values = dice.random_range(2..7);
        let mut columns: Vec<Column> = Vec::new();
        for place in 0..keys + items + usize::from(ordered) + values {
            let is_key = place < keys + items + usize::from(ordered);
            let kind = match place {
                _ if place < keys + items => Kind::for_key(repertoire, dice),
                _ if is_key => Kind::for_order(dice),
                _ => Kind::random(repertoire, dice),
            };
            let nullable = !is_key && dice.random_ratio(2, 3);
            columns.push(Column {
                name: fresh_name(&columns, dice),
                kind,
                nullable,
                generated: None,
                is_key,
            });
        }
        let names = |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        let (key, item) = (names(&columns[..keys]), names(&columns[keys..keys + items]));
        let order = ordered.then(|| (columns[keys + items].name.clone(), dice.random()));
        let pools = columns[..keys + items].iter().enumerate().map(|(place, column)| {
            let size = if place < keys { 4 } else { 12 };
            let pool = (0..size).map(|_| column.kind.literal(repertoire, true, dice)).collect();
            (column.name.clone(), pool)
        });
        let pools = pools.collect();
        if dice.random_ratio(1, 3) {
            let generated = generated(&columns, dice);
            columns.push(generated);
        }
        columns.shuffle(dice);
        let keys = primary_key(&key, &item, &mut columns, dice);
        let mut mapping = Mapping {
            name: String::new(),
            table: name.clone(),
            key,
            item,
            order,
            targets: Vec::new(),
            begun: Vec::new(),
        };
        mapping.begun = mapping.begun_with(&columns);
        (Table { name, columns, pools, keys, indexes: Vec::new(), only_days: false }, mapping)
    }

    pub fn create(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|column| self.definition(column)).collect();
        format!("CREATE TABLE {} ({}, {})", quoted(&self.name), columns.join(", "), self.keys)
    }

    fn definition(&self, column: &Column) -> String {
        match column.name == "auto number" {
            true => "`auto number` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT".to_owned(),
            false => column.definition(),
        }
    }

    /// Columns that a statement may give values.
    pub fn writable(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.generated.is_none() && column.name != "auto number")
    }

    /// Columns that are in no key.
    pub fn others(&self) -> Vec<usize> {
        let other = |column: &Column| !column.is_key && column.name != "auto number";
        (0..self.columns.len()).filter(|place| other(&self.columns[*place])).collect()
    }

    pub fn value(&self, column: &Column, repertoire: &Repertoire, dice: &mut StdRng) -> String {
        match self.pools.iter().find(|(name, _)| *name == column.name) {
            Some((_, pool)) => pool.choose(dice).expect("pools are not empty").clone(),
            None => column.value(repertoire, self.only_days, dice),
        }
    }
}

/// A STORED column of an expression of another one.
pub fn generated(columns: &[Column], dice: &mut StdRng) -> Column {
    let of = &columns.choose(dice).expect("a table has columns").name;
    let (kind, expression) = match dice.random_range(0..3) {
        0 => (Kind::Integer { bytes: 8, unsigned: false }, format!("IFNULL(LENGTH({}), -1)", quoted(of))),
        1 => (Kind::Integer { bytes: 8, unsigned: true }, format!("CRC32(IFNULL({}, ''))", quoted(of))),
        _ => (
            Kind::Text { sql: "VARCHAR(40)".into(), most: 40, charset: "utf8mb4".into(), collation: None },
            format!("HEX(LEFT(IFNULL({}, 'none'), 5))", quoted(of)),
        ),
    };
    Column {
        name: fresh_name(columns, dice),
        kind,
        nullable: true,
        generated: Some(expression),
        is_key: false,
    }
}

/// A unique index over key and item in some order, alone or beside an own number.
fn primary_key(key: &[String], item: &[String], columns: &mut Vec<Column>, dice: &mut StdRng) -> String {
    let mut names: Vec<String> = key.iter().chain(item).map(|name| quoted(name)).collect();
    if dice.random_ratio(1, 3) {
        names.shuffle(dice);
    }
    if dice.random_ratio(4, 5) {
        return format!("PRIMARY KEY ({})", names.join(", "));
    }
    let kind = Kind::Integer { bytes: 8, unsigned: true };
    columns.insert(
        0,
        Column { name: "auto number".into(), kind, nullable: false, generated: None, is_key: false },
    );
    format!("PRIMARY KEY (`auto number`), UNIQUE KEY `by item` ({})", names.join(", "))
}

impl Mapping {
    /// All columns but those of key and item.
    pub fn begun_with(&self, columns: &[Column]) -> Vec<String> {
        let is_value = |name: &&String| !self.key.contains(name) && !self.item.contains(name);
        columns.iter().map(|column| &column.name).filter(is_value).cloned().collect()
    }

    pub fn add_targets(&mut self, columns: &[Column], prefix: &str, dice: &mut StdRng) {
        for number in 0..dice.random_range(1..=3) {
            let table = format!("{prefix}_{number}");
            let target = self.target(table, columns, dice);
            self.targets.push(target);
        }
    }

    fn target(&self, table: String, columns: &[Column], dice: &mut StdRng) -> Target {
        let wide = dice.random();
        let mut chosen = self.begun.clone();
        chosen.shuffle(dice);
        chosen.truncate(dice.random_range(0..=chosen.len()));
        let named = dice.random::<bool>().then_some(chosen);
        let form = match dice.random_range(0..if wide { 3 } else { 5 }) {
            0 => Form::Msgpack,
            1 => Form::Json,
            2 => Form::Alone,
            _ => Form::Columns,
        };
        let alone = (form == Form::Alone).then(|| self.begun.choose(dice).expect("there are values").clone());
        let ordered = self.order.is_some() && dice.random_ratio(3, 4);
        let order = self.order.as_ref().filter(|_| ordered && wide && dice.random());
        let segment = order.map(|(name, _)| {
            let column = columns.iter().find(|column| column.name == *name).expect("the order is a column");
            match column.kind {
                Kind::Integer { .. } => ("10".to_owned(), 10),
                _ => ("\"30d\"".to_owned(), 30 * 86_400_000_000),
            }
        });
        let bytes = matches!(form, Form::Alone | Form::Columns) && dice.random();
        let counted = wide && dice.random_ratio(1, 3);
        Target {
            table,
            wide,
            columns: if form == Form::Alone { None } else { named },
            form,
            alone,
            bytes,
            salt: *[1, 2, 3].choose(dice).expect("three"),
            ordered,
            segment,
            counted,
        }
    }

    /// Columns that the values of a target are made of, in order.
    pub fn columns_of<'a>(&'a self, target: &'a Target) -> Vec<&'a String> {
        match (&target.alone, &target.columns) {
            (Some(alone), _) => vec![alone],
            (None, Some(columns)) => columns.iter().collect(),
            (None, None) => self.begun.iter().collect(),
        }
    }

    /// Its part of the configuration.
    pub fn toml(&self, database: &str) -> String {
        let list = |names: &[String]| toml_text(names).expect("names are text");
        let table = toml_text(&format!("{database}.{}", self.table)).expect("a name is text");
        let mut text = format!(
            "[[mapping]]\nname = \"{}\"\ntable = {table}\nkey = {}\nitem = {}\n",
            self.name,
            list(&self.key),
            list(&self.item)
        );
        if let Some((name, descending)) = &self.order {
            let name = toml_text(name).expect("a name is text");
            text += &format!("order = {{ by = {name}, descending = {descending} }}\n");
        }
        self.targets.iter().for_each(|target| text += &self.target_toml(target));
        text
    }

    fn target_toml(&self, target: &Target) -> String {
        let mut text = format!(
            "[[mapping.target]]\ntable = \"{}\"\nlayout = \"{}\"\nsalt_buckets = {}\n",
            target.table,
            if target.wide { "wide" } else { "tall" },
            target.salt
        );
        if let Some(columns) = &target.columns {
            text += &format!("columns = {}\n", toml_text(columns).expect("names are text"));
        }
        match target.form {
            Form::Msgpack => text += "value = \"msgpack\"\n",
            Form::Json => text += "value = \"json\"\n",
            Form::Alone => {
                text += &format!("value_column = {}\n", toml_text(&target.alone).expect("a name is text"))
            }
            Form::Columns => {}
        }
        if target.bytes {
            text += "values = \"bytes\"\n";
        }
        if self.order.is_some() {
            text += &format!("ordered = {}\n", target.ordered);
        }
        if let Some((width, _)) = &target.segment {
            text += &format!("segment = {width}\n");
        }
        if target.counted {
            text += "count = true\n";
        }
        text
    }
}
