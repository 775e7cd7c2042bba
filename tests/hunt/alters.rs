//! ALTERs of a mapped table, and what the table is like afterwards.

use super::column::{Column, Kind, labels, quoted};
use super::mapping::{Table, fresh_name, generated};
use super::repertoire::Repertoire;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

/// Statements one after the other, each with the table as it is behind it.
pub struct Alter {
    pub kind: &'static str,
    pub steps: Vec<(String, Table)>,
}

/// What a gentle round does: nothing here changes bytes of `mapped` columns.
const GENTLE: [&str; 10] = [
    "alter: ADD COLUMN",
    "alter: ADD COLUMN",
    "alter: DROP COLUMN",
    "alter: RENAME COLUMN",
    "alter: column moved",
    "alter: type widened",
    "alter: labels appended",
    "alter: index added",
    "alter: index dropped",
    "alter: comment or rebuild",
];

const HARSH: [&str; 12] = [
    "alter: DROP COLUMN",
    "alter: DROP one, ADD another",
    "alter: RENAME COLUMN",
    "alter: type changed",
    "alter: labels reordered",
    "alter: charset of a column",
    "alter: CONVERT TO CHARACTER SET",
    "alter: fraction there and back",
    "alter: nullability",
    "alter: generated expression",
    "alter: two columns exchange their names",
    "alter: column moved",
];

