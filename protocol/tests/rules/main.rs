//! The rules of `DESIGN.md` §4, each as a property of whatever script is run in a world of machines without actors.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod a_bookmark_leads_back_to_its_conversation;
mod a_steered_task_hears_the_user_before_it_asks_again;
mod a_summary_takes_the_place_of_the_conversation;
mod an_aborted_task_says_turn_aborted_then_error;
mod approval_then_begin_then_output_then_end;
mod at_most_one_task_and_one_terminal_event;
mod before_configure_every_op_gets_one_error;
mod events_carry_the_id_of_their_task;
mod every_call_has_exactly_one_output_in_the_next_request;
mod every_submission_is_answered;
mod every_task_ends;
mod late_mail_changes_nothing;
mod no_connection_outlives_an_aborted_task;
mod no_process_outlives_its_task;
mod nothing_follows_a_terminal_event;
mod retries_stay_within_budget;
mod script;
mod scripts_reach_what_the_rules_speak_of;
mod seq_is_gap_free;
mod superseded_marks_exactly_what_a_dead_attempt_showed;
mod tools_run_after_the_response_completed;
mod trace;
mod turn_complete_once_after_its_tools_before_the_next_request;
mod world;
