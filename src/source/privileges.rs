//! The privileges of the user that tailfill is.

use super::SourceError;
use super::connection::{Connection, text_at};

pub(super) async fn global_privileges(connection: &mut Connection) -> Result<Vec<String>, SourceError> {
    let roles = connection.text("the active roles", "SELECT CURRENT_ROLE()").await?;
    let statement = match roles.as_str() {
        "" | "NONE" => "SHOW GRANTS FOR CURRENT_USER()".to_owned(),
        roles => format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}"),
    };
    let rows = connection.rows("SHOW GRANTS", &statement).await?;
    Ok(rows.iter().flat_map(|row| privileges_on_everything(&text_at(row, 0))).collect())
}

/// The privileges in `GRANT A, B ON *.* TO ...`; none for a grant on something smaller.
fn privileges_on_everything(grant: &str) -> Vec<String> {
    let list = grant.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON *.* TO "));
    list.map(|(list, _)| list.split(',').map(|one| one.trim().to_ascii_uppercase()).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_global_grants_count_as_global() {
        let grant = "GRANT SELECT, REPLICATION SLAVE ON *.* TO `u`@`%` WITH GRANT OPTION";
        assert_eq!(privileges_on_everything(grant), ["SELECT", "REPLICATION SLAVE"]);
        assert!(privileges_on_everything("GRANT SELECT ON `a`.* TO `u`@`%`").is_empty());
        assert!(privileges_on_everything("GRANT `role`@`%` TO `u`@`%`").is_empty());
        assert!(privileges_on_everything("REVOKE SELECT ON *.* FROM `u`@`%`").is_empty());
    }
}
