from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pandas as pd
import pytest
import requests

from hector_salto.http_client.errors import (
    AccountNotActiveError,
    CredentialsError,
    IncompleteReadError,
    MalformedAnswerError,
    RefusedError,
    UnavailableError,
    UnknownOutcomeError,
)
from hector_salto.http_client.fingerprint import Fingerprint

BASE = "https://acme.example/api/v1"
FINGERPRINT = Fingerprint(b"key")
ANA = {
    "id": "u_17",
    "email": "ana.roy@example.org",
    "first_name": "Ana",
    "last_name": "Roy",
    "unique_code": "04A2B3C4",
    "status": "active",
    "role": "User",
    "department_id": "d_3",
    "group_ids": ["g_2", "g_9", "g_2"],
    "updated_at": "2026-01-12T14:03:00-05:00",
}
BARE = ANA | {"id": "u_18", "email": None, "unique_code": " ", "department_id": None, "group_ids": []}
ALIAS = {"id": "g_9", "name": "Teachers (AAD)", "source": "azure", "official": False, "alias_of": "g_2"}
MUSIC = {"id": "d_3", "name": "Music"}
ATTRIBUTE = {"id": "a_1", "entity": "place", "key": "salto_lock_id", "name": "Salto Lock Id", "type": "text"}
STUDIO = {
    "id": "p_204",
    "name": "Studio 204",
    "parent_place_id": None,
    "kind": "place",
    "active": True,
    "attributes": [{"attribute_id": "a_1", "key": "salto_lock_id", "name": "Salto Lock Id", "value": "Studio 204"}],
}
LOANER = {
    "id": "l_901",
    "reference": "10452",
    "status": {"code": "new", "name": "New", "state": "not_started"},
    "start": "2026-01-14T10:15:00-05:00",
    "finish": "2026-01-14T12:00:00-05:00",
    "borrower": {"type": "user", "id": "u_17"},
    "participants": [],
    "recurrence_id": None,
    "blocking": False,
    "lines": [
        {"id": "ln_1", "type": "place", "place_id": "p_204"},
        {"id": "ln_2", "type": "asset", "asset_id": "as_77"},
    ],
    "created_at": "2026-01-14T10:05:02-05:00",
    "updated_at": "2026-01-14T10:05:02-05:00",
}
BEGIN, END = datetime(2026, 1, 14, tzinfo=UTC), datetime(2026, 1, 21, tzinfo=UTC)


def page(*items, cursor=None, total=None):
    return {"items": list(items), "next_cursor": cursor, "total": len(items) if total is None else total}


def queries(web):
    return [urlsplit(call.request.url).query for call in web.calls]


def test_users_leave_the_client_with_fingerprints_instead_of_codes(reader, answer):
    answer("/users", page(ANA, BARE))
    answer("/groups", page(ALIAS))
    answer("/departments", page(MUSIC))

    people = reader.users(FINGERPRINT)
    assert people.users["tag"].tolist()[0] == FINGERPRINT("04A2B3C4")
    assert people.users["tag"].isna().tolist() == [False, True]
    assert people.user_groups.to_dict("records") == [
        {"user_id": "u_17", "group_id": "g_2"},
        {"user_id": "u_17", "group_id": "g_9"},
    ]
    assert people.groups["alias_of"].tolist() == ["g_2"]
    assert people.departments["name"].tolist() == ["Music"]
    assert "04A2" not in repr(people) + people.users.to_string()


def test_pages_are_followed_by_their_cursor_and_nothing_else_is_asked(reader, answer, web):
    answer("/places", page(STUDIO, cursor="c/2 &", total=2), page(STUDIO | {"id": "p_205"}, total=2))

    assert reader.places()["place_id"].tolist() == ["p_204", "p_205"]
    assert queries(web) == ["limit=200", "limit=200&cursor=c/2%20%26"]
    assert web.calls[0].request.headers["Authorization"] == "Bearer tok4711"


