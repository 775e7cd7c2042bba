use super::settings;
use super::state::{Setting, Tailing};
use crate::model::explorer::explore;

/// Explores each, and expects nothing to go wrong. How many states there are in all.
fn all_clean(settings: Vec<Setting>) -> usize {
    let mut states = 0;
    for setting in settings {
        let begin = std::time::Instant::now();
        let world = Tailing::of(setting);
        let found = explore(&world);
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "{}: {} states, {} ends, {seconds:.1} s",
            world.setting.script.name, found.states, found.ends
        );
        if let Some(story) = found.story {
            panic!("{:?}\n  {}", world.setting, story.join("\n  "));
        }
        assert!(found.ends > 0, "{}: it never comes to an end", world.setting.script.name);
        states += found.states;
    }
    states
}

#[test]
fn whatever_the_order_a_row_that_is_copied_and_changed_ends_right() {
    let states = all_clean(settings::copied_and_changed());
    assert!(states > 1_500_000, "{states} states");
}

#[test]
fn whatever_the_order_rows_that_move_and_parts_of_transactions_end_right() {
    let states = all_clean(settings::moved_and_parted());
    assert!(states > 1_000_000, "{states} states");
}

#[test]
fn whatever_the_order_starts_and_restarts_end_right() {
    let states = all_clean(settings::started_and_restarted());
    assert!(states > 100_000, "{states} states");
}

#[test]
#[ignore = "long: more marks, restarts and losses"]
fn long_with_more_marks_restarts_and_losses_too() {
    let states = all_clean(settings::long());
    println!("{states} states in all");
    assert!(states > 5_000_000, "{states} states");
}
