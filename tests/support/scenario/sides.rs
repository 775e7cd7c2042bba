//! Both sides of a scenario: its HBase tables, and how they compare with MySQL.

use super::{Scenario, gateway};
use crate::support::compare::{Differences, Items, Side, assert_counted, assert_same, differences};
use crate::support::lists::{Form, Lists};
use crate::support::shape::{Column, Kind};
use tailfill::model::TargetId;
use tailfill::sink::hbase::{HbaseOptions, HbaseSink};

/// Targets are numbered over all mappings: 0 is the ordered one, 1 the one for membership, unless the test says otherwise.
impl Scenario {
    pub fn hbase_table(&self, form: &Form) -> String {
        format!("{}{}", self.prefix, form.name)
    }

    /// The HBase table of a target.
    pub fn table(&self, target: usize) -> String {
        self.hbase_table(self.side(target).form)
    }

    /// How many targets there are.
    pub fn targets(&self) -> usize {
        self.lists.iter().map(|lists| lists.targets.len()).sum()
    }

    pub fn side(&self, target: usize) -> Side<'_> {
        let mut sides = self
            .lists
            .iter()
            .flat_map(|Lists { shape, targets, .. }| targets.iter().map(move |form| Side { shape, form }));
        sides.nth(target).expect("a target of the scenario")
    }

    /// The key of a list's lease in a mapping, as the program prints it.
    pub async fn lease_key(&mut self, mapping: usize, list: u64) -> String {
        let Lists { name, shape, .. } = self.lists[mapping].clone();
        let parts: Vec<String> = shape.key.iter().map(typed_in).collect();
        let array = format!("SELECT JSON_ARRAY({})", parts.join(", "));
        let key =
            self.ask(&format!("{array} FROM {} WHERE {} LIMIT 1", shape.table, shape.is_list(list))).await;
        let printed = self.run(&["key", name, &key]).await.expect_code(0).out;
        let line = printed.lines().find_map(|line| line.strip_prefix("lease"));
        line.expect("`tailfill key` prints the lease").trim().to_owned()
    }

    /// The HBase tables, for reading.
    pub async fn hbase(&self) -> HbaseSink {
        let forms = self.lists.iter().flat_map(|lists| &lists.targets).enumerate();
        let targets = forms.map(|(id, form)| form.to_read(id, self.hbase_table(form))).collect();
        let sink = HbaseSink::connect(
            HbaseOptions::new(vec![self.settings.hbase.clone().unwrap_or_else(gateway)]),
            targets,
        )
        .await;
        sink.expect("the gateway is up")
    }

    /// What HBase shows in a target.
    pub async fn shown(&self, target: usize) -> Items {
        self.side(target).of_hbase(&self.hbase().await, TargetId(target as u16)).await.items
    }

    /// Compares every item, every value and every count of all targets with MySQL; how many items the last one has.
    pub async fn compare(&self) -> usize {
        let mut items = 0;
        for target in 0..self.targets() {
            items = self.compare_target(target).await;
        }
        items
    }

    /// Compares every item, every value and every count of a target with MySQL; how many items there are.
    pub async fn compare_target(&self, target: usize) -> usize {
        let (sink, id) = (self.hbase().await, TargetId(target as u16));
        let (side, table) = (self.side(target), self.table(target));
        let mysql = side.of_mysql(self.settings.mysql_port, &self.database).await;
        assert_same(&table, &mysql, &side.of_hbase(&sink, id).await);
        if side.form.counted {
            assert_counted(&table, &mysql, &side.counts(&sink, id).await);
        }
        mysql.items.len()
    }

    /// What is not the same, target by target.
    pub async fn differences(&self) -> Vec<Differences> {
        let mut found = Vec::new();
        for target in 0..self.targets() {
            let mysql = self.side(target).of_mysql(self.settings.mysql_port, &self.database).await;
            found.push(differences(&mysql.items, &self.shown(target).await));
        }
        found
    }
}

/// A column of a list key as a person types it in, in SQL.
fn typed_in(column: &Column) -> String {
    match column.kind {
        Kind::Binary | Kind::Fixed(_) => format!("CONCAT('0x', HEX({}))", column.name),
        _ => column.name.to_owned(),
    }
}
