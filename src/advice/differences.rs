//! What a person does about differences that no re-copy corrects.

/// So many differences belong to no list, or lie in MySQL.
///
/// Performed by `live::causes::each_check_sees_causes_in_keys_counts_and_elsewhere_as_the_table_says`.
pub fn by_hand(differences: u64) -> String {
    format!(
        "a re-copy does not correct {differences} of the differences: in HBase's shell, delete each row that is none of the \
         mapping; in MySQL, delete all rows but one of those that share a key"
    )
}
