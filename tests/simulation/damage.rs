//! Damage to HBase, past the protocol: what missed changes, and writes of before, can leave behind.

use super::schema::{self, EXTRA, Item, NOTE, ORDER};
use super::tally::Thrown;
use super::world::World;
use futures::FutureExt;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tailfill::model::{Layout, Mapping, Row, Target, TargetId, Tick, Value};
use tailfill::sink::layout::Codec;
use tailfill::sink::{CountChange, CountedWrite, PackedRows, ReadCounts, RowWrite, ScanRange, WriteRows};
use tokio::time::sleep;

/// Lists that the application never has.
pub const STRANGE_LISTS: std::ops::RangeInclusive<u64> = 90..=91;

/// Does some damage, if a copy has begun.
pub fn some(world: &World) {
    let targets = world.books().may_be_damaged();
    if targets.is_empty() {
        return;
    }
    for _ in 0..world.dice.between(1, 4) {
        let id = world.dice.pick(&targets);
        let target = world.mapping.targets[usize::from(id.0)].clone();
        match world.dice.below(10) {
            0..4 => extra(world, &target),
            4..6 => missing(world, &target),
            6..8 => changed(world, &target),
            _ => wrong_count(world, &target),
        }
    }
}

/// An item that only HBase has: its delete was missed.
fn extra(world: &World, target: &Target) {
    let Some((row, tick)) = stray(world) else { return };
    world.tally(Thrown::Extra, 1);
    let write = write_of(&world.mapping, target, &row, tick);
    apply(world, target.id, Item::of(&row), &write, "is there though its delete was made");
}

/// A row that MySQL has not, and the tick that it is written with.
fn stray(world: &World) -> Option<(Row, Tick)> {
    let dice = &world.dice;
    let strange = dice.chance(300);
    let list = if strange {
        dice.between(*STRANGE_LISTS.start(), *STRANGE_LISTS.end())
    } else {
        dice.below(world.profile.lists)
    };
    let item = Item { list, item: dice.below(world.profile.items + 2) };
    let is_there = world.database.state().rows().contains_key(&item);
    let order = Value::Int(dice.below(4) as i64);
    let tick = if dice.chance(300) { Tick(dice.between(1, 50)) } else { world.books().foreign_tick() };
    let text = Value::Text("lost".into());
    let row = vec![Value::UInt(item.list), Value::UInt(item.item), order, text.clone(), text];
    // another order is another address, in all targets but that for membership
    (!is_there).then_some((row, tick))
}

/// An item of MySQL.
fn any_row(world: &World) -> Option<Row> {
    let rows: Vec<Row> = world.database.state().rows().values().cloned().collect();
    if rows.is_empty() { None } else { Some(world.dice.pick(&rows)) }
}

fn missing(world: &World, target: &Target) {
    let Some(row) = any_row(world) else { return };
    world.tally(Thrown::Missing, 1);
    let tick = world.books().foreign_tick();
    let written = write_of(&world.mapping, target, &row, tick);
    let wide = target.layout == Layout::Wide;
    let names = written.puts.iter().map(|(name, _)| name.clone()).filter(|_| wide).collect();
    let write = RowWrite { delete_family: !wide, puts: vec![], delete_columns: names, ..written };
    apply(world, target.id, Item::of(&row), &write, "is gone");
}

fn changed(world: &World, target: &Target) {
    let Some(mut row) = any_row(world) else { return };
    world.tally(Thrown::Changed, 1);
    for column in [NOTE, EXTRA] {
        if world.dice.chance(600) {
            row[column] = world.dice.pick(&[Value::Text("changed".into()), Value::Null]);
        }
    }
    if world.dice.chance(200) {
        row[ORDER] = Value::Int(7); // at an address where it never was
    }
    let write = write_of(&world.mapping, target, &row, world.books().foreign_tick());
    apply(world, target.id, Item::of(&row), &write, "is another");
}

/// Only of rows that have a count: others get theirs still.
fn wrong_count(world: &World, target: &Target) {
    if !target.counted || !world.books().is_counted() {
        return;
    }
    let range = ScanRange { limit: usize::MAX, ..ScanRange::default() };
    let rows = at_once(world.sink.scan_counts(target.id, &range));
    let counted: Vec<_> = rows.into_iter().filter(|row| row.count.is_some()).collect();
    if counted.is_empty() {
        return;
    }
    let row = world.dice.pick(&counted);
    let (Some(tick), Some(count)) = (row.tick, row.count) else { return };
    let (list, _) = schema::list_of_row(&world.mapping, target.id, &row.row);
    let wrong = if count > 0 && world.dice.chance(500) { count - 1 } else { count + 2 };
    let count = CountChange::Set(wrong);
    let (puts, delete_columns) = (vec![], vec![]);
    let write = CountedWrite { row: row.row, expected: row.tick, tick, puts, delete_columns, count };
    world.books().damages(target.id, list, None);
    assert!(at_once(world.sink.write_counted(target.id, &write)), "nothing came between");
    world.tally(Thrown::WrongCount, 1);
    let items: Vec<Item> = (0..world.profile.items).map(|item| Item { list, item }).collect();
    world.trace.note_items(&items, format_args!("damage in {}: list {list} says {wrong}", target.table));
}

/// A process begins, and a write of one before it may hang in a gateway for `at_most`: of an item that nobody deletes any
/// more.
pub fn may_land_late(world: &Arc<World>, at_most: Duration) {
    let targets = world.books().may_be_damaged();
    if targets.is_empty() || !world.dice.chance(400) {
        return;
    }
    let id = world.dice.pick(&targets);
    let target = world.mapping.targets[usize::from(id.0)].clone();
    let Some((row, tick)) = stray(world) else { return };
    let (item, write) = (Item::of(&row), write_of(&world.mapping, &target, &row, tick));
    world.books().damages(id, item.list, None);
    world.tally(Thrown::Late, 1);
    let after = world.dice.millis(at_most.as_millis() as u64 / 2, at_most.as_millis() as u64);
    let world = world.clone();
    world.in_flight.fetch_add(1, SeqCst);
    tokio::spawn(async move {
        sleep(after).await;
        if !world.database.state().rows().contains_key(&item) {
            land(&world, id, item, &write, "lands late");
        }
        world.in_flight.fetch_sub(1, SeqCst);
    });
}

fn write_of(mapping: &Mapping, target: &Target, row: &Row, tick: Tick) -> RowWrite {
    let item = Codec::of(mapping, target).item_write(row).expect("keys are whole");
    let row = item.address.row;
    RowWrite { row, tick, delete_family: false, puts: item.puts, delete_columns: item.nulls }
}

fn apply(world: &World, target: TargetId, item: Item, write: &RowWrite, what: &str) {
    let address = schema::address_of(&world.mapping, target, write);
    world.books().damages(target, item.list, Some(&address));
    land(world, target, item, write, what);
}

fn land(world: &World, target: TargetId, item: Item, write: &RowWrite, what: &str) {
    let (table, tick) = (&world.mapping.targets[usize::from(target.0)].table, write.tick);
    world.trace.note_items(&[item], format_args!("damage in {table}: {item} {what} @{tick}"));
    at_once(world.sink.write(target, &PackedRows::of([write]).writes()));
}

fn at_once<T>(call: impl Future<Output = Result<T, tailfill::sink::SinkError>>) -> T {
    call.now_or_never().expect("the memory sink does not wait").expect("nor fails")
}
