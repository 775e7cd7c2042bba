//! The registered targets, as both kinds of gateways are asked about them.

use super::failure::Subject;
use super::options::HbaseOptions;
use super::request;
use super::thrift::Transport;
use crate::model::{Target, TargetId};
use crate::sink::SinkError;
use bytes::Bytes;
use std::collections::BTreeMap;

/// The row in every target's table in which the clock's probe puts its cell: one byte. Every row key of a layout is a salt
/// and at least one more byte, so it is no row key of any mapping. Scans leave it out.
pub const PROBE_ROW: &[u8] = &[0xff];

/// A target and its names as they go on the wire.
pub struct TargetNames {
    pub target: Target,
    pub table: Bytes,
    pub family: Bytes,
}

impl TargetNames {
    pub fn new(target: &Target) -> TargetNames {
        TargetNames {
            target: target.clone(),
            table: Bytes::copy_from_slice(target.table.as_bytes()),
            family: Bytes::copy_from_slice(target.family.as_bytes()),
        }
    }

    pub fn subject(&self, what: &'static str) -> Subject<'_> {
        Subject { what, table: &self.target.table, family: &self.target.family }
    }
}

/// Every target, and how gateways are reached.
pub struct RegisteredTargets {
    pub options: HbaseOptions,
    targets: BTreeMap<TargetId, TargetNames>,
}

impl RegisteredTargets {
    pub fn new(options: HbaseOptions, targets: &[Target]) -> RegisteredTargets {
        let targets = targets.iter().map(|target| (target.id, TargetNames::new(target))).collect();
        RegisteredTargets { options, targets }
    }

    pub fn get(&self, target: TargetId) -> Result<&TargetNames, SinkError> {
        self.targets
            .get(&target)
            .ok_or_else(|| self.refused(&format!("target {}", target.0), "it was not registered".into()))
    }

    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.values().map(|place| &place.target)
    }

    /// What one call of up to `rows` rows may hold: bytes on the wire too.
    pub fn call_bounds(&self, rows: usize) -> request::Bounds {
        let bytes = match self.options.transport {
            Transport::Buffered => request::CALL_BYTES_MAX,
            Transport::Framed => request::CALL_BYTES_MAX.min(self.options.frame_bytes_max),
        };
        let hard = self.options.transport == Transport::Framed;
        request::Bounds { rows, bytes, hard, cell_bytes: self.options.cell_bytes_max }
    }

    /// Calls that one write or read asks for at once; how many of them are under way is the pool's to say.
    pub fn calls_at_once(&self) -> usize {
        (self.options.connections * self.options.gateways.len()).max(1)
    }

    /// What repeating will not mend, and what no single gateway is to blame for.
    pub fn refused(&self, what: &str, reason: String) -> SinkError {
        SinkError::Refused { gateway: self.options.gateways.join(","), what: what.into(), reason }
    }
}
