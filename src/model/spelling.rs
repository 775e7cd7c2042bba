//! What a person likely meant who misspelled a name.

/// The one of `known` that `given` is likely meant to be: it begins with it (`desc`), or at most a
/// third of its letters, and one more, are wrong (Damerau-Levenshtein distance, so two swapped
/// letters are one fault).
pub fn likely<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let given = given.to_ascii_lowercase();
    let distance = |name: &str| {
        let name = name.to_ascii_lowercase();
        if given.len() >= 3 && name.starts_with(&given) {
            return Some(1);
        }
        let shorter = name.len().min(given.len());
        let distance = strsim::damerau_levenshtein(&given, &name);
        (distance <= shorter / 3 + 1 && distance < shorter).then_some(distance)
    };
    let scored = known.into_iter().filter_map(|name| Some((distance(name)?, name)));
    scored.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelling_is_recognised_and_a_stranger_is_not() {
        let known = ["chunk_rows", "workers"];
        assert_eq!(likely("chunkrows", known), Some("chunk_rows"));
        assert_eq!(likely("Wrokers", known), Some("workers"));
        assert_eq!(likely("chunk", known), Some("chunk_rows"));
        assert_eq!(likely("threads", known), None);
        assert_eq!(likely("ab", ["c"]), None);
    }
}
