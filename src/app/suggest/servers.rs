//! The part of a suggested configuration that names servers, and the configuration by which the command itself connects.

use super::lines::{comment, list, text};
use super::options::{PasswordFrom, SuggestOptions};
use crate::config::{self, Config, Fault};
use crate::error::Exit;
use crate::failure::Failure;
use std::path::Path;

/// Where the password of a URL goes.
const PASSWORD_ENV: &str = "TAILFILL_PASSWORD";
/// As in config/example.toml.
const GATEWAY: &str = "127.0.0.1:9090";
const MEMCACHED: &str = "127.0.0.1:11211";

/// Whether a number is free, as far as MySQL shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerId {
    Given(u32),
    Free(u32),
    /// This user may not see the replicas.
    Unseen(u32),
}

/// The sections of the servers.
pub fn sections(options: &SuggestOptions, server_id: ServerId) -> String {
    let mut toml = format!("state_dir = \"state\"\n\n[source]\nurl = {}\n", text(&options.url));
    toml += &password(options);
    for (key, value) in &options.tls {
        toml += &format!("{key} = {}\n", text(value));
    }
    let server_id = match server_id {
        ServerId::Given(number) => number,
        ServerId::Free(number) => {
            toml += &comment(
                "No server or replica of this source has this number now. No other may ever have it.",
            );
            number
        }
        ServerId::Unseen(number) => {
            toml += &comment(
                "No other server or replica of this source may have this number. This user may not see theirs.",
            );
            number
        }
    };
    toml += &format!("server_id = {server_id}\n\n[lease]\n");
    toml += &addresses("servers", &options.memcached, MEMCACHED, "memcached", "--memcached");
    toml += "\n[hbase]\n";
    toml + &addresses("gateways", &options.hbase, GATEWAY, "Thrift2 gateway", "--hbase")
}

fn password(options: &SuggestOptions) -> String {
    match password_from(options) {
        Some(PasswordFrom::File(file)) => format!("password_file = {}\n", text(&file)),
        Some(PasswordFrom::Env(variable)) => {
            let note = match options.password {
                Some(_) => comment(
                    "Put the password of --source into this environment variable, or into a file (password_file).",
                ),
                None => String::new(),
            };
            format!("{note}password_env = {}\n", text(&variable))
        }
        None => comment("This login had no password. With one: password_file or password_env."),
    }
}

/// Where the file takes the password from.
fn password_from(options: &SuggestOptions) -> Option<PasswordFrom> {
    let by_default = || {
        let is_there = options.password.is_some() || std::env::var_os(PASSWORD_ENV).is_some();
        is_there.then(|| PasswordFrom::Env(PASSWORD_ENV.to_owned()))
    };
    options.password_from.clone().or_else(by_default)
}

fn addresses(key: &str, given: &[String], default: &str, what: &str, option: &str) -> String {
    if !given.is_empty() {
        return format!("{key} = {}\n", list(given.iter().map(String::as_str)));
    }
    let note = comment(&format!("tailfill cannot know it: the host:port of every {what} ({option})."));
    format!("{note}{key} = {}\n", list([default]))
}

/// The configuration by which the command connects: with the servers that were given, and a mapping that stands in for the
/// one to come.
///
/// # Errors
/// Exit 2 with each option that breaks a rule.
pub fn config(options: &SuggestOptions) -> Result<Config, Failure> {
    let name = options.name.as_deref().unwrap_or("suggested");
    let mapping = format!(
        "\n[[mapping]]\nname = {}\ntable = {}\nkey = [\"list\"]\nitem = [\"item\"]\n[[mapping.target]]\ntable = {}\n",
        text(name),
        text(&options.table),
        text(name)
    );
    let server_id = ServerId::Given(options.server_id.unwrap_or(1));
    parse(options, &(sections(options, server_id) + &mapping)).map_err(|faults| {
        let mut failure = Failure::new(Exit::Usage, format!("the command line has {}", faults.headline()))
            .with_help("tailfill suggest --help shows each option");
        failure.details = faults.0.iter().map(line).collect();
        failure
    })
}

/// Reads a configuration that was made here, with the password that was given.
pub fn parse(options: &SuggestOptions, toml: &str) -> Result<Config, config::Faults> {
    let environment = |name: &str| match (&options.password, password_from(options)) {
        (Some(password), Some(PasswordFrom::Env(variable))) if variable == name => {
            Some(password.reveal().to_owned())
        }
        _ => std::env::var(name).ok(),
    };
    config::parse(toml, Path::new(""), &environment)
}

/// A fault of a key as one of the option that gave it.
fn line(fault: &Fault) -> String {
    const OPTIONS: [(&str, &str); 8] = [
        ("source.url", "--source"),
        ("source.", "--"),
        ("mapping[0].table", "--table"),
        ("mapping[0].name", "--name"),
        ("mapping[0].target[0].table", "--name"),
        ("hbase.gateways", "--hbase"),
        ("lease.servers", "--memcached"),
        ("", ""),
    ];
    let place = OPTIONS.iter().find_map(|(key, option)| Some((fault.path.strip_prefix(key)?, option)));
    let path = match place {
        Some((rest, &"--")) => format!("--{}", rest.replace('_', "-")),
        Some((_, &"")) | None => fault.path.clone(),
        Some((_, option)) => (*option).to_owned(),
    };
    Fault { line: None, path, ..fault.clone() }.to_string()
}
