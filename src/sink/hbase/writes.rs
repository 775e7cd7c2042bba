//! The client of the calls that write: their arguments are bytes already.

use super::thrift::{
    ThBaseServiceDeleteMultipleResultRecv, ThBaseServicePutMultipleResultRecv, ThBaseServiceResponseRecv,
    TioError,
};
use bytes::Bytes;
use volo::client::MkClient;
use volo::service::{BoxCloneService, Service};
use volo_thrift::context::ClientContext;
use volo_thrift::{ApplicationException, ApplicationExceptionKind, ClientError, MaybeException};

/// Which call writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    Put,
    Delete,
}

impl Mutation {
    /// The call's content, for messages.
    pub fn what(self) -> &'static str {
        match self {
            Mutation::Put => "puts",
            Mutation::Delete => "deletes",
        }
    }

    fn method(self) -> &'static str {
        match self {
            Mutation::Put => "putMultiple",
            Mutation::Delete => "deleteMultiple",
        }
    }
}

type Transport = BoxCloneService<ClientContext, Bytes, Option<ThBaseServiceResponseRecv>, ClientError>;

/// Sends calls whose arguments [`wire`](super::wire) has encoded. Cheap to clone.
#[derive(Clone)]
pub struct Writes(volo_thrift::Client<Transport>);

impl Writes {
    /// One call. `arguments`: the fields of the call's argument structure, its end mark included.
    pub async fn call(
        &self,
        mutation: Mutation,
        arguments: Bytes,
    ) -> Result<MaybeException<(), TioError>, ClientError> {
        let mut context = self.0.make_cx(mutation.method(), false);
        match (mutation, self.0.call(&mut context, arguments).await?) {
            (Mutation::Put, Some(ThBaseServiceResponseRecv::PutMultiple(reply))) => Ok(match reply {
                ThBaseServicePutMultipleResultRecv::Ok(()) => MaybeException::Ok(()),
                ThBaseServicePutMultipleResultRecv::Io(error) => MaybeException::Exception(error),
            }),
            (Mutation::Delete, Some(ThBaseServiceResponseRecv::DeleteMultiple(reply))) => Ok(match reply {
                ThBaseServiceDeleteMultipleResultRecv::Ok(_) => MaybeException::Ok(()),
                ThBaseServiceDeleteMultipleResultRecv::Io(error) => MaybeException::Exception(error),
            }),
            _ => Err(ClientError::Application(ApplicationException::new(
                ApplicationExceptionKind::WRONG_METHOD_NAME,
                "the reply does not belong to the call",
            ))),
        }
    }
}

/// Makes [`Writes`] out of what volo's builder builds.
pub struct MakeWrites;

impl MkClient<volo_thrift::Client<Transport>> for MakeWrites {
    type Target = Writes;

    fn mk_client(&self, client: volo_thrift::Client<Transport>) -> Writes {
        Writes(client)
    }
}