@pytest.mark.parametrize(
    "pages",
    [
        [page(STUDIO, total=2)],
        [page(STUDIO, total=0)],
        [page(STUDIO, cursor="a", total=3), page(cursor="a", total=3)],
        [page(STUDIO, cursor="a", total=2), page(STUDIO, total=2)],
        [page(STUDIO, cursor="a", total=2), page(STUDIO | {"id": "p_205"}, total=3)],
    ],
    ids=["half", "more than all", "circle", "twice", "total changes"],
)
def test_an_incomplete_list_is_read_again_once_and_then_is_an_error(reader, answer, web, pages):
    answer("/places", *pages, *pages)

    with pytest.raises(IncompleteReadError, match=r"hector_campus.*/places"):
        reader.places()
    assert len(web.calls) == 2 * len(pages)


@pytest.mark.parametrize(("new_ids", "pages"), [(True, 6), (False, 11)], ids=["ever new places", "empty pages"])
def test_a_list_that_never_ends_ends_the_read(reader, web, new_ids, pages):
    """A new cursor each time, and a total of five."""
    numbers = itertools.count(1)

    def endless(_request):
        number = next(numbers)
        items = [STUDIO | {"id": f"p_{number}"}] if new_ids else []
        return 200, {}, json.dumps(page(*items, cursor=f"c{number}", total=5))

    web.add_callback("GET", f"{BASE}/places", endless)

    with pytest.raises(IncompleteReadError, match=r"hector_campus.*/places"):
        reader.places()
    assert len(web.calls) == 2 * pages


def test_a_list_that_is_whole_the_second_time_is_taken(reader, answer):
    answer("/places", page(STUDIO, total=2), page(STUDIO, STUDIO | {"id": "p_205"}))

    assert len(reader.places()) == 2


@pytest.mark.parametrize("start", ["2026-01-14t15:15:00z", "2026-01-14 15:14:60Z", "2026-01-14T10:15:00.0000000-05:00"])
def test_a_start_may_be_written_as_rfc_3339_allows(reader, answer, start):
    answer("/loaners", page(LOANER | {"start": start}))

    assert reader.loaners(BEGIN, END).reservations["start"][0] == pd.Timestamp("2026-01-14T15:15:00Z")


@pytest.mark.parametrize("body", [{"items": []}, [], {"items": [], "next_cursor": "", "total": 0}, page({"id": 7})])
def test_a_list_of_another_shape_is_malformed(reader, answer, body):
    answer("/places", body)

    with pytest.raises(MalformedAnswerError, match="breaks the contract"):
        reader.places()


def test_an_outage_in_the_middle_of_a_list_is_an_error(reader, web):
    web.get(f"{BASE}/places", json=page(STUDIO, cursor="a", total=2))
    web.get(f"{BASE}/places", status=503)

    with pytest.raises(UnavailableError):
        reader.places()


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ([{"key": "salto_lock_id", "name": "Door", "value": " Studio 204 "}], " Studio 204 "),
        ([{"key": "other", "name": " salto lock ID ", "value": "B"}], "B"),
        (
            [{"key": "x", "name": "Salto Lock Id", "value": "B"}, {"key": "salto_lock_id", "name": "y", "value": "A"}],
            "A",
        ),
        ([{"key": "salto_lock_id", "name": "Salto Lock Id", "value": None}], None),
        ([{"key": "salto_lock_id", "name": "Salto Lock Id", "value": "  "}], None),
        ([{"key": None, "name": None, "value": "B"}], None),
        ([], None),
        ([{"key": "capacity", "name": "Capacity", "value": 12}], None),
        ([{"key": "salto_lock_id", "name": "Salto Lock Id"}], None),
        ([{"key": "salto_lock_id", "name": "Salto Lock Id", "value": 204}], "204"),
    ],
)
def test_the_lock_name_is_found_by_key_else_by_display_name(reader, answer, attributes, name):
    answer("/places", page(STUDIO | {"attributes": attributes}))

    found = reader.places()["lock_name"]
    assert (None if found.isna()[0] else found[0]) == name


