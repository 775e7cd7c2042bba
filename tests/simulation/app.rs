//! The application: random transactions over few lists and items, so that everything meets everything.

use super::database::items_of;
use super::definitions::statement::{self, Statement};
use super::profile::Lag;
use super::schema::{EXTRA, Item, NOTE, ORDER, show};
use super::world::World;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tailfill::clock::Clock;
use tailfill::model::{Row, RowChange, TableId, Value};
use tokio::time::sleep;

/// Items touched lately, which are touched again more often than others.
const RECENT: usize = 6;

pub struct Application {
    world: Arc<World>,
    recent: VecDeque<Item>,
    /// Every value that is written has a version of its own.
    version: u64,
}

/// A transaction under construction.
struct Draft {
    changes: Vec<RowChange>,
    /// Rows as this transaction sees them, where it changed them.
    rows: BTreeMap<Item, Option<Row>>,
}

impl Application {
    pub fn new(world: &Arc<World>) -> Application {
        Application { world: world.clone(), recent: VecDeque::new(), version: 0 }
    }

    /// What is there before anybody looks: published and committed.
    pub fn fill(&mut self) {
        for _ in 0..self.world.profile.rows_at_start {
            let mut draft = Draft { changes: Vec::new(), rows: BTreeMap::new() };
            let item = self.any_item();
            if self.row(&draft, item).is_none() {
                self.insert(&mut draft, item);
                self.publish(draft.changes, Duration::ZERO);
            }
        }
    }

    /// Everything at once, each transaction committed before the next.
    pub fn publish_at_once(&mut self) {
        self.fill();
        for _ in 0..self.world.profile.transactions {
            let changes = self.transaction();
            self.publish(changes, Duration::ZERO);
        }
    }

    pub async fn run(mut self) {
        for _ in 0..self.world.profile.transactions {
            if !self.world.database.state().lost().is_empty() {
                return; // the numbers of what is lost are not given again
            }
            if self.world.profile.statements > 0 && self.world.dice.chance(self.world.profile.statements) {
                self.alter().await;
            }
            let changes = self.transaction();
            let lag = self.lag();
            self.publish(changes, lag);
            let mean = self.world.profile.every_ms;
            self.world.dice.pause(0, mean * 2).await;
            if self.world.dice.chance(30) {
                self.world.dice.pause(200, 1_500).await;
            }
        }
    }

    /// One statement about the table, or some one after the other, each with a transaction behind it. Each waits for all
    /// that use the table, and these for it.
    async fn alter(&mut self) {
        let (world, dice) = (self.world.clone(), self.world.dice.clone());
        for _ in 0..dice.pick(&[1, 1, 1, 2, 3]) {
            while !world.database.state().all_committed() {
                dice.pause(1, 20).await;
            }
            let before = world.database.state().present_layout().clone();
            let at_once = statement::any(&before, dice.chance(world.profile.harsh_statements), &dice);
            let published: Vec<u64> =
                at_once.into_iter().map(|statement| publish(&world, statement)).collect();
            sleep(self.lag()).await;
            for number in published {
                let committed = ripen(&world, number);
                world.database.execute(&committed);
            }
            let (changes, lag) = (self.transaction(), self.lag());
            self.publish(changes, lag);
        }
    }

    fn lag(&self) -> Duration {
        let dice = &self.world.dice;
        match self.world.profile.lag {
            Lag::None => Duration::ZERO,
            Lag::Long => dice.millis(50, 900),
            Lag::Mixed => match dice.below(100) {
                0..65 => Duration::ZERO,
                65..95 => dice.millis(20, 500),
                _ => dice.millis(1_000, 4_000),
            },
        }
    }

    /// Writes the binlog now, and lets the engine commit after `lag`.
    fn publish(&mut self, changes: Vec<RowChange>, lag: Duration) {
        let world = self.world.clone();
        let items = items_of(&changes);
        for item in &items {
            self.recent.push_back(*item);
        }
        while self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        let text = describe(&changes);
        let number = world.database.publish(changes, world.clock.now_micros());
        world.trace.note_items(&items, format_args!("transaction {number} is in the binlog: {text}"));
        if lag.is_zero() {
            let committed = ripen(&world, number);
            return world.database.execute(&committed);
        }
        tokio::spawn(async move {
            sleep(lag).await;
            let committed = ripen(&world, number);
            if world.dice.chance(300) {
                world.dice.pause(0, 30).await; // SELECTs show it, and the executed set does not yet
            }
            world.database.execute(&committed);
        });
    }

