"""Salto's lists: all of it, or an error. Envelope or bare array, next pages by the server's own links."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter

from hector_salto.http_client.addresses import query, same_service
from hector_salto.http_client.errors import IncompleteReadError, MalformedAnswerError
from hector_salto.http_client.pagination import PageLimit
from hector_salto.http_client.service_response import validate_payload
from salto.payloads import Page, SaltoRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hector_salto.http_client.transport import Transport

E = TypeVar("E", bound=SaltoRecord)
_ANY_PAGE: TypeAdapter[Page[SaltoRecord]] = TypeAdapter(Page[SaltoRecord])


def read_all(transport: Transport, path: str, entry: type[E], where: str | None = None) -> list[E]:
    """Every entry of a list, or of those an OData filter names.

    Raises:
        IncompleteReadError: when two reads from the start each missed something.
    """
    try:
        return _read_once(transport, path, entry, where)
    except IncompleteReadError:  # the list may have been edited between two pages: once more from the start
        return _read_once(transport, path, entry, where)


def count_entries(transport: Transport, path: str) -> int | None:
    """How many entries a list has, without reading them; None: Salto does not say."""
    exchange, value = transport.get(transport.url(path, query({"$inlinecount": "allpages", "$top": "1"})))
    return None if isinstance(value, list) else validate_payload(exchange, _ANY_PAGE, value).count


def quote_literal(text: str) -> str:
    """A text inside an OData filter."""
    return "'" + text.replace("'", "''") + "'"


def _read_once(transport: Transport, path: str, entry: type[E], where: str | None) -> list[E]:
    exchange = transport.service.request_info("GET", path)
    entries: dict[str, E] = {}
    counts: set[int] = set()
    read, bound = 0, PageLimit(exchange)
    for page in _pages(transport, path, entry, where):
        read += len(page.items)
        counts.update(() if page.count is None else (page.count,))
        if any(entries.setdefault(one.id, one) != one for one in page.items):
            raise IncompleteReadError(exchange, "gave one entry twice, with different values")
        bound.count_page(len(entries), max(counts, default=None))
    if len(counts) > 1:
        raise IncompleteReadError(exchange, "changed its count between two pages")
    if (counts or {read}) != {len(entries)}:
        raise IncompleteReadError(exchange, f"gave {len(entries)} different entries of {max(counts or {read})}")
    if entries and not counts and _has_more(transport, path, entry, where, entries):
        raise IncompleteReadError(exchange, "neither counts its entries nor links to its next page, and goes on")
    return list(entries.values())


def _has_more(transport: Transport, path: str, entry: type[E], where: str | None, known: Mapping[str, E]) -> bool:
    """Whether a list without a count, a bare array say, holds more than it has shown: asked for, as nothing else tells."""
    beyond = {"$skip": str(len(known))} | ({} if where is None else {"$filter": where})
    exchange, value = transport.get(transport.url(path, query(beyond)))
    adapter: TypeAdapter[Page[E]] = TypeAdapter(Page[entry])  # type: ignore[valid-type]  # known at run time only
    page = validate_payload(exchange, adapter, {"items": value} if isinstance(value, list) else value)
    return any(one.id not in known for one in page.items)


def _pages(transport: Transport, path: str, entry: type[E], where: str | None) -> Iterator[Page[E]]:
    adapter: TypeAdapter[Page[E]] = TypeAdapter(Page[entry])  # type: ignore[valid-type]  # known at run time only
    parameters = {"$inlinecount": "allpages"} | ({} if where is None else {"$filter": where})
    url: str | None = transport.url(path, query(parameters))
    seen: set[str] = set()
    while url is not None:
        if url in seen:
            raise IncompleteReadError(transport.service.request_info("GET", path), "links its pages in a circle")
        seen.add(url)
        exchange, value = transport.get(url)
        page = validate_payload(exchange, adapter, {"items": value} if isinstance(value, list) else value)
        yield page
        url = _next_url(transport, path, page.next_page_link)


def _next_url(transport: Transport, path: str, link: str | None) -> str | None:
    if link is None:
        return None
    url = same_service(link, transport.service.base_url)
    if url is None:
        raise MalformedAnswerError(
            transport.service.request_info("GET", path), "links to a next page outside the API, which is never followed"
        )
    return url
