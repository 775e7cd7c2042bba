//! `hbase`: what a row costs HBase, and what of it is ours to choose: the order of rows, the regions of the table, the
//! salt, and how much the table holds already.

use crate::case::Case;
use crate::data::Backlog;
use crate::ground::{FOLLOWS, Ground};
use crate::measure::{BenchReport, Round};
use crate::{gateway, rows, show};
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use tailfill::model::Tick;
use tailfill::sink::{PackedRows, RowWrite};

/// How a table is made, and in which order rows come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Variant {
    salt_buckets: u16,
    regions: u16,
    /// Batches that are sorted together; 1: rows in order of arrival.
    window: usize,
    /// How often the table's rows have been written before.
    age: usize,
}

/// What the others differ from in one thing each.
const USUAL: Variant = Variant { salt_buckets: 16, regions: 16, window: 1, age: 0 };

/// Every variant; `ALL` is the whole table in one window.
const ALL: usize = usize::MAX;
const ORDERS: [usize; 5] = [4, 16, 64, 256, ALL];
const REGIONS: [(u16, u16); 4] = [(1, 1), (16, 1), (16, 4), (64, 64)];
const AGES: [usize; 3] = [1, 3, 6];

impl Variant {
    fn all() -> Vec<Variant> {
        let mut all = vec![USUAL];
        all.extend(ORDERS.map(|window| Variant { window, ..USUAL }));
        for (salt_buckets, regions) in REGIONS {
            all.extend([1, 16].map(|window| Variant { salt_buckets, regions, window, ..USUAL }));
        }
        all.extend(AGES.iter().flat_map(|age| [1, 16].map(|window| Variant { age: *age, window, ..USUAL })));
        all
    }

    fn name(&self) -> String {
        let order = match self.window {
            1 => "arrival".to_owned(),
            ALL => "sorted".to_owned(),
            batches => format!("sorted by {batches} batches"),
        };
        let Variant { salt_buckets, regions, age, .. } = self;
        let age = if *age > 0 { format!(", written {age} times") } else { String::new() };
        format!("hbase: {order}, {regions} of {salt_buckets}{age}")
    }
}

/// Every variant in turns, the usual one first in each round.
pub async fn run(ground: &Ground, backlog: &Backlog) -> anyhow::Result<Vec<BenchReport>> {
    let mut rounds: BTreeMap<usize, Vec<Round>> = BTreeMap::new();
    let mut ready: BTreeMap<u16, Vec<RowWrite>> = BTreeMap::new();
    let variants = Variant::all();
    for number in 1..=ground.scale.rounds {
        for (place, variant) in variants.iter().enumerate() {
            let ready = match ready.entry(variant.salt_buckets) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(rows::salted(ground, backlog, variant.salt_buckets).await?),
            };
            let round = one(ground, variant, ready).await?;
            let rate = show::grouped(round.whole.rate());
            eprintln!("round {number}, {}: {rate} rows/s", variant.name());
            rounds.entry(place).or_default().push(round);
        }
    }
    let usual = rounds.get(&0).cloned().unwrap_or_default();
    let report = |(place, own): (usize, Vec<Round>)| {
        let variant = &variants[place];
        let mut report = BenchReport::of(variant.name(), &own);
        report.sentences.clear();
        if place > 0 {
            report.compare(&USUAL.name(), &own, &usual, crate::measure::bound(&usual, &own));
        }
        let sorted_batches = if variant.window == ALL { json!("all") } else { json!(variant.window) };
        report.more.extend([
            ("sorted_batches".to_owned(), sorted_batches),
            ("salt_buckets".to_owned(), json!(variant.salt_buckets)),
            ("written_before".to_owned(), json!(variant.age)),
        ]);
        report
    };
    Ok(rounds.into_iter().map(report).collect())
}

async fn one(ground: &Ground, variant: &Variant, ready: &[RowWrite]) -> anyhow::Result<Round> {
    let name = Case::Hbase.name();
    let (sink, mapping) = ground.shaped_sink(FOLLOWS, &name, variant.salt_buckets, variant.regions).await?;
    ground.new_table(&sink, &mapping, &name).await?;
    let at_once = usize::from(ground.config(FOLLOWS, &name)?.hbase.connections);
    let mut ticked = ready.to_vec();
    for _ in 0..variant.age {
        gateway::write(ground, &sink, &calls(&ticked, variant.window), at_once).await?;
        ticked.iter_mut().for_each(|row| row.tick = Tick(row.tick.0 + 1_000));
    }
    let calls = calls(&ticked, variant.window);
    if variant.age == 0 {
        ground.quiet().await?;
    }
    let trace = gateway::write(ground, &sink, &calls, at_once).await?;
    let mut round = Round::of(trace.halves(ready.len() as u64)?);
    round.regions = crate::header::regions(ground, &ground.table(&name));
    ground.forget_table(&sink, &name).await?;
    Ok(round)
}

fn calls(rows: &[RowWrite], window: usize) -> Vec<PackedRows> {
    if window == 1 { rows::in_order_of_arrival(rows) } else { rows::sorted_by(rows, window) }
}
