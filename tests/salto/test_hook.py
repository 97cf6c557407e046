from __future__ import annotations

import json
import socket

import pytest

from hector_salto.http_client.errors import AccountNotActiveError, ConfigurationError, RequestInfo
from hector_salto.http_client.timing import Timing
from salto.addresses import require_one_environment
from salto.client import SaltoReader
from salto.get_provider_info import get_provider_info
from salto.hook import SaltoHook, clear_grants, rate_limit_of

EXTRA = {
    "identity_url": "https://identity.example",
    "username": "sync@acme.example",
    "user_password": "word-4711",
}
GOOD = {"conn_type": "salto_ks", "host": "https://connect.example", "login": "client", "password": "client-s3cret"}


@pytest.fixture
def hook(monkeypatch):
    clear_grants()

    def make(extra=None, **fields):
        connection = GOOD | fields | {"extra": EXTRA | (extra or {})}
        monkeypatch.setenv("AIRFLOW_CONN_SALTO_CAMPUS", json.dumps(connection))
        return SaltoHook("salto_campus")

    return make


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"host": None}, "host"),
        ({"host": "http://connect.example"}, "http://"),
        ({"login": None}, "client id"),
        ({"password": " "}, "client secret"),
        ({"extra": {"identity_url": None}}, "identity_url"),
        ({"extra": {"identity_url": "http://identity.example"}}, "identity_url"),
        ({"extra": {"username": ""}}, "username"),
        ({"extra": {"user_password": ""}}, "user_password"),
        ({"extra": {"user_password": 5}}, "user_password in its extra fields that is no text: write it in quotes"),
        ({"extra": {"api_version": "v2"}}, r"v1\.1 and v1\.2"),
        ({"host": "https://connect.example/v2"}, r"v1\.1 and v1\.2"),
        (
            {"host": "https://connect.example/v1.2", "extra": {"api_version": "v1.1"}},
            "leave the version out of the host",
        ),
        ({"host": "https://identity.eu.my-clay.com"}, "identity server in its host .*into identity_url"),
        ({"host": "https://app.saltoks.com/sites"}, "dashboard in its host"),
        ({"extra": {"identity_url": "https://connect.my-clay.com"}}, "API in its identity_url"),
        ({"host": None, "login": "https://connect.my-clay.com"}, "address in its login: move"),
        ({"host": "localhost:8001"}, "without a scheme: write http:// or https://"),
        ({"host": "connect my-clay.com"}, "no usable host"),
        ({"host": "https:/connect.my-clay.com"}, "no usable host"),
        ({"host": "https//connect.my-clay.com"}, "no usable host"),
        ({"extra": {"identity_url": "https://https://identity.eu.my-clay.com"}}, "no usable identity_url"),
    ],
)
def test_a_missing_or_wrong_field_is_named(hook, fields, named):
    with pytest.raises(ConfigurationError, match=rf"salto_campus.*{named}"):
        hook(**fields).reader("x")


@pytest.mark.parametrize("version", ["v1.1", "v1.2", None, ""])
def test_the_version_is_a_segment_of_every_path(hook, web, version):
    web.get(f"https://connect.example/{version or 'v1.1'}/sites", json=[])

    good, message = hook(extra={"api_version": version}).test_connection()
    assert (good, "sees no site" in message) == (False, True)


def test_a_good_connection_lists_its_sites(hook, web):
    web.get(
        "https://connect.example/v1.1/sites",
        json=[
            {"id": "1", "site_uid": "DE2", "customer_reference": "B"},
            {"id": "2", "site_uid": "DE1", "customer_reference": "A"},
        ],
    )

    assert hook().test_connection() == (True, "Connected; sites: A (DE1), B (DE2)")


def test_a_bad_connection_says_what_to_do_without_telling_secrets(hook, web):
    web.replace("POST", "https://identity.example/connect/token", status=400, json={"error": "invalid_grant"})

    good, message = hook().test_connection()
    assert (good, "not active on this site yet" in message) == (False, True)
    assert not [secret for secret in ("word-4711", "client-s3cret", "sync@") if secret in message]