def test_loaners_come_apart_into_reservations_people_and_places(reader, answer, web):
    busy = LOANER | {
        "participants": [
            {"type": "user", "id": "u_17"},
            {"type": "user", "id": "u_18"},
            {"type": "customer", "id": "c"},
        ],
        "lines": [*LOANER["lines"], {"type": "place", "place_id": "p_204"}, {"type": "place", "place_id": "p_205"}],
    }
    answer("/loaners", page(busy))

    loaners = reader.loaners(BEGIN, END)
    assert loaners.reservations["start"].tolist() == [pd.Timestamp("2026-01-14T15:15Z")]
    assert loaners.people[["part", "person_type", "person_id"]].to_numpy().tolist() == [
        ["borrower", "user", "u_17"],
        ["participant", "user", "u_18"],
        ["participant", "customer", "c"],
    ]
    assert loaners.places["place_id"].tolist() == ["p_204", "p_205"]
    assert queries(web) == ["from=2026-01-14T00%3A00%3A00%2B00%3A00&to=2026-01-21T00%3A00%3A00%2B00%3A00&limit=200"]


@pytest.mark.parametrize(
    "broken",
    [
        {"borrower": None},
        {"participants": None},
        {"lines": None},
        {"lines": [{"id": "ln_1", "type": "place"}]},
        {"lines": [{"id": "ln_1", "type": "place", "place_id": None}]},
    ],
)
def test_a_null_that_would_take_access_away_is_a_broken_answer(reader, answer, broken):
    answer("/loaners", page(LOANER | broken))

    with pytest.raises(MalformedAnswerError, match=next(iter(broken))):
        reader.loaners(BEGIN, END)


def test_two_loaners_of_one_reference_both_come_through(reader, answer):
    answer("/loaners", page(LOANER, LOANER | {"id": "l_902"}))

    assert reader.loaners(BEGIN, END).reservations["reference"].tolist() == ["10452", "10452"]


@pytest.mark.parametrize("start", ["2026-01-14T10:15:00", "2026-01-14", "soon", "", "0001-01-01T00:00:00+05:00"])
def test_a_time_without_an_offset_is_malformed_and_named_by_reference(reader, answer, start):
    answer("/loaners", page(LOANER | {"start": start}))

    with pytest.raises(MalformedAnswerError, match="10452"):
        reader.loaners(BEGIN, END)


def test_a_span_without_a_zone_is_not_asked_for(reader):
    with pytest.raises(ValueError, match="zone"):
        reader.loaners(datetime(2026, 1, 14), END)  # noqa: DTZ001 - the mistake itself


def test_an_empty_hector_gives_empty_tables(reader, answer):
    for path in ("/users", "/groups", "/departments", "/loaners"):
        answer(path, page())

    assert reader.users(FINGERPRINT).users.empty
    assert reader.loaners(BEGIN, END).people.empty


@pytest.mark.parametrize("value", [True, False, 204.0, ["Studio 204"], {"name": "Studio 204"}])
def test_a_lock_name_that_is_no_text_is_malformed_because_read_as_text_it_would_fit_no_lock(reader, answer, value):
    named = {"key": "salto_lock_id", "name": "Salto Lock Id", "value": value}
    answer("/places", page(STUDIO | {"attributes": [named]}))

    with pytest.raises(MalformedAnswerError, match="'p_204' a Salto Lock Id that is no text: make the attribute"):
        reader.places()


@pytest.mark.parametrize("kind", ["", "Place", "room", '"place"'])
def test_a_line_that_names_a_place_and_is_of_an_unknown_type_is_malformed_because_its_door_would_be_lost(
    reader, answer, kind
):
    answer("/loaners", page(LOANER | {"lines": [{"id": "ln_1", "type": kind, "place_id": "p_204"}]}))

    with pytest.raises(MalformedAnswerError, match="lines"):
        reader.loaners(BEGIN, END)


@pytest.mark.parametrize("line", [{"type": "asset", "asset_id": "as_1", "place_id": "p_1"}, {"type": "service"}])
def test_a_line_of_anything_but_a_place_gives_no_door(reader, answer, line):
    answer("/loaners", page(LOANER | {"lines": [{"id": "ln_1", **line}]}))

    assert reader.loaners(BEGIN, END).places.empty


