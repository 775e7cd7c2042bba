//! Lines of a configuration: comments that wrap, texts and lists in TOML. Pure.

/// Characters of a line of comments.
const WIDTH: usize = 98;

/// A comment over as many lines as it takes. Line breaks and other control characters become blanks, so that no name can
/// end it.
pub fn comment(text: &str) -> String {
    wrapped("# ", "# ", text)
}

/// A point of a list in a comment.
pub fn point(text: &str) -> String {
    wrapped("# - ", "#   ", text)
}

fn wrapped(first: &str, other: &str, text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let (mut lines, mut line) = (String::new(), first.to_owned());
    let mut is_begun = false;
    for word in plain.split(' ').filter(|word| !word.is_empty()) {
        if is_begun && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += &line;
            lines.push('\n');
            other.clone_into(&mut line);
        } else if is_begun {
            line.push(' ');
        }
        line += word;
        is_begun = true;
    }
    lines + &line + "\n"
}

/// A text in quotes.
pub fn text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// `["a", "b"]`.
pub fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(text).collect();
    format!("[{}]", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_wrap_and_nothing_ends_them() {
        assert_eq!(comment("a\nb = 1"), "# a b = 1\n");
        let long = point(&"word ".repeat(40));
        let lines: Vec<&str> = long.lines().collect();
        assert!(
            lines.len() == 3 && lines[0].starts_with("# - word") && lines[1].starts_with("#   word"),
            "{long}"
        );
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{long}");
    }

    #[test]
    fn texts_keep_their_characters() {
        for name in ["plain", "with \"quotes\"", "back\\slash", "two\nlines", "友達", "it's"] {
            let line = format!("a = {}\nb = {}", text(name), list([name, "x"]));
            let read: toml::Table = line.parse().expect(&line);
            assert_eq!(read["a"].as_str(), Some(name));
            assert_eq!(read["b"][0].as_str(), Some(name));
        }
    }
}
