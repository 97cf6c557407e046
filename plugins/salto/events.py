"""Salto's door events: a list whose pages go on by a token in a header (salto_connect_api.md, section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from hector_salto.http_client.addresses import query, same_service
from hector_salto.http_client.answers import validated
from hector_salto.http_client.errors import IncompleteReadError, MalformedAnswerError
from hector_salto.http_client.paging import PageBound
from salto.payloads import DoorEvent, Payload

if TYPE_CHECKING:
    from hector_salto.http_client.transport import Transport

MOST_EMPTY = 1000  # a document database gives a page for each part that it has searched, also without a find
HEADER = "CLP-Continuation-Token"


class _Page(Payload):
    items: list[DoorEvent]
    continuation_token: str | None = None
    next_page_link: str | None = None


_PAGE = TypeAdapter(_Page)


def read_events(transport: Transport, path: str, where: str) -> list[DoorEvent]:
    """Every event that an OData filter names.

    Raises:
        IncompleteReadError: when its pages go in a circle.
        MalformedAnswerError: when an answer is not what the contract says.
    """
    url, token = transport.url(path, query({"$filter": where})), None
    found: dict[str, DoorEvent] = {}
    seen: set[tuple[str, str | None]] = set()
    bound = PageBound(transport.service.exchange("GET", path), MOST_EMPTY)
    while (url, token) not in seen:
        seen.add((url, token))
        exchange, value = transport.get(url, {HEADER: token} if token else None)
        page = validated(exchange, _PAGE, {"items": value} if isinstance(value, list) else value)
        found.update((event.id, event) for event in page.items)
        bound.turn(len(found), None)
        token = page.continuation_token or None
        if token is None and page.next_page_link is None:
            return list(found.values())
        if token is None:
            url = same_service(str(page.next_page_link), transport.service.base_url) or ""
            if not url:
                raise MalformedAnswerError(exchange, "links to a next page outside the API, which is never followed")
    raise IncompleteReadError(transport.service.exchange("GET", path), "links its pages in a circle")
