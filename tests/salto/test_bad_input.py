"""Whatever a service answers, it is a table that fits its schema, or an error of ours: never a crash, never a guess."""

from __future__ import annotations

import contextlib
import json

import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hector_salto.access.schemas import WEEKDAYS, SchemaError
from hector_salto.http_client.errors import IncompleteReadError, MalformedAnswerError, RestError
from hector_salto.http_client.fingerprint import Fingerprint
from hector_salto.http_client.rate_limit import RateLimit
from hector_salto.http_client.timing import Timing
from hector_salto.http_client.transport import READ_METHODS, FixedToken, Service, Transport
from salto.client import SaltoReader
from salto.errors import error_for_refusal

BELOW = "https://connect.example/v1.1/sites/s"
MIRA = {
    "id": "mira-s",
    "user": {
        "id": "mira-p",
        "email": "mira@example.org",
        "tag_number": "1042-0007",
        "is_managed_by_current_site": True,
        "has_profile": False,
    },
    "roles": [{"id": "r1", "code": "site_user", "is_hierarchical": True}],
    "alias": None,
    "toggle_manual_office_mode": False,
    "blocked": False,
    "subscription_state": "subscribed",
}
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud800", "=1+1", "a'b"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*MIRA, *MIRA["user"], "items"]), inner)
    ),
    max_leaves=8,
)
BYTES = st.binary(max_size=80) | VALUES.map(lambda value: json.dumps(value).encode())


HECTOR_1 = {"id": "g1", "customer_reference": "Hector_1", "user_count": 1, "lock_count": 1}
EVENING = {
    "id": "t1",
    **dict.fromkeys(WEEKDAYS, False),
    "friday": True,
    "start_time": "18:00:00",
    "end_time": "21:30:59",
    "start_date": "2026-09-01T00:00:00",
    "end_date": None,
}
IQ = {"id": "iq1", "customer_reference": "IQ attic", "time_zone": "Asia/Kolkata", "is_online": True}


def read_users(status, body):
    with answering("users", body, status) as reader:
        return reader.users(Fingerprint(b"key"))


@contextlib.contextmanager
def answering(path, body, status=200, *, besides=()):
    timing = Timing(lambda _seconds: None)
    service = Service("Salto KS", "salto_campus", "https://connect.example", error_for_refusal, "fix it")
    transport = Transport(
        service, FixedToken("jwt4711"), verbs=READ_METHODS, pacing=RateLimit(rate=1000), timing=timing
    )
    reader = SaltoReader(transport, "v1.1", "s")
    reader.__dict__["site"] = type("Found", (), {"site_id": "s"})
    with responses.RequestsMock() as web:
        for where, what in ((path, body), *besides):
            web.get(f"{BELOW}/{where}", body=what, status=status)
        yield reader


def outcome(status, body):
    """The table or None, and the text of the error or nothing."""
    try:
        return read_users(status, body), ""
    except (RestError, SchemaError) as error:
        return None, str(error)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(status=st.sampled_from([200, 204, 302, 400, 401, 403, 404, 418]), body=BYTES)
def test_any_answer_is_a_table_or_an_error_of_ours(status, body):
    _, told = outcome(status, body)

    assert "jwt4711" not in told


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(field=st.sampled_from([*MIRA, *(f"user.{name}" for name in MIRA["user"])]), value=VALUES)
def test_a_user_with_any_one_field_spoilt_is_a_table_or_an_error_of_ours(field, value):
    outer, _, inner = field.partition(".")
    spoilt = MIRA | ({outer: MIRA["user"] | {inner: value}} if inner else {outer: value})

    users, told = outcome(200, json.dumps([spoilt]).encode())
    assert (users is None) is bool(told)
    assert "1042-0007" not in told


@pytest.mark.parametrize("text", ["\ud800", "\udfff x"])
def test_half_a_character_is_malformed(text):
    with pytest.raises(MalformedAnswerError):
        read_users(200, json.dumps([MIRA | {"alias": text}]).encode())


@pytest.mark.parametrize("text", ["=1+1", "a'b", "\U0001f511", "../x", "\x00", "\u202e"])
def test_odd_text_is_only_text(text):
    assert read_users(200, json.dumps([MIRA | {"alias": text}]).encode())["alias"].tolist() == [text]


def test_an_entry_that_is_given_twice_in_two_versions_is_no_complete_read():
    twice = {"items": [HECTOR_1, HECTOR_1 | {"customer_reference": "Hector_2"}], "next_page_link": None, "count": 1}

    with (
        answering("access_groups", json.dumps(twice)) as reader,
        pytest.raises(IncompleteReadError, match="twice, with different values"),
    ):
        reader.groups()


