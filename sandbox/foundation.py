"""The smallest world that works: one site with its owner, the integration's account and one IQ, and an empty Hector."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from sandbox.hector_state import HectorState
from sandbox.salto_state import SaltoState, Site

SITE_UID = "DE4520000000"
SITE_NAME = "Rehearsal House"


@dataclass(frozen=True)
class Credentials:
    """What the two servers accept."""

    hector_token: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)
    username: str
    user_password: str = field(repr=False)

    @classmethod
    def of_seed(cls, seed: int) -> Credentials:
        return cls(
            hector_token=f"hec_{_word(seed, 'token')}",
            client_id="hector-salto-sandbox",
            client_secret=f"cls_{_word(seed, 'client')}",
            username="sync@campus.example",
            user_password=f"pwd_{_word(seed, 'password')}",
        )

    def connections(
        self, name: str, hector_url: str, salto_url: str, identity_url: str, *, api_version: str | None = None
    ) -> dict[str, str]:
        """Return the environment variables from which Airflow reads the two connections of an integration."""
        extra = {"identity_url": identity_url, "username": self.username, "user_password": self.user_password}
        if api_version:
            extra["api_version"] = api_version
        hector = {"conn_type": "hector", "host": hector_url, "password": self.hector_token}
        salto = {
            "conn_type": "salto_ks",
            "host": salto_url,
            "login": self.client_id,
            "password": self.client_secret,
            "extra": extra,
        }
        return {
            f"AIRFLOW_CONN_HECTOR_{name.upper()}": json.dumps(hector),
            f"AIRFLOW_CONN_SALTO_{name.upper()}": json.dumps(salto),
        }


@dataclass
class Scenario:
    """Two states and the credentials that open them."""

    hector: HectorState
    salto: SaltoState
    credentials: Credentials


def empty(
    *, zone: str = "America/Toronto", seed: int = 1, seats: int | None = None, with_attribute: bool = True
) -> Scenario:
    """No rooms, no bookings; the owner, the integration's own account and one IQ exist."""
    hector = empty_hector(zone)
    if with_attribute:
        hector.add_attribute("salto_lock_id", "Salto Lock Id")
    return Scenario(hector, empty_salto(zone, seed, seats), Credentials.of_seed(seed))


def empty_hector(zone: str) -> HectorState:
    environment = {
        "instance_id": "campus",
        "name": "Campus",
        "time_zone": zone,
        "language": "en",
        "api_token_expires_at": "2099-01-01T00:00:00+00:00",
    }
    return HectorState(environment=environment)


def empty_salto(zone: str, seed: int, seats: int | None) -> SaltoState:
    salto = SaltoState(Site("", SITE_NAME, SITE_UID, zone, subscribed_user_amount=seats), seed=seed)
    salto.site.id = salto.new_id("site")
    salto.add_member("owner@campus.example", "Odile", "Marchand", roles=["site_owner"], has_profile=True)
    username = Credentials.of_seed(seed).username
    salto.acting_member_id = salto.add_member(username, "Hector", "Sync", roles=["site_admin"], has_profile=True)
    salto.add_iq("IQ Main", zone)
    return salto


def _word(seed: int, purpose: str) -> str:
    return hashlib.sha256(f"{seed}/{purpose}".encode()).hexdigest()[:32]
