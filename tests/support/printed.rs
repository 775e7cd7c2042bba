//! What no command may print: secrets, and in messages row values. Every command that the tests start is looked at.

use std::path::Path;

/// Begin or middle of values that the tables of the tests are filled with, as MySQL has them.
const VALUES: [&str; 6] = ["met at work", "友達", "Zoë", "remark ", "é'", "00FF00"];

/// Shorter secrets are words of a message too.
const SECRET_LENGTH_MIN: usize = 6;

/// Fails when a command that was started in `dir` printed what it may not.
pub fn check(dir: &Path, command: &str, out: &str, err: &str) {
    for secret in secrets(dir) {
        let printed = [out, err].iter().any(|text| text.contains(&secret));
        assert!(!printed, "`{command}` printed a secret of {}", dir.display());
    }
    // `get` is there to show values
    let messages = if command.starts_with("get") { [err, ""] } else { [err, out] };
    for value in VALUES {
        let line = messages.iter().flat_map(|text| text.lines()).find(|line| line.contains(value));
        assert!(line.is_none(), "`{command}` printed a row value: {line:?}");
    }
}

/// Passwords that a test gave, and the token of a run that was killed.
fn secrets(dir: &Path) -> Vec<String> {
    let files = ["password", "state/admin.token"].map(|name| std::fs::read_to_string(dir.join(name)));
    let texts = files.into_iter().flatten().map(|text| text.trim().to_owned());
    texts.filter(|text| text.len() >= SECRET_LENGTH_MIN).collect()
}
