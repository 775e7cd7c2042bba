//! `connections`: tail and backfill by `hbase.connections`, on gateways near and far, on two, and on two of which one gets slow
//! in the middle.

use crate::configuration::Move;
use crate::data::Backlog;
use crate::ground::{FOLLOWS, Ground};
use crate::link::Link;
use crate::measure::BenchReport;
use crate::moved::Side;
use crate::rows::{self, LOOK_UP_EVERY};
use crate::second::Gateway;
use crate::turns::{self, Way};
use std::time::Duration;

/// The first is what the others are compared with.
const NUMBERS: [u16; 6] = [4, 1, 2, 3, 8, 16];

/// How gateways are reached.
struct Reach {
    name: &'static str,
    /// Their ports.
    gateways: Vec<u16>,
    slows: Option<Link>,
}

/// All in turns.
pub async fn run(ground: &Ground, backlog: &Backlog, say: &dyn Fn(&str)) -> anyhow::Result<Vec<BenchReport>> {
    let expected = rows::some_of(&ground.tall(FOLLOWS, "none"), backlog, LOOK_UP_EVERY).await?;
    let first = ground.ports.gateway;
    let second = Gateway::like(ground.servers.gateway, &ground.work).await?;
    let far = |milliseconds| Link::start(first, Duration::from_millis(milliseconds));
    let (far_2, far_10) = (far(2).await?, far(10).await?);
    let slow = Link::start(second.port, Duration::ZERO).await?;
    let reaches = [
        Reach { name: "near", gateways: vec![first], slows: None },
        Reach { name: "2ms", gateways: vec![far_2.port], slows: None },
        Reach { name: "10ms", gateways: vec![far_10.port], slows: None },
        Reach { name: "two", gateways: vec![first, second.port], slows: None },
        Reach { name: "slowed", gateways: vec![first, slow.port], slows: Some(slow) },
    ];
    let mut named = Vec::new();
    for reach in &reaches {
        for side in [Side::Tail, Side::Backfill] {
            for (place, number) in NUMBERS.into_iter().enumerate() {
                let (name, hbase) =
                    (format!("{}-{}-{number}", side.name(), reach.name), format!("connections = {number}\n"));
                named.push((reach, side, place, name, hbase));
            }
        }
    }
    let ways = named.iter().enumerate().map(|(at, (reach, side, place, name, hbase))| Way {
        side: *side,
        what: Move {
            hbase,
            gateways: &reach.gateways,
            slows: reach.slows.as_ref(),
            ..ground.tall(FOLLOWS, name)
        },
        expected: &expected,
        base: at - place,
    });
    let ways: Vec<Way<'_>> = ways.collect();
    let rounds = turns::run(&ways, ground.scale.rounds, backlog, say).await?;
    Ok(turns::reports(&ways, &rounds))
}
