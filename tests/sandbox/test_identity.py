"""The identity server: who gets a token, and for how long."""

import base64
import json
from dataclasses import replace
from urllib.parse import quote_plus

import pytest

from salto.oauth import AccountCredentials, PasswordGrant


def test_a_password_gives_an_hour_and_no_refresh_token(salto):
    answer = salto.token().json()

    assert (answer["expires_in"], answer["token_type"], answer["scope"]) == (3600, "Bearer", "user_api.full_access")
    assert "refresh_token" not in answer


def test_the_subject_of_a_token_is_no_id_of_the_api(sandbox, salto):
    claims = salto.token().json()["access_token"].split(".")[1]
    subject = json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"]

    assert subject not in {*sandbox.salto.persons, *sandbox.salto.members}


def test_offline_access_gives_a_refresh_token_that_works_once(salto):
    refresh = salto.token(scope="user_api.full_access offline_access").json()["refresh_token"]

    assert salto.token(grant_type="refresh_token", refresh_token=refresh).status_code == 200
    assert salto.token(grant_type="refresh_token", refresh_token=refresh).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"auth": ("hector-salto-sandbox", "wrong")}, "invalid_client"),
        ({"password": "wrong"}, "invalid_grant"),
        ({"scope": "locks:read"}, "invalid_scope"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
    ],
)
def test_wrong_credentials_are_400_with_an_oauth_error(salto, changes, error):
    answer = salto.token(**changes)

    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_an_account_that_is_not_active_gets_no_token(sandbox, salto):
    sandbox.change(account_active=False)

    assert salto.token().json()["error"] == "invalid_grant"


def test_an_expired_token_is_401_with_an_empty_body(salto, clock):
    clock.forward(3599)
    assert salto.get("/me").status_code == 200

    clock.forward(1)
    answer = salto.get("/me")
    assert (answer.status_code, answer.content) == (401, b"")
    assert "invalid_token" in answer.headers["WWW-Authenticate"]


def test_no_secret_of_a_token_request_is_recorded(sandbox, salto):
    salto.token()

    assert sandbox.credentials.user_password not in repr(sandbox.requests)
    assert sandbox.requests[-1].body["password"] == "***"
    assert sandbox.writes == []


SECRET = "a+b/c==%2B &"


@pytest.mark.parametrize("plain_client", [False, True])
def test_client_id_and_secret_are_taken_in_one_form_only(sandbox, salto, plain_client):
    """Form-encoded (RFC 6749, 2.3.1), or with the switch as they are; the client finds out which."""
    known = sandbox.credentials = replace(sandbox.credentials, client_secret=SECRET)
    sandbox.change(plain_client=plain_client)
    plain, encoded = (known.client_id, SECRET), (known.client_id, quote_plus(SECRET))
    right, wrong = (plain, encoded) if plain_client else (encoded, plain)
    account = AccountCredentials(known.client_id, SECRET, known.username, known.user_password)

    assert salto.token(auth=right).status_code == 200
    assert salto.token(auth=wrong).json()["error"] == "invalid_client"
    assert PasswordGrant(sandbox.identity_url, account, "salto_test").token()
