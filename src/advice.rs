//! What a person is told to do about a refusal or a parking, in one place.
//!
//! Each function says one way on, with the commands to type as they are to be typed (`-c FILE` left out).
//! `tests/live/run/advice` takes the commands out of these sentences, carries them out on real servers, and compares both
//! sides afterwards: so a sentence that does not work fails a test.

/// The command that takes the parked targets of a mapping back.
pub fn recopy(mapping: &str) -> String {
    format!("tailfill recopy {mapping} --yes")
}

/// A copy whose columns, or how they are written, are others now.
pub fn columns_changed(mapping: &str) -> String {
    format!("`{}` compares all of it and writes what differs", recopy(mapping))
}

/// A column of the table that a target does not have, since the file names no `columns`.
pub fn new_column(mapping: &str, columns: &[String], new: &[String]) -> String {
    let all: Vec<String> = columns.iter().chain(new).map(|name| format!("{name:?}")).collect();
    format!(
        "to take in what is new, set columns = [{}] in this target, stop the run if there is one, then `{}`; else \
         nothing has to be done",
        all.join(", "),
        recopy(mapping)
    )
}

/// A target whose items lie elsewhere now.
pub fn addresses_changed() -> &'static str {
    "take the change back, or name another HBase table in this target and run `tailfill init`: it is copied anew beside \
     the others"
}

/// A target that is parked, whatever the reason.
pub fn parked(mapping: &str) -> String {
    format!("mend the reason (edit the configuration if columns changed), then `{}`", recopy(mapping))
}

/// A table that holds rows before its copy begins.
pub fn not_empty(table: &str) -> String {
    format!(
        "rows of before would stay where MySQL has deleted them: in the HBase shell, truncate_preserve '{table}', or name \
         another table"
    )
}

/// A re-copy that is asked of a run which was started with another configuration.
pub fn stop_and_recopy(mapping: &str) -> String {
    format!("stop that run, then `{}`, and start the run again", recopy(mapping))
}

/// A copy whose table holds other rows than it wrote: what `init` says once it has parked it.
pub fn copied_anew(mapping: &str) -> String {
    format!("`{}` compares all of it and writes what differs", recopy(mapping))
}

/// A table that is gone, while the run that writes to it has not noticed.
pub fn gone_under_a_run(table: &str) -> String {
    format!(
        "{table} is gone, and the run that is up does not know it yet: stop the run, then run `tailfill init` again"
    )
}

/// A table can be taken over only while no run has the state.
pub fn adopt_alone() -> &'static str {
    "stop the run that is up, then run `tailfill init --adopt` again"
}

/// A row that has no form in HBase.
pub fn row_refused(mapping: &str) -> String {
    format!("mend or delete it in MySQL, then `{}`", recopy(mapping))
}
