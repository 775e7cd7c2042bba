//! The source's URL: `mysql://USER@HOST:PORT/DATABASE`.

use super::Secret;
use super::checked::HostPort;
use super::raw::Section;
use url::Url;

/// What the URL says; port 3306 when it says none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUrl {
    pub address: HostPort,
    pub user: String,
    pub database: Option<String>,
}

/// Reads the key `url`, which must be given; `advice` says how. A placeholder stands in for a faulty one. No fault repeats
/// any of it, because it may hold a password.
pub fn read(section: &mut Section<'_>, advice: &str) -> SourceUrl {
    let mut rule = None;
    let url = section.required("url", advice, |value| {
        let parsed = value.as_str().ok_or_else(|| "must be a text in quotes".to_owned());
        Ok(parsed.and_then(parse).map_err(|fault| rule = Some(fault)).ok())
    });
    if let Some(rule) = rule {
        section.fault_without_value("url", rule);
    }
    let placeholder = || SourceUrl { address: HostPort::default(), user: String::new(), database: None };
    url.flatten().unwrap_or_else(placeholder)
}

/// Reads a source URL.
///
/// # Errors
/// The rule that it breaks; never a part of the URL, because it may hold a password.
pub fn parse(text: &str) -> Result<SourceUrl, String> {
    const SHAPE: &str = "must be mysql://USER@HOST:PORT/DATABASE";
    let url = Url::parse(text).map_err(|reason| format!("{SHAPE} ({reason})"))?;
    if url.scheme() != "mysql" {
        return Err(format!("{SHAPE}: it does not begin with mysql://"));
    }
    if url.password().is_some() {
        return Err(
            "must not hold a password: remove it, and name the file (`password_file`) or the environment \
                    variable (`password_env`) that holds it"
                .to_owned(),
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have options after ? or #: they are keys of [source]".to_owned());
    }
    let host = url.host_str().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    let host = host.filter(|host| !host.is_empty()).ok_or_else(|| format!("{SHAPE}: the host is missing"))?;
    let user = decode(url.username()).filter(|user| !user.is_empty());
    let database = decode(url.path().trim_start_matches('/'))
        .filter(|database| !database.contains('/'))
        .ok_or_else(|| format!("{SHAPE}: the path must be one database"))?;
    Ok(SourceUrl {
        address: HostPort { host: host.to_owned(), port: url.port().unwrap_or(3306) },
        user: user.ok_or_else(|| format!("{SHAPE}: the user is missing"))?,
        database: Some(database).filter(|database| !database.is_empty()),
    })
}

/// A URL without its password, and that. A text that is no URL, or whose password is no text, comes back as it is.
pub fn without_password(text: &str) -> (String, Option<Secret>) {
    let divided = || {
        let mut url = Url::parse(text).ok()?;
        let password = decode(url.password()?)?;
        url.set_password(None).ok()?;
        Some((url.into(), Some(Secret::new(password))))
    };
    divided().unwrap_or_else(|| (text.to_owned(), None))
}

/// Undoes %XX; `None` when it is not UTF-8 after that.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).and_then(|digits| hex::decode(digits).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.extend(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_user_address_and_database() {
        let url = parse("mysql://tail%40fill@[::1]:13306/social").unwrap();
        assert_eq!(url.user, "tail@fill");
        assert_eq!(url.address.to_string(), "[::1]:13306");
        assert_eq!(url.database.as_deref(), Some("social"));
        let plain = parse("mysql://u@db.example").unwrap();
        assert_eq!((plain.address.port, plain.database), (3306, None));
    }

    #[test]
    fn a_password_is_taken_out_of_a_url() {
        let (url, password) = without_password("mysql://u%40x:hunter%3A2@h:3307/d");
        assert_eq!(
            (url.as_str(), password.as_ref().map(Secret::reveal)),
            ("mysql://u%40x@h:3307/d", Some("hunter:2"))
        );
        for text in ["mysql://u@h:3307/d", "u:hunter2@h", ""] {
            assert_eq!(without_password(text), (text.to_owned(), None));
        }
    }

    #[test]
    fn no_refusal_repeats_a_part_of_the_url() {
        for text in [
            "mysql://u:hunter2@h/d",
            "mysql//u:hunter2@h/d",
            "postgres://u:hunter2@h/d",
            "mysql://u:hunter2@h:99999/d",
            "mysql://u@h/d?password=hunter2",
            "mysql://h/d",
            "mysql://u@/d",
            "mysql://u@h/a/b",
            "",
        ] {
            let rule = parse(text).unwrap_err();
            assert!(!rule.contains("hunter2"), "{rule}");
        }
    }
}
