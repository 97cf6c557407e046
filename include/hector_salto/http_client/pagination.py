"""How far a list is followed: one that never ends must end a read, and must not fill the memory first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hector_salto.http_client.errors import IncompleteReadError

if TYPE_CHECKING:
    from hector_salto.http_client.errors import RequestInfo

MAX_PAGES = 10_000
MAX_ENTRIES = 2_000_000
MAX_EMPTY_PAGES = 10  # pages without any new entry: a list that only promises more


class PageLimit:
    """Counts the pages of one read.

    :param exchange: the read, for errors.
    :param most_idle: pages in a row that may bring nothing new.
    """

    def __init__(self, exchange: RequestInfo, most_idle: int = MAX_EMPTY_PAGES) -> None:
        self._exchange = exchange
        self._most_idle = most_idle
        self._pages = self._idle = self._entries = 0

    def count_page(self, entries: int, total: int | None) -> None:
        """Count a page.

        Args:
            entries: different entries after this page.
            total: how many there are, as the list itself says; None: it does not say.

        Raises:
            IncompleteReadError: when the list goes on although it cannot, or without end.
        """
        self._pages += 1
        self._idle = self._idle + 1 if entries == self._entries else 0
        self._entries = entries
        if total is not None and entries > total:
            raise IncompleteReadError(self._exchange, f"gave more entries than the {total} it counts")
        if self._idle > self._most_idle:
            raise IncompleteReadError(self._exchange, f"gave {self._idle} pages in a row without a new entry")
        if self._pages > MAX_PAGES or entries > MAX_ENTRIES:
            raise IncompleteReadError(self._exchange, f"goes on after {self._pages} pages and {entries} entries")
