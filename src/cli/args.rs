//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Moves list-shaped data from MySQL to HBase while both stay in service, and loses no delete.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Arguments {
    /// The configuration file; config/example.toml explains every key
    #[arg(short, long, value_name = "FILE", default_value = "tailfill.toml", global = true)]
    pub config: PathBuf,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
KEY and ITEM: the plain value of one column (42, bob, 2024-01-31), a JSON array for several columns
([7,\"eu\"]), hexadecimal for binary (0x2a)

TAILFILL_LOG sets what tailfill logs to standard error (debug, tailfill=trace, ...; default: info).
NO_COLOR=1 takes the colours away.

Exit codes:
    0  done
    1  failed: for example a server is away, a password is wrong, or a target is parked
    2  the command line or the configuration is wrong
    3  refused by a check, or verify could not judge
    4  MySQL and HBase differ
    5  MySQL cannot continue from the checkpoint, or from the position of --from
  130  you stopped the command; a run has checkpointed";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tests every setting, grant and assumption, and says what to change
    Check(CheckArgs),
    /// Creates or checks the HBase tables and the state; you can repeat it
    Init(InitArgs),
    /// Tails the binlog and copies existing rows, until you stop it
    Run(RunArgs),
    /// Pauses the tail, the backfill or both, until you resume them; a restart keeps them paused
    Pause(PauseArgs),
    /// Resumes what is paused
    Resume(ResumeArgs),
    /// Shows what a run does, how far it is, and what it waits for
    Status(StatusArgs),
    /// Compares MySQL and HBase, also while the application writes
    Verify(VerifyArgs),
    /// Compares lists in both directions; with --yes, writes what differs and brings back parked targets
    Recopy(RecopyArgs),
    /// Shows a list, or the answer to a query, from MySQL, HBase or both
    Get(GetArgs),
    /// Prints the bytes of a list's or an item's keys; writes nothing
    Key(KeyArgs),
    /// Prints a script that completes commands and options in your shell
    Completions(CompletionsArgs),
    /// Prints the man page, or writes a page for each command into a folder
    Man(ManArgs),
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub json: bool,
    /// If no target answers a query, only warn
    #[arg(long)]
    pub accept_unanswered: bool,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// Take over HBase tables that this state_dir did not create
    #[arg(long)]
    pub adopt: bool,
    /// If no target answers a query, only warn
    #[arg(long)]
    pub accept_unanswered: bool,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Only tail the binlog; copy no existing rows
    #[arg(long, conflicts_with = "backfill_only")]
    pub tail_only: bool,
    /// Only copy existing rows
    #[arg(long)]
    pub backfill_only: bool,
    /// Begin the tail here: FILE:OFFSET, a GTID set, now, or earliest [default: the checkpoint, else now]
    #[arg(long, value_name = "POSITION")]
    pub from: Option<String>,
    /// End when every chunk is copied and the checkpoint has caught up
    #[arg(long, value_name = "WHEN")]
    pub until: Option<Until>,
    /// Move these lists only, as a pilot: KEY, or several with commas between them; you can repeat the option
    #[arg(long, value_name = "KEYS")]
    pub only: Vec<String>,
    /// Continue although MySQL cannot continue from the checkpoint; the run copies everything again
    #[arg(long, conflicts_with_all = ["from", "only", "backfill_only", "dry_run"])]
    pub accept_gap: bool,
    /// Resume what `tailfill pause` has paused
    #[arg(long, conflicts_with = "dry_run")]
    pub resume: bool,
    /// Read and count; write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write a summary of the run to this file, as one flat JSON object
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,
    /// If no target answers a query, only warn
    #[arg(long)]
    pub accept_unanswered: bool,
    /// How the log on standard error is written; json: one object on each line
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How a run writes to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Until {
    CaughtUp,
}

/// What a lever is set for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LeverWork {
    Tail,
    Backfill,
    All,
}

#[derive(Debug, Args)]
pub struct PauseArgs {
    /// What to pause
    #[arg(default_value = "all")]
    pub work: LeverWork,
    /// Why; `tailfill status` shows it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// What to resume
    #[arg(default_value = "all")]
    pub work: LeverWork,
    /// Why; `tailfill status` shows it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print one JSON document instead of text; with --watch one on each line
    #[arg(long)]
    pub json: bool,
    /// Print again every second, until the run ends or you press Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Compare every item of every mapping (the default)
    #[arg(long)]
    pub full: bool,
    /// List what a re-copy of the lists that differ would change; with --yes change it, and compare again
    #[arg(long)]
    pub repair: bool,
    /// With --repair: write to HBase
    #[arg(long, requires = "repair")]
    pub yes: bool,
    /// Print one JSON document instead of a table; with --repair several, one on each line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RecopyArgs {
    /// The mapping's name
    pub mapping: String,
    /// The lists [default: the whole mapping, also lists that only HBase has, and parked targets]
    #[arg(value_name = "KEY", allow_negative_numbers = true)]
    pub keys: Vec<String>,
    /// Only list what would change (the default)
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Write to HBase
    #[arg(long)]
    pub yes: bool,
    /// Print one JSON document instead of text
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
    /// The side that answers
    #[arg(long, value_name = "SIDE", default_value = "both")]
    pub from: Side,
    /// Answer from this HBase table, even if another target of the mapping is better
    #[arg(long, value_name = "TABLE")]
    pub target: Option<String>,
    /// Show how HBase answers, and how many calls, rows and cells tailfill read
    #[arg(long)]
    pub stats: bool,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

/// The question about the list [default: its latest 20 items, or first 20 without an order]
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
    /// Whether the list has this item
    #[arg(long, value_name = "ITEM", allow_hyphen_values = true)]
    pub has: Option<String>,
    /// The answer to this [[mapping.query]] of the configuration; kind "has" also needs --has ITEM
    #[arg(long, value_name = "NAME")]
    pub query: Option<String>,
    /// With a query of kind "page": the items after this place, a JSON array of order value and item
    /// (the item alone if the mapping has no order) [default: from the beginning]
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

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder for tailfill.1, tailfill-run.1 and so on [default: print tailfill.1]
    pub dir: Option<PathBuf>,
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
    fn the_readme_has_every_command() {
        let readme = include_str!("../../README.md");
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name();
            assert!(readme.contains(&format!("| `tailfill {name}")), "{name} is not in README.md's table");
        }
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
