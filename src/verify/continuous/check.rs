//! One comparison of some addresses of one target, by the rule of `verify` beside a run.

use super::parts::Continuous;
use crate::compare::Difference;
use crate::model::{Mapping, Target};
use crate::sink::layout::Address;
use crate::verify::VerifyError;
use crate::verify::confirm::{Confirmer, Hears};
use crate::verify::report::{Candidate, EXAMPLES_MAX, Example, VerifyTargetReport};
use crate::verify::tail::Watch;

/// Addresses that are compared together: as many as a report has examples, so that each difference has its words.
pub const AT_ONCE: usize = EXAMPLES_MAX;

/// What a comparison of some addresses came to. Those that are not in here are equal, unless some are unsettled.
pub struct Outcome {
    pub different: Vec<(Address, Example)>,
    /// How many changed faster than they could be compared, whichever they are.
    pub unsettled: u64,
}

/// The differences, in the order in which they were confirmed.
#[derive(Default)]
struct Heard(Vec<Address>);

impl Hears for Heard {
    fn differs(&mut self, address: &Address, _: &Difference) {
        self.0.push(address.clone());
    }
}

/// Compares up to [`AT_ONCE`] addresses. `None`: the run did something meanwhile that makes the outcome worthless.
///
/// # Errors
/// A server that stays away; a tail that does not come on.
pub async fn compare(
    by: &Continuous,
    (mapping, target): (&Mapping, &Target),
    group: &[Candidate],
) -> Result<Option<Outcome>, VerifyError> {
    let with = &by.with;
    let turn = by.run.turn();
    let watch = Watch::begin(with.tail.clone(), &*with.source, with.settings.wait_max).await?;
    let (mut heard, mut report) = (Heard::default(), VerifyTargetReport::default());
    let mut confirmer = Confirmer::new(with, &watch, (mapping, target), &mut heard);
    group.iter().take(AT_ONCE).for_each(|candidate| confirmer.add(candidate.clone()));
    confirmer.work(&mut report).await?;
    drop(confirmer);
    // a tail that begins elsewhere shows older states, and a statement parks a target whose rows MySQL has changed already
    if by.run.turn() != turn || !by.run.comparable().await.contains(&target.id) {
        return Ok(None);
    }
    let VerifyTargetReport { examples, unsettled, .. } = report;
    Ok(Some(Outcome { different: heard.0.into_iter().zip(examples).collect(), unsettled }))
}
