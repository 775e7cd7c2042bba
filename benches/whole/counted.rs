//! `counted`: the same wide rows tailed with and without counts, and copied with and without the walk that counts them. A
//! counted row is a call of its own, so what matters is how many calls are under way.

use crate::configuration::Move;
use crate::data::Backlog;
use crate::ground::{FOLLOWS, Ground};
use crate::measure::{Report, Round, bound};
use crate::{moved, rows, show};
use serde_json::json;
use std::collections::BTreeMap;

/// Every so manieth row is looked up afterwards.
const LOOK_UP_EVERY: usize = 500;

const PLAIN: &str = "layout = \"wide\"\nvalue = \"msgpack\"\n";
const COUNTED: &str = "layout = \"wide\"\nvalue = \"msgpack\"\ncount = true\n";

/// What is compared with the first of its side.
struct Way {
    name: &'static str,
    is_tail: bool,
    layout: &'static str,
    /// Lines of `[hbase]`.
    hbase: &'static str,
}

const WAYS: [Way; 6] = [
    Way { name: "tail-uncounted", is_tail: true, layout: PLAIN, hbase: "" },
    Way { name: "tail-counted-1", is_tail: true, layout: COUNTED, hbase: "connections = 1\n" },
    Way { name: "tail-counted-4", is_tail: true, layout: COUNTED, hbase: "connections = 4\n" },
    Way { name: "tail-counted-16", is_tail: true, layout: COUNTED, hbase: "connections = 16\n" },
    Way { name: "copy-uncounted", is_tail: false, layout: PLAIN, hbase: "" },
    Way { name: "copy-and-count", is_tail: false, layout: COUNTED, hbase: "connections = 16\n" },
];

/// All of them in turns.
pub async fn run(ground: &Ground, backlog: &Backlog, say: &dyn Fn(&str)) -> anyhow::Result<Vec<Report>> {
    let plain = Move { ground, source_table: FOLLOWS, case: "none", layout: PLAIN, hbase: "" };
    let expected = rows::some_of(&plain, backlog, LOOK_UP_EVERY).await?;
    let mut rounds: BTreeMap<usize, Vec<Round>> = BTreeMap::new();
    for number in 1..=ground.scale.rounds {
        for (place, way) in WAYS.iter().enumerate() {
            let Way { name, layout, hbase, .. } = *way;
            let what = Move { ground, source_table: FOLLOWS, case: name, layout, hbase };
            let round = match way.is_tail {
                true => moved::tail_as(&what, backlog, &expected).await?,
                false => moved::backfill_as(&what, backlog.edges.len() as u64, &expected).await?,
            };
            say(&format!("round {number}, {name}: {} rows/s", show::grouped(round.whole.rate())));
            rounds.entry(place).or_default().push(round);
        }
    }
    Ok(rounds.iter().map(|(place, own)| report(*place, own, &rounds)).collect())
}

fn report(place: usize, own: &[Round], rounds: &BTreeMap<usize, Vec<Round>>) -> Report {
    let way = &WAYS[place];
    let mut report = Report::of(way.name, own);
    let base = WAYS.iter().position(|other| other.is_tail == way.is_tail).unwrap_or(place);
    if base != place {
        let plain = rounds.get(&base).map_or(&[][..], Vec::as_slice);
        report.compare(WAYS[base].name, own, plain, bound(plain, own));
    }
    let counted = own.iter().filter_map(|round| round.last_status.as_ref());
    if let Some(rows) = counted.map(|status| status.number("/targets/0/counts/rows_counted")).max() {
        report.more.insert("rows_counted".into(), json!(rows));
    }
    report
}
