//! Where the source's password comes from: a file or an environment variable, read once.

use super::raw::Section;
use super::{Secret, rules};
use std::path::Path;

/// Reads the password that `password_file` or `password_env` names; `None` without either.
/// Their values are not repeated in faults: some people put the password itself there.
pub fn read(
    source: &mut Section<'_>,
    folder: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<Secret> {
    source.refuse(
        "password",
        "must not stand in the configuration: name it with `password_file` (a file that holds it) or \
         `password_env` (an environment variable that holds it)",
    );
    let file = source.optional("password_file", rules::text);
    let variable = source.optional("password_env", rules::text);
    match (file, variable) {
        (Some(_), Some(_)) => {
            source.fault_without_value("password_env", "must not be given beside `password_file`".to_owned());
            None
        }
        (Some(file), None) => from_file(&folder.join(file))
            .map_err(|rule| source.fault_without_value("password_file", rule))
            .ok(),
        (None, Some(variable)) => {
            let password = environment(&variable);
            if password.is_none() {
                let rule = "names an environment variable that is not set (or is not UTF-8)";
                source.fault_without_value("password_env", rule.to_owned());
            }
            password.map(Secret::new)
        }
        (None, None) => None,
    }
}

/// The file's text without the line's end that an editor leaves.
fn from_file(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path).map_err(|reason| {
        format!("names a file that cannot be read ({reason}); it is looked for beside the configuration")
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Secret::new(line.strip_suffix('\r').unwrap_or(line).to_owned()))
}
