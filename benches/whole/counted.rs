//! `counted`: the same wide rows tailed with and without counts, and copied with and without the walk that counts them. A
//! counted row is a call of its own, so what matters is how many calls are under way.

use crate::configuration::Move;
use crate::data::Backlog;
use crate::ground::{FOLLOWS, Ground};
use crate::measure::BenchReport;
use crate::moved::Side;
use crate::rows::{self, LOOK_UP_EVERY};
use crate::turns::{self, Way};
use serde_json::json;

const PLAIN: &str = "layout = \"wide\"\nvalue = \"msgpack\"\n";
const COUNTED: &str = "layout = \"wide\"\nvalue = \"msgpack\"\ncount = true\n";

/// Name, side, layout, lines of `[hbase]`. Each is compared with the first of its side.
const WAYS: [(&str, Side, &str, &str); 6] = [
    ("tail-uncounted", Side::Tail, PLAIN, ""),
    ("tail-counted-1", Side::Tail, COUNTED, "connections = 1\n"),
    ("tail-counted-4", Side::Tail, COUNTED, "connections = 4\n"),
    ("tail-counted-16", Side::Tail, COUNTED, "connections = 16\n"),
    ("copy-uncounted", Side::Backfill, PLAIN, ""),
    ("copy-and-count", Side::Backfill, COUNTED, "connections = 16\n"),
];

/// All of them in turns.
pub async fn run(ground: &Ground, backlog: &Backlog, say: &dyn Fn(&str)) -> anyhow::Result<Vec<BenchReport>> {
    let plain = Move { layout: PLAIN, ..ground.tall(FOLLOWS, "none") };
    let expected = rows::some_of(&plain, backlog, LOOK_UP_EVERY).await?;
    let way = |&(name, side, layout, hbase): &(&'static str, Side, &'static str, &'static str)| Way {
        side,
        what: Move { layout, hbase, ..ground.tall(FOLLOWS, name) },
        expected: &expected,
        base: WAYS.iter().position(|other| other.1 == side).unwrap_or(0),
    };
    let ways: Vec<Way<'_>> = WAYS.iter().map(way).collect();
    let rounds = turns::run(&ways, ground.scale.rounds, backlog, say).await?;
    let mut reports = turns::reports(&ways, &rounds);
    for (report, own) in reports.iter_mut().zip(&rounds) {
        let counted = own.iter().filter_map(|round| round.last_status.as_ref());
        if let Some(rows) = counted.map(|status| status.number("/targets/0/counts/rows_counted")).max() {
            report.more.insert("rows_counted".into(), json!(rows));
        }
    }
    Ok(reports)
}
