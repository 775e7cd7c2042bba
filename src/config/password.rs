//! Where the source's password comes from: a file or an environment variable, read once.

use super::raw::Section;
use super::{Secret, rules};
use std::path::Path;

/// Gives the value of an environment variable.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Reads the password that `password_file` or `password_env` names; `None` without either.
/// Their values are not repeated in faults: some people put the password itself there.
pub fn read(source: &mut Section<'_>, folder: &Path, environment: Option<Environment<'_>>) -> Option<Secret> {
    source.refuse(
        "password",
        "must not be in the configuration: name the file (`password_file`) or the environment variable \
         (`password_env`) that holds it",
    );
    let file = source.optional("password_file", rules::text);
    let variable = source.optional("password_env", rules::text);
    match (file, variable) {
        (Some(_), Some(_)) => {
            source.fault_without_value(
                "password_env",
                "must not be given together with `password_file`".to_owned(),
            );
            None
        }
        _ if environment.is_none() => None,
        (Some(file), None) => from_file(&folder.join(file))
            .map_err(|rule| source.fault_without_value("password_file", rule))
            .ok(),
        (None, Some(variable)) => {
            let password = environment.and_then(|value| value(&variable));
            if password.is_none() {
                let name = match looks_like_a_variable(&variable) {
                    true => format!("names the environment variable {variable}, which"),
                    false => "names an environment variable that".to_owned(),
                };
                let rule = format!("{name} is not set (or is not UTF-8)");
                source.fault_without_value("password_env", rule);
            }
            password.map(Secret::new)
        }
        (None, None) => None,
    }
}

/// Capital letters, digits and underscores: hardly a password that somebody put there.
pub fn looks_like_a_variable(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(plain) && name.contains('_')
}

/// The file's only line. What editors add is left out: the line's end, empty lines behind it, a byte order mark.
fn from_file(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path).map_err(|reason| {
        format!("names a file that tailfill cannot read ({reason}); a relative path starts at the configuration's folder")
    })?;
    let line = text.strip_prefix('\u{feff}').unwrap_or(&text).trim_end_matches(['\r', '\n']);
    match line.lines().count() {
        0 => Err("names a file that is empty".to_owned()),
        1 => Ok(Secret::new(line.to_owned())),
        lines => {
            Err(format!("names a file with {lines} lines: the file must hold the password and nothing else"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("it can be written");
        from_file(file.path()).map(|secret| secret.reveal().to_owned())
    }

    #[test]
    fn what_editors_add_to_a_password_is_left_out_and_two_lines_are_refused() {
        for text in ["pass word", "pass word\n", "pass word\r\n", "pass word\n\n", "\u{feff}pass word\r\n"] {
            assert_eq!(read(text).as_deref(), Ok("pass word"), "{text:?}");
        }
        assert!(read("user\npassword\n").expect_err("two lines").contains("2 lines"));
        assert!(read("\n").expect_err("nothing").contains("empty"));
    }

    #[test]
    fn the_name_of_a_variable_is_repeated_and_what_may_be_a_password_is_not() {
        assert!(looks_like_a_variable("TAILFILL_PASSWORD"));
        assert!(["hunter2", "HUNTER2", "Tailfill_Password"].iter().all(|name| !looks_like_a_variable(name)));
    }
}
