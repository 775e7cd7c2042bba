//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Moves list-shaped data from MySQL to HBase while both stay in service, and loses no delete.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Arguments {
    /// The configuration; config/example.toml explains every key
    #[arg(short, long, value_name = "FILE", default_value = "tailfill.toml", global = true)]
    pub config: PathBuf,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
KEY and ITEM: a plain value for one column (42, bob, 2024-01-31), a JSON array for several ([7,\"eu\"]),
binary as 0x...

TAILFILL_LOG sets what is logged to standard error (debug, tailfill=trace, ...; info by default).

Exit codes: 0 done; 1 failed (a server away, a password refused, a mapping parked); 2 usage or
configuration; 3 refused by a check or gate; 4 verification found differences; 5 the source cannot
be continued from this position; 130 interrupted (cleanly: checkpointed).";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks every setting, grant and assumption: expected, actual, what to do
    Check(CheckArgs),
    /// Creates or checks the HBase tables and the state; safe to repeat
    Init(InitArgs),
    /// Tails the binlog and copies history, until stopped
    Run(RunArgs),
    /// Shows what a running tailfill does, how far it is, and why it waits
    Status(StatusArgs),
    /// Compares MySQL and HBase while both are written to
    Verify(VerifyArgs),
    /// Copies lists again: mends what differs from MySQL, in both directions
    Recopy(RecopyArgs),
    /// Reads a list, or what is asked of it, from MySQL, HBase or both
    Get(GetArgs),
    /// Prints the bytes of a list's or an item's keys; writes nothing
    Key(KeyArgs),
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
    /// Warn of queries that no target answers, instead of refusing them
    #[arg(long)]
    pub accept_unanswered: bool,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// Take over HBase tables that another run created
    #[arg(long)]
    pub adopt: bool,
    /// Warn of queries that no target answers, instead of refusing them
    #[arg(long)]
    pub accept_unanswered: bool,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Only tail the binlog; copy no history
    #[arg(long, conflicts_with = "backfill_only")]
    pub tail_only: bool,
    /// Only copy history
    #[arg(long)]
    pub backfill_only: bool,
    /// Where the tail begins: FILE:OFFSET, a GTID set, now, or earliest [default: the checkpoint, else now]
    #[arg(long, value_name = "POSITION")]
    pub from: Option<String>,
    /// End once every chunk is copied and the checkpoint has caught up
    #[arg(long, value_name = "WHEN")]
    pub until: Option<Until>,
    /// Move these lists only: KEYs, separated by commas, or the option repeated; MAPPING=KEY when the
    /// configuration has several mappings
    #[arg(long, value_name = "KEYS")]
    pub only: Vec<String>,
    /// Go on where the source cannot be continued from the checkpoint: everything is copied again
    #[arg(long, conflicts_with_all = ["from", "only", "backfill_only", "dry_run"])]
    pub accept_gap: bool,
    /// Read and count, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write what the run did to this file, as one flat JSON object
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
    /// Warn of queries that no target answers, instead of refusing them
    #[arg(long)]
    pub accept_unanswered: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Until {
    CaughtUp,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// One JSON document instead of text; with --watch one a line
    #[arg(long)]
    pub json: bool,
    /// Every second, until the run ends or Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Every row of every mapping (the default)
    #[arg(long)]
    pub full: bool,
    /// Say what a re-copy of the lists that differ would touch; with --yes do it, and compare again
    #[arg(long)]
    pub repair: bool,
    /// With --repair: touch HBase
    #[arg(long, requires = "repair")]
    pub yes: bool,
    /// One JSON document instead of a table; with --repair several, one a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RecopyArgs {
    /// The mapping's name
    pub mapping: String,
    /// The lists [default: all of the mapping, those that only HBase has, and targets that are parked]
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    pub keys: Vec<String>,
    /// Only say what would be touched (the default)
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Touch HBase
    #[arg(long)]
    pub yes: bool,
    /// One JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct GetArgs {
    /// The mapping's name
    pub mapping: String,
    /// The list
    #[arg(allow_hyphen_values = true)]
    pub key: String,
    #[command(flatten)]
    pub what: WhatArgs,
    /// Who answers
    #[arg(long, value_name = "SIDE", default_value = "both")]
    pub from: Side,
    /// Answer from this HBase table, whether or not another target of the mapping does better
    #[arg(long, value_name = "TABLE")]
    pub target: Option<String>,
    /// Say how HBase answers, and how many calls, rows and cells were read
    #[arg(long)]
    pub stats: bool,
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

/// What is asked of the list [default: its latest 20 items, or first 20 without an order]
#[derive(Debug, Args)]
pub struct WhatArgs {
    /// The first N items
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    #[arg(conflicts_with_all = ["latest", "count", "has", "query"])]
    pub first: Option<u32>,
    /// The latest N items
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    #[arg(conflicts_with_all = ["count", "has", "query"])]
    pub latest: Option<u32>,
    /// The number of items
    #[arg(long, conflicts_with_all = ["has", "query"])]
    pub count: bool,
    /// Whether it has this item
    #[arg(long, value_name = "ITEM", allow_hyphen_values = true)]
    pub has: Option<String>,
    /// What a [[mapping.query]] of the configuration asks; one of kind "has" takes --has ITEM
    #[arg(long, value_name = "NAME")]
    pub query: Option<String>,
    /// With a query of kind "page": the items behind this place, a JSON array of order value and item
    /// (of the item alone where the mapping has no order) [default: from the beginning]
    #[arg(long, value_name = "PLACE", requires = "query", allow_hyphen_values = true)]
    pub after: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Side {
    Mysql,
    Hbase,
    Both,
}

#[derive(Debug, Args)]
pub struct KeyArgs {
    /// The mapping's name
    pub mapping: String,
    /// The list
    #[arg(allow_hyphen_values = true)]
    pub key: String,
    /// The item
    #[arg(allow_hyphen_values = true)]
    pub item: Option<String>,
    /// The item's value in the order column
    #[arg(long, value_name = "VALUE", requires = "item", allow_hyphen_values = true)]
    pub order: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_commands_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_configuration_can_be_named_before_and_after_the_command() {
        for line in ["tailfill -c x.toml check", "tailfill check -c x.toml", "tailfill check --config=x.toml"]
        {
            assert_eq!(parse(line).unwrap().config, PathBuf::from("x.toml"), "{line}");
        }
        assert_eq!(parse("tailfill check").unwrap().config, PathBuf::from("tailfill.toml"));
    }

    #[test]
    fn usage_errors_exit_with_2() {
        for line in [
            "tailfill",
            "tailfill walk",
            "tailfill run --tail-only --backfill-only",
            "tailfill run --until tomorrow",
            "tailfill run --accept-gap --from now",
            "tailfill get m",
            "tailfill get m 1 --first 3 --count",
            "tailfill get m 1 --first 0",
            "tailfill get m 1 --from oracle",
            "tailfill get m 1 --query q --latest 3",
            "tailfill get m 1 --has 3 --count",
            "tailfill get m 1 --after [1,2]",
            "tailfill key m 1 --order 3",
            "tailfill recopy",
            "tailfill recopy m --dry-run --yes",
            "tailfill verify --yes",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
        assert_eq!(parse("tailfill --version").unwrap_err().exit_code(), 0);
    }

    #[test]
    fn a_negative_number_is_a_key_and_no_option() {
        let Command::Key(args) = parse("tailfill key m -1 -2 --order -3").unwrap().command else {
            panic!("key")
        };
        assert_eq!(
            (args.key.as_str(), args.item.as_deref(), args.order.as_deref()),
            ("-1", Some("-2"), Some("-3"))
        );
    }
}
