//! The rules for single values: each reads one TOML value, or says what it must be.

use super::checked::HostPort;
use super::raw::Section;
use super::units;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::de::DeValue;

type Rule<T> = Result<T, String>;

/// A text of at least one character.
pub fn text(value: &DeValue<'_>) -> Rule<String> {
    match value.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err("must be a text in quotes".to_owned()),
    }
}

pub fn boolean(value: &DeValue<'_>) -> Rule<bool> {
    value.as_bool().ok_or_else(|| "must be true or false, without quotes".to_owned())
}

/// A whole number in `range`.
pub fn integer<T>(range: RangeInclusive<T>) -> impl Fn(&DeValue<'_>) -> Rule<T>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    move |value| {
        let number = value
            .as_integer()
            .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok())
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number));
        number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
    }
}

/// A duration in `range`.
pub fn duration(range: RangeInclusive<Duration>) -> impl Fn(&DeValue<'_>) -> Rule<Duration> {
    move |value| {
        let duration = units::parse_duration(value.as_str().unwrap_or_default())?;
        if range.contains(&duration) {
            return Ok(duration);
        }
        let [shortest, longest] = [range.start(), range.end()].map(|bound| units::print_duration(*bound));
        Err(format!("must be from \"{shortest}\" to \"{longest}\""))
    }
}

/// One of a few words.
pub fn one_of<T: Copy>(words: &[(&str, T)]) -> impl Fn(&DeValue<'_>) -> Rule<T> {
    move |value| {
        let found = words.iter().find(|(word, _)| value.as_str() == Some(word));
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            match words.as_slice() {
                [only] => format!("must be {only}"),
                [first @ .., last] => format!("must be {} or {last}", first.join(", ")),
                [] => String::new(),
            }
        })
    }
}

/// `host:port`; an IPv6 address in brackets.
pub fn host_port(value: &DeValue<'_>) -> Rule<HostPort> {
    let parsed = value.as_str().and_then(|text| text.rsplit_once(':')).and_then(|(host, port)| {
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').filter(|inner| inner.contains(':'))?,
            None => Some(host).filter(|host| !host.contains(':'))?,
        };
        let plain = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "/@[]".contains(c));
        let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
        plain.then(|| HostPort { host: host.to_owned(), port })
    });
    parsed.ok_or_else(|| {
        "must be host:port, like \"10.0.0.7:9090\" (an IPv6 address in brackets: \"[::1]:9090\")".to_owned()
    })
}

/// A mapping's name: it is part of lease keys, which Memcache bounds to 250 bytes without spaces.
pub fn mapping_name(value: &DeValue<'_>) -> Rule<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = text(value).ok().filter(|name| name.len() <= 64 && name.chars().all(allowed));
    name.ok_or_else(|| {
        "must be 1 to 64 of the characters a-z A-Z 0-9 _ - (it is part of Memcache keys)".to_owned()
    })
}

/// An HBase table: `table` or `namespace:table` (TableName.isLegalTableQualifierName and
/// isLegalNamespaceName in HBase).
pub fn hbase_table(value: &DeValue<'_>) -> Rule<String> {
    let legal = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    };
    let namespace =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let name = text(value).ok().filter(|name| match name.split_once(':') {
        Some((space, table)) => namespace(space) && legal(table),
        None => legal(name),
    });
    name.ok_or_else(|| {
        "must be an HBase table, `table` or `namespace:table`, of a-z A-Z 0-9 _ - . and not begin with - or ."
            .to_owned()
    })
}

/// A column family. `c` is the family of counts.
pub fn family(value: &DeValue<'_>) -> Rule<String> {
    let name = text(value)
        .ok()
        .filter(|name| name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    match name.as_deref() {
        Some("c") => Err("must not be \"c\", which is reserved for counts".to_owned()),
        Some(name) => Ok(name.to_owned()),
        None => Err("must be 1 to 64 of the characters a-z A-Z 0-9 _".to_owned()),
    }
}

/// A fault for each name that stands twice.
pub fn refuse_repeated(section: &Section<'_>, key: &str, columns: &[String]) {
    for (index, column) in columns.iter().enumerate() {
        if contains(&columns[..index], column) {
            section.fault_in(key, index, "must not be named twice".to_owned());
        }
    }
}

/// Whether `columns` has `column` (MySQL compares column names without case).
pub fn contains(columns: &[String], column: &str) -> bool {
    columns.iter().any(|other| other.eq_ignore_ascii_case(column))
}
