//! Names of databases and tables, compared as the server compares them.

/// What `@@lower_case_table_names` makes of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameCase {
    /// 0: names are different when one byte is.
    #[default]
    Exact,
    /// 1 and 2: names that differ only in case are one name, in every script.
    Ignored,
}

impl NameCase {
    /// Of the variable's text.
    pub fn of(lower_case_table_names: &str) -> NameCase {
        if lower_case_table_names == "0" { NameCase::Exact } else { NameCase::Ignored }
    }

    pub(crate) fn same(self, one: &str, other: &str) -> bool {
        one == other || self == NameCase::Ignored && folded(one).eq(folded(other))
    }
}

/// The characters in lower case, each as one character: MySQL's tables know no other (`my_casedn_str` of utf8mb3).
fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().map(|c| match c {
        // the one character whose lower case has two characters in Unicode, and one in MySQL
        'İ' => 'i',
        _ => c.to_lowercase().next().unwrap_or(c),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_ignored_in_every_script_or_not_at_all() {
        for (one, other) in [("follows", "FOLLOWS"), ("äpfel", "ÄPFEL"), ("дом", "ДОМ")] {
            assert!(!NameCase::Exact.same(one, other), "{one}");
        }
        assert!(NameCase::Ignored.same("follows", "FOLLOWS"));
        assert!(NameCase::Ignored.same("äpfel", "ÄPFEL"));
        assert!(NameCase::Ignored.same("дом", "ДОМ"));
        assert!(!NameCase::Ignored.same("apfel", "äpfel"));
        assert!(!NameCase::Ignored.same("a", "ab"));
    }

    #[test]
    fn only_zero_tells_names_by_case() {
        assert_eq!(NameCase::of("0"), NameCase::Exact);
        assert_eq!(NameCase::of("1"), NameCase::Ignored);
        assert_eq!(NameCase::of("2"), NameCase::Ignored);
    }
}
