"""The sandbox as a whole: start and stop, memory, log, hook, clock, connections."""

import datetime as dt
import json
import threading
import time

import pytest
import requests

from sandbox import HectorState, SaltoState, Sandbox, campus, empty, faults
from sandbox.salto_state import Invitation

NEW = {"customer_reference": "Hector_1"}


def test_it_starts_and_stops_fast_and_leaves_no_thread():
    before, begun = set(threading.enumerate()), time.monotonic()
    with Sandbox(empty()) as sandbox:
        url = sandbox.salto_url
        assert requests.get(f"{url}/v1.1/sites", timeout=5).status_code == 401

    assert time.monotonic() - begun < 1
    assert set(threading.enumerate()) == before
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=1)


def test_a_taken_port_is_an_error_and_nothing_stays_open(sandbox):
    port = int(sandbox.salto_url.rsplit(":", 1)[1])
    before = set(threading.enumerate())

    with pytest.raises(OSError, match="in use"):
        Sandbox(empty(), salto_port=port).start()
    assert set(threading.enumerate()) == before


def test_the_connections_are_what_airflow_reads(sandbox):
    variables = sandbox.connections("campus")
    hector = json.loads(variables["AIRFLOW_CONN_HECTOR_CAMPUS"])
    salto = json.loads(variables["AIRFLOW_CONN_SALTO_CAMPUS"])

    assert hector == {"conn_type": "hector", "host": sandbox.hector_url, "password": sandbox.credentials.hector_token}
    assert (salto["conn_type"], salto["host"], salto["login"]) == (
        "salto_ks",
        sandbox.salto_url,
        "hector-salto-sandbox",
    )
    assert set(salto["extra"]) == {"identity_url", "username", "user_password"}


def test_the_states_survive_as_json_exactly():
    scenario = campus(dt.datetime(2026, 1, 14, 15, 7, tzinfo=dt.UTC))
    scenario.salto.invitations.append(
        Invitation("a@b.example", dt.datetime(2026, 1, 14, 15, 7, 1, 5, tzinfo=dt.UTC), "x")
    )
    hector, salto = scenario.hector.to_json(), scenario.salto.to_json()

    assert HectorState.from_json(hector) == scenario.hector
    assert SaltoState.from_json(salto) == scenario.salto
    assert (HectorState.from_json(hector).to_json(), SaltoState.from_json(salto).to_json()) == (hector, salto)


def test_a_later_process_goes_on_with_new_ids(sandbox, salto):
    salto.new_group()
    later = SaltoState.from_json(sandbox.salto.to_json())

    assert later.add_group("Hector_2") not in sandbox.salto.groups


def test_every_request_is_recorded_and_writes_apart(sandbox, salto, hector, clock):
    salto.get("/users", **{"$top": "5"})
    salto.post("/access_groups", {**NEW, "password": "hush"})
    hector("/users")

    assert [(row.server, row.method, row.status) for row in sandbox.requests] == [
        ("salto", "GET", 200),
        ("salto", "POST", 400),
        ("hector", "GET", 200),
    ]
    assert sandbox.requests[0].path.endswith("/users?%24top=5")
    (write,) = sandbox.writes
    assert (write.body, write.at) == ({**NEW, "password": "***"}, clock.now)
    numbers = [row.number for row in sandbox.requests]
    assert numbers == sorted(numbers)


def test_the_hook_sees_the_state_after_each_write(sandbox, salto):
    seen = []
    sandbox.after_write = lambda state, row: seen.append((row.method, row.status, len(state.groups)))
    salto.get("/users")
    group = salto.new_group()
    sandbox.salto_faults.at(0, faults.drop(after=True))
    with pytest.raises(requests.ConnectionError):
        salto.delete(group)

    assert seen == [("POST", 200, 1), ("DELETE", None, 0)]


def test_what_the_hook_raises_reaches_the_test():
    def protest(_state, _row):
        raise AssertionError("a door stands open")

    def run():
        with Sandbox(empty()) as sandbox:
            sandbox.after_write = protest
            url = f"{sandbox.salto_url}/v1.1/sites/{sandbox.salto.site.id}/access_groups"
            assert requests.post(url, json=NEW, timeout=5).status_code == 401

    with pytest.raises(AssertionError, match="a door stands open"):
        run()


def test_latency_is_added_to_every_answer(sandbox, salto):
    sandbox.latency_ms = 60
    begun = time.monotonic()
    salto.get("/me")

    assert time.monotonic() - begun >= 0.06


def test_requests_at_the_same_time_do_not_disturb_each_other(sandbox, salto):
    def create():
        for _ in range(10):
            requests.post(url, json=NEW, headers=salto.session.headers, timeout=5)

    url = f"{salto.root}/sites/{sandbox.salto.site.id}/access_groups"
    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(sandbox.salto.groups) == len(sandbox.writes) == 40


def test_the_timetable_is_served_beside_the_contract(sandbox, salto):
    member = sandbox.salto.add_member("a@b.example", tag="T1")
    lock = sandbox.salto.add_lock("Studio 1")
    group = sandbox.salto.add_group("Hector_1", users=[sandbox.salto.person_of(member).id], locks=[lock])
    sandbox.salto.add_schedule(group, "10:00", "12:14", start_date="2026-01-14", end_date="2026-01-14")
    url = f"{sandbox.salto_url}/_sandbox/doors?from=2026-01-14T00:00:00+00:00&to=2026-01-15T12:00:00Z"

    (row,) = requests.get(url, timeout=5).json()
    assert (row["lock"], row["from"], row["to"]) == (
        "Studio 1",
        "2026-01-14T15:00:00+00:00",
        "2026-01-14T17:15:00+00:00",
    )
    assert requests.get(f"{sandbox.salto_url}/_sandbox/doors?from=monday", timeout=5).status_code == 400
    assert requests.get(f"{sandbox.salto_url}/_sandbox/else", timeout=5).status_code == 404
    assert sandbox.requests == []
