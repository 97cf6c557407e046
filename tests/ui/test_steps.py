"""The first steps of an integration, as the services answer them."""

from __future__ import annotations

import json
import socket

import pytest

from hector_salto.integration import load
from hector_salto.ui import onboarding
from sandbox import Sandbox, empty

pytestmark = pytest.mark.airflow
SITE = "hector_conn_id: hector_campus\nsalto_conn_id: salto_campus\nsite_id: DE4520000000\n"


def test_first_steps_are_done_from_complete_evidence(integrations, monkeypatch):
    """One right place or code among others ticks nothing; all of them do."""
    path = integrations("campus", SITE)
    with Sandbox(empty()) as sandbox:
        for name, value in sandbox.connections("campus").items():
            monkeypatch.setenv(name, value)
        sandbox.salto.add_lock("Studio")
        sandbox.salto.enrol_tag("111")
        sandbox.hector.add_place("Studio", lock="Studio")
        place = sandbox.hector.add_place("Foyer", lock="Foier")
        sandbox.hector.add_user(email="a@example.org", unique_code="111")
        user = sandbox.hector.add_user(email="b@example.org", unique_code=None)
        found = onboarding.found_steps(load(path))
        assert [step.done for step in found[5:]] == [False, True, False, True]
        assert "1 of 2 named locks" in found[5].told
        assert found[7].told.startswith("1 of 2 active users have a unique code; enter")

        sandbox.hector.users[user]["unique_code"] = "222"
        sandbox.hector.places[place]["attributes"] = []
        found = onboarding.found_steps(load(path))
    assert [step.done for step in found[5:]] == [True, True, True, False]
    assert "1 of 2 codes are tags of the site" in found[8].told


def test_first_steps_tell_their_age_and_forget_other_settings(integrations, monkeypatch):
    """An answer is at most 15 s old when it is asked again; one about other settings is not shown."""
    now = [100.0]
    checklist, asked = onboarding.Checklist(lambda: now[0]), []
    monkeypatch.setattr(
        onboarding, "found_steps", lambda one: asked.append(one.site_id) or [onboarding.Step("x", done=True)]
    )
    one, other = load(integrations("a", SITE)), load(integrations("b", SITE.replace("DE45", "DE46")))

    assert checklist.answer("a", one) is None
    checklist._asked["a"].found.result(5)
    now[0] += 10
    assert (checklist.answer("a", one).age, len(asked)) == (10, 1)
    now[0] += 6
    assert checklist.answer("a", one).age == 16
    checklist._asked["a"].found.result(5)
    assert (checklist.answer("a", one).age, len(asked)) == (0, 2)
    assert checklist.answer("a", other) is None


def test_steps_of_a_host_that_refuses_end_at_once(integrations, monkeypatch):
    """What it is and what to check, without five tries."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setattr("time.sleep", lambda _seconds: pytest.fail("waited"))
    for name in ("hector", "salto"):
        made = {"conn_type": name, "host": address, "login": "x", "password": "x"}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}_CAMPUS", json.dumps(made))
    found = onboarding.found_steps(load(integrations("campus", SITE)))[0]

    assert found.done is False
    assert f"refuses connections at {address}; check host and port" in found.told


def test_steps_that_fail_say_what_to_do_and_those_after_them_wait(integrations):
    path = integrations("nowhere", "hector_conn_id: hector_x\nsalto_conn_id: salto_x\nsite_id: DE1\n")
    found = onboarding.found_steps(load(path))

    assert found[0].done is False
    assert "cannot be found or read in Airflow" in found[0].told
    assert {step.done for step in found[3:]} == {None}
