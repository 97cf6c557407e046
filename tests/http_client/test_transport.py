from __future__ import annotations

import logging
import pickle
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
import responses
from pydantic import TypeAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import MaxRetryError, NewConnectionError

from hector_salto.http_client.errors import (
    CredentialsError,
    MalformedAnswerError,
    RefusedError,
    RestError,
    UnavailableError,
    UnknownOutcomeError,
)

TOKEN = "eyJtokenWithoutEnd4711"
URL = "https://api.example/things"
SECRETS = (TOKEN, "ana.roy@example.org", "04A2B3C4")


def refused_connection():
    unconnected = NewConnectionError(HTTPSConnection("api.example"), "Connection refused")
    return requests.ConnectionError(MaxRetryError(HTTPSConnectionPool("api.example"), "/things", unconnected))


def send(transport, verb):
    return transport.get(URL) if verb == "GET" else transport.write(verb, "/things", {})


@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("cause", [500, 502, 503, 504, 408, requests.ConnectionError(), requests.ReadTimeout()])
@responses.activate
def test_what_can_be_repeated_is_tried_five_times(open_transport, verb, cause):
    answer = {"body": cause} if isinstance(cause, Exception) else {"status": cause, "headers": {"Retry-After": "1"}}
    responses.add(verb, URL, **answer)

    with pytest.raises(UnavailableError):
        send(open_transport(), verb)
    assert len(responses.calls) == 5


@pytest.mark.parametrize("verb", ["POST", "PATCH"])
@pytest.mark.parametrize("cause", [500, 503, 408, 302, requests.ConnectionError(), requests.ReadTimeout()])
@responses.activate
def test_a_write_that_may_have_happened_is_never_sent_again(open_transport, verb, cause):
    responses.add(verb, URL, **({"body": cause} if isinstance(cause, Exception) else {"status": cause}))

    with pytest.raises(UnknownOutcomeError, match=r"may or may not|never followed"):
        send(open_transport(), verb)
    assert len(responses.calls) == 1


@pytest.mark.parametrize("verb", ["POST", "PATCH"])
@pytest.mark.parametrize("body", [b"<html>Maintenance</html>", b"{half", b"\xff\xfe"])
@responses.activate
def test_a_write_whose_reply_cannot_be_read_has_an_unknown_outcome(open_transport, verb, body):
    responses.add(verb, URL, body=body)

    with pytest.raises(UnknownOutcomeError):
        open_transport().write(verb, "/things", {})
    assert len(responses.calls) == 1


@pytest.mark.parametrize("verb", ["POST", "PATCH"])
@pytest.mark.parametrize("cause", [429, requests.ConnectTimeout(), refused_connection()])
@responses.activate
def test_a_write_that_cannot_have_happened_is_tried_again(open_transport, verb, cause):
    responses.add(verb, URL, **({"body": cause} if isinstance(cause, Exception) else {"status": cause}))
    responses.add(verb, URL, status=204)

    assert open_transport().write(verb, "/things", {}).status == 204
    assert len(responses.calls) == 2


@responses.activate
def test_retry_after_in_seconds_is_waited_out_exactly(open_transport, fake_time):
    responses.get(URL, status=429, headers={"Retry-After": "7"})
    responses.get(URL, json=[])

    open_transport().get(URL)
    assert fake_time.sleeps == [7]


@responses.activate
def test_retry_after_as_a_date_is_read_against_the_services_own_clock(open_transport, fake_time):
    its_now = datetime(2031, 5, 1, 12, tzinfo=UTC)
    dates = {
        "Retry-After": format_datetime(its_now + timedelta(seconds=9), usegmt=True),
        "Date": format_datetime(its_now, usegmt=True),
    }
    responses.get(URL, status=503, headers=dates)
    responses.get(URL, json=[])

    open_transport().get(URL)
    assert fake_time.sleeps == [9]


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Retry-After": "soon"},
        {"Retry-After": "-1"},
        {"Retry-After": "1e9"},
        {"Retry-After": ""},
        {"X-Rate-Limit-Reset": "-1"},
        {"X-Rate-Limit-Reset": "soon"},
        {"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"},
    ],
)
@responses.activate
def test_too_many_requests_without_a_time_means_a_minute(open_transport, fake_time, header):
    responses.get(URL, status=429, body="API calls quota exceeded!", content_type="text/plain", headers=header)
    responses.get(URL, json=[])

    open_transport().get(URL)
    assert fake_time.sleeps == [60]


