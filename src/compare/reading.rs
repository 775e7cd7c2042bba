//! How a reader of either side bears errors that pass.

use super::permit::ReadPermit;
use crate::model::{Mapping, Value};
use crate::retry::{Patience, Pauses};
use crate::sink::SinkError;
use crate::source::SourceError;
use std::marker::PhantomData;
use std::time::Duration;
use tokio::time::sleep;

/// Who reads: for how long a call that fails in passing is repeated, and who hears of what was read.
pub trait Reading: Sync {
    type Error: From<SourceError> + From<SinkError>;

    /// The patience with one call.
    fn patience(&self) -> Patience;

    /// How long to wait after an error of a call, before it is made again.
    ///
    /// # Errors
    /// It does not pass, or they go on for too long.
    fn pause_after(&self, patience: &mut Patience, error: Self::Error) -> Result<Duration, Self::Error>;

    /// A call has worked that was waited for.
    fn goes_on(&self) {}

    /// The error of a row of MySQL that has no place in HBase.
    fn no_place(&self, cause: SinkError) -> Self::Error {
        cause.into()
    }

    /// Whether every list takes part. All do, unless only some are compared.
    fn takes_all(&self) -> bool {
        true
    }

    /// Whether a row of MySQL takes part.
    fn takes_row(&self, _mapping: &Mapping, _row: &[Value]) -> bool {
        true
    }

    /// Whether a list does, by its encoded key.
    fn takes_list(&self, _mapping: &Mapping, _list_key: &[u8]) -> bool {
        true
    }

    /// Waits until a piece of either side may be read, of `most` rows or items at most. All may be read at once, unless
    /// somebody limits the reader.
    fn permit(&self, most: usize) -> impl Future<Output = ReadPermit> + Send {
        std::future::ready(ReadPermit::free(most))
    }

    /// So many rows of MySQL were read.
    fn rows_read(&self, _rows: usize) {}

    /// So many items of HBase were read, or asked for.
    fn items_read(&self, _items: usize) {}
}

/// Repeats `call` while its errors may pass, for as long as the reader waits.
pub async fn retry<R: Reading, T, F>(by: &R, mut call: impl FnMut() -> F) -> Result<T, R::Error>
where
    F: Future<Output = Result<T, R::Error>>,
{
    let (mut patience, mut waited) = (by.patience(), false);
    loop {
        match call().await {
            Ok(done) => {
                if waited {
                    by.goes_on();
                }
                return Ok(done);
            }
            Err(error) => sleep(by.pause_after(&mut patience, error)?).await,
        }
        waited = true;
    }
}

/// Repeats nothing: whoever calls does, or says at once what went wrong.
pub struct Once<E>(PhantomData<fn() -> E>);

impl<E> Once<E> {
    pub const fn reading() -> &'static Once<E> {
        &Once(PhantomData)
    }
}

impl<E: From<SourceError> + From<SinkError>> Reading for Once<E> {
    type Error = E;

    fn patience(&self) -> Patience {
        Patience::with_one(Duration::ZERO, Pauses::OF_LOOKS)
    }

    fn pause_after(&self, _: &mut Patience, error: E) -> Result<Duration, E> {
        Err(error)
    }
}