    fn transaction(&mut self) -> Vec<RowChange> {
        let dice = self.world.dice.clone();
        if dice.chance(80) {
            return Vec::new(); // it changed another table
        }
        let wanted = if dice.chance(self.world.profile.huge) { 25 } else { dice.between(1, 4) };
        let mut draft = Draft { changes: Vec::new(), rows: BTreeMap::new() };
        for _ in 0..wanted * 3 {
            if draft.changes.len() as u64 >= wanted {
                break;
            }
            let item = self.any_item();
            if !self.world.database.state().is_locked(item) {
                self.change(&mut draft, item);
            }
        }
        draft.changes
    }

    fn any_item(&self) -> Item {
        let dice = &self.world.dice;
        if dice.chance(350) && !self.recent.is_empty() {
            return self.recent[dice.below(self.recent.len() as u64) as usize];
        }
        let profile = &self.world.profile;
        Item { list: dice.below(profile.lists), item: dice.below(profile.items) }
    }

    fn row(&self, draft: &Draft, item: Item) -> Option<Row> {
        match draft.rows.get(&item) {
            Some(row) => row.clone(),
            None => self.world.database.state().rows().get(&item).cloned(),
        }
    }

    fn change(&mut self, draft: &mut Draft, item: Item) {
        let roll = self.world.dice.below(100);
        let Some(row) = self.row(draft, item) else {
            self.insert(draft, item);
            if roll < 25 {
                self.delete(draft, item);
            }
            return;
        };
        match roll {
            0..30 => self.delete(draft, item),
            30..45 => {
                self.delete(draft, item);
                self.insert(draft, item);
            }
            45..75 => {
                let column = self.world.dice.pick(&[NOTE, EXTRA]);
                let value = self.value(column);
                let mut after = row;
                after[column] = value;
                self.update(draft, item, after);
            }
            75..88 => {
                let after = self.new_row(item);
                self.update(draft, item, after);
            }
            _ => {
                let to = self.any_item();
                if self.world.database.state().is_locked(to) || self.row(draft, to).is_some() {
                    return;
                }
                let mut after = self.new_row(to);
                if self.world.dice.chance(500) {
                    after[ORDER] = row[ORDER].clone();
                }
                self.update(draft, item, after);
            }
        }
    }

    fn insert(&mut self, draft: &mut Draft, item: Item) {
        let row = self.new_row(item);
        draft.push(None, Some(row));
    }

    fn delete(&mut self, draft: &mut Draft, item: Item) {
        let row = self.row(draft, item);
        draft.push(row, None);
    }

    fn update(&mut self, draft: &mut Draft, item: Item, after: Row) {
        let row = self.row(draft, item);
        draft.push(row, Some(after));
    }

    fn new_row(&mut self, item: Item) -> Row {
        let order = Value::Int(self.world.dice.below(4) as i64);
        let (note, extra) = (self.value(NOTE), self.value(EXTRA));
        vec![Value::UInt(item.list), Value::UInt(item.item), order, note, extra]
    }

    fn value(&mut self, column: usize) -> Value {
        if self.world.dice.chance(350) {
            return Value::Null;
        }
        self.version += 1;
        let letter = if column == NOTE { 'n' } else { 'e' };
        Value::Text(format!("{letter}{}", self.version).into())
    }
}

impl Draft {
    fn push(&mut self, before: Option<Row>, after: Option<Row>) {
        if let Some(row) = &before {
            self.rows.insert(Item::of(row), None);
        }
        if let Some(row) = &after {
            self.rows.insert(Item::of(row), Some(row.clone()));
        }
        self.changes.push(RowChange { table: TableId(0), before, after });
    }
}

/// Writes a statement to the binlog.
fn publish(world: &World, statement: Statement) -> u64 {
    world.tally(statement.kind, 1);
    let text = statement.text.clone();
    let number = world.database.publish_statement(statement, world.clock.now_micros());
    world.trace.note(format_args!("transaction {number} is in the binlog: {text}"));
    number
}

fn ripen(world: &World, number: u64) -> Vec<u64> {
    let all = world.database.ripen(number, world.profile.ordered_commits);
    for &committed in &all {
        let changes = world.database.state().transaction(committed).map(|(changes, _)| changes);
        let items = changes.map(|changes| items_of(&changes)).unwrap_or_default();
        world.trace.note_items(&items, format_args!("transaction {committed} is committed in the engine"));
    }
    all
}

fn describe(changes: &[RowChange]) -> String {
    let one = |change: &RowChange| match (&change.before, &change.after) {
        (None, Some(row)) => format!("insert {}", show(row)),
        (Some(row), None) => format!("delete {}", show(row)),
        (Some(before), Some(after)) => format!("update {} to {}", show(before), show(after)),
        (None, None) => unreachable!("a change has an image"),
    };
    changes.iter().map(one).collect::<Vec<_>>().join("; ")
}
