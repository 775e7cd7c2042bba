//! A signal that something changed, heard by any number of listeners, in an order that repeats.
//!
//! `tokio::sync::watch` spreads its waiting receivers over eight lists by a random number, so that two runs
//! of one seed wake them in different orders. Here they wake in the order in which they began to wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use tokio::sync::Notify;

/// A version number that only rises, and those who wait for it to rise.
#[derive(Debug, Default)]
pub struct Signal {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    version: AtomicU64,
    waiting: Notify,
}

impl Signal {
    pub fn new() -> Signal {
        Signal::default()
    }

    /// Says that something changed. Make the change first.
    pub fn raise(&self) {
        self.shared.version.fetch_add(1, SeqCst);
        self.shared.waiting.notify_waiters();
    }

    /// A listener that hears everything from now on.
    pub fn listen(&self) -> Listener {
        Listener { heard: self.shared.version.load(SeqCst), shared: self.shared.clone() }
    }
}

/// One who waits for a [`Signal`].
#[derive(Clone, Debug)]
pub struct Listener {
    shared: Arc<Shared>,
    heard: u64,
}

impl Listener {
    /// Returns at once when the signal was raised since the last return (or since the listener was made),
    /// else when it is raised next. Several raises in between count as one. Waits for ever when the signal is
    /// gone. Cancel safe: nothing counts as heard until this returns.
    pub async fn changed(&mut self) {
        loop {
            let mut notified = std::pin::pin!(self.shared.waiting.notified());
            // registered before the version is read: a raise in between wakes it
            notified.as_mut().enable();
            let version = self.shared.version.load(SeqCst);
            if version != self.heard {
                self.heard = version;
                return;
            }
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::time::Duration;
    use tokio::time::timeout;

    const SHORT: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_raise_before_the_wait_is_heard_once() {
        let signal = Signal::new();
        signal.raise();
        let mut listener = signal.listen();
        assert!(timeout(SHORT, listener.changed()).await.is_err(), "raised before it listened");
        signal.raise();
        signal.raise();
        listener.changed().await;
        assert!(timeout(SHORT, listener.changed()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_wait_loses_nothing() {
        let signal = Signal::new();
        let mut listener = signal.listen();
        assert!(timeout(SHORT, listener.changed()).await.is_err());
        signal.raise();
        assert!(timeout(SHORT, listener.changed()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn listeners_wake_in_the_order_in_which_they_began_to_wait() {
        let (signal, woken) = (Signal::new(), Arc::new(Mutex::new(Vec::new())));
        let mut waiting = tokio::task::JoinSet::new();
        for number in 0..20 {
            let (mut listener, woken) = (signal.listen(), woken.clone());
            waiting.spawn(async move {
                listener.changed().await;
                woken.lock().expect("no test panics while it holds it").push(number);
            });
        }
        tokio::time::sleep(SHORT).await;
        signal.raise();
        waiting.join_all().await;
        assert_eq!(*woken.lock().expect("as above"), (0..20).collect::<Vec<_>>());
    }
}
