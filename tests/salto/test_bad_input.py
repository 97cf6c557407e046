"""Whatever a service answers, it is a table that fits its schema, or an error of ours: never a crash, never a guess."""

from __future__ import annotations

import json

import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.access.schemas import SchemaError
from rest.errors import MalformedAnswerError, RestError
from rest.fingerprint import Fingerprint
from rest.pacing import Pacing
from rest.timing import Timing
from rest.transport import READS, FixedToken, Service, Transport
from salto.errors import refusal
from salto.reader import SaltoReader

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


def read_users(status, body):
    timing = Timing(lambda _seconds: None)
    service = Service("Salto KS", "salto_campus", "https://connect.example", refusal, "fix it")
    transport = Transport(service, FixedToken("jwt4711"), verbs=READS, pacing=Pacing(rate=1000), timing=timing)
    reader = SaltoReader(transport, "v1.1", "s")
    reader.__dict__["site"] = type("Found", (), {"site_id": "s"})
    with responses.RequestsMock() as web:
        web.get(f"{BELOW}/users", body=body, status=status)
        return reader.users(Fingerprint(b"key"))


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
