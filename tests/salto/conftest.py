"""Salto KS at an address that does not exist, answering what a test says."""

from __future__ import annotations

import pytest
import responses

from hector_salto.http_client.rate_limit import RateLimit
from hector_salto.http_client.timing import Timing
from hector_salto.http_client.transport import READ_METHODS, Service, Transport
from salto.client import SaltoReader
from salto.errors import UNAUTHORIZED_STEP, error_for_refusal
from salto.oauth import AccountCredentials, PasswordGrant
from salto.writer import WRITE_METHODS, SaltoWriter

API = "https://connect.example"
IDENTITY = "https://identity.example"
SITE = "0b5f6f0e-0000-4000-8000-000000000001"
LISTED = {
    "id": SITE,
    "customer_reference": "Rehearsal House",
    "site_uid": "DE4520000000",
    "country_code": "DE",
    "time_zone": "Europe/Berlin",
    "subscribed_user_amount": 50,
    "subscription_valid": True,
    "owner": {"id": "own-p", "first_name": "A", "last_name": "B", "email": "a@example.org", "has_profile": True},
    "installation_state": "released",
}
SINGLE = LISTED | {"active_user_amount": 47}


@pytest.fixture
def sleeps():
    return []


@pytest.fixture
def timing(sleeps):
    return Timing(sleeps.append, lambda: 1000.0 + sum(sleeps))


@pytest.fixture
def web():
    """Registered answers are given in order, the last one for ever; the token and the site are there."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        mocked.post(f"{IDENTITY}/connect/token", json={"access_token": "jwt4711", "expires_in": 3600})
        yield mocked


@pytest.fixture
def grant(timing):
    account = AccountCredentials("client-id", "client-s3cret", "sync@acme.example", "pässword&+ 1")
    return PasswordGrant(IDENTITY, account, "salto_campus", timing=timing)


@pytest.fixture
def transport(grant, timing):
    def build(verbs):
        service = Service("Salto KS", "salto_campus", API, error_for_refusal, UNAUTHORIZED_STEP)
        return Transport(service, grant, verbs=verbs, pacing=RateLimit(rate=1000, timing=timing), timing=timing)

    return build


@pytest.fixture
def unresolved(web, transport):
    return SaltoReader(transport(READ_METHODS), "v1.1", "DE4520000000")


@pytest.fixture
def reader(web, unresolved):
    web.get(f"{API}/v1.1/sites", json={"items": [LISTED], "next_page_link": None, "count": 1})
    web.get(f"{API}/v1.1/sites/{SITE}", json=SINGLE)
    return unresolved


@pytest.fixture
def writer(web, transport):
    return SaltoWriter(transport(WRITE_METHODS), "v1.1", SITE)


@pytest.fixture
def calls(web):
    """What was asked of the API below the site, without token requests and without finding the site."""

    def asked():
        below = f"{API}/v1.1/sites/{SITE}/"
        found = [call.request for call in web.calls if call.request.url.startswith(below)]
        return [(request.method, request.url.removeprefix(below)) for request in found]

    return asked
