//! A finished migration with a run beside it, into which causes are planted.

use super::ground::{self, Item, List, Place, inserts, items};
use super::plants::Edit;
use crate::support::scenario::{Scenario, copied, gateway};
use crate::support::shape::FOLLOWS;
use crate::support::shell;
use crate::support::tailfill::{Ended, Tailfill};
use crate::support::thrift::{self, Cells};
use serde_json::Value as Json;
use std::time::{SystemTime, UNIX_EPOCH};

pub struct World {
    pub scenario: Scenario,
    run: Tailfill,
    /// What is moved; `None`: everything.
    pilot: Option<[List; 2]>,
    /// When everything was copied: milliseconds since 1970.
    pub copied_at: i64,
}

impl World {
    /// Everything is copied, counted, and tailed.
    pub async fn create(test: &str) -> World {
        World::begin(test, None).await
    }

    /// A list of `follows` and one of `owners`.
    pub async fn of_a_pilot(test: &str) -> World {
        World::begin(test, Some([List::Number(101), List::Name("Ann")])).await
    }

    async fn begin(test: &str, pilot: Option<[List; 2]>) -> World {
        let mut scenario = Scenario::new(test, &FOLLOWS).await.moving(ground::lists()).await;
        scenario.settings.queries = ground::QUERIES;
        // a re-copy begins when no older write can land any more
        (scenario.settings.operation_timeout, scenario.settings.lease_expiry) = ("2s", "3s");
        // what the binlog shows would be chosen as changed lately
        scenario.sql("SET sql_log_bin = 0").await;
        for statement in inserts() {
            scenario.sql(&statement).await;
        }
        scenario.init().await;
        let only = ["--only", "lists=101", "--only", "days=101", "--only", "owners=Ann"];
        let only = if pilot.is_some() { &only[..] } else { &[] };
        let run = scenario.start(&[&["run"][..], only].concat());
        let is_done = |status: &Json| {
            let targets = status["targets"].as_array().expect("status has targets");
            let counted =
                |target: &Json| target["counts"].is_null() || target["counts"]["state"] == "counted";
            status["phase"] == "tailing" && copied(status) && targets.iter().all(counted)
        };
        scenario.until_status("the copy to be done and counted", is_done).await;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        World { scenario, run, pilot, copied_at: since.as_millis() as i64 }
    }

    /// The items that are moved to a target.
    fn items(&self, place: Place) -> Vec<Item> {
        let is_moved = |item: &Item| self.pilot.is_none_or(|lists| lists.contains(&item.list));
        items(place).into_iter().filter(is_moved).collect()
    }

    /// Does these, in their order.
    pub async fn edit(&mut self, edits: &[Edit]) {
        for edit in edits {
            self.edit_once(edit).await;
        }
    }

    async fn edit_once(&mut self, edit: &Edit) {
        let gateway = gateway();
        let table = |place: &Place| self.scenario.table(place.number());
        let done = match edit {
            Edit::Put(place, at, value) => blocking(|| thrift::put(&gateway, &table(place), at, value)),
            Edit::Delete(place, at) => blocking(|| thrift::delete(&gateway, &table(place), at)),
            Edit::AddFamily(place, family) => {
                blocking(|| thrift::add_family(&gateway, &table(place), family))
            }
            Edit::Has(place, at, expected) => {
                let cells = self.cells(*place, at.family);
                assert_eq!(cells.get(&(at.row.clone(), at.qualifier.clone())), expected.as_ref(), "{edit:?}");
                Ok(())
            }
            Edit::Sql(statement) => {
                self.scenario.sql(statement).await;
                Ok(())
            }
            Edit::Application(statement) => {
                for statement in ["SET sql_log_bin = 1", statement, "SET sql_log_bin = 0"] {
                    self.scenario.sql(statement).await;
                }
                self.scenario.until_written().await;
                Ok(())
            }
            Edit::Ask(queries) => {
                self.scenario.settings.queries = queries;
                Ok(())
            }
            Edit::PurgeMarkers(place) => {
                shell::run(&purge(&table(place))).await;
                Ok(())
            }
        };
        done.unwrap_or_else(|error| panic!("{edit:?}: {error}"));
    }

    /// What HBase has in one family of a target, by a reader of the tests' own.
    fn cells(&self, place: Place, family: &str) -> Cells {
        let table = self.scenario.table(place.number());
        blocking(|| thrift::family(&gateway(), &table, family)).expect("HBase can be read")
    }

    /// Fails unless HBase has every byte that MySQL's rows are, and nothing else; counts of nothing may be 0.
    pub fn assert_whole(&self, after: &str) {
        for place in Place::ALL {
            let mut expected = Cells::new();
            for item in self.items(place) {
                let (row, cells) = item.stored(place);
                expected.extend(cells.into_iter().map(|(name, value)| ((row.clone(), name), value)));
            }
            let found = self.cells(place, "f");
            let wrong: Vec<_> =
                found.iter().filter(|(at, value)| expected.get(*at) != Some(*value)).collect();
            let missing: Vec<_> = expected.keys().filter(|at| !found.contains_key(*at)).collect();
            assert!(
                wrong.is_empty() && missing.is_empty(),
                "after {after}: {place:?}: {wrong:?}, {missing:?}"
            );
        }
        let mut expected = Cells::new();
        for at in self.items(Place::Days).iter().map(|item| item.count()) {
            let items = expected.entry((at.row, at.qualifier)).or_insert_with(|| vec![0; 8]);
            items[7] += 1;
        }
        let mut found = self.cells(Place::Days, "c");
        found.retain(|(_, name), value| name == b"n" && value != &[0; 8]);
        assert!(found == expected, "after {after}: counts {found:?}, not {expected:?}");
    }

    /// `tailfill verify --json` with more words.
    pub async fn verify(&self, words: &[&str]) -> Ended {
        self.scenario.run(&[&["verify", "--json"], words].concat()).await
    }

    pub async fn close(self) {
        self.run.interrupted().await;
    }
}

fn blocking<T>(call: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(call)
}

/// Statements of HBase's shell: markers live no longer than the next major compaction, which is over in the end.
fn purge(table: &str) -> String {
    let setting = "'hbase.hstore.time.to.purge.deletes' => '0'";
    format!(
        "alter '{table}', {{NAME => 'f', CONFIGURATION => {{{setting}}}}}\n\
         flush '{table}'\n\
         admin = @hbase.instance_variable_get(:@connection).getAdmin\n\
         name = org.apache.hadoop.hbase.TableName.valueOf('{table}')\n\
         admin.majorCompact(name)\n\
         sleep 0.1 until admin.getCompactionState(name).toString == 'NONE'"
    )
}