/// `None`: the table has nothing that this could be done to.
pub fn random(
    table: &Table,
    mapped: &[String],
    harsh: bool,
    repertoire: &Repertoire,
    dice: &mut StdRng,
) -> Option<Alter> {
    let kinds: &[&'static str] = if harsh { &HARSH } else { &GENTLE };
    let kind = kinds.choose(dice).expect("there are kinds");
    let mut after = table.clone();
    let others = table.others();
    let free = |place: &usize| harsh || !mapped.contains(&table.columns[*place].name);
    let free: Vec<usize> = others.into_iter().filter(free).collect();
    let clauses = match *kind {
        "alter: fraction there and back" => return there_and_back(table, dice),
        "alter: ADD COLUMN" => add(&mut after, repertoire, dice),
        "alter: DROP COLUMN" => drop_one(&mut after, &free, dice)?,
        "alter: DROP one, ADD another" => replace(&mut after, &free, dice)?,
        "alter: RENAME COLUMN" => rename(&mut after, &free, dice)?,
        "alter: column moved" => moved(&mut after, dice),
        "alter: type widened" => widen(&mut after, dice)?,
        "alter: type changed" => retype(&mut after, &free, repertoire, dice)?,
        "alter: labels appended" => relabel(&mut after, false, dice)?,
        "alter: labels reordered" => relabel(&mut after, true, dice)?,
        "alter: charset of a column" => recharset(&mut after, repertoire, dice)?,
        "alter: CONVERT TO CHARACTER SET" => convert(&mut after, repertoire, dice),
        "alter: nullability" => nullability(&mut after, &free, dice)?,
        "alter: generated expression" => regenerate(&mut after, dice)?,
        "alter: index added" => {
            let name = format!("i{}", dice.random_range(0..5));
            let clause = format!("ADD INDEX `{name}` ({})", index_part(&after, dice)?);
            after.indexes.push(name);
            clause
        }
        "alter: index dropped" => {
            let name = after.indexes.choose(dice)?.clone();
            after.indexes.retain(|index| *index != name);
            format!("DROP INDEX `{name}`")
        }
        "alter: comment or rebuild" => (*[
            "COMMENT = 'it''s; -- a comment'",
            "ENGINE = InnoDB",
            "FORCE",
            "ROW_FORMAT = DYNAMIC",
            "AUTO_INCREMENT = 1000",
        ]
        .choose(dice)
        .expect("some"))
        .to_owned(),
        "alter: two columns exchange their names" => exchange(&mut after, &free, dice)?,
        other => unreachable!("{other} has no statement"),
    };
    Some(Alter { kind, steps: vec![(statement(&table.name, &clauses, dice), after)] })
}

/// ALTER TABLE as people write it.
fn statement(table: &str, clauses: &str, dice: &mut StdRng) -> String {
    let name = quoted(table);
    match dice.random_range(0..6) {
        0 => format!("/* a note */ alter  table {name} {clauses}"),
        1 => format!("ALTER TABLE /*!50000 {name} */ {clauses} -- done"),
        2 => format!("ALTER TABLE {name}\n\t{clauses}"),
        _ => format!("ALTER TABLE {name} {clauses}"),
    }
}

fn pick(places: &[usize], dice: &mut StdRng) -> Option<usize> {
    places.choose(dice).copied()
}

/// A random place, and the words for it.
fn place(columns: &[Column], dice: &mut StdRng) -> (usize, String) {
    match dice.random_range(0..=columns.len()) {
        0 => (0, " FIRST".to_owned()),
        last if last == columns.len() && dice.random() => (last, String::new()),
        place => (place, format!(" AFTER {}", quoted(&columns[place - 1].name))),
    }
}

fn add(table: &mut Table, repertoire: &Repertoire, dice: &mut StdRng) -> String {
    let kind = Kind::random(repertoire, dice);
    let nullable = dice.random_ratio(2, 3);
    let column = match dice.random_ratio(1, 8) {
        true => generated(&table.columns, dice),
        false => {
            Column { name: fresh_name(&table.columns, dice), kind, nullable, generated: None, is_key: false }
        }
    };
    let (place, words) = place(&table.columns, dice);
    let text = format!("ADD COLUMN {}{words}", column.definition_with_default(repertoire, dice));
    table.columns.insert(place, column);
    text
}

fn drop_one(table: &mut Table, free: &[usize], dice: &mut StdRng) -> Option<String> {
    let place = pick(free, dice)?;
    Some(format!("DROP COLUMN {}", quoted(&table.columns.remove(place).name)))
}

/// Another column of the same type in some place, so that the row image looks the same.
fn replace(table: &mut Table, free: &[usize], dice: &mut StdRng) -> Option<String> {
    let mut column = table.columns.remove(pick(free, dice)?);
    let old = column.name.clone();
    if dice.random_ratio(3, 4) {
        column.name = fresh_name(&table.columns, dice);
    }
    let (place, words) = place(&table.columns, dice);
    let text = format!("DROP COLUMN {}, ADD COLUMN {}{words}", quoted(&old), column.definition());
    table.columns.insert(place, column);
    Some(text)
}

fn rename(table: &mut Table, free: &[usize], dice: &mut StdRng) -> Option<String> {
    let place = pick(free, dice)?;
    let name = fresh_name(&table.columns, dice);
    let column = &mut table.columns[place];
    let old = std::mem::replace(&mut column.name, name);
    match dice.random() {
        true => Some(format!("RENAME COLUMN {} TO {}", quoted(&old), quoted(&column.name))),
        false => Some(format!("CHANGE COLUMN {} {}", quoted(&old), column.definition())),
    }
}

fn moved(table: &mut Table, dice: &mut StdRng) -> String {
    let places: Vec<usize> =
        (0..table.columns.len()).filter(|place| table.columns[*place].name != "auto number").collect();
    let column = table.columns.remove(*places.choose(dice).expect("a table has columns"));
    let (place, words) = place(&table.columns, dice);
    let text = format!("MODIFY COLUMN {}{words}", column.definition());
    table.columns.insert(place, column);
    text
}

fn modify(table: &mut Table, place: usize, kind: Kind) -> String {
    table.columns[place].kind = kind;
    format!("MODIFY {}", table.columns[place].definition())
}

fn widen(table: &mut Table, dice: &mut StdRng) -> Option<String> {
    let wider = |kind: &Kind| match kind {
        Kind::Text { sql, most, charset, collation } if sql.starts_with("VARCHAR") => {
            let (most, charset, collation) = (most + 7, charset.clone(), collation.clone());
            Some(Kind::Text { sql: format!("VARCHAR({most})"), most, charset, collation })
        }
        Kind::Integer { bytes: bytes @ 1..=3, unsigned } => {
            Some(Kind::Integer { bytes: bytes + 1, unsigned: *unsigned })
        }
        Kind::Bytes { sql, most } if sql.starts_with("VARBINARY") => {
            Some(Kind::Bytes { sql: format!("VARBINARY({})", most + 9), most: most + 9 })
        }
        _ => None,
    };
    let able = |place: &usize| {
        table.columns[*place].generated.is_none() && wider(&table.columns[*place].kind).is_some()
    };
    let able: Vec<usize> = (0..table.columns.len()).filter(able).collect();
    let place = pick(&able, dice)?;
    let kind = wider(&table.columns[place].kind)?;
    Some(modify(table, place, kind))
}

fn retype(table: &mut Table, free: &[usize], repertoire: &Repertoire, dice: &mut StdRng) -> Option<String> {
    let plain: Vec<usize> =
        free.iter().copied().filter(|place| table.columns[*place].generated.is_none()).collect();
    let place = pick(&plain, dice)?;
    let kind = match &table.columns[place].kind {
        Kind::Integer { bytes, unsigned } => Kind::Integer { bytes: *bytes, unsigned: !unsigned },
        Kind::Decimal { digits, scale } if *digits < 60 => {
            Kind::Decimal { digits: digits + 3, scale: (scale + 2).min(30) }
        }
        Kind::Float => Kind::Double,
        Kind::DateTime(fraction) => Kind::DateTime(6 - fraction),
        Kind::Timestamp(fraction) => Kind::DateTime(*fraction),
        Kind::Bytes { sql, most } if sql.starts_with("BINARY") => {
            Kind::Bytes { sql: format!("BINARY({})", most + 2), most: most + 2 }
        }
        Kind::Text { sql, most, charset, .. } if sql.starts_with("CHAR") => Kind::Text {
            sql: format!("VARCHAR({most})"),
            most: *most,
            charset: charset.clone(),
            collation: None,
        },
        _ => Kind::random(repertoire, dice),
    };
    Some(modify(table, place, kind))
}

fn relabel(table: &mut Table, reorder: bool, dice: &mut StdRng) -> Option<String> {
    let able = |place: &usize| matches!(table.columns[*place].kind, Kind::Labels { .. });
    let able: Vec<usize> = (0..table.columns.len()).filter(able).collect();
    let place = pick(&able, dice)?;
    let Kind::Labels { set, labels: mut now, charset } = table.columns[place].kind.clone() else {
        return None;
    };
    match reorder {
        true => now.shuffle(dice),
        false => {
            let new = labels(set, dice)
                .into_iter()
                .filter(|label| !now.iter().any(|old| old.eq_ignore_ascii_case(label)));
            now.extend(new.take(2).collect::<Vec<_>>());
        }
    }
    Some(modify(table, place, Kind::Labels { set, labels: now, charset }))
}

fn recharset(table: &mut Table, repertoire: &Repertoire, dice: &mut StdRng) -> Option<String> {
    let able = |place: &usize| {
        matches!(table.columns[*place].kind, Kind::Text { .. }) && table.columns[*place].generated.is_none()
    };
    let able: Vec<usize> = (0..table.columns.len()).filter(able).collect();
    let place = pick(&able, dice)?;
    let Kind::Text { sql, most, .. } = table.columns[place].kind.clone() else { return None };
    let charset = if dice.random() { "utf8mb4".to_owned() } else { any_charset(repertoire, dice) };
    Some(modify(table, place, Kind::Text { sql, most, charset, collation: None }))
}

fn any_charset(repertoire: &Repertoire, dice: &mut StdRng) -> String {
    let all: Vec<&String> = repertoire.codes.keys().collect();
    (*all.choose(dice).expect("there are charsets")).clone()
}

fn convert(table: &mut Table, repertoire: &Repertoire, dice: &mut StdRng) -> String {
    let to = if dice.random_ratio(2, 3) { "utf8mb4".to_owned() } else { any_charset(repertoire, dice) };
    for column in &mut table.columns {
        match &mut column.kind {
            Kind::Text { charset, collation, .. } => (*charset, *collation) = (to.clone(), None),
            Kind::Labels { charset, .. } => *charset = to.clone(),
            _ => {}
        }
    }
    format!("CONVERT TO CHARACTER SET {to}")
}

fn nullability(table: &mut Table, free: &[usize], dice: &mut StdRng) -> Option<String> {
    let plain: Vec<usize> =
        free.iter().copied().filter(|place| table.columns[*place].generated.is_none()).collect();
    let place = pick(&plain, dice)?;
    table.columns[place].nullable = !table.columns[place].nullable;
    Some(format!("MODIFY {}", table.columns[place].definition()))
}

fn regenerate(table: &mut Table, dice: &mut StdRng) -> Option<String> {
    let able: Vec<usize> =
        (0..table.columns.len()).filter(|place| table.columns[*place].generated.is_some()).collect();
    let place = pick(&able, dice)?;
    let column = &mut table.columns[place];
    column.generated = Some(match column.kind {
        Kind::Integer { .. } => format!("{} + 0", dice.random_range(0..5)),
        _ => "'other'".to_owned(),
    });
    Some(format!("MODIFY {}", column.definition()))
}

fn index_part(table: &Table, dice: &mut StdRng) -> Option<String> {
    let column = table.columns.choose(dice)?;
    match &column.kind {
        Kind::Json => None,
        Kind::Text { most, .. } | Kind::Bytes { most, .. } => {
            Some(format!("{}({})", quoted(&column.name), most.min(&2)))
        }
        _ => Some(quoted(&column.name)),
    }
}

fn exchange(table: &mut Table, free: &[usize], dice: &mut StdRng) -> Option<String> {
    let two: Vec<usize> = free.choose_multiple(dice, 2).copied().collect();
    let [one, other] = two[..] else { return None };
    let (a, b) = (table.columns[one].name.clone(), table.columns[other].name.clone());
    table.columns[one].name = b.clone();
    table.columns[other].name = a.clone();
    Some(format!("RENAME COLUMN {0} TO {1}, RENAME COLUMN {1} TO {0}", quoted(&a), quoted(&b)))
}

/// DATETIME(3) -> DATETIME -> DATETIME(3), of key columns too: the definition at the end is that of the beginning.
fn there_and_back(table: &Table, dice: &mut StdRng) -> Option<Alter> {
    let fraction = |kind: &Kind| matches!(kind, Kind::DateTime(1..) | Kind::Timestamp(1..) | Kind::Time(1..));
    let able: Vec<usize> =
        (0..table.columns.len()).filter(|place| fraction(&table.columns[*place].kind)).collect();
    let place = pick(&able, dice)?;
    let mut there = table.clone();
    let kind = match &table.columns[place].kind {
        Kind::DateTime(_) => Kind::DateTime(0),
        Kind::Timestamp(_) => Kind::Timestamp(0),
        _ => Kind::Time(0),
    };
    let clauses = [modify(&mut there, place, kind), format!("MODIFY {}", table.columns[place].definition())];
    let [first, second] = clauses.map(|clause| statement(&table.name, &clause, dice));
    Some(Alter {
        kind: "alter: fraction there and back",
        steps: vec![(first, there), (second, table.clone())],
    })
}
