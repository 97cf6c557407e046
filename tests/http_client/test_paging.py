"""A list that never ends ends the read, with as few requests as show it."""

import pytest

from hector_salto.http_client import pagination
from hector_salto.http_client.errors import IncompleteReadError, RequestInfo
from hector_salto.http_client.pagination import PageLimit

EXCHANGE = RequestInfo("Hector", "hector_campus", "GET", "/loaners")


def pages_until_refused(entries, total=None):
    bound = PageLimit(EXCHANGE)
    for page in range(1, 100_000):
        try:
            bound.count_page(entries(page), total)
        except IncompleteReadError as error:
            return page, str(error)
    raise AssertionError("never refused")


def test_more_entries_than_the_total():
    page, sentence = pages_until_refused(lambda page: 2 * page, total=5)
    assert (page, "more entries than the 5 it counts" in sentence) == (3, True)


@pytest.mark.parametrize("total", [5, None])
def test_pages_that_only_promise_more(total):
    page, sentence = pages_until_refused(lambda page: min(page, 3), total)
    assert (page, "without a new entry" in sentence) == (3 + pagination.MAX_EMPTY_PAGES + 1, True)


def test_a_total_that_is_never_reached():
    page, _ = pages_until_refused(lambda page: page, total=10**12)
    assert page == pagination.MAX_PAGES + 1


def test_pages_too_large_for_any_memory():
    page, _ = pages_until_refused(lambda page: page * 500_000, total=10**12)
    assert page == pagination.MAX_ENTRIES // 500_000 + 1
