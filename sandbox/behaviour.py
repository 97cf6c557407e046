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

    ``grant_types`` is what the discovery document lists; ``token_error`` is what the token endpoint answers whatever is sent.

    Each switch from ``bare_arrays_cut`` to ``schedule_dates`` is an assumption of docs/assumptions.md that can fall both
    ways. ``tag_cleared_by``: "empty" ignores a null, "empty_only" refuses it. ``search="no_emails"`` finds everybody and
    hides the emails; "site_users" finds only users of the site. Without ``seat_without_tag`` a person takes a seat
    with the tag, by themselves or (``seat_with_tag``) when a client asks for it. ``schedule_dates="without_time"`` shows
    dates of midnight to the day.

    ``page_size`` and ``hector_page_size`` are default and maximum alike. ``acting_site_admin=False`` shows the acting
    account as a mere site_user; ``account_active=False`` lets the token endpoint refuse it;
    ``plain_client=True`` makes it take client id and secret as they are, not form-encoded. ``hector_clock_ahead`` and
    ``salto_clock_ahead`` move the header Date of every answer by so many seconds.
    """

    page_size: int = 100
    hector_page_size: int = 200
    bare_arrays: Literal["off", "sites", "users", "all"] = "off"
    bare_arrays_cut: bool = False  # at page_size, without a word about the rest
    list_count: Literal["all", "page", "none"] = "all"
    next_link_host: str | None = None  # an alias of the host, as https://clp-accept-user.saltoks.com
    filter_case: Literal["minded", "ignored"] = "minded"
    search: Literal["emails", "no_emails", "site_users"] = "emails"
    tag_cleared_by: Literal["null", "empty", "empty_only", "nothing"] = "null"
    repeated_changes: Literal["accepted", "refused"] = "accepted"
    group_names: Literal["repeatable", "unique"] = "repeatable"
    seat_without_tag: bool = True
    seat_with_tag: Literal["at_once", "when_asked"] = "at_once"
    expired_schedules: Literal["stay", "go"] = "stay"
    schedule_dates: Literal["as_sent", "without_time"] = "as_sent"
    creation_lag_seconds: float = 0.0
    delete_lag_seconds: float = 10.0
    token_seconds: int = 3600
    grant_types: tuple[str, ...] = ("authorization_code", "password", "refresh_token", "client_credentials")
    token_error: str | None = None  # as unauthorized_client
    published_document: bool = True
    acting_site_admin: bool = True
    account_active: bool = True
    plain_client: bool = False
    salto_throttle: Throttle | None = None
    hector_throttle: Throttle | None = None
    hector_clock_ahead: float = 0.0
    salto_clock_ahead: float = 0.0
