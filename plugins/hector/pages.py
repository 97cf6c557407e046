"""Hector's lists: all of it, or an error. From half a list users would lose access."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter

from hector.payloads import HectorRecord, Page
from hector_salto.http_client.addresses import query
from hector_salto.http_client.errors import IncompleteReadError
from hector_salto.http_client.pagination import PageLimit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hector_salto.http_client.transport import Transport

E = TypeVar("E", bound=HectorRecord)
PAGE_SIZE = "200"


def read_all(transport: Transport, path: str, entry: type[E], parameters: Mapping[str, str] | None = None) -> list[E]:
    """Every entry of a list.

    Raises:
        IncompleteReadError: when two reads from the start each missed something.
    """
    try:
        return _read_once(transport, path, entry, parameters or {})
    except IncompleteReadError:  # the list may have been edited between two pages: once more from the start
        return _read_once(transport, path, entry, parameters or {})


def _read_once(transport: Transport, path: str, entry: type[E], parameters: Mapping[str, str]) -> list[E]:
    exchange = transport.service.request_info("GET", path)
    entries: dict[str, E] = {}
    read = 0
    totals: set[int] = set()
    bound = PageLimit(exchange)
    for page in _pages(transport, path, entry, parameters):
        read += len(page.items)
        totals.add(page.total)
        entries.update((one.id, one) for one in page.items)
        if len(entries) != read:
            raise IncompleteReadError(exchange, "gave an entry twice, so another may be missing")
        if len(totals) > 1:
            raise IncompleteReadError(exchange, "changed its total between two pages")
        bound.count_page(read, page.total)
    if totals != {read}:
        raise IncompleteReadError(exchange, f"gave {read} of {max(totals)} entries")
    return list(entries.values())


def _pages(transport: Transport, path: str, entry: type[E], parameters: Mapping[str, str]) -> Iterator[Page[E]]:
    adapter: TypeAdapter[Page[E]] = TypeAdapter(Page[entry])  # type: ignore[valid-type]  # known at run time only
    asked, seen = {**parameters, "limit": PAGE_SIZE}, set[str]()
    while True:
        page = transport.read(path, adapter, query(asked))
        yield page
        if page.next_cursor is None:
            return
        if page.next_cursor in seen:
            raise IncompleteReadError(transport.service.request_info("GET", path), "gave the same page mark twice")
        seen.add(page.next_cursor)
        asked["cursor"] = page.next_cursor
