"""Salto's door events: a list whose pages go on by a token in a header (salto_connect_api.md, section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from hector_salto.http_client.addresses import query, same_service
from hector_salto.http_client.errors import IncompleteReadError, MalformedAnswerError
from hector_salto.http_client.pagination import PageLimit
from hector_salto.http_client.service_response import validate_payload
from salto.payloads import DoorEvent, Payload

if TYPE_CHECKING:
    from hector_salto.http_client.transport import Transport

MAX_EMPTY_PAGES = 1000  # a document database gives a page for each part that it has searched, also without a find
CONTINUATION_HEADER = "CLP-Continuation-Token"


class _EventPage(Payload):
    items: list[DoorEvent]
    continuation_token: str | None = None
    next_page_link: str | None = None


_EVENT_PAGE = TypeAdapter(_EventPage)


def read_events(transport: Transport, path: str, where: str) -> list[DoorEvent]:
    """Every event that an OData filter names.

    Raises:
        IncompleteReadError: when its pages go in a circle.
        MalformedAnswerError: when an answer is not what the contract says.
    """
    url, token = transport.url(path, query({"$filter": where})), None
    found: dict[str, DoorEvent] = {}
    seen: set[tuple[str, str | None]] = set()
    bound = PageLimit(transport.service.request_info("GET", path), MAX_EMPTY_PAGES)
    while (url, token) not in seen:
        seen.add((url, token))
        exchange, value = transport.get(url, {CONTINUATION_HEADER: token} if token else None)
        page = validate_payload(exchange, _EVENT_PAGE, {"items": value} if isinstance(value, list) else value)
        found.update((event.id, event) for event in page.items)
        bound.count_page(len(found), None)
        token = page.continuation_token or None
        if token is None and page.next_page_link is None:
            return list(found.values())
        if token is None:
            url = same_service(str(page.next_page_link), transport.service.base_url) or ""
            if not url:
                raise MalformedAnswerError(exchange, "links to a next page outside the API, which is never followed")
    raise IncompleteReadError(transport.service.request_info("GET", path), "links its pages in a circle")
