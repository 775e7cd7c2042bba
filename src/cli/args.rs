//! What can be typed.

mod suggest;

pub use suggest::SuggestArgs;

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

POSITION: FILE:OFFSET, a GTID set, now, earliest, or @TIME (RFC 3339, @2026-11-29T03:12:45Z): before
the first transaction that MySQL committed then or later

TAILFILL_LOG sets what tailfill logs to standard error (debug, tailfill=trace, ...; default: info).
NO_COLOR=1 takes the colours away.

Exit codes:
    0  done
    1  failed: for example a server is away, a password is wrong, or a target is parked
    2  the command line or the configuration is wrong
    3  refused by a check, or verify could not judge
    4  MySQL and HBase differ
    5  MySQL cannot continue from the checkpoint or from a POSITION, or changes would be missed
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
    /// Resumes what is paused; with --from, the tail continues from another position
    Resume(ResumeArgs),
    /// Shows where the tail stands and stood, and moves a tail that is paused or stopped
    Position(PositionArgs),
    /// Shows or changes how fast existing rows are copied, and what holds the copy back
    Throttle(ThrottleArgs),
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
    /// Looks at a MySQL table and prints a configuration for it, with the reasons; writes nothing
    Suggest(SuggestArgs),
    /// Writes what support needs of this run into one archive, without secrets; changes nothing
    SupportBundle(SupportBundleArgs),
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
    /// Begin the tail at this POSITION [default: the checkpoint, else now]
    #[arg(long, value_name = "POSITION")]
    pub from: Option<String>,
    /// End when every chunk is copied and the checkpoint has caught up
    #[arg(long, value_name = "WHEN")]
    pub until: Option<Until>,
    /// Move these lists only, as a pilot: KEY, or several with commas between them; you can repeat the option
    #[arg(long, value_name = "KEYS")]
    pub only: Vec<String>,
    /// The same with the lists of a file: a KEY, or MAPPING=KEY, on each line
    #[arg(long, value_name = "FILE")]
    pub only_file: Option<PathBuf>,
    /// Move this share of the lists only, as a pilot: 1%, or MAPPING=1%; always the same lists, and a higher share adds some
    #[arg(long, value_name = "SHARE")]
    pub sample: Vec<String>,
    /// Move all lists; those of a pilot that are copied are not copied again [default: the lists of the last run, else all]
    #[arg(long, conflicts_with_all = ["only", "only_file", "sample"])]
    pub all: bool,
    /// Continue although MySQL cannot continue from the checkpoint; the run copies everything again
    #[arg(long, conflicts_with_all = ["from", "only", "only_file", "sample", "backfill_only", "dry_run"])]
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
    /// The tail continues from this POSITION, not from the checkpoint
    #[arg(long, value_name = "POSITION")]
    pub from: Option<String>,
    /// With --from: miss the transactions before a newer position; the run copies everything again
    #[arg(long, requires = "from")]
    pub accept_gap: bool,
    /// Why; `tailfill status` shows it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct PositionArgs {
    #[command(subcommand)]
    pub command: PositionCommand,
}

#[derive(Debug, Subcommand)]
pub enum PositionCommand {
    /// Shows what the tail has received, sealed, written and checkpointed
    Show {
        /// Print one JSON document instead of text
        #[arg(long)]
        json: bool,
    },
    /// Shows where the tail stood: each minute, and at each start, stop and lever; oldest first
    History {
        /// Only since this time (RFC 3339)
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// The newest N records
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// Print one JSON document on each line
        #[arg(long)]
        json: bool,
    },
    /// Sets where a tail that is paused or stopped continues
    Set {
        /// FILE:OFFSET, a GTID set, now, earliest, or @TIME
        position: String,
        /// Miss the transactions before a newer position; the run copies everything again
        #[arg(long)]
        accept_gap: bool,
        /// Why; the history of positions shows it
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Print one JSON document instead of text
        #[arg(long)]
        json: bool,
    },
    /// Leaves one transaction out that cannot be applied; the run copies the tables that it names again
    Skip {
        /// The GTID of the transaction
        gtid: String,
        /// Why; the history of positions shows it
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Print one JSON document instead of text
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct ThrottleArgs {
    #[command(subcommand)]
    pub what: ThrottleCommand,
}

#[derive(Debug, Subcommand)]
pub enum ThrottleCommand {
    /// Shows each limit: its value, where the value comes from, and the last figure
    Show {
        /// Print one JSON document instead of text
        #[arg(long)]
        json: bool,
    },
    /// Sets limits, at once and over restarts, until you unset them
    Set {
        /// For example backfill.rows_per_second=20000 or throttle.tail_lag=2s; config/example.toml explains every key
        #[arg(required = true, value_name = "KEY=VALUE")]
        limits: Vec<String>,
        /// Why; `tailfill throttle show` shows it
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Ends what was set: the configuration holds again
    Unset {
        /// The keys
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
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
pub struct SupportBundleArgs {
    /// The archive; it must not exist [default: tailfill-support-TIME.tar.gz in this folder]
    #[arg(short, long, value_name = "FILE.tar.gz")]
    pub output: Option<PathBuf>,
    /// Add the end of this log of a run, at most 16 MiB
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct VerifyArgs {
    #[command(subcommand)]
    pub command: Option<VerifyCommand>,
    /// Compare every item of every mapping (the default)
    #[arg(long)]
    pub full: bool,
    /// Compare about N items of each target, drawn at random from those of both sides
    #[arg(long, value_name = "N", conflicts_with = "full", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub sample: Option<u64>,
    /// Compare the answers to each [[mapping.query]], for chosen lists and some at random
    #[arg(long, conflicts_with_all = ["full", "sample"])]
    pub business: bool,
    /// With --business: how many lists of each mapping are drawn at random [default: 1000]
    #[arg(long, value_name = "N", requires = "business", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub lists: Option<u32>,
    /// Continue the full comparison that was interrupted; begin one if none was
    #[arg(long, conflicts_with_all = ["sample", "business"])]
    pub resume: bool,
    /// List what a re-copy of the lists that differ would change; with --yes change it, and compare again
    #[arg(long)]
    pub repair: bool,
    /// With --repair: write to HBase
    #[arg(long, requires = "repair")]
    pub yes: bool,
    /// Write a report of the whole history into this HTML file afterwards
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print one JSON document instead of a table; with --repair several, one on each line
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum VerifyCommand {
    /// Shows the verdict of each comparison that has ended, a line each, oldest first
    History {
        /// Only since this time (RFC 3339)
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// The newest N verdicts
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// Write a report of these verdicts into this HTML file, and print nothing
        #[arg(long, value_name = "FILE", conflicts_with = "json")]
        report: Option<PathBuf>,
        /// Print one JSON document on each line
        #[arg(long)]
        json: bool,
    },
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
            "tailfill resume --accept-gap",
            "tailfill position",
            "tailfill position set",
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
            "tailfill verify --full history",
            "tailfill verify --full --sample 9",
            "tailfill verify --sample 0",
            "tailfill verify history --limit -1",
            "tailfill suggest --table t",
            "tailfill suggest --source mysql://u@h/d",
            "tailfill suggest --source u --table t --password-env A --password-file b",
            "tailfill suggest --source u --table t --server-id 0",
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