def lacking(row, field):
    return {key: value for key, value in row.items() if key != field}


@pytest.mark.parametrize(
    "row",
    [
        *(lacking(EVENING, field) for field in EVENING),
        *(EVENING | {"end_time": text} for text in ("", "x", "21", "21:60", "25:00", "9:00", "21:30:59Z", "٢١:٣٠")),
        *(EVENING | {"start_time": value} for value in (None, 18, "18:00 pm")),
    ],
)
def test_a_schedule_that_is_not_whole_is_malformed_because_it_would_change_what_its_group_seems_to_open(row):
    with (
        answering("access_groups/g1/time_schedules", json.dumps([row])) as reader,
        pytest.raises(MalformedAnswerError),
    ):
        reader.schedules("g1")


def test_an_open_ended_schedule_may_leave_both_dates_out():
    bare = lacking(lacking(EVENING, "start_date"), "end_date")
    with answering("access_groups/g1/time_schedules", json.dumps([bare])) as reader:
        assert reader.schedules("g1")[["start_date", "end_date"]].isna().all(axis=None)


@pytest.mark.parametrize("text", ["21:30", "21:30:59", "00:00", "24:00"])
def test_a_time_of_day_with_or_without_seconds_is_one(text):
    with answering("access_groups/g1/time_schedules", json.dumps([EVENING | {"end_time": text}])) as reader:
        assert reader.schedules("g1")["end_time"].tolist() == [text]


@pytest.mark.parametrize("zone", [None, "", "W. Europe Standard Time", "america/toronto"])
def test_an_iq_of_any_zone_is_read(zone):
    """What its doors may do without a known zone is for the rules to say."""
    iqs = json.dumps([IQ | {"time_zone": zone}])
    with answering("locks", "[]", besides=[("iqs", iqs)]) as reader:
        assert reader.locks("UTC").empty
        assert reader.zones() == {IQ["id"]: "America/Toronto" if zone == "america/toronto" else zone}


@pytest.mark.parametrize("shape", [list, lambda items: {"items": list(items)}], ids=["bare array", "no count"])
def test_a_list_that_does_not_count_itself_is_followed_from_its_last_entry(shape):
    """Else the first page of a longer list would pass for all of it."""
    second, third = HECTOR_1 | {"id": "g2"}, HECTOR_1 | {"id": "g3"}
    pages = [json.dumps(shape(items)) for items in ([HECTOR_1, second], [second, third], [third])]
    besides = [("access_groups", answer) for answer in pages[1:]]
    with answering("access_groups", pages[0], besides=besides) as reader:
        assert reader.groups()["group_id"].tolist() == ["g1", "g2", "g3"]


def test_a_list_without_a_count_that_was_edited_between_two_pages_is_incomplete():
    first, shifted = json.dumps([HECTOR_1]), json.dumps([HECTOR_1 | {"id": "g3"}])
    besides = [
        ("access_groups", answer) for answer in (shifted, first, shifted)
    ]  # it is read twice before it is refused
    with (
        answering("access_groups", first, besides=besides) as reader,
        pytest.raises(IncompleteReadError, match="edited while it was read"),
    ):
        reader.groups()


@pytest.mark.parametrize("beyond", ["[]", json.dumps([HECTOR_1])], ids=["nothing", "the same again"])
def test_a_list_that_does_not_count_itself_and_shows_nothing_new_beyond_its_end_is_whole(beyond):
    with answering("access_groups", json.dumps([HECTOR_1]), besides=[("access_groups", beyond)]) as reader:
        assert reader.groups()["group_id"].tolist() == ["g1"]


@pytest.mark.parametrize("count", [-1, 2**63, 10**30, 1.0, True, "1", None])
def test_a_number_of_people_that_no_group_has_is_malformed_and_the_service_is_named(count):
    with (
        answering("access_groups", json.dumps([HECTOR_1 | {"user_count": count}])) as reader,
        pytest.raises(MalformedAnswerError, match=r"connection salto_campus.*user_count"),
    ):
        reader.groups()


def test_one_person_as_two_users_of_a_site_is_malformed_and_the_service_is_named():
    twice = {"items": [MIRA, MIRA | {"id": "mira-s2"}], "next_page_link": None, "count": 2}
    with pytest.raises(MalformedAnswerError, match=r"connection salto_campus.*one person twice"):
        read_users(200, json.dumps(twice))
