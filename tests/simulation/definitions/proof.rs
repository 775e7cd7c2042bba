//! What a process asks the server about its table.

use super::super::database;
use super::super::source::reach;
use super::super::world::{Process, World};
use super::statement::Statement;
use async_trait::async_trait;
use std::sync::Arc;
use tailfill::model::{Definition, Parking, Reached, TableId};
use tailfill::source::{Definitions, Proof, SourceError};

pub struct Answers(pub Arc<Process>);

/// The present definition, as information_schema shows it.
pub fn present(world: &World) -> Arc<Definition> {
    let state = world.database.state();
    Arc::new(Definition::of(state.present_layout().schema(&world.mapping.schema)))
}

/// The present definition, and whether a statement stands against it.
pub async fn prove(process: &Arc<Process>, since: &Reached) -> Result<Proof, SourceError> {
    let world = &process.world;
    loop {
        reach(world).await?;
        if world.database.state().executed().contains_set(since) {
            break;
        }
        world.dice.pause(1, 50).await;
    }
    let definition = present(world);
    world.dice.pause(0, 60).await;
    reach(world).await?;
    let state = world.database.state();
    let all = database::up_to(state.published());
    Ok(match state.statement_between(since, &all) {
        Some((number, later)) => Proof::Changed { by: parking(number, &later), read: Some(definition) },
        None => Proof::Holds(definition),
    })
}

fn parking(number: u64, statement: &Statement) -> Parking {
    Parking {
        what: statement.text.clone(),
        reason: "it may change the table".into(),
        transaction: Some(database::gtid(number)),
        place: format!("binlog.1:{number}"),
    }
}

#[async_trait]
impl Definitions for Answers {
    async fn prove(&self, _: TableId, since: &Reached) -> Result<Proof, SourceError> {
        let _call = self.0.call("prove");
        prove(&self.0, since).await
    }

    async fn statement_between(
        &self,
        _: TableId,
        from: &Reached,
        to: &Reached,
    ) -> Result<Option<Parking>, SourceError> {
        let _call = self.0.call("statement between");
        reach(&self.0.world).await?;
        let state = self.0.world.database.state();
        Ok(state.statement_between(from, to).map(|(number, statement)| parking(number, &statement)))
    }
}
