"""The shapes of Salto's lists, asked of the site's users: the longest list that every site has."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hector_salto.doctor.finding import differs, holds, judged, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hector_salto.doctor.finding import Finding
    from hector_salto.doctor.subject import Subject
    from salto.probe import PageShape

BIG = 1000
OK = 200


def look(subject: Subject) -> Iterator[Finding]:
    probe = subject.probe
    page = probe.page("users", inlinecount="allpages")
    total = len(subject.users)
    yield holds("list-shape", "a bare array" if page.bare else "an envelope")
    yield _end(page, total)
    yield _count(page, total)
    yield _top([(size, probe.page("users", top=str(size))) for size in (1, 100, BIG)], total)
    yield _link(page if page.next_host else probe.page("users", top="1"), subject.salto.addresses[0])
    yield from _filters(subject)


def _end(page: PageShape, total: int) -> Finding:
    seen = f"the first page has {page.items} of {total} users"
    silent = page.count is None and page.next_host is None
    if page.items == total:
        return holds("list-end", seen)
    return judged("list-end", not silent, seen + (", without a count or a link" if silent else ""), matters=False)


def _count(page: PageShape, total: int) -> Finding:
    if page.count is None:
        return unknown("list-count", "no count, although it is asked for")
    return judged("list-count", page.count == total, f"count {page.count} of {total} users", matters=False)


def _top(pages: list[tuple[int, PageShape]], total: int) -> Finding:
    seen = ", ".join(f"{size}: {shape.items if shape.status == OK else shape.status}" for size, shape in pages)
    last = pages[-1][1]
    fits = last.status == OK and last.items == min(total, BIG)
    return judged("list-top", fits, f"users on a page by $top: {seen}", matters=False)


def _link(page: PageShape, api: str) -> Finding:
    if page.next_host is None:
        return unknown("list-link", "no list here has a second page")
    return judged("list-link", page.next_host == urlsplit(api).hostname, page.next_host, matters=False)


def _filters(subject: Subject) -> Iterator[Finding]:
    """Look for the account itself by its email, as it is and in other letters."""
    me = subject.reader.own_account()
    mine = subject.users.loc[subject.users["site_user_id"].eq(me.site_user_id), "email"].dropna()
    if mine.empty:
        yield unknown("filter-email", "the account has no email on this site")
        yield unknown("filter-case", "the account has no email on this site")
        return
    email = str(mine.iloc[0])
    as_it_is = subject.probe.filtered("users", field="user/email", text=email)
    yield _found("filter-email", as_it_is)
    if as_it_is.items == 0:
        yield unknown("filter-case", "waits for filter-email")
    else:
        yield _found("filter-case", subject.probe.filtered("users", field="user/email", text=email.swapcase()))


def _found(assumption: str, page: PageShape) -> Finding:
    if page.status != OK:
        return differs(assumption, f"the filter is refused ({page.status})")
    return judged(assumption, page.items == 1, f"finds {page.items} of 1", matters=False)
