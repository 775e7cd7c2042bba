//! Limits that a person has set on a run, over those of its configuration.

use super::limits::{LimitKey, Limits};
use super::spelling::likely;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A value that a person has set. It holds, also over restarts, until it is unset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitSet {
    /// As [`Limits::set`] takes it.
    pub value: String,
    /// The account that set it.
    pub by: String,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// As the person gave it; may be empty.
    pub reason: String,
}

/// What a person asks for: the body of `POST /throttle`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsAsk {
    /// Values by the names of their keys.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Keys whose set values end: the configuration's hold again.
    #[serde(default)]
    pub unset: Vec<String>,
    /// The account.
    #[serde(default)]
    pub by: String,
    /// May be empty.
    #[serde(default)]
    pub reason: String,
}

/// The limits of a configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileLimits {
    /// Defaults where the file says nothing.
    pub limits: Limits,
    /// What the file says.
    pub given: BTreeSet<LimitKey>,
    /// How many replicas it names.
    pub replicas: usize,
}

impl FileLimits {
    /// The limits that hold with these set over them. A key that this program does not know, or a value that it does not
    /// take, is of another version, and does not hold.
    pub fn with(&self, set: &BTreeMap<String, LimitSet>) -> Limits {
        let mut limits = self.limits.clone();
        for (name, LimitSet { value, .. }) in set {
            if let Some(key) = LimitKey::of(name) {
                _ = limits.set(key, value);
            }
        }
        limits
    }

    /// Changes what is set. Those of which something is otherwise now.
    ///
    /// # Errors
    /// Every fault of what is asked for; nothing is changed then.
    pub fn change(
        &self,
        set: &mut BTreeMap<String, LimitSet>,
        ask: &LimitsAsk,
        at_ms: u64,
    ) -> Result<Vec<LimitKey>, Vec<String>> {
        let mut faults = Vec::new();
        let mut asked = BTreeSet::new();
        for name in ask.set.keys().chain(&ask.unset) {
            match LimitKey::of(name) {
                None => faults.push(unknown(name)),
                Some(key) if !asked.insert(key) => faults.push(format!("{name}: is asked for twice")),
                Some(_) => {}
            }
        }
        let mut next = set.clone();
        for name in &ask.unset {
            next.remove(name);
        }
        for (name, value) in &ask.set {
            let mut limits = Limits::default();
            let Some(key) = LimitKey::of(name) else { continue };
            if let Err(rule) = limits.set(key, value) {
                faults.push(format!("{name} = {value:?}: {rule}"));
                continue;
            }
            let LimitsAsk { by, reason, .. } = ask;
            let value = limits.text(key);
            if next.get(name).is_none_or(|before| before.value != value) {
                let (by, reason) = (by.clone(), reason.clone());
                next.insert(name.clone(), LimitSet { value, by, at_ms, reason });
            }
        }
        if faults.is_empty() && !asked.is_empty() {
            let together = self.with(&next).faults(self.replicas);
            faults.extend(together.into_iter().map(|(key, rule)| format!("{}: {rule}", key.name())));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        asked.retain(|key| set.get(key.name()) != next.get(key.name()));
        *set = next;
        Ok(asked.into_iter().collect())
    }
}

fn unknown(name: &str) -> String {
    let names = || LimitKey::ALL.iter().map(|key| key.name());
    // people leave the section out, or take the other one
    let plain = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let meant = likely(name, names()).or_else(|| names().find(|known| plain(known) == plain(name)));
    match meant {
        Some(known) => format!("{name}: is not a limit; did you mean `{known}`?"),
        None => format!("{name}: is not a limit (there are {})", names().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(set: &[(&str, &str)], unset: &[&str], by: &str) -> LimitsAsk {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        LimitsAsk {
            set: set.iter().map(own).collect(),
            unset: unset.iter().map(|key| (*key).to_owned()).collect(),
            by: by.into(),
            reason: String::new(),
        }
    }

    #[test]
    fn what_is_set_wins_until_it_is_unset_and_setting_it_again_keeps_who_set_it_first() {
        let file =
            FileLimits { limits: Limits { chunk_rows: 500, ..Limits::default() }, ..FileLimits::default() };
        let mut set = BTreeMap::new();
        let changed = file.change(&mut set, &ask(&[("backfill.chunk_rows", "100")], &[], "ann"), 7);
        assert_eq!(changed, Ok(vec![LimitKey::ChunkRows]));
        assert_eq!(file.with(&set).chunk_rows, 100);
        assert_eq!(file.change(&mut set, &ask(&[("backfill.chunk_rows", "100")], &[], "bob"), 8), Ok(vec![]));
        assert_eq!((set["backfill.chunk_rows"].by.as_str(), set["backfill.chunk_rows"].at_ms), ("ann", 7));
        assert_eq!(
            file.change(&mut set, &ask(&[], &["backfill.chunk_rows", "throttle.file"], "bob"), 9),
            Ok(vec![LimitKey::ChunkRows])
        );
        assert_eq!((file.with(&set), set.is_empty()), (file.limits.clone(), true));
    }

    #[test]
    fn all_faults_are_named_at_once_and_change_nothing() {
        let (file, mut set) = (FileLimits::default(), BTreeMap::new());
        let wrong = [("backfill.workers", "many"), ("tail_lag", "2s"), ("throttle.thread_running", "3")];
        let faults = file.change(&mut set, &ask(&wrong, &["throttle.nothing"], "ann"), 7).unwrap_err();
        let all = faults.join("\n");
        for part in [
            "backfill.workers = \"many\": must be a whole number from 1 to 256",
            "did you mean `throttle.tail_lag`?",
            "did you mean `throttle.threads_running`?",
            "throttle.nothing: is not a limit",
        ] {
            assert!(all.contains(part), "{part} is not in {all}");
        }
        let alone = file.change(&mut set, &ask(&[("throttle.query", "SELECT 1")], &[], "ann"), 7);
        assert_eq!(alone, Err(vec!["throttle.query: needs throttle.query_max beside it".to_owned()]));
        assert!(set.is_empty());
    }
}
