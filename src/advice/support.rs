//! What a person can add to a support bundle.

/// The log of a run as a service, which is not in `state_dir`.
///
/// Performed by `live::support::a_bundle_of_a_live_run_holds_no_secret`.
pub fn add_log() -> &'static str {
    "tailfill logs to standard error; systemd keeps that in its journal: \
     journalctl -u tailfill --since -2d > tailfill.log, then `tailfill support-bundle --log tailfill.log`"
}

/// What the servers say of themselves, which takes them long.
///
/// Performed by `live::support::a_bundle_of_a_live_run_holds_no_secret`.
pub fn add_check() -> &'static str {
    "it takes long: run `tailfill check`, and send what it prints too"
}
