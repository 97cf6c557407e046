"""Hector at an address that does not exist, answering what a test says."""

from __future__ import annotations

import pytest
import responses

from hector.client import WRITE_METHODS, HectorReader, HectorWriter, hector_service, hector_transport
from hector_salto.http_client.rate_limit import RateLimit
from hector_salto.http_client.timing import Timing

BASE = "https://acme.example/api/v1"


@pytest.fixture
def sleeps():
    return []


@pytest.fixture
def timing(sleeps):
    return Timing(sleeps.append, lambda: 1000.0 + sum(sleeps))


@pytest.fixture
def web():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        yield mocked


@pytest.fixture
def reader(web, timing):
    pacing = RateLimit(rate=1000, timing=timing)
    return HectorReader(
        hector_transport(hector_service(BASE, "hector_campus"), "tok4711", pacing=pacing, timing=timing)
    )


@pytest.fixture
def writer(web, timing):
    pacing = RateLimit(rate=1000, timing=timing)
    service = hector_service(BASE, "hector_campus")
    return HectorWriter(hector_transport(service, "tok4711", pacing=pacing, timing=timing, verbs=WRITE_METHODS))


@pytest.fixture
def answer(web):
    """Answers to GET of a path, one after the other, the last one for ever."""

    def give(path, *pages):
        for page in pages:
            web.get(f"{BASE}{path}", json=page)

    return give
