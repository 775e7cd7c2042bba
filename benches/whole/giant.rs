//! `giant`: a table that is nearly one list, copied into each layout while that list changes all the time.
//!
//! Four questions. Whether memory is bounded whatever a list holds; whether the tail gets the list's lease beside its copy (lag),
//! and the copy beside the tail (it ends while the application goes on); how large the largest HBase row becomes, against what
//! a segment may hold; and what each layout costs. Every round makes table and state anew, and ends with an application that
//! has stopped, a second run, and all items compared by list and segment.

mod shown;
mod table;

use crate::application::Application;
use crate::child::Tailfill;
use crate::configuration::{LAYOUTS, Layout, Move};
use crate::ground::Ground;
use crate::lag::{self, Beside, Prepared, beside_a_copy};
use crate::measure::{BenchReport, Round, Spread, bound};
use crate::show::grouped;
use anyhow::ensure;
use serde_json::json;
use shown::{Groups, LargeRow};
use std::collections::BTreeMap;
use std::sync::Arc;
use table::{Hot, Table};
use tailfill::model::{CellForm, Layout as Laid};

/// One round of a layout.
struct Copied {
    beside: Beside,
    largest: LargeRow,
    /// Cells that the largest row should have: those of the largest list, segment, or item.
    cells_due: u64,
    items: u64,
}

/// Every layout in turns; `say` tells how far it is.
pub async fn run(ground: &Ground, say: &dyn Fn(&str)) -> anyhow::Result<Vec<BenchReport>> {
    let table = Table::of(ground.scale.giant_rows);
    say("filling the table that is nearly one list");
    table.fill(ground).await?;
    let hot = Arc::new(Hot::new(table));
    let mut rounds: BTreeMap<usize, Vec<Copied>> = BTreeMap::new();
    for number in 1..=ground.scale.rounds {
        for (place, layout) in LAYOUTS.iter().enumerate() {
            let copied = round(ground, layout, &hot).await?;
            let rate = grouped(copied.beside.round.whole.rate());
            say(&format!("round {number}, {}: {rate} rows/s", name_of(layout)));
            rounds.entry(place).or_default().push(copied);
        }
    }
    let tall: Vec<Round> = rounds.get(&0).map_or(Vec::new(), |tall| rounds_of(tall));
    let rate = ground.scale.giant_rate;
    let report =
        |(place, copied): (&usize, &Vec<Copied>)| report(&name_of(&LAYOUTS[*place]), rate, copied, &tall);
    Ok(rounds.iter().map(report).collect())
}

fn name_of(layout: &Layout) -> String {
    format!("giant-{}", layout.name)
}

fn rounds_of(copied: &[Copied]) -> Vec<Round> {
    copied.iter().map(|copied| copied.beside.round.clone()).collect()
}

async fn round(ground: &Ground, layout: &Layout, hot: &Arc<Hot>) -> anyhow::Result<Copied> {
    let name = name_of(layout);
    let what = Move { layout: layout.lines, ..ground.tall(table::TABLE, &name) };
    let (sink, mapping) = what.sink().await?;
    ground.forget_table(&sink, &name).await?;
    let folder = what.folder()?;
    Tailfill::complete(&ground.tailfill, &folder, &["init"]).await?;
    ground.quiet().await?;
    let prepared = Prepared { folder, sink, mapping };
    let application = Application::at_rate(ground, hot, ground.scale.giant_rate).await?;
    let beside = beside_a_copy(ground, &prepared, application, &hot.lists()).await?;
    // nobody writes any more: both sides have to be the same
    let Prepared { folder, sink, mapping } = prepared;
    Tailfill::complete(&ground.tailfill, &folder, &["run", "--until", "caught-up"]).await?;
    let target = &mapping.targets[0];
    let mysql = shown::of_mysql(ground, target.ordered).await?;
    let shown = shown::of_hbase(&sink, &mapping).await?;
    shown::compare(&mysql, &shown.groups)?;
    let cells_due = match (target.layout, target.segment) {
        (Laid::Tall, _) if target.form == CellForm::Columns => target.columns.len() as u64,
        (Laid::Tall, _) => 1,
        (Laid::Wide, Some(_)) => mysql.values().map(|items| items.count).max().unwrap_or(0),
        (Laid::Wide, None) => largest_list(&mysql),
    };
    let largest = shown.largest;
    ensure!(
        largest.cells == cells_due,
        "the largest HBase row has {} cells, and {cells_due} were due",
        largest.cells
    );
    ground.forget_table(&sink, &name).await?;
    Ok(Copied { beside, largest, cells_due, items: shown::count(&mysql) })
}

fn largest_list(groups: &Groups) -> u64 {
    let mut lists: BTreeMap<u64, u64> = BTreeMap::new();
    groups.iter().for_each(|((list, _), items)| *lists.entry(*list).or_default() += items.count);
    lists.into_values().max().unwrap_or(0)
}

fn report(name: &str, rate: u32, copied: &[Copied], tall: &[Round]) -> BenchReport {
    let besides: Vec<Beside> = copied.iter().map(|copied| copied.beside.clone()).collect();
    let mut report = lag::report(name, rate, &besides);
    let own = rounds_of(copied);
    let base = name_of(&LAYOUTS[0]);
    if name != base {
        report.compare(&base, &own, tall, bound(tall, &own));
    }
    let statuses = || own.iter().filter_map(|round| round.last_status.as_ref());
    let sum = |pointer: &str| statuses().map(|status| status.number(pointer)).sum::<u64>();
    let deletes = statuses().map(|status| status.number("/tail/deletes")).sum::<u64>();
    let seconds = Spread::of(own.iter().map(|round| round.whole.seconds));
    let largest = copied.iter().max_by_key(|copied| copied.largest.cells);
    for (name, value) in [
        ("copy_seconds", json!(seconds)),
        ("deletes_tailed", json!(deletes)),
        ("tail_put_aside", json!(sum("/leases/tail_put_aside"))),
        ("parts_put_aside", json!(sum("/leases/parts_put_aside"))),
        ("items_at_the_end", json!(copied.iter().map(|copied| copied.items).collect::<Vec<_>>())),
        ("largest_row_cells", json!(largest.map(|copied| copied.largest.cells))),
        ("largest_row_cells_due", json!(largest.map(|copied| copied.cells_due))),
        ("largest_row_bytes", json!(largest.map(|copied| copied.largest.bytes))),
    ] {
        report.more.insert(name.to_owned(), value);
    }
    report.sentences.extend(copied.iter().map(|copied| format!("{name}: {}", copied.sentence())));
    report
}

impl Copied {
    fn sentence(&self) -> String {
        let Beside { round, .. } = &self.beside;
        let number = |pointer: &str| {
            grouped(round.last_status.as_ref().map_or(0, |status| status.number(pointer)) as f64)
        };
        format!(
            "copied {} rows in {:.1} s beside the changes; {} times a list of the tail was put aside, {} times a part of the \
             copy; the largest HBase row has {} cells ({} were due) and {} bytes; {} items are the same at the end",
            grouped(round.whole.rows as f64),
            round.whole.seconds,
            number("/leases/tail_put_aside"),
            number("/leases/parts_put_aside"),
            grouped(self.largest.cells as f64),
            grouped(self.cells_due as f64),
            grouped(self.largest.bytes as f64),
            grouped(self.items as f64),
        )
    }
}
