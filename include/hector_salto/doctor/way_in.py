"""The way in: addresses, client, account, clocks, and the site with its rights and seats."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hector_salto.doctor.finding import differs, holds, judged, unknown
from hector_salto.http_client.clock_skew import MAX_DIFFERENCE
from hector_salto.http_client.errors import ConfigurationError, RestError
from salto.addresses import environment_of, require_one_environment
from salto.oauth import BACKEND_STEP
from salto.used_operations import USED_OPERATIONS
from salto.versions import FIXED_VERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hector_salto.doctor.finding import Finding
    from hector_salto.doctor.subject import Subject
    from hector_salto.http_client.clock_skew import ClockReading
    from salto.models import SaltoSite

TOKEN_NOTICE = timedelta(days=14)
SHORT_TOKEN = 300.0  # seconds
CLOCK_STEP = "set the clocks right (NTP keeps a machine's): windows open by them"


def look_at_hector(subject: Subject) -> Iterator[Finding]:
    reader = subject.hector.reader
    environment = reader.environment()
    yield holds("hector-reached", f"{environment.name} ({environment.instance_id}) at {subject.hector.base_url}")
    ends = environment.api_token_expires_at
    if ends is None:
        yield holds("hector-token", "accepted; it has no end")
    else:
        fits = ends - subject.now > TOKEN_NOTICE
        yield judged(
            "hector-token", fits, f"accepted; it ends at {ends:%Y-%m-%d %H:%M} UTC", "make a new token in Hector"
        )
    yield _clock("clock-hector", reader.clock)


def look_at_salto(subject: Subject) -> Iterator[Finding]:
    api, identity = subject.salto.addresses
    yield _pair(subject, api, identity)
    yield from _discovery(subject, identity)
    grant = subject.salto.grant
    grant.token()
    yield holds("salto-account", "client and account got a token")
    seconds = grant.lifetime or 0.0
    yield judged(
        "salto-token-life",
        seconds >= SHORT_TOKEN,
        f"{seconds:.0f} s",
        "ask Salto for a longer life of tokens: each is fetched with the account's password",
        matters=False,
    )


def _pair(subject: Subject, api: str, identity: str) -> Finding:
    kinds = environment_of(api), environment_of(identity)
    try:
        require_one_environment(api, identity, subject.salto.request_info)
    except ConfigurationError as error:
        return differs("salto-pair", f"{kinds[0]} and {kinds[1]}", error.next_step, matters=True)
    if None in kinds:
        return unknown("salto-pair", f"{api} and {identity} are not both hosts of Salto's")
    return holds("salto-pair", f"both {kinds[0]}")


def _discovery(subject: Subject, identity: str) -> Iterator[Finding]:
    """The document may be missing where the token endpoint works; whether the host answers shows all the same."""
    try:
        found = subject.salto.discovery()
    except RestError as error:
        if error.status is None:
            raise
        yield holds("salto-reached", identity)
        yield unknown("salto-grant", f"no discovery document ({error.status})")
        return
    yield holds("salto-reached", identity)
    listed = ", ".join(found.grant_types)
    if not found.grant_types:
        yield unknown("salto-grant", "the discovery document lists no grant types")
    else:
        yield judged("salto-grant", "password" in found.grant_types, listed, BACKEND_STEP, matters=False)


def look_at_site(subject: Subject) -> Iterator[Finding]:
    yield from look_at_account(subject)
    yield from _versions(subject)


def look_at_account(subject: Subject) -> Iterator[Finding]:
    """What of the site concerns the account: a few requests."""
    site = subject.reader.site
    wanted = subject.integration.site_id
    way = "site UID" if wanted.casefold() == site.site_uid.casefold() else "UUID" if wanted == site.site_id else "name"
    yield holds("site-found", f"{site.name} ({site.site_uid}), named by its {way}")
    me = subject.reader.require_site_admin()
    yield holds("site-role", " ".join(me.role_codes))
    yield holds("site-released", _released(subject, site))
    yield _seats(site)
    yield _clock("clock-salto", subject.reader.clock())


def _released(subject: Subject, site: SaltoSite) -> str:
    found = subject.probe.subscription()
    ends = f"until {found.end_date}" if found.end_date else "without an end"
    features = " ".join(sorted(feature.code for feature in found.features)) or "none listed"
    return f"{site.installation_state}; subscription {ends}; features: {features}"


def _seats(site: SaltoSite) -> Finding:
    if site.seats is None:
        return holds("site-seats", "no limit")
    if site.seats_used is None:
        return unknown("site-seats", f"{site.seats} allowed, Salto does not say how many are taken")
    free = site.seats - site.seats_used
    step = "buy seats, or set provision_users: with_reservations"
    return judged("site-seats", free > 0, f"{site.seats_used} of {site.seats} are taken", step)


def _versions(subject: Subject) -> Iterator[Finding]:
    """Ask each list that needs no id in the version that it is used in."""
    refused = []
    lists = [one.path.strip("/") for one in USED_OPERATIONS if one.method == "GET" and one.path.count("/") == 1]
    for name in lists:
        shape = subject.probe.page(name) if name in {"entries", "me"} else subject.probe.page(name, top="1")
        if shape.status >= 400:  # noqa: PLR2004 - HTTP's own classes
            refused.append(f"{name} ({shape.status})")
    fixed = ", ".join(f"{name} {version}" for name, version in FIXED_VERSIONS.items())
    seen = f"{len(lists) - len(refused)} of {len(lists)} answer: {fixed}, others {subject.salto.version}"
    step = f"not answered: {', '.join(refused)}; set api_version of the connection to v1.1, else report it"
    yield judged("api-versions", not refused, seen, step)


def _clock(assumption: str, reading: ClockReading) -> Finding:
    if reading.ahead is None:
        return unknown(assumption, "no answer carries a Date")
    seen = f"{abs(reading.ahead):.0f} s {'ahead of' if reading.ahead > 0 else 'behind'} this machine's"
    return judged(assumption, abs(reading.ahead) <= MAX_DIFFERENCE, seen, CLOCK_STEP)
