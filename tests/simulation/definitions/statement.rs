//! Random statements about the table.

use super::super::dice::Dice;
use super::super::schema::{EXTRA, NOTE};
use super::super::tally::Thrown;
use super::table::{Holds, LONG, Layout, Part, SHORT, declared};
use super::wire::Wire;

/// A statement that the server executes.
#[derive(Clone, Debug)]
pub struct Statement {
    pub kind: Thrown,
    pub text: String,
    pub after: Layout,
    pub effect: Effect,
}

/// What a statement does to the mapped values of rows that are there, without a row image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    None,
    /// Note and extra exchange their values.
    Exchanged,
    /// Extra is NULL in all of them.
    Nulled,
    /// They are gone.
    Emptied,
}

/// What the server executes at once. `harsh`: something that tailfill cannot follow.
pub fn any(before: &Layout, harsh: bool, dice: &Dice) -> Vec<Statement> {
    match (harsh, dice.below(5)) {
        (false, _) => vec![followed(before, dice)],
        (true, 0) => vec![truncate(before)],
        (true, 1) => vec![exchange(before)],
        (true, 2) => vec![retype(before)],
        (true, 3) => vec![refill(before, dice)],
        (true, _) => recreate(before),
    }
}

/// One over which rows keep their bytes.
fn followed(before: &Layout, dice: &Dice) -> Statement {
    let mut after = before.altered();
    let (kind, clauses) = match dice.below(12) {
        0 => (Thrown::IndexAdded, "ADD INDEX (note)".to_owned()),
        1..4 => (Thrown::ColumnAdded, after.add(dice)),
        4..6 => match after.drop(dice) {
            Some(clause) => (Thrown::ColumnDropped, clause),
            None => (Thrown::ColumnAdded, after.add(dice)),
        },
        6 => match after.drop(dice) {
            Some(clause) => (Thrown::ColumnReplaced, format!("{clause}, {}", after.add(dice))),
            None => (Thrown::ColumnAdded, after.add(dice)),
        },
        7 => (Thrown::MappedWidened, after.widen(dice)),
        _ => after.shift(dice),
    };
    altered(kind, &clauses, after, Effect::None)
}

fn altered(kind: Thrown, clauses: &str, after: Layout, effect: Effect) -> Statement {
    Statement { kind, text: format!("ALTER TABLE follows {clauses}"), after, effect }
}

pub fn truncate(before: &Layout) -> Statement {
    let (text, after) = ("TRUNCATE TABLE follows".into(), before.altered());
    Statement { kind: Thrown::Truncated, text, after, effect: Effect::Emptied }
}

/// The columns stay where they are, and change their names.
pub fn exchange(before: &Layout) -> Statement {
    let mut after = before.altered();
    let (note, extra) = (after.place(NOTE), after.place(EXTRA));
    after.parts[note].holds = Holds::Mapped(EXTRA);
    after.parts[extra].holds = Holds::Mapped(NOTE);
    (after.parts[note].name, after.parts[extra].name) = ("extra".into(), "note".into());
    let clauses = "RENAME COLUMN note TO extra, RENAME COLUMN extra TO note";
    altered(Thrown::MappedExchanged, clauses, after, Effect::Exchanged)
}

pub fn retype(before: &Layout) -> Statement {
    let mut after = before.altered();
    let note = after.place(NOTE);
    let wire = if after.parts[note].wire == Wire::Text { SHORT } else { Wire::Text };
    after.parts[note].wire = wire;
    altered(Thrown::MappedRetyped, &format!("MODIFY note {} NULL", declared(wire)), after, Effect::None)
}

/// A mapped column is dropped, and another one of its name is there.
fn refill(before: &Layout, dice: &Dice) -> Statement {
    let mut after = before.altered();
    let place = after.place(EXTRA);
    let part = Part { wire: SHORT, ..after.parts.remove(place) };
    let clauses = format!("DROP COLUMN extra, ADD COLUMN extra varchar(40) NULL{}", after.insert(part, dice));
    altered(Thrown::MappedRefilled, &clauses, after, Effect::Nulled)
}

fn recreate(before: &Layout) -> Vec<Statement> {
    let gone = Statement { text: "DROP TABLE follows".into(), ..truncate(before) };
    let mut after = gone.after.altered();
    after.parts = Layout::default().parts;
    let column = |part: &Part| format!("{} {}", part.name, declared(part.wire));
    let columns: Vec<String> = after.parts.iter().map(column).collect();
    let text = format!("CREATE TABLE follows ({}, PRIMARY KEY (followee, follower))", columns.join(", "));
    let made = Statement { kind: Thrown::Recreated, text, after, effect: Effect::None };
    vec![Statement { kind: Thrown::Dropped, ..gone }, made]
}

impl Layout {
    fn add(&mut self, dice: &Dice) -> String {
        let name = self.new_name();
        let wire = if dice.chance(700) { SHORT } else { Wire::Big { unsigned: false } };
        let part = Part { name: name.clone(), holds: Holds::Other, wire, nullable: true };
        format!("ADD COLUMN {name} {} NULL{}", declared(wire), self.insert(part, dice))
    }

    fn drop(&mut self, dice: &Dice) -> Option<String> {
        let is_other = |place: &usize| self.parts[*place].holds == Holds::Other;
        let others: Vec<usize> = (0..self.parts.len()).filter(is_other).collect();
        let place = (!others.is_empty()).then(|| dice.pick(&others))?;
        Some(format!("DROP COLUMN {}", self.parts.remove(place).name))
    }

    /// A column gets another place: most often a text beside another text, which no table map tells from it.
    fn shift(&mut self, dice: &Dice) -> (Thrown, String) {
        let is_text = |part: &Part| !matches!(part.wire, Wire::Big { .. });
        let texts = |parts: &[Part]| -> Vec<usize> {
            (0..parts.len()).filter(|place| is_text(&parts[*place])).collect()
        };
        let among_texts = dice.chance(700);
        let all: Vec<usize> = (0..self.parts.len()).collect();
        let places = if among_texts { texts(&self.parts) } else { all.clone() };
        let part = self.parts.remove(dice.pick(&places));
        let kind = if part.holds == Holds::Other { Thrown::ColumnMoved } else { Thrown::MappedMoved };
        let clause = modify(&part);
        let place = match among_texts {
            true => dice.pick(&texts(&self.parts)) + dice.below(2) as usize,
            false => dice.below(all.len() as u64) as usize,
        };
        (kind, clause + &self.insert_at(place, part))
    }

    fn widen(&mut self, dice: &Dice) -> String {
        let place = self.place(dice.pick(&[NOTE, EXTRA]));
        let part = &mut self.parts[place];
        if part.wire == SHORT {
            part.wire = LONG;
        }
        modify(part)
    }

    fn insert(&mut self, part: Part, dice: &Dice) -> String {
        let place = dice.below(self.parts.len() as u64 + 1) as usize;
        self.insert_at(place, part)
    }

    fn insert_at(&mut self, place: usize, part: Part) -> String {
        let words = match place {
            0 => " FIRST".to_owned(),
            place => format!(" AFTER {}", self.parts[place - 1].name),
        };
        self.parts.insert(place, part);
        words
    }
}

fn modify(part: &Part) -> String {
    let null = if part.nullable { "NULL" } else { "NOT NULL" };
    format!("MODIFY {} {} {null}", part.name, declared(part.wire))
}
