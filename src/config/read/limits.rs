//! `[backfill]` and `[throttle]`: the limits of the copy, and the replicas whose lag may be one. What a value must be, its
//! key knows ([`Limits::set`](crate::model::Limits::set)), as `tailfill throttle set` does.

use super::super::checked::Replica;
use super::super::password::{self, Environment};
use super::super::raw::Section;
use super::super::source_url;
use crate::model::{FileLimits, LimitKey};
use std::path::Path;
use toml::de::DeValue;

/// The limits that a file gives.
pub fn limits<'f>(
    mut backfill: Section<'f>,
    mut throttle: Section<'f>,
    folder: &Path,
    environment: Option<Environment<'_>>,
) -> (FileLimits, Vec<Replica>) {
    let mut file = FileLimits::default();
    for key in LimitKey::ALL.iter().copied() {
        let section = match key.name().split_once('.') {
            Some(("backfill", _)) => &mut backfill,
            _ => &mut throttle,
        };
        if section.optional(plain(key), |value| file.limits.set(key, &text(key, value, folder))).is_some() {
            file.given.insert(key);
        }
    }
    let replicas: Vec<Replica> = throttle
        .sections("replica")
        .into_iter()
        .map(|section| replica(section, folder, environment))
        .collect();
    file.replicas = replicas.len();
    for (key, rule) in file.limits.faults(file.replicas) {
        throttle.fault(plain(key), rule);
    }
    backfill.close();
    throttle.close();
    (file, replicas)
}

/// The key in its section.
fn plain(key: LimitKey) -> &'static str {
    key.name().split_once('.').map_or(key.name(), |(_, plain)| plain)
}

/// A value as [`Limits::set`](crate::model::Limits::set) takes it; one of another type becomes a text that it does not take.
fn text(key: LimitKey, value: &DeValue<'_>, folder: &Path) -> String {
    match value {
        DeValue::Integer(number) if key.is_number() => {
            let decimal = i64::from_str_radix(number.as_str(), number.radix());
            decimal.map_or_else(|_| String::new(), |number| number.to_string())
        }
        DeValue::Float(number) if key.is_number() => number.as_str().to_owned(),
        DeValue::String(text) if key == LimitKey::File && text != "off" && !text.is_empty() => {
            let path = folder.join(&**text);
            std::path::absolute(&path).unwrap_or(path).display().to_string()
        }
        DeValue::String(text) if !key.is_number() || text == "off" => text.to_string(),
        _ => String::new(),
    }
}

fn replica(mut section: Section<'_>, folder: &Path, environment: Option<Environment<'_>>) -> Replica {
    let url = source_url::read(&mut section, "give the replica's address: mysql://USER@HOST:PORT");
    let password = password::read(&mut section, folder, environment);
    section.close();
    Replica { address: url.address, user: url.user, password }
}
