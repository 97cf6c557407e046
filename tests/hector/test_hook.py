from __future__ import annotations

import json
import socket

import pytest

from hector.hook import HectorHook
from rest.errors import ConfigurationError
from rest.timing import Timing

GOOD = {"conn_type": "hector", "host": "https://acme.example/api/v1", "password": "tok4711"}


@pytest.fixture
def hook(monkeypatch):
    def make(**fields):
        monkeypatch.setenv("AIRFLOW_CONN_HECTOR_CAMPUS", json.dumps(GOOD | fields))
        return HectorHook("hector_campus")

    return make


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"host": None}, "host"),
        ({"host": " "}, "host"),
        ({"host": "http://acme.example"}, "http://"),
        ({"host": "acme.example"}, "host"),
        ({"password": ""}, "token"),
    ],
)
def test_a_missing_or_wrong_field_is_named(hook, fields, named):
    with pytest.raises(ConfigurationError, match=rf"hector_campus.*{named}"):
        _ = hook(**fields).reader


def test_the_connection_is_read_on_first_use_only(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_HECTOR_CAMPUS", raising=False)

    HectorHook("hector_campus")


def test_a_good_connection_names_the_instance(hook, web):
    found = {"instance_id": "acme", "name": "Acme", "time_zone": "UTC", "api_token_expires_at": None}
    web.get("https://acme.example/api/v1/environment", json=found)

    assert hook().test_connection() == (True, "Connected to Acme (acme)")


def test_a_bad_connection_says_what_to_do(hook, web):
    web.get("https://acme.example/api/v1/environment", status=401)

    good, message = hook().test_connection()
    assert (good, "new API token" in message, "tok4711" in message) == (False, True, False)


def test_a_test_that_nobody_answers_ends_at_once(hook):
    """Whoever presses Test reads what it is, without five tries."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    waits = []
    asked = hook(host=address)
    asked._timing = Timing(waits.append)

    good, message = asked.test_connection()
    assert (good, waits) == (False, [])
    assert f"refuses connections at {address}: check host and port" in message
