//! With a mechanism off a way to a wrong state is found, and told; with it on the same world has none.

use super::explorer::{Found, explore};
use super::mechanism::Mechanism;
use super::{counts, definitions, recopy, tail, truncate, verdict};

/// The small world of a mechanism, without it and with it.
pub fn without_and_with(mechanism: Mechanism) -> (Found, Found) {
    macro_rules! in_world {
        ($room:ident, $world:ident) => {
            if let Some(setting) = $room::settings::of(mechanism) {
                let off = $room::settings::Setting { off: Some(mechanism), ..setting.clone() };
                return (explore(&$room::$world::of(off)), explore(&$room::$world::of(setting)));
            }
        };
    }
    in_world!(tail, Tailing);
    in_world!(recopy, Recopying);
    in_world!(truncate, Truncating);
    in_world!(verdict, Judging);
    if let Some(setting) = definitions::of(mechanism) {
        let off = definitions::Setting { off: Some(mechanism), ..setting.clone() };
        return (explore(&definitions::Defining::of(off)), explore(&definitions::Defining::of(setting)));
    }
    counts::without_and_with(mechanism).unwrap_or_else(|| panic!("nothing goes wrong without {mechanism:?}"))
}

/// Every mechanism has its story.
fn matters(mechanism: Mechanism) {
    let (without, with) = without_and_with(mechanism);
    let Some(story) = &without.story else { panic!("nothing goes wrong without {mechanism:?}: {without:?}") };
    println!("{}", told(story));
    if let Some(story) = &with.story {
        panic!("with {mechanism:?} too:\n{}", told(story));
    }
    println!("with it: {} states, {} ends", with.states, with.ends);
    assert!(with.ends > 0 && with.states >= without.states / 4 && with.states > 15, "{} states", with.states);
}

pub fn told(story: &[String]) -> String {
    let (last, steps) = story.split_last().expect("a story has an end");
    let numbered = (1..).zip(steps).map(|(number, step)| format!("{number}. {step}\n"));
    numbered.collect::<String>() + "\n" + last + "\n"
}

macro_rules! each_matters {
    ($($test:ident: $mechanism:ident,)+) => {
        $(#[test]
        fn $test() {
            matters(Mechanism::$mechanism);
        })+

        /// All mechanisms, in the order of their stories.
        pub const ALL: &[Mechanism] = &[$(Mechanism::$mechanism),+];

        /// The tests that find them.
        pub const TESTS: &[&str] = &[$(stringify!($test)),+];
    };
}

