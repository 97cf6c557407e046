"""Every assumption about Salto KS and Hector that the clients rely on: docs/assumptions.md is made from this list.

Labels as in the contracts: D documented, M measured by others, C seen in code, I inferred, U unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Probe(StrEnum):
    """How an assumption is asked about."""

    READ = "read"
    WRITE = "write"  # on a test site only
    USER = "user"  # on a test site, with a person who is invited
    NONE = ""  # it cannot be asked for without waiting or harm


@dataclass(frozen=True, slots=True)
class Assumption:
    """One assumption.

    Attributes:
        id: for tables, tests and support.
        section: of the contract.
        label: how sure it is.
        text: what is taken for granted.
        product: what this product does where it does not hold.
        probe: how the doctor asks.
        switch: of the sandbox's Behaviour that flips it; empty: data, or a fault, does.
        test: part of the name of the tests of both positions, in tests/.
    """

    id: str
    section: str
    label: str
    text: str
    product: str
    probe: Probe = Probe.READ
    switch: str = ""
    test: str = ""


H = "hector_api"
_A = Assumption
_WAY_IN = (
    _A(
        "hector-reached",
        H,
        "I",
        "Hector answers at the connection's host",
        "stops: an address, TLS or proxy error with its own sentence",
        test="test_doctor_way_in",
    ),
    _A(
        "hector-token",
        H,
        "I",
        "the token is accepted and does not end within 14 days",
        "stops when it is refused; a problem before it ends",
        test="test_doctor_way_in",
    ),
    _A(
        "salto-reached",
        "1.1",
        "D",
        "the identity server answers at identity_url",
        "stops: an address, TLS or proxy error with its own sentence",
        test="test_doctor_way_in",
    ),
    _A(
        "salto-pair",
        "1.1",
        "D",
        "API and identity server belong to one environment, accept or production",
        "stops before anything is sent",
        test="test_an_api_and_an_identity_server",
    ),
    _A(
        "salto-grant",
        "11.5",
        "D+M",
        "the identity server offers the password grant",
        "tries it all the same: the token endpoint decides",
        switch="grant_types",
        test="test_doctor_way_in",
    ),
    _A(
        "salto-account",
        "11.5",
        "D+M",
        "client and account get a token",
        "stops: each OAuth error has its own sentence",
        switch="token_error",
        test="test_a_refusal_is_asked_for_once",
    ),
    _A(
        "salto-token-life",
        "1.3",
        "M",
        "a token lives an hour",
        "renews a minute before its end, or at half of a shorter life",
        switch="token_seconds",
        test="test_doctor_way_in",
    ),
    _A(
        "clock-hector",
        H,
        "I",
        "Hector's clock is this machine's",
        "stops when they are more than two minutes apart",
        switch="hector_clock_ahead",
        test="test_doctor_way_in",
    ),
    _A(
        "clock-salto",
        "1.3",
        "I",
        "Salto's clock is this machine's",
        "stops when they are more than two minutes apart",
        switch="salto_clock_ahead",
        test="test_doctor_way_in",
    ),
    _A(
        "clock-zones",
        "5.1",
        "I",
        "this machine knows the zones' rules of the coming year as the newest tzdata here does",
        "uses this machine's rules: windows open by them",
        test="test_doctor_zones",
    ),
)
_SITE = (
    _A(
        "site-found",
        "3.1",
        "D",
        "site_id names one site that the account sees, as site UID, UUID or name",
        "stops and lists the sites that it sees",
        test="test_doctor_site",
    ),
    _A(
        "site-role",
        "5.6",
        "D+M",
        "the account is Site Admin",
        "stops before anything is read at length",
        switch="acting_site_admin",
        test="test_doctor_site",
    ),
    _A(
        "site-released",
        "3.1",
        "D",
        "the site is released and its subscription valid",
        "stops: 2210 and 2212 have their own sentences",
        test="test_doctor_site",
    ),
    _A(
        "site-seats",
        "5.2",
        "D",
        "seats are left",
        "the earliest windows get them, each user without is named and the run is red",
        test="test_when_no_seat_is_left",
    ),
    _A(
        "api-versions",
        "11.7",
        "M",
        "each operation answers in its own version",
        "uses the table in plugins/salto/versions.py, whatever api_version says",
        test="test_schedules_and_entries_have_their_own_version",
    ),
    _A(
        "published-document",
        "11.17",
        "M+D",
        "what the API publishes of itself has every operation and field that is used",
        "goes by its contract; the doctor lists the differences",
        switch="published_document",
        test="test_doctor_published",
    ),
)
_LISTS = (
    _A(
        "list-shape",
        "2",
        "M",
        "a list is an envelope, or a bare array",
        "reads both",
        switch="bare_arrays",
        test="test_a_list_is_whole",
    ),
    _A(
        "list-end",
        "2",
        "I",
        "a list without a count or a link is whole",
        "asks for what lies beyond, from its last entry on",
        switch="bare_arrays_cut",
        test="test_a_list_is_whole",
    ),
    _A(
        "list-count",
        "2",
        "D",
        "count is that of the whole list",
        "reads a count of each page too, and asks for what lies beyond",
        switch="list_count",
        test="test_a_list_is_whole",
    ),
    _A(
        "list-top",
        "10.1",
        "U",
        "a page size of 1,000 is taken",
        "asks for no page size",
        switch="page_size",
        test="test_doctor_lists",
    ),
    _A(
        "list-link",
        "1.1",
        "M",
        "a link to the next page is on the API's own host",
        "follows an alias on its own host, and only to the same list",
        switch="next_link_host",
        test="test_a_list_is_whole",
    ),
    _A(
        "filter-email",
        "2",
        "C+M",
        "a filter by email finds a user",
        "reads the whole list before it makes a user",
        test="test_doctor_lists",
    ),
    _A(
        "filter-case",
        "10.15",
        "U",
        "a filter by email ignores letter case",
        "reads the whole list before it makes a user",
        switch="filter_case",
        test="test_a_reload_finds_a_user",
    ),
    _A(
        "user-search",
        "3.3",
        "I",
        "a search of the platform finds a person by email and shows it",
        "tries to make the user, links when told that the email is taken, else one failure names the user",
        probe=Probe.NONE,
        switch="search",
        test="test_a_user_whom_the",
    ),
)
_LOCKS = (
    _A(
        "lock-names",
        "3.5",
        "I",
        "no two locks have one name, also not in other letter case",
        "a place that names them gets no door, and says which",
        test="test_doctor_locks",
    ),
    _A(
        "lock-zones",
        "3.5",
        "D",
        "each IQ has a time zone that this machine knows",
        "its locks open for nobody until it has, a problem names them; others go on",
        test="test_an_iq_without_a_zone",
    ),
    _A(
        "lock-online",
        "5.3",
        "D",
        "locks and IQs are online",
        "writes all the same; why and the day's check say which door learns of it late",
        test="test_doctor_locks",
    ),
    _A(
        "lock-privacy",
        "11.1",
        "D",
        "no lock is in privacy mode",
        "why and the day's check say so: the lock refuses valid users",
        test="test_doctor_locks",
    ),
    _A(
        "lock-office",
        "11.2",
        "D",
        "no lock is left open in office mode",
        "a problem names a lock that is open outside every window",
        test="test_doctor_locks",
    ),
    _A(
        "lock-lookback",
        "11.10",
        "D",
        "bookable locks that are offline let in nobody whose access has ended",
        "cannot change it: the doctor names the locks",
        test="test_doctor_locks",
    ),
)
_TAGS = (
    _A(
        "tag-shape",
        "11.3",
        "M",
        "tag numbers and unique codes are written alike",
        "compares them as they are, and says how a code misses",
        test="test_doctor_tags",
    ),
    _A(
        "tag-match",
        "4",
        "I",
        "every unique code is a tag of the site",
        "a problem for each that is not",
        test="test_doctor_tags",
    ),
    _A(
        "tag-near",
        "11.3",
        "M",
        "no code fails by its form alone",
        "never guesses: the problem says which form it has",
        test="test_doctor_tags",
    ),
)
_HECTOR = (
    _A(
        "hector-lists",
        H,
        "I",
        "lists end with a null cursor and count what they gave",
        "removes nothing from an incomplete read: the run is red",
        test="test_doctor_hector",
    ),
    _A(
        "hector-attribute",
        H,
        "I",
        "the place attribute Salto Lock Id exists",
        "the first sync makes it",
        test="test_doctor_hector",
    ),
    _A(
        "hector-locks",
        H,
        "I",
        "every lock that a place names is on the site",
        "a problem for each place",
        test="test_doctor_hector",
    ),
    _A(
        "hector-office",
        H,
        "I",
        "every group and department of office_mode exists",
        "they match nobody, and a problem names them",
        test="test_doctor_hector",
    ),
    _A(
        "hector-emails",
        H,
        "I",
        "every active user has an email of their own that is an address",
        "no Salto user for those, and a problem where one has a reservation",
        test="test_doctor_hector",
    ),
    _A(
        "hector-codes",
        H,
        "I",
        "every active user has a unique code",
        "a user without one carries no tag; a problem where one has a reservation",
        test="test_doctor_hector",
    ),
    _A(
        "hector-status",
        H,
        "I",
        "no status is unknown",
        "an unknown status grants nothing, and is reported",
        test="test_doctor_hector",
    ),
)
_WRITES = (
    _A(
        "group-name",
        "3.6",
        "M",
        "two groups may have one name",
        "looks before it makes one; two of one name become one",
        Probe.WRITE,
        "group_names",
        "test_a_name_that_is_taken",
    ),
    _A(
        "group-name-length",
        "10.3",
        "U",
        "a name of 255 letters is taken",
        "a reservation whose reference is refused fails alone",
        Probe.WRITE,
        test="test_one_reservation_that_salto_refuses",
    ),
    _A(
        "filter-name",
        "10.15",
        "U",
        "a filter by name minds letter case",
        "asks in Salto's own letters, and compares what comes",
        Probe.WRITE,
        "filter_case",
        "test_a_name_that_is_taken",
    ),
    _A(
        "schedule-rounding",
        "3.7",
        "M",
        "an end of 18:00 comes back as 18:00:59, dates as sent",
        "compares to the minute",
        Probe.WRITE,
        "schedule_dates",
        "test_dates_without_a_time",
    ),
    _A(
        "schedule-edge",
        "10.13",
        "U",
        "a window of no length is refused",
        "never sends one",
        Probe.WRITE,
        test="test_a_window_inside_one_minute",
    ),
    _A(
        "schedule-midnight",
        "5.1",
        "D+M",
        "a window over midnight is refused",
        "never sends one: its dates frame whole days",
        Probe.WRITE,
        test="test_over_midnight_the_days",
    ),
    _A(
        "schedule-day",
        "11.14",
        "M",
        "00:00 to 23:59:59 comes back unchanged",
        "compares to the minute",
        Probe.WRITE,
        test="test_dates_without_a_time",
    ),
    _A(
        "membership-repeated",
        "10.4",
        "U",
        "adding a member who is there is no error",
        "looks when it is refused: what is there is done",
        Probe.WRITE,
        "repeated_changes",
        "test_adding_what_is_there",
    ),
    _A(
        "membership-removed",
        "10.4",
        "U",
        "removing a member who is gone is no error",
        "looks when it is refused: what is gone is done",
        Probe.WRITE,
        "repeated_changes",
        "test_adding_what_is_there",
    ),
    _A(
        "membership-atomic",
        "10.4",
        "U",
        "one bad id keeps the good ones out",
        "sends each alone after a refusal",
        Probe.WRITE,
        test="test_when_a_bulk_request_is_refused",
    ),
    _A(
        "schedule-deletion",
        "10.5",
        "U",
        "deleting a schedule twice is 404",
        "takes what is gone as removed",
        Probe.WRITE,
        test="test_a_write_whose_reply_is_lost",
    ),
    _A(
        "group-deletion",
        "5.4",
        "D+M",
        "deleting a group twice is 404",
        "takes what is gone as removed",
        Probe.WRITE,
        test="test_a_write_whose_reply_is_lost",
    ),
    _A(
        "schedule-expired",
        "5.1",
        "I",
        "expired schedules stay",
        "knows its groups by their last schedules, and removes them when their reservation is over",
        Probe.NONE,
        "expired_schedules",
        "test_a_group_whose_schedule_salto_has_removed",
    ),
)
_USERS = (
    _A(
        "user-invited",
        "3.3",
        "D",
        "a new user comes back at once, with both ids",
        "waits up to a minute until Salto knows a new user everywhere",
        Probe.USER,
        "creation_lag_seconds",
        "test_people_whom_salto_does_not_know",
    ),
    _A(
        "tag-on",
        "3.3",
        "D",
        "a tag is given by its id",
        "a failure names the tag's id",
        Probe.USER,
        test="test_a_tag_that_cannot_be_taken_off",
    ),
    _A(
        "tag-off",
        "10.7",
        "U",
        "tag_id null takes a tag off",
        "sends an empty text next; a tag that stays is a failure that names it",
        Probe.USER,
        "tag_cleared_by",
        "test_a_lost_tag_comes_off",
    ),
    _A(
        "seat-tagless",
        "5.2",
        "D/M",
        "a user without a tag takes a seat",
        "a user who has no seat before the tag gets it with the tag, and lacks nothing until then",
        Probe.USER,
        "seat_without_tag",
        "test_a_user_who_takes_a_seat_only_with_a_tag",
    ),
    _A(
        "user-suspended",
        "3.3",
        "D+M",
        "a seat is given back by suspending",
        "suspends only users whom it made",
        Probe.USER,
        test="test_only_users_of_no_other_group",
    ),
    _A(
        "user-deleted",
        "3.3",
        "M",
        "a deleted user is gone within seconds",
        "waits up to a minute, and says so when the user is still there",
        Probe.USER,
        "delete_lag_seconds",
        "test_whatever_fails_once_anywhere",
    ),
    _A(
        "tag-freed",
        "10.6",
        "U",
        "the tag of a deleted user is free again",
        "reads the tags after a deletion",
        Probe.USER,
        test="test_whatever_fails_once_anywhere",
    ),
    _A(
        "membership-freed",
        "10.6",
        "U",
        "a deleted user is in no access group any more",
        "takes members out before a user is deleted",
        Probe.USER,
        test="test_whatever_fails_once_anywhere",
    ),
)
ASSUMPTIONS = {one.id: one for one in (*_WAY_IN, *_SITE, *_LISTS, *_LOCKS, *_TAGS, *_HECTOR, *_WRITES, *_USERS)}


def ids_of(probe: Probe) -> tuple[str, ...]:
    return tuple(one.id for one in ASSUMPTIONS.values() if one.probe is probe)
