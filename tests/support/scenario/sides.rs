//! Both sides of a scenario: its HBase tables, and how they compare with MySQL.

use super::{Scenario, gateway};
use crate::support::compare::{Differences, Items, Side, assert_counted, assert_same, differences};
use crate::support::lists::{Form, Lists};
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

    /// The HBase tables, for reading.
    pub async fn hbase(&self) -> HbaseSink {
        let forms = self.lists.iter().flat_map(|lists| &lists.targets).enumerate();
        let targets = forms.map(|(id, form)| form.to_read(id, self.hbase_table(form))).collect();
        let sink = HbaseSink::connect(HbaseOptions::new(vec![gateway()]), targets).await;
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