def test_reader_and_writer_of_a_site_share_one_budget(hook, web):
    site = {"id": "s1", "site_uid": "DE1", "customer_reference": "A"}
    single = site | {
        "time_zone": "UTC",
        "subscribed_user_amount": None,
        "subscription_valid": True,
        "owner": None,
        "installation_state": "self_installed",
    }
    web.get("https://connect.example/v1.1/sites", json=[site])
    web.get("https://connect.example/v1.1/sites/s1", json=single)
    made = hook()

    writer = made.writer("DE1")
    assert writer.site_id == "s1"
    assert (
        writer._transport._pacing
        is made.reader("DE1")._transport._pacing
        is rate_limit_of("https://connect.example", "de1 ")
    )
    assert rate_limit_of("https://connect.example", "DE2") is not rate_limit_of("https://connect.example", "DE1")


def test_tokens_and_passwords_are_given_to_airflows_masker(hook, web, monkeypatch):
    masked = []
    monkeypatch.setattr("salto.hook.mask_secret", masked.append)
    web.get("https://connect.example/v1.1/sites", json=[])

    hook().test_connection()
    assert {"word-4711", "jwt4711"} <= set(masked)


def test_all_of_a_process_share_one_token_of_an_account(hook, web):
    web.get("https://connect.example/v1.1/sites", json=[])
    first, second = hook(), hook()

    assert first.grant is second.grant
    assert first.grant is not hook(login="another").grant


def test_a_refused_account_is_asked_anew_by_the_next(hook, web):
    web.replace("POST", "https://identity.example/connect/token", status=400, json={"error": "invalid_grant"})
    first = hook().grant
    with pytest.raises(AccountNotActiveError):
        first.token()

    web.replace("POST", "https://identity.example/connect/token", json={"access_token": "jwt4712", "expires_in": 3600})
    assert hook().grant.token() == "jwt4712"


def test_trying_a_connection_asks_for_a_token_of_its_own(hook, web):
    web.get("https://connect.example/v1.1/sites", json=[])
    hook().grant.token()
    web.replace("POST", "https://identity.example/connect/token", status=400, json={"error": "invalid_grant"})

    assert hook().test_connection()[0] is False


def test_airflow_is_told_of_every_connection_type():
    types = {one["connection-type"]: one for one in get_provider_info()["connection-types"]}

    assert set(types) == {"hector", "hector_reports", "salto_ks"}
    assert types["salto_ks"]["conn-fields"]["user_password"]["schema"]["format"] == "password"
    assert types["hector"]["ui-field-behaviour"]["relabeling"] == {"host": "Base URL", "password": "Token"}


