//! What each check of `verify` sees and does not see: each cause of `tailfill::model::causes` is planted on real servers, and
//! the program has to say of each what the table says.
//!
//! What is planted is made by hand from docs/formats.md ([`ground`]), and written by a client of the tests' own: nothing of
//! the program is used. After each cause a reader of the tests' own finds every byte as it should be.

mod ground;
mod plants;
mod world;

use plants::Plant;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use tailfill::model::causes::{CAUSES, Cause, Check, Sees};
use world::World;

/// Of [`ground`]'s items so many that one is drawn with a probability of 97 %, and no more.
const MOST_ITEMS: &str = "275";
/// How often a check draws until it has drawn what differs, or none of it: in most cases it does so the first time.
const DRAWS_MAX: usize = 10;
/// The same where it draws nothing that differs.
const DRAWS_OF_THE_UNSEEN: usize = 2;

/// What a check said.
struct Said {
    seen: bool,
    report: Json,
}

/// What the checks said of each cause.
#[derive(Default)]
struct Observed {
    /// Whether a check saw it, as far as it was shown.
    seen: BTreeMap<(&'static str, Check), BTreeSet<bool>>,
    repaired: BTreeMap<&'static str, bool>,
}

/// A check to its end: it sees something (4), or both sides are equal (0).
async fn check(world: &World, words: &[&str]) -> Said {
    let begin = Instant::now();
    let ended = world.verify(words).await;
    println!("{words:?}: {:?} after {:?}", ended.code, begin.elapsed());
    let report = ended.out.lines().next().unwrap_or_default();
    let report: Json = serde_json::from_str(report).unwrap_or_else(|_| panic!("{words:?}: {ended:?}"));
    let seen = match (ended.code, report["judged"].as_bool(), report["equal"].as_bool()) {
        (Some(4), Some(true), Some(false)) => true,
        (Some(0), Some(true), Some(true)) => false,
        _ => panic!("{words:?} ended with {:?}: {report} {}", ended.code, ended.err),
    };
    Said { seen, report }
}

/// `kind item` of each difference that a comparison of items names, sorted.
fn named(report: &Json) -> Vec<String> {
    let targets = report["targets"].as_array().expect("targets");
    let examples = targets.iter().flat_map(|target| target["examples"].as_array().expect("examples"));
    let text = |value: &Json| value.as_str().expect("a text").to_owned();
    let mut named: Vec<String> =
        examples.map(|example| format!("{} {}", text(&example["kind"]), text(&example["item"]))).collect();
    named.sort();
    named
}

/// Whether a difference is one of an item.
fn is_item(difference: &str) -> bool {
    !difference.starts_with("miscounted ")
}

/// `query list` of each answer that differs.
fn answers(report: &Json) -> BTreeSet<String> {
    let mappings = report["mappings"].as_array().expect("mappings");
    let findings = mappings.iter().flat_map(|mapping| mapping["findings"].as_array().expect("findings"));
    let text = |value: &Json| value.as_str().expect("a text").to_owned();
    findings.map(|found| format!("{} {}", text(&found["query"]), text(&found["list"]))).collect()
}

impl Observed {
    /// Notes what a check said, and looks whether it named what differs and nothing else.
    fn note(&mut self, plant: &Plant, check: Check, said: &Said) {
        self.seen.entry((plant.cause, check)).or_default().insert(said.seen);
        if !said.seen {
            return;
        }
        let report = &said.report;
        let mut differences = plant.differences.clone();
        differences.sort();
        match check {
            Check::Full => assert_eq!(named(report), differences, "{}", plant.cause),
            Check::Sample => {
                let known: Vec<&String> =
                    differences.iter().filter(|difference| is_item(difference)).collect();
                let found = named(report);
                assert!(!found.is_empty() && found.iter().all(|one| known.contains(&one)), "{report}");
            }
            Check::Business => {
                let expected = plant.answers.iter().map(|query| format!("{query} {}", plant.list.named()));
                assert_eq!(answers(report), expected.collect(), "{}: {report}", plant.cause);
            }
        }
    }

    /// Plants a cause, runs every check, and repairs.
    async fn plant(&mut self, world: &mut World, plant: &Plant) {
        println!("--- {}", plant.cause);
        world.edit(&plant.edits).await;
        let full = check(world, &["--full"]).await;
        self.note(plant, Check::Full, &full);
        for (kind, most, few) in [
            (Check::Sample, ["--sample", MOST_ITEMS], ["--sample", "1"]),
            (Check::Business, ["--business", "--lists=1000"], ["--business", "--lists=1"]),
        ] {
            if self.draw(world, plant, (kind, true), &most).await {
                self.draw(world, plant, (kind, false), &few).await;
            }
        }
        if full.seen {
            self.repair(world, plant).await;
        }
        if let Some(later) = &plant.later {
            world.edit(&later.edits).await;
            let full = check(world, &["--full"]).await;
            assert_eq!(named(&full.report), later.differences, "{}: what comes of it", plant.cause);
        }
        world.edit(&plant.undo).await;
        world.assert_whole(plant.cause);
    }

