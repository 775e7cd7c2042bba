//! The last look at every text before it goes into a bundle: secrets that tailfill knows, and what looks like one, are
//! removed, wherever somebody has written them (the reason of a pause, a line of a log).

use crate::config::shown::REMOVED;

/// Shorter passwords are words of a text too: to remove them would show them.
const LENGTH_MIN: usize = 6;

const KEY_BEGINS: &str = "-----BEGIN ";
const KEY: &str = "PRIVATE KEY-----";

/// The secrets of one configuration and state.
#[derive(Default)]
pub struct Secrets {
    /// As they are, and as JSON writes them; the longest first.
    texts: Vec<String>,
}

impl Secrets {
    pub fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() < LENGTH_MIN {
            return;
        }
        let json = serde_json::Value::from(secret).to_string();
        self.texts.extend([secret.to_owned(), json[1..json.len() - 1].to_owned()]);
        self.texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        self.texts.dedup();
    }

    /// The text without them, without users and passwords in URLs, and without private keys.
    pub fn removed_from(&self, text: &str) -> String {
        let known = |text: String, secret: &String| text.replace(secret.as_str(), REMOVED);
        without_keys(&without_users(&self.texts.iter().fold(text.to_owned(), known)))
    }
}

/// Of each URL, what is before the `@`.
fn without_users(text: &str) -> String {
    let mut parts = text.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let ends = |c: char| c.is_whitespace() || "\"'`<>".contains(c);
        let url = &part[..part.find(ends).unwrap_or(part.len())];
        clean += "://";
        let shown = url.rfind('@').map_or(part, |at| {
            clean.push_str(REMOVED);
            &part[at..]
        });
        clean += shown;
    }
    clean
}

/// Private keys in PEM; one that does not end goes to the end of the text.
fn without_keys(text: &str) -> String {
    let (mut clean, mut rest) = (String::new(), text);
    while let Some(begin) = rest.find(KEY_BEGINS) {
        let body = begin + KEY_BEGINS.len();
        let label = rest[body..].find("-----").map(|end| &rest[body..body + end + 5]);
        if !label.is_some_and(|label| label.ends_with(KEY)) {
            clean += &rest[..body];
            rest = &rest[body..];
            continue;
        }
        clean += &rest[..begin];
        clean += REMOVED;
        let after = &rest[body + label.map_or(0, str::len)..];
        rest = after.find(KEY).map_or("", |end| &after[end + KEY.len()..]);
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_secrets_go_in_each_spelling_and_short_ones_are_words() {
        let mut secrets = Secrets::default();
        ["hunter2-long", "hunter2\n", "pass\"word", "the"].into_iter().for_each(|secret| secrets.add(secret));
        let text = r#"the hunter2-long, hunter2, pass"word and {"a":"pass\"word"}"#;
        let clean = r#"the (removed), (removed), (removed) and {"a":"(removed)"}"#;
        assert_eq!(secrets.removed_from(text), clean);
    }

    #[test]
    fn users_and_passwords_of_urls_go_and_other_urls_stay() {
        for (text, clean) in [
            ("see https://ann:x@y@wiki/a?b, or", "see https://(removed)@wiki/a?b, or"),
            (
                "{\"url\":\"mysql://u@h/d\",\"a\":\"b@c\"}",
                "{\"url\":\"mysql://(removed)@h/d\",\"a\":\"b@c\"}",
            ),
            ("http://127.0.0.1:7878/ ann@example.org", "http://127.0.0.1:7878/ ann@example.org"),
            ("://", "://"),
            ("mysql://(removed)@h", "mysql://(removed)@h"),
        ] {
            assert_eq!(Secrets::default().removed_from(text), clean);
        }
    }

    #[test]
    fn private_keys_go_and_certificates_stay() {
        let certificate = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n";
        for label in ["", "RSA ", "ENCRYPTED "] {
            let key = format!("-----BEGIN {label}PRIVATE KEY-----\nabc\n-----END {label}PRIVATE KEY-----");
            let text = format!("a {certificate}{key} b {key} c");
            let clean = format!("a {certificate}(removed) b (removed) c");
            assert_eq!(Secrets::default().removed_from(&text), clean);
        }
        assert_eq!(Secrets::default().removed_from("-----BEGIN PRIVATE KEY-----\nab"), "(removed)");
        assert_eq!(Secrets::default().removed_from("-----BEGIN "), "-----BEGIN ");
    }
}
