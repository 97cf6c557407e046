"""Every switch of the sandbox: how its two servers behave, apart from what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Throttle:
    """At most ``limit`` requests in a fixed window that the first request opens.

    Refused ones do not extend the window. ``per_endpoint`` counts each method and path pattern for itself.
    """

    limit: int
    window_seconds: float = 60.0
    retry_after: bool = True
    per_endpoint: bool = False


@dataclass(frozen=True)
class Behaviour:
    """How the servers behave; change it while they run with ``sandbox.change(page_size=3)``.

    ``page_size`` and ``hector_page_size`` are default and maximum alike. ``acting_site_admin=False`` shows the acting
    account as a mere site_user; ``account_active=False`` lets the token endpoint refuse it;
    ``plain_client=True`` makes it take client id and secret as they are, not form-encoded. ``hector_clock_ahead`` and
    ``salto_clock_ahead`` move the header Date of every answer by so many seconds.
    """

    page_size: int = 100
    hector_page_size: int = 200
    bare_arrays: Literal["off", "sites", "users", "all"] = "off"
    creation_lag_seconds: float = 0.0
    delete_lag_seconds: float = 10.0
    token_seconds: int = 3600
    acting_site_admin: bool = True
    account_active: bool = True
    plain_client: bool = False
    salto_throttle: Throttle | None = None
    hector_throttle: Throttle | None = None
    hector_clock_ahead: float = 0.0
    salto_clock_ahead: float = 0.0
