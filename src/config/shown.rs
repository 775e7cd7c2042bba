//! A configuration for other people's eyes: without comments, and without what may be a secret.

use super::{password, source_url};
use std::path::{Path, PathBuf};
use toml::{Table, Value};
use url::Url;

/// Stands where something was.
pub const REMOVED: &str = "(removed)";

/// Keys of a section that names a MySQL server, which hold no secret by themselves; `url` and `password_env` may.
const PLAIN: [&str; 6] = ["server_id", "tls", "ca", "cert", "key", "password_file"];

/// A file that is TOML; it may have faults.
pub struct Shown {
    root: Table,
    folder: PathBuf,
}

/// What must not be shown, as far as a configuration leads to it.
#[derive(Debug, Default)]
pub struct Found {
    /// Passwords: in the configuration, in files, in the environment.
    pub secrets: Vec<String>,
    /// The files and environment variables that could not be read.
    pub unread: Vec<String>,
}

impl Shown {
    /// `None`: it is not TOML, so nobody can know what a secret is.
    pub fn read(text: &str, folder: &Path) -> Option<Shown> {
        Some(Shown { root: text.parse().ok()?, folder: folder.to_owned() })
    }

    /// Where the state is.
    pub fn state_dir(&self) -> PathBuf {
        let named = self.root.get("state_dir").and_then(Value::as_str);
        self.folder.join(named.unwrap_or("state"))
    }

    /// The secrets that it holds or names. What stands under a key that nobody knows may be one.
    pub fn secrets(&self) -> Found {
        let mut found = Found::default();
        let replicas = self.root.get("throttle").and_then(|throttle| throttle.get("replica"));
        let replicas = replicas.and_then(Value::as_array).into_iter().flatten();
        let sections = self.root.get("source").into_iter().chain(replicas).filter_map(Value::as_table);
        for (key, text) in sections.flatten().filter_map(|(key, value)| Some((key, value.as_str()?))) {
            match key.as_str() {
                "url" => found
                    .secrets
                    .extend(Url::parse(text).ok().and_then(|url| url.password().map(str::to_owned))),
                "password_env" if password::looks_like_a_variable(text) => {
                    found.take(text, std::env::var(text).ok())
                }
                "password_file" => found.take(text, std::fs::read_to_string(self.folder.join(text)).ok()),
                key if PLAIN.contains(&key) => {}
                _ => found.secrets.push(text.to_owned()),
            }
        }
        found
    }

    /// The text without what may be a secret, of a configuration that has no faults. Comments are gone, because a person may
    /// have written a password into one; so is the order of keys. Of a URL, the user goes. The name of a file stays where
    /// the file is there, and that of an environment variable where it looks like one: some people put the password itself
    /// there.
    ///
    /// # Errors
    /// It cannot be written as TOML.
    pub fn without_secrets(mut self) -> Result<String, String> {
        if let Some(Value::Table(source)) = self.root.get_mut("source") {
            server(source, &self.folder);
        }
        let throttle = self.root.get_mut("throttle").and_then(Value::as_table_mut);
        let replicas =
            throttle.and_then(|throttle| throttle.get_mut("replica")).and_then(Value::as_array_mut);
        for replica in replicas.into_iter().flatten().filter_map(Value::as_table_mut) {
            server(replica, &self.folder);
        }
        toml::to_string(&self.root).map_err(|error| error.to_string())
    }
}

impl Found {
    /// What is at a place, if it can be read.
    fn take(&mut self, place: &str, secret: Option<String>) {
        match secret {
            Some(secret) => self.secrets.push(secret.trim_start_matches('\u{feff}').to_owned()),
            None => self.unread.push(place.to_owned()),
        }
    }
}

/// A section that names a MySQL server.
fn server(section: &mut Table, folder: &Path) {
    for (key, value) in section.iter_mut() {
        let Some(text) = value.as_str() else { continue };
        let shown = match key.as_str() {
            "url" => url(text),
            "tls" => Some(text.to_owned()),
            "password_env" => password::looks_like_a_variable(text).then(|| text.to_owned()),
            "password_file" | "ca" | "cert" | "key" => folder.join(text).is_file().then(|| text.to_owned()),
            _ => None,
        };
        *value = shown.unwrap_or_else(|| REMOVED.to_owned()).into();
    }
}

/// The address alone.
fn url(text: &str) -> Option<String> {
    let url = source_url::parse(text).ok()?;
    let database = url.database.map_or_else(String::new, |database| format!("/{database}"));
    Some(format!("mysql://{REMOVED}@{}{database}", url.address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        # hunter2: a comment
        state_dir = "here"
        [source]
        url = "mysql://hunter2@db:3306/social"
        password = "hunter2"
        password_env = "hunter2"
        ca = "hunter2"
        server_id = 7
        [throttle]
        tail_lag = "2s"
        [[throttle.replica]]
        url = "mysql://hunter2:hunter2@replica"
        password_file = "hunter2"
        [[mapping]]
        key = ["followee_id"]
        order = { by = "at", descending = true }
    "#;

    #[test]
    fn what_may_be_a_secret_is_removed_and_the_rest_stays() {
        let read = |folder: &str| Shown::read(TEXT, Path::new(folder)).expect("it is TOML");
        let shown = read("nowhere").without_secrets().expect("it can be written");
        assert!(!shown.contains("hunter2"), "{shown}");
        let root: Table = shown.parse().expect("it is TOML again");
        assert_eq!(root["source"]["url"].as_str(), Some("mysql://(removed)@db:3306/social"));
        assert_eq!(root["throttle"]["replica"][0]["url"].as_str(), Some(REMOVED));
        assert_eq!(root["source"]["server_id"].as_integer(), Some(7));
        assert_eq!(root["mapping"][0]["key"][0].as_str(), Some("followee_id"));
        assert_eq!(read("folder").state_dir(), Path::new("folder/here"));
        assert!(Shown::read("[", Path::new("folder")).is_none());
    }

    #[test]
    fn names_of_files_and_variables_stay_and_what_is_in_them_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("db.password"), "hunter2\n").expect("it can be written");
        let text = "[source]\npassword_env = \"NO_SUCH_PASSWORD\"\npassword_file = \"db.password\"\ntls = \"off\"\n\
                    pasword = \"hunter3\"\n[[throttle.replica]]\nurl = \"mysql://u:hunter4@h\"\npassword_env = \"hunter5\"\n";
        let read = || Shown::read(text, folder.path()).expect("it is TOML");
        let shown = read().without_secrets().expect("it can be written");
        assert!(shown.contains("\"NO_SUCH_PASSWORD\"") && shown.contains("\"db.password\""), "{shown}");
        let Found { mut secrets, unread } = read().secrets();
        secrets.sort();
        assert_eq!(secrets, ["hunter2\n", "hunter3", "hunter4", "hunter5"]);
        assert_eq!(unread, ["NO_SUCH_PASSWORD"]);
    }
}
