"""A clock that only moves when somebody sleeps, and a service that refuses in Salto's way."""

from __future__ import annotations

import pytest

from hector_salto.http_client.errors import RefusedError
from hector_salto.http_client.rate_limit import RateLimit
from hector_salto.http_client.timing import Timing
from hector_salto.http_client.transport import FixedToken, Service, Transport

TOKEN = "eyJtokenWithoutEnd4711"


class FakeTime:
    """Sleeping takes no time and moves the clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    @property
    def timing(self) -> Timing:
        return Timing(self.sleep, lambda: self.now)


@pytest.fixture
def fake_time():
    return FakeTime()


@pytest.fixture
def open_transport(fake_time):
    def build(base_url="https://api.example", *, verbs=("GET", "POST", "PATCH", "PUT", "DELETE"), bearer=None):
        service = Service(
            "Salto KS", "salto_campus", base_url, lambda exchange, _said: RefusedError(exchange, "no"), "fix it"
        )
        pacing = RateLimit(rate=1000, timing=fake_time.timing)
        return Transport(
            service, bearer or FixedToken(TOKEN), verbs=frozenset(verbs), pacing=pacing, timing=fake_time.timing
        )

    return build