@responses.activate
def test_asked_to_wait_too_long_it_gives_up_rather_than_ask_before_it_may(open_transport, fake_time):
    responses.get(URL, status=429, headers={"Retry-After": "121"})
    transport = open_transport()

    for _ in range(2):
        with pytest.raises(UnavailableError) as raised:
            transport.get(URL)
        assert raised.value.retry_after == pytest.approx(121)
    assert (fake_time.sleeps, len(responses.calls)) == ([], 1)


@responses.activate
def test_all_tries_together_stay_within_the_budget(open_transport, fake_time):
    responses.get(URL, status=503, headers={"Retry-After": "60"})

    with pytest.raises(UnavailableError):
        open_transport().get(URL)
    assert sum(fake_time.sleeps) == 120


ITS_NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
DATE = {"Date": format_datetime(ITS_NOW, usegmt=True)}


@pytest.mark.parametrize(
    ("header", "waited"),
    [
        ({"X-Rate-Limit-Reset": "9"}, 9),
        ({"X-Rate-Limit-Reset": f"{ITS_NOW.timestamp() + 9:.0f}"}, 9),
        ({"X-Rate-Limit-Reset": "2031-05-01T12:00:09.0000000Z"}, 9),
        ({"X-RateLimit-Reset": format_datetime(ITS_NOW + timedelta(seconds=9), usegmt=True)}, 9),
        ({"X-Rate-Limit-Reset": "9", "Retry-After": "7"}, 7),
        ({"X-Rate-Limit-Reset": "9", "Retry-After": "soon"}, 9),
    ],
)
@responses.activate
def test_a_wait_is_read_however_it_is_named(open_transport, fake_time, header, waited):
    responses.get(URL, status=429, headers=header | DATE)
    responses.get(URL, json=[])

    open_transport().get(URL)
    assert fake_time.sleeps == [waited]


AT_ONCE = [
    {"Retry-After": "0"},
    {"Retry-After": format_datetime(ITS_NOW - timedelta(days=1), usegmt=True)},
    {"X-Rate-Limit-Reset": "0"},
    {"X-Rate-Limit-Reset": "2031-05-01T11:59:00Z"},
]


@pytest.mark.parametrize("header", AT_ONCE)
@pytest.mark.parametrize(("status", "tries"), [(429, 12), (503, 5)])
@responses.activate
def test_a_service_that_says_at_once_is_asked_ever_later(open_transport, fake_time, header, status, tries):
    responses.get(URL, status=status, headers=header | DATE)

    with pytest.raises(UnavailableError):
        open_transport().get(URL)
    waits = [seconds for seconds in fake_time.sleeps if seconds >= 1]
    assert len(responses.calls) == tries
    assert sum(waits) >= sum(min(2**number, 30) for number in range(tries - 1))


@pytest.mark.parametrize("named", ["121", "999999999999999", "1000000000000", "Fri, 31 Dec 9999 23:59:59 GMT"])
@responses.activate
def test_a_wait_without_end_is_not_waited_and_not_for_ever_remembered(open_transport, fake_time, named):
    responses.get(URL, status=429, headers={"Retry-After": named})
    responses.get(URL, json=[])
    transport = open_transport()

    with pytest.raises(UnavailableError):
        transport.get(URL)
    assert fake_time.sleeps == []
    fake_time.now += 30 * 60
    transport.get(URL)
    assert len(responses.calls) == 2


@pytest.mark.parametrize(("headers", "tries", "waited"), [({"Retry-After": "31"}, 12, 341), ({}, 11, 600)])
@responses.activate
def test_a_throttled_request_waits_its_turn_with_more_patience(open_transport, fake_time, headers, tries, waited):
    """Of three requests a minute, others may be served first."""
    responses.get(URL, status=429, headers=headers)

    with pytest.raises(UnavailableError):
        open_transport().get(URL)
    assert len(responses.calls) == tries
    assert sum(fake_time.sleeps) == waited


@responses.activate
def test_waits_without_a_given_time_grow_and_differ(open_transport, fake_time):
    responses.get(URL, status=500)

    with pytest.raises(UnavailableError):
        open_transport().get(URL)
    assert len(fake_time.sleeps) == 4
    assert 0 < sum(fake_time.sleeps) < 40


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@responses.activate
def test_a_redirect_is_never_followed(open_transport, status):
    responses.get(URL, status=status, headers={"Location": "https://evil.example/"})
    stolen = responses.get("https://evil.example/", json=[])

    with pytest.raises(MalformedAnswerError, match="never followed"):
        open_transport().get(URL)
    assert stolen.call_count == 0


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html>Log in</html>",
        b"",
        b"[NaN]",
        b"[1e",
        "[]".encode("utf-16"),
        b'["\xff"]',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=["html", "empty", "nan", "half", "utf-16", "bad utf-8", "deep", "huge number"],
)
@responses.activate
def test_anything_but_json_is_malformed_and_not_asked_for_again(open_transport, body):
    responses.get(URL, body=body, content_type="application/json")

    with pytest.raises(MalformedAnswerError, match=r"salto_campus.*GET /things"):
        open_transport().get(URL)
    assert len(responses.calls) == 1


