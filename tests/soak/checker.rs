//! The independent comparison of every target with MySQL, as a report instead of a failure.
//!
//! It decodes HBase by docs/formats.md ([`crate::support::decode`]) and shares no code with what writes, or with `verify`.

use crate::support::compare::{Side, WideRow, differences};
use crate::support::lists::Form;
use crate::support::scenario::Scenario;
use crate::support::shape::Shape;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tailfill::model::TargetId;
use tailfill::sink::Sink;

/// How many differences are written out of each kind.
const SAMPLES: usize = 10;

/// What the comparison of one target has found.
#[derive(Debug, Default)]
pub struct Compared {
    pub target: String,
    /// Items that MySQL has.
    pub items: u64,
    /// HBase rows of MySQL's items whose count was compared.
    pub counted_rows: u64,
    /// Everything that is not the same, and HBase rows that are not as docs/formats.md says.
    pub differences: u64,
    pub samples: Vec<String>,
}

impl Compared {
    pub fn json(&self) -> Json {
        json!({
            "target": self.target,
            "items_compared": self.items,
            "counts_compared": self.counted_rows,
            "differences": self.differences,
            "samples": self.samples,
        })
    }

    fn add(&mut self, what: &str, found: impl Iterator<Item = String>) {
        for (number, one) in found.enumerate() {
            self.differences += 1;
            if number < SAMPLES {
                self.samples.push(format!("{what}: {one}"));
            }
        }
    }
}

/// Compares every item, every value, every row and every count of all targets with MySQL.
pub async fn compare(scenario: &Scenario) -> Vec<Compared> {
    let sink: Arc<dyn Sink> = Arc::new(scenario.hbase().await);
    let place = (scenario.settings.mysql_port, scenario.database.clone());
    let mut all = Vec::new();
    let forms = scenario.lists.iter().flat_map(|lists| lists.targets.iter().map(|form| (lists.shape, form)));
    for (id, (shape, form)) in (0..).zip(forms) {
        let (name, form) = (form.name, form.clone());
        let comparing = tokio::spawn(compare_target(sink.clone(), TargetId(id), shape, form, place.clone()));
        // what cannot be decoded is a difference too
        let compared = comparing.await.unwrap_or_else(|error| Compared {
            target: name.to_owned(),
            differences: 1,
            samples: vec![format!("the comparison ended: {error}")],
            ..Compared::default()
        });
        all.push(compared);
    }
    all
}

async fn compare_target(
    sink: Arc<dyn Sink>,
    id: TargetId,
    shape: &'static Shape,
    form: Form,
    (mysql_port, database): (u16, String),
) -> Compared {
    let side = Side { shape, form: &form };
    let mysql = side.of_mysql(mysql_port, &database).await;
    let hbase = side.of_hbase(&*sink, id).await;
    let mut compared = Compared {
        target: format!("{} {}", shape.table, form.name),
        items: mysql.items.len() as u64,
        ..Compared::default()
    };
    let found = differences(&mysql.items, &hbase.items);
    compared.add("only in MySQL", found.missing.iter().map(|address| format!("{address:?}")));
    compared.add("only in HBase", found.extra.iter().map(|address| format!("{address:?}")));
    compared.add("different", found.different.iter().map(|found| format!("{found:?}")));
    if compared.differences == 0 && mysql.rows != hbase.rows {
        compared.add("rows", std::iter::once("the same items are in other rows".to_owned()));
    }
    if form.counted {
        let counts = side.counts(&*sink, id).await;
        compared.counted_rows = mysql.rows.len() as u64;
        compared.add("count", wrong_counts(&mysql.rows, &counts).into_iter());
    }
    compared
}

/// Rows whose count is not how many items MySQL has in them, and rows without items that are counted as having some.
fn wrong_counts(rows: &BTreeMap<WideRow, u64>, counts: &BTreeMap<WideRow, Option<u64>>) -> Vec<String> {
    let wrong = rows.iter().filter_map(|(row, items)| {
        let count = counts.get(row).copied().flatten();
        (count != Some(*items)).then(|| format!("{row:?} has {items} items and is counted as {count:?}"))
    });
    let without = counts.iter().filter_map(|(row, count)| {
        let wrong = !rows.contains_key(row) && *count != Some(0);
        wrong.then(|| format!("{row:?} has no items and is counted as {count:?}"))
    });
    wrong.chain(without).collect()
}