    /// Draws again and again, until the check sees the cause, or does not see it, as is `wanted`. Returns whether it saw it.
    async fn draw(
        &mut self,
        world: &World,
        plant: &Plant,
        (kind, wanted): (Check, bool),
        words: &[&str],
    ) -> bool {
        let draws = match (kind, wanted) {
            // every list is chosen
            (Check::Business, true) => 1,
            (Check::Business, false) if plant.always_chosen => 0,
            (_, true) if !plant.differences.iter().any(|one| is_item(one)) => DRAWS_OF_THE_UNSEEN,
            _ => DRAWS_MAX,
        };
        let mut seen = !wanted;
        for _ in 0..draws {
            let said = check(world, words).await;
            self.note(plant, kind, &said);
            seen = said.seen;
            if seen == wanted {
                break;
            }
        }
        seen
    }

    async fn repair(&mut self, world: &World, plant: &Plant) {
        let begin = Instant::now();
        let ended = world.verify(&["--full", "--repair", "--yes"]).await;
        println!("repair: {:?} after {:?}", ended.code, begin.elapsed());
        let last: Json = serde_json::from_str(ended.out.lines().last().expect("a report")).expect("JSON");
        let repaired = match (ended.code, last["equal"].as_bool()) {
            (Some(0), Some(true)) => true,
            (Some(4), Some(false)) if ended.err.contains("does not correct 1 of the differences") => false,
            _ => {
                panic!("{}: the repair ended with {:?}: {} {}", plant.cause, ended.code, ended.out, ended.err)
            }
        };
        let before = self.repaired.insert(plant.cause, repaired);
        assert!(before.is_none_or(|before| before == repaired), "{}", plant.cause);
    }

    /// Plants all of these, after each of which both sides are equal for every check again.
    async fn all(mut self, world: &mut World, plants: &[Plant]) -> Observed {
        world.assert_whole("the copy");
        for plant in plants {
            self.plant(world, plant).await;
        }
        for words in [&["--full"][..], &["--sample", MOST_ITEMS], &["--business"]] {
            assert!(!check(world, words).await.seen, "{words:?} after everything");
        }
        self
    }

    /// Fails where a check said something else than the table says, or was not shown.
    fn assert_as_the_table_says(&self, plants: &[Plant]) {
        let causes: BTreeSet<&str> = plants.iter().map(|plant| plant.cause).collect();
        let mut wrong = Vec::new();
        for cause in CAUSES.iter().filter(|cause| causes.contains(cause.name)) {
            for (check, sees) in Check::ALL.into_iter().zip(cause.sees) {
                let seen: Vec<bool> = self.seen[&(cause.name, check)].iter().copied().collect();
                let expected = match sees {
                    Sees::Yes => &[true][..],
                    Sees::No => &[false],
                    Sees::Sometimes(_) => &[false, true],
                };
                if seen != expected {
                    wrong.push(format!("{}, {check:?}: {sees:?}, but seen: {seen:?}", cause.name));
                }
            }
            let repaired = self.repaired.get(cause.name).copied().unwrap_or(false);
            if repaired != cause.repaired {
                wrong.push(format!("{}: repaired: {repaired}", cause.name));
            }
        }
        assert!(wrong.is_empty(), "not as the table says: {wrong:#?}");
    }
}

async fn shown(mut world: World, plants: &[Plant]) {
    let observed = Observed::default().all(&mut world, plants).await;
    world.close().await;
    observed.assert_as_the_table_says(plants);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_sees_causes_in_items_as_the_table_says() {
    shown(World::create("causes").await, &plants::of_items()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_sees_causes_in_keys_counts_and_elsewhere_as_the_table_says() {
    shown(World::create("causesrest").await, &plants::of_the_rest()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_check_sees_what_lies_outside_a_pilot_or_a_marker_that_is_gone() {
    let world = World::of_a_pilot("causespilot").await;
    let plants = plants::beside_a_pilot(world.copied_at);
    shown(world, &plants).await;
}

#[test]
fn every_cause_of_the_table_is_planted() {
    let all = [plants::of_items(), plants::of_the_rest(), plants::beside_a_pilot(0)];
    let planted: BTreeSet<&str> = all.iter().flatten().map(|plant| plant.cause).collect();
    let listed: BTreeSet<&str> = CAUSES.iter().map(|Cause { name, .. }| *name).collect();
    assert_eq!(planted, listed);
    assert_eq!(listed.len(), CAUSES.len(), "each once");
}
