from __future__ import annotations

import json
import socket

import pytest

from hector.hook import HectorHook
from hector_salto.http_client.errors import ConfigurationError
from hector_salto.http_client.timing import Timing

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
        ({"host": "acme.example/api v1"}, "host"),
        ({"host": "127.0.0.1:8000/api/v1"}, "without a scheme"),
        ({"host": None, "login": "https://acme.example/api/v1"}, "address in its login: move"),
        ({"host": None, "extra": "[1, 2]"}, "extra fields that are no JSON object"),
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


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "https://acme.example/api/v1/"},
        {"host": "acme.example/api/v1"},
        {"host": " https://acme.example/api/v1\n"},
        {"host": None, "extra": {"base_url": "https://acme.example/api/v1"}},
        {"host": "", "extra": '"{\\"url\\": \\"https://acme.example/api/v1\\"}"'},
    ],
)
def test_the_base_url_is_found_however_it_was_pasted(hook, fields):
    """Its path is part of it."""
    assert hook(**fields)._service.base_url == "https://acme.example/api/v1"


@pytest.mark.parametrize("token", ["tok4711", " tok4711\r\n", "Bearer tok4711", "bearer  tok4711 ", "\u200btok4711"])
def test_the_token_is_read_without_what_was_copied_along(hook, token):
    assert hook(password=token)._token == "tok4711"
