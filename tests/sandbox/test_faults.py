"""Faults on purpose, seen from the client's side."""

import time

import pytest
import requests

from sandbox import Throttle, faults

NEW = {"customer_reference": "Hector_1"}


def names(sandbox):
    return [group.name for group in sandbox.salto.groups.values()]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (faults.server_error(), 500),
        (faults.unavailable(), 503),
        (faults.too_many(2), 429),
        (faults.unauthorized(), 401),
        (faults.html(), 200),
    ],
)
def test_an_answer_instead_of_the_work(sandbox, salto, fault, status):
    sandbox.salto_faults.at(0, fault)

    assert salto.post("/access_groups", NEW).status_code == status
    assert names(sandbox) == []
    assert salto.post("/access_groups", NEW).status_code == 200


def test_a_429_is_plain_text_with_or_without_retry_after(sandbox, salto):
    sandbox.salto_faults.at(0, faults.too_many(2))
    sandbox.salto_faults.at(0, faults.too_many(None))
    first, second = salto.get("/users"), salto.get("/users")

    assert (first.headers.get("Retry-After"), second.headers.get("Retry-After")) == ("2", None)
    assert first.headers["content-type"].startswith("text/plain")
    with pytest.raises(requests.exceptions.JSONDecodeError):
        first.json()


@pytest.mark.parametrize(("after", "done"), [(False, []), (True, ["Hector_1"])])
def test_a_dropped_connection_before_and_after_the_write(sandbox, salto, after, done):
    sandbox.salto_faults.at(0, faults.drop(after=after), writes=True)

    with pytest.raises(requests.ConnectionError):
        salto.post("/access_groups", NEW)
    assert names(sandbox) == done
    assert (sandbox.writes[-1].status, sandbox.writes[-1].fault) == (None, f"drop {'after' if after else 'before'}")


@pytest.mark.parametrize(("after", "done"), [(False, []), (True, ["Hector_1"])])
def test_a_hang_before_and_after_the_write(sandbox, salto, after, done):
    sandbox.salto_faults.at(0, faults.hang(60, after=after))

    with pytest.raises(requests.Timeout):
        salto.ask("POST", "/access_groups", NEW, timeout=0.1)
    sandbox.stop()
    assert names(sandbox) == done


def test_a_hang_ends_when_the_sandbox_stops(sandbox, salto):
    sandbox.salto_faults.at(0, faults.hang(60))
    with pytest.raises(requests.Timeout):
        salto.ask("GET", "/users", timeout=0.05)
    begun = time.monotonic()
    sandbox.stop()

    assert time.monotonic() - begun < 1


def test_the_index_counts_from_now_all_requests_or_only_writes(sandbox, salto):
    sandbox.salto_faults.at(1, faults.server_error(), writes=True)
    sandbox.salto_faults.at(3, faults.unavailable())
    got = [
        salto.get("/users"),
        salto.post("/access_groups", NEW),
        salto.post("/access_groups", NEW),
        salto.get("/tags"),
    ]

    assert [answer.status_code for answer in got] == [200, 200, 500, 503]


def test_a_predicate_and_a_number_of_times(sandbox, salto):
    sandbox.salto_faults.on("GET", r"/locks\b", faults.server_error(), times=2)

    assert [salto.get("/locks").status_code for _ in range(3)] == [500, 500, 200]
    sandbox.salto_faults.on("*", r"/connect/token", faults.unavailable())
    assert salto.token().status_code == 503
    sandbox.salto_faults.clear()
    assert salto.token().status_code == 200


def test_half_a_list_of_salto(sandbox, salto):
    for number in range(6):
        sandbox.salto.add_lock(f"Studio {number}")
    sandbox.change(page_size=4)
    sandbox.salto_faults.at(0, faults.half_list())
    sandbox.salto_faults.at(0, faults.half_list("link"))
    answers = [salto.get("/locks", **{"$inlinecount": "allpages"}).json() for _ in range(2)]

    assert [(len(page["items"]), page["next_page_link"], page["count"]) for page in answers] == [
        (2, None, 6),
        (4, None, 6),
    ]


def test_half_a_list_of_hector(sandbox, hector):
    for number in range(4):
        sandbox.hector.add_user(email=f"{number}@b.example")
    sandbox.hector_faults.on("GET", "/users", faults.half_list(), times=1)

    page = hector("/users").json()
    assert (len(page["items"]), page["next_cursor"], page["total"]) == (2, None, 4)


def test_an_error_of_hector_is_problem_json(sandbox, hector):
    sandbox.hector_faults.at(0, faults.status(403))

    assert hector("/users").json()["status"] == 403


def test_a_callback_may_change_the_world_before_the_request_is_carried_out(sandbox, salto):
    sandbox.salto_faults.at(0, faults.run(lambda _call: sandbox.salto.add_lock("Late") and None))

    assert [row["customer_reference"] for row in salto.get("/locks").json()["items"]] == ["Late"]


def test_a_callback_may_replace_the_answer_of_what_was_done(sandbox, salto):
    def spoil(_call, reply):
        return faults.Reply(reply.status, b"{", "application/json")

    sandbox.salto_faults.at(0, faults.run_after(spoil))

    assert salto.post("/access_groups", NEW).content == b"{"
    assert names(sandbox) == ["Hector_1"]


@pytest.mark.parametrize("retry_after", [True, False])
def test_a_throttle_counts_in_a_fixed_window(sandbox, salto, clock, retry_after):
    sandbox.change(salto_throttle=Throttle(2, 60, retry_after=retry_after))
    answers = [salto.get("/users") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers.get("Retry-After") == ("60" if retry_after else None)

    clock.forward(59)
    assert salto.get("/users").status_code == 429
    clock.forward(1)
    assert salto.get("/users").status_code == 200


def test_a_throttle_per_endpoint_leaves_the_others_alone(sandbox, salto, hector):
    sandbox.change(salto_throttle=Throttle(1, 60, per_endpoint=True), hector_throttle=Throttle(1, 60))

    assert [salto.get(path).status_code for path in ("/users", "/users", "/tags")] == [200, 429, 200]
    assert [hector("/users").status_code, hector("/groups").status_code] == [200, 429]
