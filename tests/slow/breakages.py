"""Rules broken on purpose, one at a time, and the test that must turn red: a proof that the promises' tests can fail.

``old`` is replaced by ``new`` in a copy of the repository; ``caught_by`` is run there and must fail. The list is published
in docs/promises.md; a test holds both equal.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Breakage:
    """One rule, broken."""

    rule: str
    path: str
    old: str
    new: str
    caught_by: str
    also: tuple[str, str] | None = None  # a second edit of the same file, where the rule is held twice


BREAKAGES = (
    # --- who may open which door when ---------------------------------------------------------------------------------
    Breakage(
        "a window ends with its grace",
        "include/hector_salto/access/windows.py",
        'window_end=reservations["finish"] + rules.grace_after',
        'window_end=reservations["finish"] + rules.grace_before * 2',
        "tests/access/test_windows.py::test_a_grace_of_a_whole_day_moves_both_ends_by_a_day",
    ),
    Breakage(
        "a schedule ends with its last open minute",
        "include/hector_salto/access/windows.py",
        '"last": _wall(bookings["window_end"] - INSTANT, zone),  # the last open minute',
        '"last": _wall(bookings["window_end"], zone),',
        "tests/access/test_windows.py::test_within_one_day_the_schedule_is_that_weekday_with_the_window_as_times_and_dates",
    ),
    Breakage(
        "schedules speak the wall clock of the lock, not UTC",
        "include/hector_salto/access/windows.py",
        "return pd.Series(instants.dt.tz_convert(zone).dt.tz_localize(None))",
        "return pd.Series(instants.dt.tz_localize(None))",
        "tests/access/test_windows.py::test_within_one_day_the_schedule_is_that_weekday_with_the_window_as_times_and_dates",
    ),
    Breakage(
        "the hour that exists twice locks nobody out",
        "include/hector_salto/access/windows.py",
        "    _mend_folds(wall, bookings, zone)\n",
        "",
        "tests/access/test_windows.py::test_in_the_hour_that_exists_twice_whoever_has_booked_gets_in_and_no_excess_leaves_that_hour",
    ),
    Breakage(
        "a window that is over grants nothing, from its last instant on",
        "include/hector_salto/access/reservations.py",
        '.mask(later, reservations["start"]) <= as_of',
        '.mask(later, reservations["start"]) < as_of',
        "tests/access/test_bookings.py::test_a_window_that_ends_at_as_of_is_over",
    ),
    Breakage(
        "nothing is granted beyond the horizon",
        "include/hector_salto/access/reservations.py",
        'beyond = reservations["window_start"] > as_of + rules.horizon',
        'beyond = reservations["window_start"] >= as_of + rules.horizon',
        "tests/access/test_bookings.py::test_a_window_that_starts_at_the_horizon_is_in",
    ),
    Breakage(
        "an unknown status is reported",
        "include/hector_salto/access/reservations.py",
        "unknown = ~status.isin(STATUSES)",
        'unknown = status.eq("")',
        "tests/access/test_bookings.py::test_an_unknown_status_opens_nothing_and_is_reported",
    ),
    Breakage(
        "a window longer than 31 days is dropped",
        "include/hector_salto/access/reservations.py",
        '- reservations["window_start"] > LONGEST',
        '- reservations["window_start"] > 2 * LONGEST',
        "tests/access/test_bookings.py::test_a_window_of_31_days_is_the_longest",
    ),
    Breakage(
        "the group of a shared reference is left as it is",
        "include/hector_salto/access/reservations.py",
        'twice = reservations.duplicated("reference", keep=False) & ~blank',
        'twice = reservations.duplicated("reference") & ~blank',
        "tests/access/test_bookings.py::test_two_bookings_with_one_reference_are_not_applied_and_their_group_is_left_as_it_is",
    ),
    Breakage(
        "only active users get access",
        "include/hector_salto/access/people.py",
        'users = users[users["status"].str.strip().str.lower().eq(ACTIVE)]',
        'users = users[users["status"].str.strip().str.lower().ne("archived")]',
        "tests/access/test_people.py::test_only_active_users_are_wanted",
    ),
    Breakage(
        "two users with one email: neither is touched",
        "include/hector_salto/access/people.py",
        'email_shared = users.duplicated("email", keep=False)',
        'email_shared = users.duplicated("email")',
        "tests/access/test_people.py::test_two_users_with_one_email_are_reported_once_and_neither_is_touched",
    ),
    Breakage(
        "office mode: every list that is not empty must match",
        "include/hector_salto/access/people.py",
        'matched.all(axis=1) if office.match == "all" else',
        'matched.any(axis=1) if office.match == "all" else',
        "tests/access/test_people.py::test_match_all_wants_group_and_department",
    ),
    Breakage(
        "the site owner and the sync's own account are never touched",
        "include/hector_salto/access/people.py",
        '        | users["platform_user_id"].isin(never)\n',
        "",
        "tests/access/test_people.py::test_protected_whatever_their_alias_says",
    ),
    Breakage(
        "users above site_user are never touched",
        "include/hector_salto/access/people.py",
        'protected=users["above_site_user"]\n        | users["pod_or_guest"]',
        'protected=users["pod_or_guest"]',
        "tests/access/test_user_changes.py::test_nobody_else_is_ever_deleted",
    ),
    Breakage(
        "a code that two users share is nobody's",
        "include/hector_salto/access/tags.py",
        'acting = people[people["usable"] & ~people["protected"] & ~people["tag_conflict"]]',
        'acting = people[people["usable"] & ~people["protected"]]',
        "tests/access/test_tags.py::test_two_users_with_one_code_get_no_tag_and_lose_none",
    ),
    Breakage(
        "a tag is never taken from somebody who is not ours",
        "include/hector_salto/access/tags.py",
        '~among(wanting["holder_id"], releasable["site_user_id"]) | wanting["is_pod_tag"]',
        '~among(wanting["holder_id"], salto["site_user_id"]) | wanting["is_pod_tag"]',
        "tests/access/test_tags.py::test_a_tag_held_by_somebody_who_is_not_ours_is_never_taken_away",
    ),
    Breakage(
        "a blocked tag is given to nobody",
        "include/hector_salto/access/tags.py",
        "give = ~unknown & ~ambiguous & ~blocked & ~refused & ~right",
        "give = ~unknown & ~ambiguous & ~refused & ~right",
        "tests/access/test_tags.py::test_a_blocked_tag_is_reported_and_not_given",
    ),
    Breakage(
        "a lock's name must name exactly one lock",
        "include/hector_salto/access/places.py",
        'named["wanted"].map(known["wanted"].value_counts())',
        'named["wanted"].map(known["wanted"].drop_duplicates().value_counts())',
        "tests/access/test_places.py::test_two_locks_of_one_name_are_ambiguous_whatever_their_case",
    ),
    Breakage(
        "a group without an end is somebody else's",
        "include/hector_salto/access/current.py",
        'closed = table["open_ended"].eq(other=False)',
        'closed = table["open_ended"].notna()',
        "tests/access/test_groups.py::test_a_group_named_like_ours_but_open_ended_is_reported_and_never_touched",
    ),
    Breakage(
        "somebody put into a group of ours by hand is removed",
        "include/hector_salto/access/group_changes.py",
        "_in_groups(have[~right], pairs)",
        '_in_groups(have[~right & have["platform_user_id"].isin(names["platform_user_id"])], pairs)',
        "tests/access/test_groups.py::test_somebody_put_into_a_group_of_ours_by_hand_is_removed",
    ),
    Breakage(
        "a group has exactly one schedule",
        "include/hector_salto/access/group_changes.py",
        "extra, changed = pairs[~first], pairs",
        "extra, changed = pairs.iloc[:0], pairs",
        "tests/access/test_groups.py::test_extra_schedules_go_and_the_fitting_one_stays",
    ),
    Breakage(
        "users who were never in Hector are never deleted",
        "include/hector_salto/access/plan.py",
        'gone = salto[salto["marker"].notna() & ~among(salto["marker"],',
        'gone = salto[~among(salto["marker"],',
        "tests/access/test_user_changes.py::test_an_alias_written_by_hand_stays",
    ),
    # --- the order of writes --------------------------------------------------------------------------------------------
    Breakage(
        "take away before giving",
        "include/hector_salto/access/operations.py",
        'Kind("member_remove", TAKE_AWAY, GROUP, 1, removal=True)',
        'Kind("member_remove", ARM, GROUP, 1, removal=True)',
        "tests/scenarios/test_safety.py::test_nobody_opens_in_between_what_is_of_neither_before_nor_after",
    ),
    Breakage(
        "windows before arming",
        "include/hector_salto/access/operations.py",
        'Kind("schedule_change", WINDOWS, GROUP, 0)',
        'Kind("schedule_change", ARM, GROUP, 9)',
        "tests/scenarios/test_safety.py::test_nobody_opens_in_between_what_is_of_neither_before_nor_after",
    ),
    Breakage(
        "tags only after windows",
        "include/hector_salto/access/operations.py",
        'Kind("tag_on", PEOPLE, PERSON, 4, stage=3)',
        'Kind("tag_on", TAKE_AWAY, PERSON, 9, stage=2)',
        "tests/scenarios/test_safety.py::test_nobody_opens_in_between_what_is_of_neither_before_nor_after",
    ),
    Breakage(
        "what builds on a removal that failed is not sent",
        "plugins/salto/plan_executor.py",
        '        elif self._standing.blocks(operation):\n            why = "what it builds on is not in place"\n',
        "",
        "tests/scenarios/test_safety.py::test_a_removal_that_fails_leaves_nothing_unsafe_behind_it",
    ),
    Breakage(
        "what builds on a held removal is held",
        "include/hector_salto/access/dependencies.py",
        'waits = operation["state"] != HELD and standing.blocks(operation)',
        "waits = False",
        "tests/access/test_plan.py::test_what_builds_on_a_held_removal_of_its_group_is_held_too",
    ),
    Breakage(
        "a group holds back the people inside it",
        "include/hector_salto/access/dependencies.py",
        'people.update(self.members.get(str(operation["group_id"]), frozenset()))',
        "pass",
        "tests/access/test_guards.py::test_a_group_that_holds_somebody_whose_tag_stands_gets_no_new_door",
    ),
    Breakage(
        "a new group is read back before it is armed",
        "plugins/salto/operation_sender.py",
        "if not self._confirmation.has_schedule(group_id, operation):",
        "if False:",
        "tests/scenarios/test_apply.py::test_a_new_group_whose_schedule_does_not_read_back_stays_without_doors_and_people",
    ),
    Breakage(
        "a lost reply makes no second group",
        "plugins/salto/operation_sender.py",
        "            group_id = self._group_made_after_all(name, error)",
        "            group_id = self._site.writer.create_group(name)",
        "tests/scenarios/test_apply.py::test_a_write_whose_reply_is_lost_is_read_back_and_nothing_is_made_twice",
    ),
    # --- guards ----------------------------------------------------------------------------------------------------------
    Breakage(
        "at the limit passes, one more is held",
        "include/hector_salto/access/guards.py",
        "count <= limits.hold_above or",
        "count < limits.hold_above or",
        "tests/access/test_guards.py::test_removals_are_held_above_both_limits_exactly",
    ),
    Breakage(
        "the percentage is exact",
        "include/hector_salto/access/guards.py",
        "count * 100 <= limits.hold_above_percent * base",
        "count * 100 < limits.hold_above_percent * base",
        "tests/access/test_guards.py::test_removals_are_held_above_both_limits_exactly",
    ),
    Breakage(
        "expired groups never count",
        "include/hector_salto/access/guards.py",
        'operations[operations["removal"] & ~operations["cause"].isin(EVIDENT)]',
        'operations[operations["removal"]]',
        "tests/access/test_guards.py::test_expired_groups_never_count",
    ),
    Breakage(
        "what is left as found never widens",
        "include/hector_salto/access/plan.py",
        "by_hand &= ~widening",
        "break",
        "tests/scenarios/test_drift.py::test_a_manual_member_does_not_follow_the_group",
    ),
    Breakage(
        "the same when setting one manual change right is itself the change",
        "include/hector_salto/access/plan.py",
        "while (widening :=",
        "if (widening :=",
        "tests/scenarios/test_drift.py::test_a_manual_member_does_not_follow_a_window_that_is_set_right",
    ),
    Breakage(
        "a manual place keeps nobody from their own door",
        "include/hector_salto/access/dependencies.py",
        'armed["platform_user_id"].dropna()',
        'armed["platform_user_id"].iloc[:0]',
        "tests/scenarios/test_drift.py::test_a_manual_place_keeps_nobody_from_their_own_door",
    ),
    Breakage(
        "our own unfinished work is never drift",
        "include/hector_salto/access/group_changes.py",
        'extra, cause="leftover"',
        'extra, cause="drift"',
        "tests/access/test_next_plan.py::test_no_outcome_of_any_kind_becomes_drift",
    ),
    Breakage(
        "a user whose group is held keeps their seat",
        "include/hector_salto/access/guards.py",
        "held |= dragged",
        "pass",
        "tests/access/test_guards.py::test_a_user_whose_group_is_held_keeps_seat_and_record",
    ),
    Breakage(
        "an adopted user is never suspended",
        "include/hector_salto/access/user_changes.py",
        'held & people["user_id"].isin(leave.created)',
        "held",
        "tests/access/test_user_changes.py::test_an_adopted_user_keeps_the_seat",
    ),
    Breakage(
        "a member of a group of others is never suspended",
        "include/hector_salto/access/user_changes.py",
        'known & ~spare["site_user_id"].isin(leave.elsewhere)',
        "known",
        "tests/access/test_user_changes.py::test_a_created_user_in_a_group_of_others_keeps_the_seat",
    ),
    Breakage(
        "only what will be sent frees a seat",
        "include/hector_salto/access/user_changes.py",
        'ready = operations[operations["state"].eq(READY)]',
        "ready = operations",
        "tests/access/test_user_changes.py::test_seats_that_held_suspensions_would_free_are_not_free",
    ),
    Breakage(
        "slicing does not help",
        "include/hector_salto/access/guards.py",
        "count = len(keys) + len(before)",
        "count = len(keys)",
        "tests/access/test_guards.py::test_removals_of_the_last_24_hours_count_and_only_what_is_planned_now_is_held",
    ),
    Breakage(
        "half of a large group may leave, more may not",
        "include/hector_salto/access/guards.py",
        "(lost * 2 > size)",
        "(lost > size / 2 + 1)",
        "tests/access/test_guards.py::test_a_group_of_ten_that_loses_more_than_half_its_people_is_held_exactly",
    ),
    Breakage(
        "an empty Hector takes nothing away",
        "include/hector_salto/access/guards.py",
        "if shown == 0 and there > 0 and len(removals):",
        "if shown == 0 and there > 10 and len(removals):",
        "tests/access/test_guards.py::test_when_hector_shows_nothing_although_ours_are_live_every_removal_is_held",
    ),
    Breakage(
        "an approval lets through that set and no other",
        "include/hector_salto/access/guards.py",
        "if approve is not None and approve.strip() == digest:",
        "if approve:",
        "tests/access/test_guards.py::test_the_digest_of_another_set_lets_nothing_through_and_there_is_a_new_one",
    ),
    Breakage(
        "five failures in a row stop giving",
        "include/hector_salto/access/results.py",
        "self._row >= self.in_a_row",
        "self._row > self.in_a_row",
        "tests/access/test_outcomes.py::test_five_failures_in_a_row_stop_giving_and_four_do_not",
    ),
    # --- speaking to the services -------------------------------------------------------------------------------------
    Breakage(
        "a write that may have happened is never repeated",
        "include/hector_salto/http_client/transport.py",
        "    if exchange.method in CAREFUL:\n"
        '        return UnknownOutcomeError(exchange, f"{what}, so it may or may not have been done")\n',
        "",
        "tests/http_client/test_transport.py::test_a_write_that_may_have_happened_is_never_sent_again",
    ),
    Breakage(
        "a redirect is never followed",
        "include/hector_salto/http_client/transport.py",
        "            allow_redirects=False,\n",
        "",
        "tests/http_client/test_transport.py::test_a_redirect_is_never_followed",
        ("    session.get_redirect_target = _nowhere  # type: ignore[method-assign]\n", ""),
    ),
    Breakage(
        "a plan older than 15 minutes is refused",
        "include/hector_salto/workflow/run_start.py",
        "if age > OLDEST_PLAN:",
        "if age > 2 * OLDEST_PLAN:",
        "tests/workflow/test_steps.py::test_a_plan_of_15_minutes_is_applied_and_an_older_one_is_refused",
    ),
    Breakage(
        "an incomplete list of Hector is an error",
        "plugins/hector/pages.py",
        "    if totals != {read}:",
        "    if not totals:",
        "tests/hector/test_client.py::test_an_incomplete_list_is_read_again_once_and_then_is_an_error",
    ),
    Breakage(
        "removals count from before they are sent",
        "include/hector_salto/workflow/plan_application.py",
        "    history.note_removals(folder, operations)\n",
        "",
        "tests/workflow/test_steps.py::test_what_is_about_to_go_is_written_down_before_the_first_request",
    ),
    Breakage(
        "a next link leads to the same server or nowhere",
        "include/hector_salto/http_client/addresses.py",
        "return url.url if _origin(url) == _origin(home) else None",
        "return url.url",
        "tests/http_client/test_addresses.py::test_links_to_anywhere_else_are_not",
    ),
)