@responses.activate
def test_a_misfit_is_named_by_its_place_and_never_by_its_value(open_transport):
    responses.get(URL, json=[{"tag": 1}, {"tag": {"04A2B3C4": 1}}])

    with pytest.raises(MalformedAnswerError, match=r"1\.tag: int_type") as raised:
        open_transport().read("/things", TypeAdapter(list[dict[str, int]]))
    assert "04A2B3C4" not in str(raised.value)


class Tokens:
    def __init__(self, *others: str) -> None:
        self.others = list(others)
        self.refused: list[str] = []

    def token(self) -> str:
        return "first"

    def renew(self, refused: str) -> str:
        self.refused.append(refused)
        return self.others.pop(0)


@pytest.mark.parametrize("verb", ["GET", "POST", "PATCH", "DELETE"])
@responses.activate
def test_a_refused_token_is_renewed_once_and_the_request_sent_again(open_transport, verb):
    responses.add(verb, URL, status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    responses.add(verb, URL, json=[])
    tokens = Tokens("second")

    send(open_transport(bearer=tokens), verb)
    assert tokens.refused == ["first"]
    assert [call.request.headers["Authorization"] for call in responses.calls] == ["Bearer first", "Bearer second"]


@responses.activate
def test_two_refused_tokens_stop(open_transport):
    responses.get(URL, status=401)

    with pytest.raises(CredentialsError, match="salto_campus"):
        open_transport(bearer=Tokens("second", "third")).get(URL)
    assert len(responses.calls) == 2


@responses.activate
def test_a_token_that_cannot_be_renewed_costs_one_request(open_transport):
    responses.get(URL, status=401)

    with pytest.raises(CredentialsError):
        open_transport().get(URL)
    assert len(responses.calls) == 1


@pytest.mark.parametrize("verb", ["POST", "PATCH", "PUT", "DELETE"])
@responses.activate
def test_a_reading_transport_sends_no_change(open_transport, verb):
    with pytest.raises(TypeError, match=f"may not send {verb}"):
        open_transport(verbs=("GET",)).write(verb, "/things", {})
    assert len(responses.calls) == 0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500])
@responses.activate
def test_no_text_tells_a_secret(open_transport, status, caplog):
    caplog.set_level(logging.DEBUG)
    echoed = f"User ana.roy@example.org with tag 04A2B3C4 and {TOKEN} is refused"
    responses.get(re.compile(URL + ".*"), status=status, json={"ErrorCode": "1101", "Message": echoed})

    with pytest.raises(RestError) as raised:
        open_transport().get(URL + "?$filter=user/email eq 'ana.roy@example.org'")
    told = f"{raised.value} {raised.value!r} {open_transport()!r} {raised.value.__context__!r}"
    assert not [secret for secret in SECRETS if secret in told]
    assert TOKEN not in caplog.text


@responses.activate
def test_a_broken_connection_tells_nothing_of_the_query(open_transport):
    responses.get(re.compile(URL + ".*"), body=requests.ConnectionError("url: /things?for=ana.roy@example.org"))

    with pytest.raises(UnavailableError) as raised:
        open_transport().get(URL + "?for=ana.roy@example.org")
    assert raised.value.__context__ is None
    assert "ana.roy" not in str(raised.value)


@responses.activate
def test_errors_survive_the_way_between_processes(open_transport):
    responses.get(URL, status=429, headers={"Retry-After": "500"})

    with pytest.raises(UnavailableError) as raised:
        open_transport().get(URL)
    copy = pickle.loads(pickle.dumps(raised.value))  # noqa: S301 - made in the line itself
    assert (str(copy), copy.status, copy.retry_after) == (str(raised.value), 429, 500)


@responses.activate
def test_cookies_are_not_kept(open_transport):
    responses.get(URL, json=[], headers={"Set-Cookie": "a=b"})
    transport = open_transport()

    transport.get(URL)
    transport.get(URL)
    assert "Cookie" not in responses.calls[1].request.headers


@responses.activate
def test_other_refusals_are_the_services_own(open_transport):
    responses.post(URL, status=422)

    with pytest.raises(RefusedError):
        open_transport().write("POST", "/things", {})
