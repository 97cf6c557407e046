from __future__ import annotations

import base64
import threading
from urllib.parse import parse_qs

import pytest
import requests
import responses

from hector_salto.http_client.errors import (
    AccountNotActiveError,
    ConfigurationError,
    CredentialsError,
    FatalError,
    MalformedAnswerError,
    UnavailableError,
)
from salto.oauth import AccountCredentials, PasswordGrant

URL = "https://identity.example/connect/token"
SECRETS = ("client-s3cret", "pässword", "jwt4711", "sync@acme.example")


@pytest.fixture
def identity():
    with responses.RequestsMock() as mocked:
        yield mocked


def test_the_password_grant_is_sent_as_the_contract_shows_it(grant, identity):
    identity.post(URL, json={"access_token": "jwt4711", "expires_in": 3600, "token_type": "Bearer"})

    assert grant.token() == "jwt4711"
    request = identity.calls[0].request
    assert base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")) == b"client-id:client-s3cret"
    assert request.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert parse_qs(request.body, strict_parsing=True) == {
        "grant_type": ["password"],
        "username": ["sync@acme.example"],
        "password": ["pässword&+ 1"],
        "scope": ["user_api.full_access"],
    }


def test_a_token_is_kept_until_shortly_before_its_end(grant, identity, sleeps):
    identity.post(URL, json={"access_token": "one", "expires_in": 3600})
    identity.post(URL, json={"access_token": "two", "expires_in": 3600})

    assert grant.token() == "one"
    sleeps.append(3539)
    assert grant.token() == "one"
    sleeps.append(1)
    assert grant.token() == "two"


def test_a_refused_token_is_renewed_by_one_thread_for_all(grant, identity):
    identity.post(URL, json={"access_token": "one"})
    identity.post(URL, json={"access_token": "two"})
    refused, seen = grant.token(), []
    threads = [threading.Thread(target=lambda: seen.append(grant.renew(refused))) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["two"] * 8
    assert len(identity.calls) == 2


@pytest.mark.parametrize(
    ("refusal", "kind", "step"),
    [
        ((400, {"error": "invalid_grant"}), AccountNotActiveError, "not active on this site yet"),
        ((400, {"error": "invalid_client"}), CredentialsError, "client id"),
        ((401, {"error": "invalid_client"}), CredentialsError, "client id"),
        ((400, {"error": "invalid_scope"}), CredentialsError, "scope user_api.full_access.*client of the Connect API"),
        ((400, {"error": "unauthorized_client"}), CredentialsError, "type backend server"),
        ((400, {"error": "unsupported_grant_type"}), CredentialsError, "type backend server"),
        ((400, {"error": {"a": 1}}), CredentialsError, "client id"),
        ((400, []), CredentialsError, "client id"),
    ],
)
def test_a_refusal_is_asked_for_once_and_says_what_to_do(grant, identity, refusal, kind, step):
    identity.post(URL, status=refusal[0], json=refusal[1])

    for _ in range(2):
        with pytest.raises(kind, match=rf"salto_campus.*{step}"):
            grant.token()
    assert len(identity.calls) == 1


@pytest.mark.parametrize("cause", [500, 503, 429, 404, requests.ReadTimeout(), requests.ConnectionError()])
def test_an_identity_server_in_trouble_is_asked_again(grant, identity, cause):
    identity.post(URL, **({"body": cause} if isinstance(cause, Exception) else {"status": cause}))
    identity.post(URL, json={"access_token": "jwt4711"})

    assert grant.token() == "jwt4711"


def test_an_identity_server_that_stays_down_is_unavailable(grant, identity):
    identity.post(URL, status=503, body="<html>jwt4711</html>", content_type="text/html")

    with pytest.raises(UnavailableError, match="salto_campus"):
        grant.token()
    assert len(identity.calls) == 5


@pytest.mark.parametrize(
    "body",
    [
        *("<html>Sign in</html>", "", "[]", '{"access_token": 1}', "{}", '{"access_token": "a\\nb"}', '{"error": "x"}'),
        *(f'{{"access_token": "jwt4711", "expires_in": {much}}}' for much in ("1e999", "-1", "NaN", "[1]", "9" * 400)),
    ],
)
def test_anything_but_a_token_is_malformed(grant, identity, body):
    identity.post(URL, body=body)

    with pytest.raises(MalformedAnswerError):
        grant.token()


def test_a_redirect_takes_the_secrets_nowhere(grant, identity):
    identity.post(URL, status=307, headers={"Location": "https://evil.example/"})

    with pytest.raises(MalformedAnswerError, match="never followed"):
        grant.token()
    assert len(identity.calls) == 1


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 418, 500])
def test_no_text_tells_a_secret(grant, identity, status):
    echo = " ".join(SECRETS)
    identity.post(URL, status=status, json={"error": echo, "error_description": echo, "Message": echo})

    with pytest.raises(Exception, match="salto_campus") as raised:
        grant.token()
    told = f"{raised.value} {raised.value!r} {raised.value.__context__!r} {grant!r} {grant._account!r}"
    assert not [secret for secret in SECRETS if secret in told]


