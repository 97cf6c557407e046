"""Looks at what no sync looks at: the shapes of lists, the published document, the settings of locks. It only reads."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from hector_salto.http_client.addresses import query
from hector_salto.http_client.errors import NotFoundError, RefusedError, RestError
from hector_salto.http_client.tag_numbers import pattern_of
from salto import payloads
from salto.oauth import GRANT_PATH
from salto.pages import quote_literal, read_all
from salto.versions import site_path

if TYPE_CHECKING:
    from hector_salto.http_client.tag_numbers import TagPattern
    from hector_salto.http_client.transport import Transport

INDEX = "/swagger/index.html"
DISCOVERY = "/.well-known/openid-configuration"
_DOCUMENT_PATH = re.compile(r"[\w./-]*swagger\.json")
_SUBSCRIPTION = TypeAdapter(payloads.SubscriptionPayload)
_SETTINGS = TypeAdapter(payloads.LockSettings)
_DISCOVERY = TypeAdapter(payloads.DiscoveryPayload)


@dataclass(frozen=True, slots=True)
class PageShape:
    """One page of a list, as it came.

    Attributes:
        status: HTTP; another than 200: refused, and everything else is empty.
        bare: a naked array instead of an envelope.
        items: how many it holds.
        count: what the envelope says.
        next_host: of the link to the next page; None: there is no link.
    """

    status: int
    bare: bool = False
    items: int = 0
    count: int | None = None
    next_host: str | None = None


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the identity server says of itself."""

    grant_types: tuple[str, ...]
    token_path_fits: bool


def read_discovery(identity: Transport) -> Discovery:
    """Return the identity server's discovery document.

    Raises:
        RestError: when it cannot be read.
    """
    found = identity.read(DISCOVERY, _DISCOVERY)
    fits = urlsplit(found.token_endpoint).path.endswith(GRANT_PATH)
    return Discovery(tuple(found.grant_types_supported or ()), fits)


class SaltoProbe:
    """Reads one site's oddities.

    :param transport: reads with the account's token.
    :param public: reads what needs no login, without it.
    """

    def __init__(self, transport: Transport, public: Transport, version: str, site_id: str) -> None:
        self._transport = transport
        self._public = public
        self._version = version
        self._site_id = site_id

    def page(self, *segments: str, **options: str) -> PageShape:
        """Return the shape of one page; ``options`` are OData's, without their dollar sign."""
        asked = query({f"${name}": value for name, value in options.items()})
        try:
            _, value = self._transport.get(self._transport.url(self._path(*segments), asked))
        except (RefusedError, NotFoundError) as error:
            return PageShape(error.status or 0)
        if isinstance(value, list):
            return PageShape(200, bare=True, items=len(value))
        page: dict[str, Any] = value if isinstance(value, dict) else {}
        link = page.get("next_page_link")
        return PageShape(
            200,
            items=len(page.get("items") or ()),
            count=page.get("count"),
            next_host=urlsplit(str(link)).hostname if link else None,
        )

    def filtered(self, *segments: str, field: str, text: str) -> PageShape:
        """Return the page of a list that an OData filter gives."""
        return self.page(*segments, filter=f"{field} eq {quote_literal(text)}", inlinecount="allpages")

    def subscription(self) -> payloads.SubscriptionPayload:
        return self._transport.read(self._path("subscription"), _SUBSCRIPTION)

    def look_back_days(self, lock_id: str) -> int:
        """Days for which a lock that is offline lets in the keys it remembers (salto_connect_api.md, 11.10)."""
        path = self._path("locks", lock_id, "settings")
        return self._transport.read(path, _SETTINGS).offline_access_by_audit_trail_day_count

    def tag_patterns(self) -> Counter[TagPattern]:
        """Count how the site's tag numbers are written; no number leaves this client."""
        tags = read_all(self._transport, self._path("tags"), payloads.Tag)
        return Counter(pattern for tag in tags if (pattern := pattern_of(tag.tag_number)) is not None)

    def published_document(self) -> dict[str, Any] | None:
        """Return the API's own description (OpenAPI); None: it is not published."""
        try:
            index = self._public.text(INDEX)
            found = _DOCUMENT_PATH.search(index)
            path = found[0] if found else f"/swagger/{self._version}/swagger.json"
            _, value = self._public.get(self._public.url(path if path.startswith("/") else f"/swagger/{path}"))
        except RestError:
            return None
        return value if isinstance(value, dict) and isinstance(value.get("paths"), dict) else None

    def _path(self, *segments: str) -> str:
        return site_path(self._version, self._site_id, *segments)
