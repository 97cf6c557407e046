"""Which addresses may be called at all: https, or http on this machine; and only the service's own host."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from hector_salto.http_client.errors import ConfigurationError, RequestInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

PORTS = {"https": 443, "http": 80}


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def base_address(address: str, field: str, exchange: RequestInfo) -> str:
    """The address from a connection's field, without a trailing slash.

    Raises:
        ConfigurationError: naming the field, when it is not an https address (http only on this machine).
    """
    url = _parse(address.strip())
    # A scheme in the host's place is left by "https:/name", or by one that was pasted twice.
    is_usable = url is not None and url.scheme in PORTS and url.host not in PORTS
    if url is None or not url.host or not is_usable or url.auth or url.query or url.fragment:
        raise ConfigurationError(exchange, f'has no usable {field}: give an address like "https://name.example"')
    if url.scheme == "http" and not is_loopback(url.host):
        raise ConfigurationError(
            exchange,
            f"has an http:// {field}, over which its secrets would travel readable",
            f"make the {field} https://",
        )
    return url.url.rstrip("/")


def origin(address: str) -> str:
    """Return scheme, host and port of an address, as an error may show them."""
    url = _parse(address)
    return Url(url.scheme, host=url.host, port=url.port).url if url is not None else ""


def same_service(link: str, base: str) -> str | None:
    """The server's link to a next page, or None when following it would take the token elsewhere.

    Read with urllib3's own parser, the one that will send it: no second reading to disagree with.
    """
    url, home = _parse(link), parse_url(base)
    if url is None or url.auth is not None or "\\" in link or url.host is None or url.host != home.host:
        return None
    if url.scheme == "http" and home.scheme == "https" and url.port in {None, PORTS["http"], home.port}:
        # Behind a TLS proxy the service writes its links with the scheme it sees itself.
        url = url._replace(scheme="https", port=home.port)
    return url.url if _origin(url) == _origin(home) else None


def on_own_host(link: str, base: str, path: str) -> str | None:
    """A link on another host, on our own: only where it names the very list that was asked for, by this path."""
    url, home = _parse(link), parse_url(base)
    if url is None or url.auth is not None or "\\" in link or url.scheme not in PORTS or not url.host:
        return None
    asked = f"{(home.path or '').rstrip('/')}{path}"
    if url.path not in {asked, path}:
        return None
    return home._replace(path=asked, query=url.query).url


def segment(identifier: str) -> str:
    """An id as one segment of a path: whatever it holds, it names nothing but itself."""
    if identifier in {"", ".", ".."}:
        raise ValueError(f'"{identifier}" cannot be an id in a path')
    return quote(identifier, safe="")


def query(parameters: Mapping[str, str]) -> str:
    """The query string; spaces as %20, which every reader of OData filters understands."""
    return urlencode(parameters, safe="$/',()", quote_via=quote)


def _parse(address: str) -> Url | None:
    if any(letter.isspace() or not letter.isprintable() for letter in address):
        return None
    try:
        return parse_url(address)
    except LocationParseError:
        return None


def _origin(url: Url) -> tuple[str | None, str | None, int | None]:
    return url.scheme, url.host, url.port or PORTS.get(url.scheme or "")
