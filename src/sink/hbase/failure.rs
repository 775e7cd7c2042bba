//! What a gateway's errors mean, and how to name them without showing row values.

use super::thrift::Error;
use crate::sink::SinkError;
use std::time::Duration;

/// What a call is about, for its errors.
pub struct Subject<'a> {
    pub what: &'static str,
    pub table: &'a str,
    pub family: &'a str,
}

/// Exceptions that repeating does not mend, by their Java class. Everything else may pass:
/// `canRetry` says nothing, it is true for a missing table too.
const LASTING: [&str; 6] = [
    "DoNotRetryIOException",
    "AccessDeniedException",
    "IllegalArgumentException",
    "InvalidFamilyOperationException",
    "TableExistsException",
    "TableNotDisabledException",
];

/// The meaning of an exception: a TIOError of Thrift2, an IOError or IllegalArgument of Thrift1 (whose messages are Java
/// stack traces).
fn refusal(gateway: &str, subject: &Subject<'_>, message: &str) -> SinkError {
    if let Some(reason) = missing(subject, message) {
        let (table, family) = (subject.table.to_owned(), subject.family.to_owned());
        return SinkError::Missing { table, family, reason: reason.into() };
    }
    // of a batch the class, of other calls "TABLE is disabled."
    if message.contains("TableNotEnabledException")
        || message.contains(&format!("{} is disabled", subject.table))
    {
        return SinkError::Disabled { table: subject.table.to_owned() };
    }
    let reason = summary(message);
    let what = format!("{} (table {})", subject.what, subject.table);
    if LASTING.iter().any(|class| message.contains(class)) {
        return SinkError::Refused { gateway: gateway.into(), what, reason };
    }
    unavailable(gateway, format!("{what}: {reason}"))
}

/// The meaning of a failed call: of an exception, of the connection, or of the Thrift library on either side.
pub fn meaning(gateway: &str, subject: &Subject<'_>, error: &Error) -> SinkError {
    match error {
        // A scanner lives in its gateway, and a gateway that restarts forgets it.
        Error::Declared { message } if message.contains("scanner ID is invalid") => {
            unavailable(gateway, format!("{}: the gateway has forgotten the scanner", subject.what))
        }
        Error::Declared { message } => refusal(gateway, subject, message),
        error if error.is_unknown_method() => SinkError::WrongProtocol {
            gateway: gateway.into(),
            reason: format!("it does not know the call for {}", subject.what),
        },
        error => unavailable(gateway, format!("{}: {}", subject.what, brief(error))),
    }
}

pub fn unavailable(gateway: &str, reason: impl Into<String>) -> SinkError {
    SinkError::Unavailable { gateway: gateway.into(), reason: reason.into() }
}

/// Given up, and it may still land.
pub fn no_answer(gateway: &str, subject: &Subject<'_>, limit: Duration) -> SinkError {
    unavailable(gateway, format!("no answer to {} within {} ms", subject.what, limit.as_millis()))
}

/// The beginning of what an error says.
pub fn brief(error: &Error) -> String {
    error.to_string().chars().take(200).collect()
}

