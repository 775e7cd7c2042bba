//! The hook into the state store: delays, failed commits, lost replies; and what became durable goes into
//! the books.

use super::world::World;
use async_trait::async_trait;
use std::sync::{Arc, Weak};
use tailfill::store::memory::{CommitHook, Fate};
use tailfill::store::{Commit, Space};

pub struct Hook(Weak<World>);

impl Hook {
    pub fn install(world: &Arc<World>) {
        world.store.set_hook(Some(Arc::new(Hook(Arc::downgrade(world)))));
    }
}

#[async_trait]
impl CommitHook for Hook {
    async fn before(&self, _commit: &Commit) -> Fate {
        let Some(world) = self.0.upgrade() else { return Fate::Make };
        world.dice.pause(0, 4).await;
        if world.trouble(10) {
            world.dice.pause(50, 500).await; // a slow disk: a crash may come in the middle
        }
        match world.trouble(world.profile.store_trouble) {
            false => Fate::Make,
            true => world.dice.pick(&[Fate::FailBefore, Fate::MakeThenFail]),
        }
    }

    async fn after(&self, commit: &Commit) {
        let Some(world) = self.0.upgrade() else { return };
        note(&world, commit);
        let begun = world.books().committed(commit);
        if begun {
            world.counting.notify_waiters();
        }
        world.dice.pause(0, 4).await;
    }
}

fn note(world: &World, commit: &Commit) {
    for (space, key, value) in &commit.put {
        let value = String::from_utf8_lossy(value);
        let value = value.strip_prefix("{\"v\":2,\"record\":").unwrap_or(&value);
        match space {
            Space::Journal => {
                let tick = tailfill::store::records::journal_tick(key).expect("8 bytes");
                world.trace.note(format_args!("journal {tick}: {value}"));
            }
            Space::Checkpoint => world.trace.note(format_args!("checkpoint: {value}")),
            Space::Chunk => world.trace.note(format_args!("chunk: {value}")),
            Space::Counts => world.trace.note(format_args!("counts: {value}")),
            Space::Meta | Space::LifeCycle | Space::History | Space::Definitions => {}
        }
    }
}
