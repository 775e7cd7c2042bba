//! Switches that turn one mechanism of the protocol off, so that a test can show that it notices.
//!
//! Only the feature `failpoints` can turn one: without it every switch is a constant `false`, and the
//! code behind it is not in the program.

/// Which mechanisms are off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failpoints {
    #[cfg(feature = "failpoints")]
    switches: Switches,
}

/// The mechanisms that can be turned off.
#[cfg(feature = "failpoints")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Start (and resume) from the binlog's head as SHOW BINARY LOG STATUS tells it, not from the executed set.
    pub start_from_binlog_status: bool,
    /// Chunks write with the newest tick, not with a safe mark (I3).
    pub chunk_uses_newest_tick: bool,
    /// An insert and a delete of one address in one batch cancel each other out.
    pub insert_delete_cancels: bool,
}

impl Failpoints {
    #[cfg(feature = "failpoints")]
    pub fn new(switches: Switches) -> Failpoints {
        Failpoints { switches }
    }

    /// The switches named in the environment variable `TAILFILL_FAILPOINTS`, by commas.
    pub fn from_env() -> Failpoints {
        #[cfg(feature = "failpoints")]
        {
            let names = std::env::var("TAILFILL_FAILPOINTS").unwrap_or_default();
            let on = |name: &str| names.split(',').any(|given| given.trim() == name);
            Failpoints::new(Switches {
                start_from_binlog_status: on("start-from-binlog-status"),
                chunk_uses_newest_tick: on("chunk-uses-newest-tick"),
                insert_delete_cancels: on("insert-delete-cancels"),
            })
        }
        #[cfg(not(feature = "failpoints"))]
        Failpoints::default()
    }

    pub fn start_from_binlog_status(self) -> bool {
        #[cfg(feature = "failpoints")]
        return self.switches.start_from_binlog_status;
        #[cfg(not(feature = "failpoints"))]
        false
    }

    pub fn chunk_uses_newest_tick(self) -> bool {
        #[cfg(feature = "failpoints")]
        return self.switches.chunk_uses_newest_tick;
        #[cfg(not(feature = "failpoints"))]
        false
    }

    pub fn insert_delete_cancels(self) -> bool {
        #[cfg(feature = "failpoints")]
        return self.switches.insert_delete_cancels;
        #[cfg(not(feature = "failpoints"))]
        false
    }
}
