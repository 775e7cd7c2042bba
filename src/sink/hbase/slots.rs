//! A bound of what is under way at once, that can be changed while it is used.

use std::sync::{Mutex, MutexGuard};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Slots, given in the order in which they are asked for.
pub struct Slots {
    free: Semaphore,
    size: Mutex<Size>,
}

struct Size {
    slots: usize,
    /// Slots that are in use and do not come back, because there are fewer now.
    owed: usize,
}

impl Slots {
    pub fn new(slots: usize) -> Slots {
        Slots { free: Semaphore::new(slots), size: Mutex::new(Size { slots, owed: 0 }) }
    }

    /// Waits for a slot. Cancelling the wait gives up the place in the queue and nothing else.
    pub async fn acquire(&self) -> Slot<'_> {
        let permit = self.free.acquire().await.expect("the semaphore is never closed");
        Slot { slots: self, permit: Some(permit) }
    }

    pub fn are_all_used(&self) -> bool {
        self.free.available_permits() == 0
    }

    /// Has `slots` slots from now on. Those in use stay; where they are too many, the next ones to come back
    /// are dropped.
    pub fn resize(&self, slots: usize) {
        let mut size = self.size();
        if slots > size.slots {
            let more = slots - size.slots;
            let kept = more.min(size.owed);
            size.owed -= kept;
            self.free.add_permits(more - kept);
        } else {
            let fewer = size.slots - slots;
            size.owed += fewer - self.free.forget_permits(fewer);
        }
        size.slots = slots;
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A slot in use; dropping it gives it back.
pub struct Slot<'a> {
    slots: &'a Slots,
    permit: Option<SemaphorePermit<'a>>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut size = self.slots.size();
        if size.owed > 0
            && let Some(permit) = self.permit.take()
        {
            size.owed -= 1;
            permit.forget();
        }
        // The permit goes back before the lock does, so that nobody counts between the two.
        self.permit = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn slots_follow_the_size_also_while_they_are_used() {
        let slots = Slots::new(3);
        let take = || slots.acquire().now_or_never();
        let (first, second, third) = (take(), take(), take());
        assert!(take().is_none() && slots.are_all_used());
        slots.resize(1);
        drop(first);
        drop(second);
        assert!(take().is_none(), "one is in use, and there is only one");
        slots.resize(2);
        let other = take();
        assert!(other.is_some() && take().is_none());
        slots.resize(1);
        slots.resize(3);
        drop((third, other));
        let all = [take(), take(), take()];
        assert!(all.iter().all(Option::is_some) && take().is_none(), "none was lost, none was made");
        drop(all);
        slots.resize(1);
        assert!(!slots.are_all_used());
        let only = take();
        assert!(only.is_some() && take().is_none());
    }

    #[test]
    fn waiting_that_is_given_up_keeps_nothing() {
        let slots = Slots::new(1);
        let held = slots.acquire().now_or_never().unwrap();
        let mut waiting = Box::pin(slots.acquire());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(held);
        drop(waiting);
        assert!(slots.acquire().now_or_never().is_some());
    }
}