def test_a_test_that_nobody_answers_ends_at_once(hook):
    """Whoever presses Test reads what it is and which server, without five tries."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    waits = []
    asked = hook(extra={"identity_url": address})
    asked._timing = Timing(waits.append)

    good, message = asked.test_connection()
    assert (good, waits) == (False, [])
    assert f"identity server (connection salto_campus): GET /connect/token refuses connections at {address}" in message


SHAPES = {
    "text": json.dumps,
    "text in a text": lambda extra: json.dumps(json.dumps(extra)),
    "list of one": lambda extra: [extra],
    "list in a text": lambda extra: json.dumps([extra]),
    "with blanks": lambda extra: f" {json.dumps(extra)}\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_extra_fields_are_read_however_they_were_encoded(monkeypatch, shape):
    monkeypatch.setenv("AIRFLOW_CONN_SALTO_CAMPUS", json.dumps(GOOD | {"extra": SHAPES[shape](EXTRA)}))

    assert SaltoHook("salto_campus")._account.username == "sync@acme.example"


@pytest.mark.parametrize("extra", ["word", "[]", "[1, 2]", "5", '"word"', [EXTRA, EXTRA], '{"a": ', [["name", "x"]]])
def test_extra_fields_that_are_no_object_are_named(monkeypatch, extra):
    monkeypatch.setenv("AIRFLOW_CONN_SALTO_CAMPUS", json.dumps(GOOD | {"extra": extra}))

    with pytest.raises(ConfigurationError, match=r"salto_campus\) has extra fields that are no JSON object: write"):
        _ = SaltoHook("salto_campus")._grant


@pytest.mark.parametrize(
    ("fields", "base", "version"),
    [
        ({"host": "https://connect.my-clay.com/"}, "https://connect.my-clay.com", "v1.1"),
        ({"host": "connect.my-clay.com"}, "https://connect.my-clay.com", "v1.1"),
        ({"host": "//connect.my-clay.com"}, "https://connect.my-clay.com", "v1.1"),
        ({"host": "https://connect.my-clay.com/v1.1"}, "https://connect.my-clay.com", "v1.1"),
        ({"host": "https://connect.my-clay.com/v1.2/sites/"}, "https://connect.my-clay.com", "v1.2"),
        ({"host": "https://connect.my-clay.com/swagger/index.html"}, "https://connect.my-clay.com", "v1.1"),
        ({"host": "https://connect.my-clay.com/connect/token"}, "https://connect.my-clay.com", "v1.1"),
        ({"host": "https://gateway.example/salto/v1.1"}, "https://gateway.example/salto", "v1.1"),
        ({"host": "\ufeff https://connect.my-clay.com\u200b\r\n"}, "https://connect.my-clay.com", "v1.1"),
        ({"host": "connect.my-clay.com", "schema": "https", "port": 8443}, "https://connect.my-clay.com:8443", "v1.1"),
        ({"host": "127.0.0.1", "schema": "http", "port": 9}, "http://127.0.0.1:9", "v1.1"),
        ({"host": None, "extra": {"url": "https://connect.my-clay.com"}}, "https://connect.my-clay.com", "v1.1"),
        ({"extra": {"api_version": " 1.2 "}}, "https://connect.example", "v1.2"),
    ],
)
def test_the_api_is_found_however_its_address_was_pasted(hook, fields, base, version):
    made = hook(**fields)

    assert (made._service.base_url, made._version) == (base, version)


@pytest.mark.parametrize(
    "given",
    [
        "https://identity.eu.my-clay.com",
        "identity.eu.my-clay.com/",
        "https://identity.eu.my-clay.com/connect/token",
        " https://identity.eu.my-clay.com/.well-known/openid-configuration\n",
    ],
)
def test_the_identity_server_is_found_however_its_address_was_pasted(hook, given):
    assert hook(extra={"identity_url": given})._grant._service.base_url == "https://identity.eu.my-clay.com"


def test_what_was_copied_along_with_a_secret_is_left_out(hook):
    account = hook(
        login=" client\n",
        password="\tclient-s3cret\r\n",
        extra={"username": " sync@a.example ", "user_password": "w 1\n"},
    )._account

    assert (account.client_id, account.client_secret) == ("client", "client-s3cret")
    assert (account.username, account.user_password) == ("sync@a.example", "w 1")


SITE = {"id": "5f0d1c1e-0000-4000-8000-000000000001", "site_uid": "DE1", "customer_reference": "North"}


def test_the_connection_alone_gives_a_client_where_the_account_sees_one_site(hook, web):
    web.get("https://connect.example/v1.1/sites", json=[SITE])

    assert isinstance(hook().get_conn(), SaltoReader)


@pytest.mark.parametrize("sites", [[], [SITE, SITE | {"id": SITE["id"][:-1] + "2", "site_uid": "DE2"}]])
def test_which_site_is_meant_must_be_said_where_it_is_not_plain(hook, web, sites):
    web.get("https://connect.example/v1.1/sites", json=sites)

    with pytest.raises(ConfigurationError, match=r"SaltoHook\(site="):
        hook().get_conn()


def test_a_hook_of_a_site_gives_its_client_without_looking_for_others(hook):
    hook()

    assert isinstance(SaltoHook("salto_campus", site="DE1").get_conn(), SaltoReader)


@pytest.mark.parametrize(
    ("host", "identity"),
    [
        ("https://connect.my-clay.com", "https://identity-acc.eu.my-clay.com"),
        ("https://clp-accept-user.saltoks.com", "https://identity.eu.my-clay.com"),
        ("https://connect.my-clay.com", "https://clp-accept-identityserver.my-clay.com"),
    ],
)
def test_an_api_and_an_identity_server_of_two_environments_are_a_clear_error(host, identity):
    with pytest.raises(ConfigurationError, match=r"accept.*production|production.*accept"):
        require_one_environment(host, identity, RequestInfo("Salto KS", "salto_campus"))


@pytest.mark.parametrize(
    ("host", "identity"),
    [
        ("https://connect.my-clay.com", "https://identity.eu.my-clay.com"),
        ("https://clp-accept-user.my-clay.com", "https://identity-acc.eu.my-clay.com"),
        ("https://proxy.acme.example", "https://identity-acc.eu.my-clay.com"),
    ],
)
def test_an_api_and_an_identity_server_of_one_environment_or_behind_a_proxy_are_fine(host, identity):
    require_one_environment(host, identity, RequestInfo("Salto KS", "salto_campus"))
