"""Hector's API: complete reads, problems, one attribute."""

import datetime as dt

import pytest
import requests

START = dt.datetime(2026, 1, 14, 15, 15, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
SPAN = {"from": "2026-01-14T00:00:00-05:00", "to": "2026-01-21T00:00:00-05:00"}


@pytest.fixture
def loaner(sandbox):
    user = sandbox.hector.add_user(email="a@b.example", unique_code="04A2")
    place = sandbox.hector.add_place("Studio 1", "Studio 1")
    return sandbox.hector.add_loaner(user, place, START, START + HOUR, reference="10452")


def test_a_wrong_token_is_401_problem_json(hector):
    answer = hector("/environment")
    assert answer.json()["time_zone"] == "America/Toronto"

    wrong = answer.request.copy()
    wrong.headers["Authorization"] = "Bearer nope"
    refused = answer.connection.send(wrong)
    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
    assert set(refused.json()) == {"type", "title", "status", "detail"}


def test_lists_are_complete_only_at_the_last_cursor(sandbox, hector):
    for number in range(5):
        sandbox.hector.add_user(email=f"{number}@b.example")
    seen, cursor = [], None
    while True:
        page = hector("/users", limit=2, **({"cursor": cursor} if cursor else {})).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        assert page["total"] == 5
        if cursor is None:
            break

    assert [row["email"] for row in seen] == [f"{number}@b.example" for number in range(5)]


def test_a_cursor_belongs_to_its_list(sandbox, hector):
    for number in range(3):
        sandbox.hector.add_user(email=f"{number}@b.example")
    cursor = hector("/users", limit=1).json()["next_cursor"]

    assert hector("/places", cursor=cursor).status_code == 422
    assert hector("/users", cursor="nonsense").status_code == 422
    assert hector("/users", page=2).status_code == 422
    assert hector("/users", limit=0).status_code == 422


def test_a_loaner_looks_as_the_contract_shows(hector, loaner):
    row = hector("/loaners", **SPAN).json()["items"][0]

    assert (row["id"], row["reference"]) == (loaner, "10452")
    assert (row["start"], row["finish"]) == ("2026-01-14T10:15:00-05:00", "2026-01-14T11:15:00-05:00")
    assert row["status"] == {"code": "new", "name": "New", "state": "not_started"}
    assert (row["participants"], row["blocking"], row["lines"][0]["type"]) == ([], False, "place")


@pytest.mark.parametrize(
    ("begin", "end", "found"),
    [(START, START + HOUR, 1), (START - HOUR, START, 0), (START + HOUR, START + 2 * HOUR, 0)],
)
def test_loaners_overlap_half_open(hector, loaner, begin, end, found):
    page = hector("/loaners", **{"from": begin.isoformat(), "to": end.isoformat()}).json()

    assert (len(page["items"]), page["total"]) == (found, found)


def test_loaners_changed_since(sandbox, hector, loaner):
    assert hector("/loaners", **SPAN, updated_since="2026-01-13T00:00:00Z").json()["total"] == 0
    sandbox.hector.set_status(loaner, "cancelled", at=START)
    changed = hector("/loaners", **SPAN, updated_since="2026-01-13T00:00:00Z").json()["items"]

    assert changed[0]["status"]["code"] == "cancelled"


def test_loaners_need_a_span_with_an_offset(hector):
    assert hector("/loaners").status_code == 422
    assert hector("/loaners", **{"from": "2026-01-14T00:00:00", "to": SPAN["to"]}).status_code == 422


def test_an_attribute_is_created_once(sandbox, hector):
    sandbox.hector.attributes.clear()
    new = {"entity": "place", "key": "salto_lock_id", "name": "Salto Lock Id", "type": "text"}

    made = hector("/attributes", "POST", new)
    assert (made.status_code, made.json() | {"id": ""}) == (201, {"id": "", **new})
    assert hector("/attributes", "POST", new).status_code == 409
    assert hector("/attributes", "POST", new | {"colour": "red"}).status_code == 422
    assert hector("/attributes", entity="place").json()["total"] == 1
    assert hector("/attributes", entity="user").json()["total"] == 0
    assert [row.status for row in sandbox.writes] == [201, 409, 422]


def test_a_place_carries_its_lock(sandbox, hector, loaner):
    values = hector("/places").json()["items"][0]["attributes"]

    assert [(value["key"], value["value"]) for value in values] == [("salto_lock_id", "Studio 1")]


def test_nothing_else_is_there(hector):
    answer = hector("/assets")

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert hector("/users", "POST", {}).status_code == 405


def test_a_row_is_changed_by_hand_beside_the_contract(sandbox, hector, loaner):
    url = sandbox.hector_url.removesuffix("/api/v1")
    changed = requests.patch(f"{url}/_sandbox/loaners/{loaner}", json={"status": {"code": "cancelled"}}, timeout=5)
    assert changed.json()["reference"] == "10452"
    assert sandbox.hector.loaners[loaner]["status"]["code"] == "cancelled"
    assert requests.delete(f"{url}/_sandbox/loaners/{loaner}", timeout=5).status_code == 200
    assert requests.get(f"{url}/_sandbox/loaners", timeout=5).json() == []
    assert requests.get(f"{url}/_sandbox/loaners/{loaner}", timeout=5).status_code == 404
    assert requests.get(f"{url}/_sandbox/secrets", timeout=5).status_code == 404
    assert sandbox.writes == []