def test_spaces_around_an_id_are_no_part_of_it_wherever_it_stands(reader, answer):
    """In the alias of a Salto user they would be lost, and the user would be somebody else's in the next run."""
    for path in ("/groups", "/departments"):
        answer(path, page())
    answer("/users", page(ANA | {"id": " u_17 "}))
    answer("/loaners", page(LOANER | {"borrower": {"type": "user", "id": "u_17\t"}}))

    assert reader.users(FINGERPRINT).users["user_id"].tolist() == ["u_17"]
    assert reader.loaners(BEGIN, END).people["person_id"].tolist()[:1] == ["u_17"]


def test_the_environment_tells_when_the_token_ends(reader, answer):
    found = {"instance_id": "acme", "name": "Acme", "time_zone": "America/Toronto", "language": "en"}
    answer("/environment", found | {"api_token_expires_at": "2026-03-01T00:00:00-05:00"})

    environment = reader.environment()
    assert environment.api_token_expires_at == datetime(2026, 3, 1, 5, tzinfo=UTC)


def test_a_token_without_an_end_is_fine(reader, answer):
    answer("/environment", {"instance_id": "a", "name": "A", "time_zone": "UTC", "api_token_expires_at": None})

    assert reader.environment().api_token_expires_at is None


@pytest.mark.parametrize(
    ("status", "kind", "step"),
    [(401, CredentialsError, "new API token"), (403, AccountNotActiveError, "permission"), (422, RefusedError, "data")],
)
def test_refusals_say_what_to_do(reader, web, status, kind, step):
    problem = {"type": "about:blank", "title": "No entry for token tok4711", "status": status, "detail": "tok4711"}
    web.get(f"{BASE}/environment", json=problem, status=status, content_type="application/problem+json")

    with pytest.raises(kind, match=step) as raised:
        reader.environment()
    assert "hector_campus" in str(raised.value)
    assert "tok4711" not in str(raised.value)
    assert len(web.calls) == 1


@pytest.mark.parametrize(
    ("attributes", "has"),
    [
        ([ATTRIBUTE], True),
        ([ATTRIBUTE | {"key": "other", "name": " SALTO LOCK ID"}], True),
        ([ATTRIBUTE | {"key": "other", "name": "Colour"}], False),
        ([ATTRIBUTE | {"entity": "asset"}], False),
        ([], False),
    ],
)
def test_it_knows_whether_places_have_the_lock_attribute(reader, answer, web, attributes, has):
    answer("/attributes", page(*attributes))

    assert reader.has_lock_attribute() is has
    assert queries(web) == ["entity=place&limit=200"]


@pytest.mark.parametrize("status", [201, 409])
def test_the_attribute_is_created_with_one_exact_request(writer, web, status):
    web.post(f"{BASE}/attributes", json=ATTRIBUTE, status=status)

    writer.create_lock_attribute()
    body = {"entity": "place", "key": "salto_lock_id", "name": "Salto Lock Id", "type": "text"}
    assert [json.loads(call.request.body) for call in web.calls] == [body]


@pytest.mark.parametrize(
    ("status", "kind"), [(422, RefusedError), (500, UnknownOutcomeError), (403, AccountNotActiveError)]
)
def test_a_failed_creation_is_not_repeated(writer, web, status, kind):
    web.post(f"{BASE}/attributes", status=status)

    with pytest.raises(kind):
        writer.create_lock_attribute()
    assert len(web.calls) == 1


def test_the_reader_has_no_way_to_write(reader):
    assert not [name for name in dir(reader) if name.startswith(("create", "change", "delete", "set"))]
    with pytest.raises(TypeError):
        reader._transport.write("POST", "/attributes", {})


def test_a_read_timeout_is_tried_again(reader, web, sleeps):
    web.get(f"{BASE}/places", body=requests.ReadTimeout())
    web.get(f"{BASE}/places", json=page())

    assert reader.places().empty
    assert len(sleeps) == 1
