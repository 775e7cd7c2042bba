//! What to do about differences that a run finds by itself.

/// Rows that the continuous verification has found to differ.
///
/// Performed by `live::run::continuous::a_planted_difference_is_found_shown_and_forgotten_once_it_is_repaired_as_advised`.
pub fn findings() -> &'static str {
    "`tailfill verify --full --repair` compares everything and says what a re-copy would write; with --yes it \
     writes it; the run forgets a finding once that row is equal"
}
