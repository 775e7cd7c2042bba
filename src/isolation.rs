//! Panics of libraries on bytes from outside: errors to us, and no dump on the terminal.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::pin::pin;
use std::sync::Once;
use std::task::Poll;

thread_local! {
    /// Whether a panic of this thread is expected here, and not worth a word.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// The work ended in a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// Does the work; a panic in it becomes an error, and nothing is printed.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !CAUGHT.try_with(Cell::get).unwrap_or(false) {
                before(panic);
            }
        }));
    });
    let outer = CAUGHT.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    done.map_err(|_| Panicked)
}

/// The same for a future, which is not polled again after its panic.
pub async fn caught_in<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| match caught(|| future.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn third(bytes: &[u8]) -> u8 {
        bytes[std::hint::black_box(3)]
    }

    #[test]
    fn a_panic_becomes_an_error() {
        assert_eq!(caught(|| third(&[])), Err(Panicked));
        assert_eq!(caught(|| third(&[0, 1, 2, 3])), Ok(3));
        assert_eq!(caught(|| caught(|| third(&[])).is_err() && CAUGHT.get()), Ok(true));
        assert!(!CAUGHT.get(), "later panics are printed");
    }

    #[tokio::test]
    async fn a_panic_of_a_future_becomes_an_error_wherever_it_waits() {
        let work = async |bytes: &[u8]| {
            tokio::task::yield_now().await;
            third(bytes)
        };
        assert_eq!(caught_in(work(&[])).await, Err(Panicked));
        assert_eq!(caught_in(work(&[0, 1, 2, 3])).await, Ok(3));
    }
}
