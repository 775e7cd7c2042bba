//! What networks do to connections, by name.

use super::proxy::{Bite, Proxy, Way};
use std::time::{Duration, Instant};

/// How long a reply to bite may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Reset,
    /// Both directions are silent, and the connection stays open.
    BlackHole,
    SlowLink,
    /// Of a reply the first half arrives, and then the connection ends.
    ReplyCut,
    /// The request arrives, its reply does not, and the connection ends.
    ReplyLost,
}

impl Trouble {
    pub const ALL: [Trouble; 5] =
        [Trouble::Reset, Trouble::BlackHole, Trouble::SlowLink, Trouble::ReplyCut, Trouble::ReplyLost];

    pub fn name(self) -> &'static str {
        match self {
            Trouble::Reset => "reset",
            Trouble::BlackHole => "black hole",
            Trouble::SlowLink => "slow link",
            Trouble::ReplyCut => "reply cut in half",
            Trouble::ReplyLost => "reply lost",
        }
    }

    /// Does it, and ends it: what lasts, for `long`. Whether it has met something.
    pub async fn befalls(self, proxy: &Proxy, long: Duration) -> bool {
        let before = proxy.hits();
        match self {
            Trouble::Reset => {
                proxy.reset();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Trouble::BlackHole | Trouble::SlowLink => {
                proxy.set(if self == Trouble::SlowLink { Way::Slow } else { Way::BlackHole });
                tokio::time::sleep(long).await;
                proxy.set(Way::Open);
            }
            Trouble::ReplyCut => bite(proxy, Bite::Cut, before).await,
            Trouble::ReplyLost => bite(proxy, Bite::Lost, before).await,
        }
        proxy.hits() > before
    }
}

async fn bite(proxy: &Proxy, bite: Bite, before: u64) {
    proxy.bite(bite);
    let begin = Instant::now();
    while proxy.hits() == before && begin.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    proxy.bite(Bite::None);
}
