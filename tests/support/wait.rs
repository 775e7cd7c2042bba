//! Waiting for a state, with a limit.

use std::time::{Duration, Instant};

/// What is waited for comes within this time, or something is wrong. Generous: the machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(240);

/// Looks until there is something to see.
///
/// # Panics
/// After [`LIMIT`], naming what was waited for.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(LIMIT, what, look).await
}

async fn until_within<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begin.elapsed() < limit, "waited {} s for {what}", limit.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Looks until it is so.
pub async fn until_so(what: &str, look: impl AsyncFnMut() -> bool) {
    until_so_within(LIMIT, what, look).await;
}

/// The same with another limit.
pub async fn until_so_within(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> bool) {
    until_within(limit, what, async || look().await.then_some(())).await;
}
