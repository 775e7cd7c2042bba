//! What the errors of the Thrift1 client mean.

use super::socket::TIMED_OUT;
use crate::sink::SinkError;
use crate::sink::hbase::failure::{Subject, refusal, unavailable};
use hbase_thrift::hbase::{IOError, IllegalArgument};
use thrift::{ApplicationErrorKind, Error};

/// Whether it is an exception of the interface: the reply was read to its end, and the connection is sound.
pub fn is_declared(error: &Error) -> bool {
    matches!(error, Error::User(_))
}

/// Whether the socket's time-out was over before there was an answer.
pub fn is_timeout(error: &Error) -> bool {
    matches!(error, Error::Transport(error) if error.message == TIMED_OUT)
}

/// The meaning of a failed call.
pub fn meaning(gateway: &str, subject: &Subject<'_>, error: &Error) -> SinkError {
    match error {
        Error::User(declared) => match message(declared.as_ref()) {
            // A scanner lives in its gateway, and a gateway that restarts forgets it.
            Some(message) if message.contains("scanner ID is invalid") => {
                unavailable(gateway, format!("{}: the gateway has forgotten the scanner", subject.what))
            }
            Some(message) => refusal(gateway, subject, &message),
            None => unavailable(gateway, format!("{}: an exception without name", subject.what)),
        },
        Error::Application(error) if error.kind == ApplicationErrorKind::UnknownMethod => {
            let reason = format!("it does not know the call for {}", subject.what);
            SinkError::WrongProtocol { gateway: gateway.into(), reason }
        }
        Error::Application(error) => broken(gateway, subject, &error.message),
        Error::Transport(error) => broken(gateway, subject, &error.message),
        Error::Protocol(error) => broken(gateway, subject, &error.message),
    }
}

fn broken(gateway: &str, subject: &Subject<'_>, message: &str) -> SinkError {
    let brief: String = message.chars().take(200).collect();
    unavailable(gateway, format!("{}: {brief}", subject.what))
}

/// A Java stack trace. That of an illegal argument says so in its first words.
fn message(declared: &(dyn std::error::Error + Send + Sync + 'static)) -> Option<String> {
    if let Some(error) = declared.downcast_ref::<IOError>() {
        return error.message.clone();
    }
    let error = declared.downcast_ref::<IllegalArgument>()?;
    Some(error.message.clone().unwrap_or_else(|| "IllegalArgumentException".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use thrift::{ProtocolError, ProtocolErrorKind};

    const SUBJECT: Subject<'static> = Subject { what: "writes", table: "followers", family: "f" };

    fn told(error: Error) -> SinkError {
        meaning("g", &SUBJECT, &error)
    }

    fn io(message: &str) -> SinkError {
        told(IOError::new(message.to_owned(), None).into())
    }

    #[test]
    fn a_stack_trace_is_read_as_thrift2_messages_are_and_never_repeated() {
        let missing = "org.apache.hadoop.hbase.client.RetriesExhaustedWithDetailsException: Failed 1 action: \
            followers: 1 time, servers with issues: null\n\tat org.apache.hadoop.hbase.client.BatchErrors";
        assert!(matches!(io(missing), SinkError::Missing { .. }));
        let away = "org.apache.hadoop.hbase.NotServingRegionException: followers,secret,1.abc. is not online\n\
            \tat org.apache.hadoop.hbase.regionserver.HRegionServer.getRegion(HRegionServer.java:3270)";
        let error = io(away);
        assert!(matches!(error, SinkError::Unavailable { .. }));
        assert_eq!(error.to_string(), "hbase gateway g: writes (table followers): NotServingRegionException");
        let refused =
            told(IllegalArgument::new("java.lang.IllegalArgumentException: row secret".to_owned()).into());
        assert!(matches!(refused, SinkError::Refused { .. }) && !refused.to_string().contains("secret"));
    }

    #[test]
    fn what_breaks_below_hbase_may_pass() {
        let errors = [
            Error::from(std::io::Error::other("connection reset")),
            ProtocolError::new(ProtocolErrorKind::BadVersion, "it is not binary Thrift").into(),
            IllegalArgument::new("scanner ID is invalid".to_owned()).into(),
        ];
        for error in errors {
            let error = told(error);
            assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
        }
    }
}
