"""Salto's addresses as people paste them from its documentation, its dashboard or a browser."""

from __future__ import annotations

import re

from urllib3.util import Url, parse_url

from hector_salto.http_client.errors import ConfigurationError, RequestInfo

SALTO_DOMAINS = (".my-clay.com", ".saltoks.com")  # Salto's own hosts serve both services at their root
API_URL, IDENTITY_URL = "https://connect.my-clay.com", "https://identity.eu.my-clay.com"
ACCEPT_URLS = "https://clp-accept-user.my-clay.com", "https://identity-acc.eu.my-clay.com"
_VERSION_SEGMENT = re.compile(r"v\d+(\.\d+)?", re.ASCII | re.IGNORECASE)
_API_SUFFIXES = frozenset({"swagger"})
_IDENTITY_SUFFIXES = frozenset({"connect", ".well-known"})


def api_address(address: str, field: str, exchange: RequestInfo) -> tuple[str, str | None]:
    """Return the API's address without what follows it, and the version that stood in its path.

    Raises:
        ConfigurationError: when it is the address of something else of Salto's.
    """
    url = parse_url(address)
    _refuse_other_service(
        url, field, exchange, {"identity": f"put {API_URL} there, and this address into identity_url"}
    )
    segments = _segments(url)
    version = next((one.lower() for one in segments if _VERSION_SEGMENT.fullmatch(one)), None)
    ends = [place for place, one in enumerate(segments) if _VERSION_SEGMENT.fullmatch(one) or one in _API_SUFFIXES]
    return _keep_segments(url, segments[: min(ends, default=len(segments))]), version


def identity_address(address: str, field: str, exchange: RequestInfo) -> str:
    """Return the identity server's address without what follows it.

    Raises:
        ConfigurationError: when it is the address of something else of Salto's.
    """
    url = parse_url(address)
    _refuse_other_service(url, field, exchange, {"api": f"put {IDENTITY_URL} there, and this address into host"})
    segments = _segments(url)
    ends = [place for place, one in enumerate(segments) if one in _IDENTITY_SUFFIXES]
    return _keep_segments(url, segments[: min(ends, default=len(segments))])


def environment_of(address: str) -> str | None:
    """Return which environment of Salto's an address belongs to, accept or production; None: no host of Salto's."""
    url = parse_url(address)
    if not _is_salto_host(url):
        return None
    first = (url.host or "").partition(".")[0]
    return "accept" if "accept" in first or first.endswith("-acc") else "production"


def require_one_environment(api: str, identity: str, exchange: RequestInfo) -> None:
    """Check that a token of the identity server is one that the API takes.

    Raises:
        ConfigurationError: when one is of the accept environment and the other of production.
    """
    found = {environment_of(api), environment_of(identity)} - {None}
    if len(found) > 1:
        raise ConfigurationError(
            exchange,
            f"has the API of Salto's {environment_of(api)} environment and the identity server of {environment_of(identity)}",
            f"for production: host {API_URL}, identity_url {IDENTITY_URL}; for accept: host {ACCEPT_URLS[0]}, identity_url "
            f"{ACCEPT_URLS[1]}",
        )


def _refuse_other_service(url: Url, field: str, exchange: RequestInfo, others: dict[str, str]) -> None:
    part = _service_of(url)
    step = {"app": f"put the address of Salto's service there, such as {API_URL} or {IDENTITY_URL}"} | others
    if part in step:
        names = {"app": "dashboard", "identity": "identity server", "api": "API"}
        raise ConfigurationError(exchange, f"has the address of Salto's {names[part]} in its {field}", step[part])


def _service_of(url: Url) -> str | None:
    """Return which part of Salto lives at one of its own hosts: app, identity, api; None: not known."""
    host = url.host or ""
    if not _is_salto_host(url):
        return None
    first = host.partition(".")[0]
    if first.startswith("app"):
        return "app"
    return "identity" if "identity" in first else "api"


def _is_salto_host(url: Url) -> bool:
    return (url.host or "").endswith(SALTO_DOMAINS)


def _segments(url: Url) -> list[str]:
    return [segment for segment in (url.path or "").split("/") if segment]


def _keep_segments(url: Url, segments: list[str]) -> str:
    path = "" if _is_salto_host(url) else "".join(f"/{segment}" for segment in segments)
    return url._replace(path=path or None).url
