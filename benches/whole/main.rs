//! `tailfill-bench`: the one program that every figure comes from; `scripts/bench` builds and starts it.
//!
//! Promises: every rate is measured in the same run as what it is compared with, in turns, and is compared round by
//! round; every case looks at its work afterwards (rows are read back), so that no figure stands for work that was not
//! done; what it made on the servers is gone at the end, also after Ctrl-C.
//! Refuses to know: whether a figure is good. Marks are printed and nothing fails by them.
//!
//! `--help` explains the fields of the JSON document.
//!
//! - [`arguments`], [`case`]: what can be asked for; [`ground`]: servers, database, tables; [`configuration`]; [`data`]: the rows
//! - [`processes`], [`trace`], [`measure`]: CPU time and rows over time, and what follows from them
//! - [`link`], [`second`]: a gateway far away, a second one; [`turns`]: several ways to move one table
//! - [`beside`], [`gateway`], [`cost`], [`moved`], [`layouts`], [`counted`], [`connections`], [`reading`], [`verified`]: cases that are rates
//! - [`application`], [`probe`]: writers at a steady pace; [`lag`], [`standing`], [`overhead`], [`throttled`], [`giant`]: the other cases
//! - [`header`], [`marks`], [`show`]: what is printed

mod application;
mod arguments;
mod beside;
mod case;
mod child;
mod configuration;
mod connections;
mod cost;
mod counted;
mod data;
mod gateway;
mod giant;
mod ground;
mod header;
mod lag;
mod layouts;
mod link;
mod marks;
mod measure;
mod moved;
mod overhead;
mod plan;
mod probe;
mod processes;
mod reading;
mod rows;
mod second;
mod show;
mod standing;
mod throttled;
mod trace;
mod turns;
mod verified;

use anyhow::Context;
use arguments::Arguments;
use clap::Parser;
use ground::Ground;
use header::Header;
use measure::{BenchReport, NOISY_CORES};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.parse_only {
        return ExitCode::SUCCESS;
    }
    match run(&arguments).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let ground = Arc::new(Ground::prepare(arguments).await?);
    // dropping the measurements ends the processes that they started
    let outcome = tokio::select! {
        outcome = measure(&ground, arguments) => outcome.map(|()| ExitCode::SUCCESS),
        () = interrupted()? => {
            eprintln!("bench: interrupted; what was made is removed");
            Ok(ExitCode::from(130))
        }
    };
    if arguments.keep {
        println!(
            "\nkept: MySQL database {}, HBase tables of that name, {}",
            ground.database,
            ground.work.display()
        );
        return outcome;
    }
    let removed = ground.clean_up().await.context("not everything could be removed");
    outcome.and_then(|code| removed.map(|()| code))
}

async fn measure(ground: &Arc<Ground>, arguments: &Arguments) -> anyhow::Result<()> {
    let found = Header::find_out(ground).await?;
    show::header(&found);
    if arguments.short {
        println!("SHORT: shows that each case works; none of these figures is worth quoting");
    }
    if found.cores_of_others > NOISY_CORES {
        eprintln!("bench: warning: other processes are at work; the figures will not be worth quoting");
    }
    let reports = plan::run(ground, &arguments.cases).await?;
    let marks = marks::marks(&reports);
    show::reports(&reports);
    show::marks(&marks);
    if let Some(path) = &arguments.json {
        write_json(path, &found, &reports, &marks)?;
    }
    Ok(())
}

fn write_json(
    path: &Path,
    header: &Header,
    reports: &[BenchReport],
    marks: &[marks::Mark],
) -> anyhow::Result<()> {
    let document = json!({ "header": header, "cases": reports, "marks": marks });
    let text = serde_json::to_string_pretty(&document)? + "\n";
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn interrupted() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