def test_a_client_that_no_header_can_carry_is_a_wrong_connection(timing):
    grant = PasswordGrant(
        "https://identity.example", AccountCredentials("\ud800", "s", "u", "p"), "salto_campus", timing=timing
    )

    with pytest.raises(ConfigurationError, match="client id"):
        grant.token()


def test_whoever_masks_tokens_hears_of_each(identity, timing):
    identity.post(URL, json={"access_token": "jwt4711"})
    heard = []

    PasswordGrant(
        "https://identity.example", AccountCredentials("a", "b", "c", "d"), "x", on_token=heard.append, timing=timing
    ).token()
    assert heard == ["jwt4711"]


ODD = AccountCredentials("client 1:a", "a+b/c==&é%", "u", "p")
FORM = b"client+1%3Aa:a%2Bb%2Fc%3D%3D%26%C3%A9%25"
PLAIN = "client 1:a:a+b/c==&é%".encode()


def halves(call):
    return base64.b64decode(call.request.headers["Authorization"].removeprefix("Basic "))


@pytest.fixture
def odd(timing):
    return PasswordGrant("https://identity.example", ODD, "salto_campus", timing=timing)


def test_client_id_and_secret_are_form_encoded(odd, identity):
    """RFC 6749, 2.3.1; the identity server decodes both (contract 11.8)."""
    identity.post(URL, json={"access_token": "jwt4711"})

    odd.token()
    assert list(map(halves, identity.calls)) == [FORM]


@pytest.mark.parametrize("status", [400, 401])
def test_a_server_that_decodes_nothing_gets_the_client_as_it_is(odd, identity, status):
    """And each later token is asked for in the form that it takes."""
    identity.post(URL, status=status, json={"error": "invalid_client"})
    identity.post(URL, json={"access_token": "one", "expires_in": 3600})

    token = odd.token()
    odd.renew(token)
    assert list(map(halves, identity.calls)) == [FORM, PLAIN, PLAIN]


@pytest.mark.parametrize("body", ["", "<html>401 Unauthorized</html>"])
def test_a_server_that_refuses_without_words_gets_it_as_it_is_too(odd, identity, body):
    """RFC 6749, 5.2: 401 is what an unknown client may get."""
    identity.post(URL, status=401, body=body)
    identity.post(URL, json={"access_token": "one", "expires_in": 3600})

    assert odd.token() == "one"
    assert list(map(halves, identity.calls)) == [FORM, PLAIN]


def test_a_client_refused_in_both_forms_is_not_asked_again(odd, identity):
    identity.post(URL, status=400, json={"error": "invalid_client"})

    for _ in range(2):
        with pytest.raises(CredentialsError, match="client id"):
            odd.token()
    assert list(map(halves, identity.calls)) == [FORM, PLAIN]


@pytest.mark.parametrize("error", ["invalid_grant", "unauthorized_client", "invalid_scope"])
def test_any_other_refusal_is_no_question_of_form(odd, identity, error):
    identity.post(URL, status=400, json={"error": error})

    with pytest.raises(FatalError):
        odd.token()
    assert len(identity.calls) == 1