each_matters! {
    a_mark_that_is_not_safe_yet_loses_a_delete: SafeMark,
    a_mark_taken_after_the_select_loses_a_delete: MarkBeforeSelect,
    a_start_from_the_head_of_the_binlog_loses_a_delete: StartFromExecuted,
    a_start_set_with_a_hole_brings_back_an_old_value: StartWithoutHole,
    a_half_sealed_transaction_left_out_of_a_marks_set_loses_a_delete: HalfSealedInProof,
    an_executed_set_compared_by_its_maximum_loses_a_delete: ProofByContainment,
    a_chunk_without_fence_loses_a_delete: Fence,
    an_old_mark_for_a_list_that_joined_later_loses_a_delete: MarkAfterJoining,
    coalescing_by_source_row_loses_a_delete: CoalescingByAddress,
    an_insert_and_a_delete_that_cancel_out_lose_the_delete: DeletesOfOwnInserts,
    an_intermediate_address_that_is_dropped_loses_a_delete: IntermediateAddresses,
    an_update_to_null_without_marker_keeps_the_old_value: NullMarkers,
    a_family_marker_and_a_put_at_one_tick_lose_the_row: NoMarkerBesidePut,
    a_journal_after_the_send_lets_a_tick_mean_two_things: JournalFirst,
    a_replay_with_other_ticks_is_seen_by_a_reader: IdenticalReplay,
    an_owner_that_is_not_fenced_lets_a_tick_mean_two_things: OwnerFence,
    a_checkpoint_before_the_write_loses_a_change: CheckpointAfterWrite,
    a_replay_that_leaves_the_checkpoint_ahead_loses_a_delete: CheckpointMovesBack,
    a_tail_that_is_resumed_from_now_loses_a_delete: ResumeBehindRead,
    a_transaction_that_is_skipped_and_not_copied_again_loses_a_delete: SkippedIsCopied,
    a_recopy_that_overtakes_the_tail_after_a_skip_loses_a_row: RecopyBehindTail,
    a_chunk_that_is_done_before_its_write_loses_a_row: DoneAfterWrite,
    markers_that_are_purged_too_early_lose_a_delete: MarkersOutlive,
    a_recopy_that_deletes_no_extras_loses_a_delete: ExtrasDeleted,
    a_recopy_within_the_late_write_horizon_loses_a_delete: LateWriteHorizon,
    a_recopy_under_a_mark_from_the_gap_loses_a_delete: RecopyUnderFreshMark,
    a_truncate_scan_before_earlier_batches_are_written_leaves_a_row: ScanAfterWrites,
    a_count_by_a_plain_put_goes_wrong: CellsWithCount,
    a_count_by_a_delta_that_is_not_compared_goes_wrong: DeltaCompared,
    a_count_pass_before_the_tail_has_passed_the_copy_goes_wrong: CountAfterCopy,
    a_count_pass_that_leaves_the_tick_as_it_was_goes_wrong: CountMovesTick,
    a_count_pass_at_a_mark_above_what_is_not_written_goes_wrong: MarkOfCounts,
    a_verdict_by_the_executed_set_alone_is_a_false_alarm: BinlogReadForVerdict,
    a_definition_of_now_mistakes_a_row_of_before: DefinitionByPosition,
    a_definition_read_before_the_alter_is_committed_mistakes_a_row: DefinitionAfterCommit,
    a_definition_of_a_later_alter_mistakes_a_row: DefinitionLookedAhead,
    a_definition_that_is_stored_late_mistakes_a_row_after_a_kill: DefinitionBeforeRows,
    an_alter_that_converts_and_is_followed_leaves_old_bytes: BytesOfBoth,
    a_parking_that_a_restart_forgets_loses_a_row: ParkingStored,
    a_table_map_that_is_not_compared_mistakes_a_row: WireChecked,
    an_alter_passed_while_parked_mistakes_a_row: PassedAltersCount,
    a_mark_from_before_the_new_definition_loses_a_row: MarkAfterEntry,
}

/// Explores larger worlds, in which nothing may go wrong. How many states there are in all.
fn clean<W: super::explorer::World>(worlds: Vec<W>) -> usize {
    let one = |world: &W| {
        let found = explore(world);
        println!("{} states, {} ends", found.states, found.ends);
        if let Some(story) = found.story {
            panic!("{}", told(&story));
        }
        assert!(found.ends > 0, "it never comes to an end");
        found.states
    };
    worlds.iter().map(one).sum()
}

#[test]
fn a_list_that_missed_changes_is_equal_after_its_recopy_whatever_the_order() {
    let states = clean(recopy::settings::large().into_iter().map(recopy::Recopying::of).collect());
    assert!(states > 50_000, "{states} states");
}

#[test]
fn a_truncate_leaves_what_came_after_it_whatever_the_order() {
    let states = clean(truncate::settings::large().into_iter().map(truncate::Truncating::of).collect());
    assert!(states > 5_000, "{states} states");
}

#[test]
fn a_verdict_is_never_a_false_alarm_and_finds_what_is_lost() {
    let states = clean(verdict::settings::large().into_iter().map(verdict::Judging::of).collect());
    assert!(states > 1_000, "{states} states");
}

#[test]
fn a_row_is_decoded_by_the_definition_of_its_position_whatever_the_order() {
    let worlds = definitions::large().into_iter().map(|setting| {
        println!("{}", setting.name);
        definitions::Defining::of(setting)
    });
    let states = clean(worlds.collect());
    assert!(states > 50_000, "{states} states");
}
