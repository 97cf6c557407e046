"""Salto's lists: all of it, or an error. Envelope or bare array, next pages by the server's own links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import TypeAdapter

from hector_salto.http_client.addresses import on_own_host, query, same_service
from hector_salto.http_client.errors import IncompleteReadError, MalformedAnswerError
from hector_salto.http_client.pagination import PageLimit
from hector_salto.http_client.service_response import validate_payload
from salto.payloads import Page, SaltoRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hector_salto.http_client.errors import RequestInfo
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
    listing = _Listing[E](transport.service.request_info("GET", path))
    for page in _pages(transport, path, entry, where):
        listing.add(page)
    found = listing.complete()
    if found and not listing.is_counted:
        for page in _pages_beyond(transport, path, entry, where, listing.entries):
            listing.add(page)
        found = listing.complete()
    return found


class _Listing(Generic[E]):
    """The entries of one list so far, and what the list says of its length.

    The contract's count is that of the whole list. A first page that links to another and counts no more than itself
    counts each page (docs/assumptions.md, list-count).
    """

    def __init__(self, exchange: RequestInfo) -> None:
        self.entries: dict[str, E] = {}
        self._exchange = exchange
        self._totals: set[int] = set()
        self._bound = PageLimit(exchange)
        self._read = 0
        self._counts_pages = False

    @property
    def is_counted(self) -> bool:
        return bool(self._totals)

    def add(self, page: Page[E]) -> None:
        """Take a page.

        Raises:
            IncompleteReadError: when it contradicts those before it.
        """
        if self._read == 0:
            self._counts_pages = page.next_page_link is not None and page.count == len(page.items) > 0
        self._read += len(page.items)
        if any(self.entries.setdefault(one.id, one) != one for one in page.items):
            raise IncompleteReadError(self._exchange, "gave one entry twice, with different values")
        if page.count is not None and not self._counts_pages:
            self._totals.add(page.count)
        elif page.count not in {None, len(page.items)}:
            raise IncompleteReadError(self._exchange, f"counts {page.count} on a page of {len(page.items)}")
        self._bound.count_page(len(self.entries), max(self._totals, default=None))

    def complete(self) -> list[E]:
        """Return all entries.

        Raises:
            IncompleteReadError: when they are not as many as the list counts.
        """
        if len(self._totals) > 1:
            raise IncompleteReadError(self._exchange, "changed its count between two pages")
        if (self._totals or {self._read}) != {len(self.entries)}:
            total = max(self._totals or {self._read})
            raise IncompleteReadError(self._exchange, f"gave {len(self.entries)} different entries of {total}")
        return list(self.entries.values())


def _pages_beyond(
    transport: Transport, path: str, entry: type[E], where: str | None, known: dict[str, E]
) -> Iterator[Page[E]]:
    """What a list without a count or a link, a bare array say, holds beyond what it has shown: asked for, as nothing else tells.

    Each page is asked for from the last entry known, without which the list was edited meanwhile.

    Raises:
        IncompleteReadError: when the list goes on somewhere else.
    """
    while True:
        last = next(reversed(known))
        beyond = {"$skip": str(len(known) - 1)} | ({} if where is None else {"$filter": where})
        exchange, value = transport.get(transport.url(path, query(beyond)))
        page = _page(exchange, entry, value)
        new = [one for one in page.items if one.id not in known]
        if new and page.items[0].id != last:
            raise IncompleteReadError(exchange, "was edited while it was read: its last entry is not where it was")
        if not new:
            return
        yield Page(items=new)


def _page(exchange: RequestInfo, entry: type[E], value: object) -> Page[E]:
    """An envelope, or a bare array as one."""
    adapter: TypeAdapter[Page[E]] = TypeAdapter(Page[entry])  # type: ignore[valid-type]  # known at run time only
    return validate_payload(exchange, adapter, {"items": value} if isinstance(value, list) else value)


def _pages(transport: Transport, path: str, entry: type[E], where: str | None) -> Iterator[Page[E]]:
    parameters = {"$inlinecount": "allpages"} | ({} if where is None else {"$filter": where})
    url: str | None = transport.url(path, query(parameters))
    seen: set[str] = set()
    while url is not None:
        if url in seen:
            raise IncompleteReadError(transport.service.request_info("GET", path), "links its pages in a circle")
        seen.add(url)
        exchange, value = transport.get(url)
        page = _page(exchange, entry, value)
        yield page
        url = _next_url(transport, path, page.next_page_link)


def _next_url(transport: Transport, path: str, link: str | None) -> str | None:
    """The next page's address; a link on another host is followed on our own, where it names this very list.

    Salto's hosts have aliases (salto_connect_api.md, 1.1), and the token never travels to another host.
    """
    if link is None:
        return None
    base = transport.service.base_url
    url = same_service(link, base) or on_own_host(link, base, path)
    if url is None:
        raise MalformedAnswerError(
            transport.service.request_info("GET", path), "links to a next page outside the API, which is never followed"
        )
    return url