fn missing(subject: &Subject<'_>, message: &str) -> Option<&'static str> {
    if message.contains("NamespaceNotFoundException") {
        return Some("the namespace does not exist");
    }
    if message.contains("NoSuchColumnFamilyException") {
        return Some("the table has no such family");
    }
    // A batch names its table where the exception's class should be: "TABLE: 2 times, servers with
    // issues: null"; other calls have nothing but the table's name for a message.
    let named =
        message.contains(&format!(" {}: ", subject.table)) && message.contains("servers with issues: null");
    let is_missing = named || message == subject.table || message.contains("TableNotFoundException");
    is_missing.then_some("the table does not exist")
}

/// The classes of the exceptions in a message, and its sizes where it is about a limit. The text itself can
/// hold row keys (of rows, and of region names), so it is not repeated.
fn summary(message: &str) -> String {
    let mut classes: Vec<&str> = Vec::new();
    for word in message.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '.')) {
        let class = word.rsplit('.').find(|part| !part.is_empty()).unwrap_or("");
        let is_class = class.starts_with(|letter: char| letter.is_ascii_uppercase())
            && (class.ends_with("Exception") || class.ends_with("Error"));
        if is_class && !classes.contains(&class) && classes.len() < 4 {
            classes.push(class);
        }
    }
    let limit = message.find("Cell with size ").and_then(|start| message[start..].lines().next());
    match (classes.is_empty(), limit) {
        (true, _) => "an error without a known exception: read the gateway's log".into(),
        (false, None) => classes.join(", "),
        (false, Some(limit)) => {
            format!("{} ({})", classes.join(", "), limit.chars().take(80).collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject<'static> = Subject { what: "puts", table: "followers", family: "f" };

    #[test]
    fn a_missing_table_or_family_is_told_from_a_region_that_is_away() {
        let missing = [
            "Failed 2 actions: followers: 2 times, servers with issues: null",
            "Failed 1 action: followers: 1 time, servers with issues: null",
            "followers",
            "org.apache.hadoop.hbase.TableNotFoundException: followers",
            "Failed 1 action: org.apache.hadoop.hbase.regionserver.NoSuchColumnFamilyException: Column family f",
            "org.apache.hadoop.hbase.NamespaceNotFoundException: n",
        ];
        for message in missing {
            let error = refusal("g", &SUBJECT, message);
            assert!(matches!(error, SinkError::Missing { .. }), "{error}");
        }
        for message in
            ["followers is disabled.", "org.apache.hadoop.hbase.TableNotEnabledException: followers"]
        {
            assert!(matches!(refusal("g", &SUBJECT, message), SinkError::Disabled { .. }), "{message}");
        }
        let away = "Failed 2 actions: followers: 2 times, servers with issues: host,1,2";
        assert!(matches!(refusal("g", &SUBJECT, away), SinkError::Unavailable { .. }));
        let away = "org.apache.hadoop.hbase.NotServingRegionException: followers,secret,1.abc. is not online";
        assert!(matches!(refusal("g", &SUBJECT, away), SinkError::Unavailable { .. }));
    }

    #[test]
    fn errors_name_exceptions_and_never_repeat_row_keys() {
        let message = "org.apache.hadoop.hbase.NotServingRegionException: followers,secret,1.abc. is not online \
                       for row 'secret' java.net.ConnectException";
        let error = refusal("g", &SUBJECT, message).to_string();
        assert_eq!(
            error,
            "hbase gateway g: puts (table followers): NotServingRegionException, ConnectException"
        );
        let error =
            refusal("g", &SUBJECT, "DoNotRetryIOException: Cell with size 12 exceeds limit of 10 bytes");
        assert!(matches!(error, SinkError::Refused { .. }));
        assert!(error.to_string().ends_with("(Cell with size 12 exceeds limit of 10 bytes)"), "{error}");
        assert!(refusal("g", &SUBJECT, "row secret").to_string().contains("without a known exception"));
    }

    #[test]
    fn a_stack_trace_is_read_as_other_messages_are_and_never_repeated() {
        let declared = |message: &str| meaning("g", &SUBJECT, &Error::Declared { message: message.into() });
        let missing = "org.apache.hadoop.hbase.client.RetriesExhaustedWithDetailsException: Failed 1 action: \
            followers: 1 time, servers with issues: null\n\tat org.apache.hadoop.hbase.client.BatchErrors";
        assert!(matches!(declared(missing), SinkError::Missing { .. }));
        let away = "org.apache.hadoop.hbase.NotServingRegionException: followers,secret,1.abc. is not online\n\
            \tat org.apache.hadoop.hbase.regionserver.HRegionServer.getRegion(HRegionServer.java:3270)";
        let error = declared(away);
        assert!(matches!(error, SinkError::Unavailable { .. }));
        assert_eq!(error.to_string(), "hbase gateway g: puts (table followers): NotServingRegionException");
        let refused = declared("java.lang.IllegalArgumentException: row secret");
        assert!(matches!(refused, SinkError::Refused { .. }) && !refused.to_string().contains("secret"));
    }

    #[test]
    fn what_breaks_below_hbase_may_pass() {
        let errors = [
            Error::from(std::io::Error::other("connection reset")),
            Error::Protocol("it is not binary Thrift"),
            Error::Application { kind: 6, message: "x".repeat(1_000) },
            Error::Declared { message: "scanner ID is invalid".into() },
        ];
        for error in errors {
            let error = meaning("g", &SUBJECT, &error);
            assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
            assert!(error.to_string().len() < 300, "{error}");
        }
        let unknown = Error::Application { kind: 1, message: "Invalid method name".into() };
        assert!(matches!(meaning("g", &SUBJECT, &unknown), SinkError::WrongProtocol { .. }));
    }
}
