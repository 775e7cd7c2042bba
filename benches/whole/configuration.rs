//! What a case moves and into what: its configuration, and what the library makes of it.

use crate::ground::{Ground, Ports};
use crate::link::Link;
use anyhow::Context;
use std::path::{Path, PathBuf};
use tailfill::app;
use tailfill::config::{self, Config};
use tailfill::model::Mapping;
use tailfill::sink::hbase::HbaseSink;

/// A target as most cases have it: one HBase row for each item, one cell for each column.
pub const TALL: &str = "layout = \"tall\"\ncolumns = [\"created_at\", \"note\"]\nvalues = \"utf8\"\n";

/// A layout by name, as lines of a target.
pub struct Layout {
    pub name: &'static str,
    pub lines: &'static str,
}

/// The layouts that are compared; the first is what the others' ratios are to.
pub const LAYOUTS: [Layout; 5] = [
    Layout { name: "tall", lines: TALL },
    Layout { name: "packed", lines: "layout = \"tall\"\nvalue = \"msgpack\"\n" },
    Layout { name: "wide", lines: "layout = \"wide\"\nvalue = \"msgpack\"\n" },
    Layout { name: "segments", lines: "layout = \"wide\"\nvalue = \"msgpack\"\nsegment = \"30d\"\n" },
    Layout { name: "unordered", lines: "layout = \"wide\"\nvalue_column = \"note\"\nordered = false\n" },
];

/// A table of MySQL on its way into a table of HBase.
#[derive(Clone, Copy)]
pub struct Move<'a> {
    pub ground: &'a Ground,
    pub source_table: &'a str,
    /// Names the HBase table, the folder and what is reported.
    pub case: &'a str,
    /// Lines of `[[mapping.target]]`: the layout, and what belongs to it.
    pub layout: &'a str,
    /// More lines of `[hbase]`.
    pub hbase: &'a str,
    /// Their ports; empty: that of the ground.
    pub gateways: &'a [u16],
    /// The program that moves it.
    pub tailfill: &'a Path,
    /// Gets slow when half of the rows are written.
    pub slows: Option<&'a Link>,
}

impl Move<'_> {
    /// The configuration: everything that can be left out is.
    pub fn configuration(&self) -> String {
        let Ports { mysql, memcached, gateway, .. } = self.ground.ports;
        let Move { source_table, layout, hbase, .. } = self;
        let gateways = match self.gateways {
            [] => &[gateway],
            some => some,
        };
        let gateways =
            gateways.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect::<Vec<_>>().join(", ");
        let (database, table) = (&self.ground.database, self.ground.table(self.case));
        let server_id = rand::random_range(100_000..u32::MAX);
        format!(
            r#"state_dir = "state"
[source]
url = "mysql://root@127.0.0.1:{mysql}/{database}"
server_id = {server_id}
[lease]
servers = ["127.0.0.1:{memcached}"]
[hbase]
gateways = [{gateways}]
{hbase}
[admin]
listen = "127.0.0.1:0"
[[mapping]]
name = "{database}"
table = "{database}.{source_table}"
key = ["followee_id"]
item = ["follower_id"]
order = {{ by = "created_at", descending = true }}
[[mapping.target]]
table = "{table}"
family = "f"
salt_buckets = 16
{layout}"#
        )
    }

    /// The configuration as the program reads it.
    pub fn config(&self) -> anyhow::Result<Config> {
        let text = self.configuration();
        config::parse(&text, &self.ground.work, &|_| None).map_err(|faults| anyhow::anyhow!("{faults}"))
    }

    /// The mapping, its columns found in the table.
    pub async fn mapping(&self) -> anyhow::Result<Mapping> {
        let mappings = app::mappings(&self.config()?)
            .await
            .map_err(|failure| anyhow::anyhow!("{}", failure.render()))?;
        mappings.into_iter().next().context("the configuration has a mapping")
    }

    /// The sink, as the configuration says, and the mapping that it serves.
    pub async fn sink(&self) -> anyhow::Result<(HbaseSink, Mapping)> {
        let (config, mapping) = (self.config()?, self.mapping().await?);
        let sink = HbaseSink::connect(self.ground.hbase_options(&config), mapping.targets.clone()).await?;
        Ok((sink, mapping))
    }

    /// A folder of its own for a run of tailfill, with its configuration in it.
    pub fn folder(&self) -> anyhow::Result<PathBuf> {
        let folder = self.ground.work.join(self.case);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        std::fs::write(configuration_of(&folder), self.configuration())?;
        Ok(folder)
    }
}

/// The configuration in a folder of [`Move::folder`].
pub fn configuration_of(folder: &Path) -> PathBuf {
    folder.join("tailfill.toml")
}
