//! The command line: arguments, one file per command, and the one place where a failure is printed.
//!
//! Promises: exit codes as DESIGN section 8; answers on standard output, logs and failures on
//! standard error; a failure is printed once, says what happened and what to do, and reads the same
//! with and without colours.
//! Refuses to know: how anything is done.

mod answer;
mod args;
mod check;
mod completions;
mod get;
mod init;
mod key;
mod keys;
mod levers;
mod log;
mod pilot;
mod position;
mod positions;
mod recopy;
mod run;
mod status;
mod suggest;
mod support;
mod throttle;
mod usage;
mod verify;

use crate::app::output;
use crate::config;
use crate::error::Exit;
use crate::failure::Failure;
use args::{Arguments, Command, LogFormat};
use clap::Parser as _;
use std::process::ExitCode;

/// Parses the arguments, runs the command, prints its failure if it fails. Usage errors are printed
/// by clap, with exit code 2.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let exit = match execute(arguments) {
        Ok(exit) => exit,
        Err(failure) => {
            log::failure(&failure);
            failure.exit
        }
    };
    output::flush();
    ExitCode::from(exit as u8)
}

fn execute(arguments: Arguments) -> Result<Exit, Failure> {
    let format = match &arguments.command {
        Command::Run(args) => args.log_format,
        _ => LogFormat::Text,
    };
    log::start(format)?;
    let config = match arguments.command {
        Command::Completions(args) => return completions::completions(args),
        Command::Man(args) => return completions::man(args),
        Command::Suggest(args) => return runtime()?.block_on(suggest::suggest(args)),
        Command::SupportBundle(args) => {
            return runtime()?.block_on(support::bundle(&arguments.config, args));
        }
        Command::Resume(ref args) if args.from.is_some() => config::load(&arguments.config)?,
        Command::Verify(ref args) if args.command.is_none() => config::load(&arguments.config)?,
        Command::Pause(_)
        | Command::Resume(_)
        | Command::Throttle(_)
        | Command::Status(_)
        | Command::Verify(_)
        | Command::Key(_) => config::load_without_password(&arguments.config)?,
        _ => config::load(&arguments.config)?,
    };
    runtime()?.block_on(async {
        match arguments.command {
            Command::Check(args) => check::check(&config, args).await,
            Command::Init(args) => init::init(&config, args).await,
            Command::Run(args) => run::run(&config, args).await,
            Command::Pause(args) => levers::pause(&config, args).await,
            Command::Resume(args) => levers::resume(&config, args).await,
            Command::Position(args) => positions::position(&config, args).await,
            Command::Throttle(args) => throttle::throttle(&config, args).await,
            Command::Status(args) => status::status(&config, args).await,
            Command::Verify(args) => verify::verify(&config, args).await,
            Command::Recopy(args) => recopy::recopy(&config, args).await,
            Command::Get(args) => get::get(&config, args).await,
            Command::Key(args) => key::key(&config, &arguments.config, args).await,
            Command::Completions(_) | Command::Man(_) | Command::Suggest(_) | Command::SupportBundle(_) => {
                unreachable!("they returned above")
            }
        }
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(Exit::Failed, error))
}
