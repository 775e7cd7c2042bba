//! `follows`: the application of `scripts/demo`, a small social network that keeps who follows whom in MySQL.
//!
//! It knows nothing of tailfill, as an application would not: `setup` makes the table and fills it, `churn` keeps
//! following and unfollowing while somebody moves the table.

mod churn;
mod database;
mod edge;
mod plan;
mod setup;
mod tally;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "The demo's application: keeps who follows whom in MySQL")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the table `follows` anew and fill it; what it held is lost.
    Setup(setup::Options),
    /// Follow and unfollow in many small transactions, until told to stop.
    Churn(churn::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Setup(options) => setup::run(&options).await,
        Command::Churn(options) => churn::run(&options).await,
    }
}
