"""Faults on purpose: what a server does instead of, or besides, answering well.

``sandbox.salto_faults.at(3, drop(after=True), writes=True)`` hits the fourth write from now;
``sandbox.hector_faults.on("GET", r"/loaners", half_list(), times=1)`` the next list of loaners.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from sandbox.web import Call, Reply, json_reply, text_reply

if TYPE_CHECKING:
    from collections.abc import Callable

ALWAYS = 1_000_000_000


@dataclass(frozen=True)
class Fault:
    """What happens to one request.

    ``before`` may answer instead of the server: then nothing is carried out. ``after`` may replace the answer of what was
    carried out. A drop closes the connection without an answer. A hang before ends in a drop, a hang after in the answer.
    """

    name: str
    before: Callable[[Call], Reply | None] | None = None
    after: Callable[[Call, Reply], Reply] | None = None
    drop: Literal["never", "before", "after"] = "never"
    hang_before: float = 0.0
    hang_after: float = 0.0


def answer(reply: Reply, name: str = "answer") -> Fault:
    """Answer this and do nothing."""
    return Fault(name, before=lambda _call: reply)


def status(code: int, error_code: str = "2201", message: str = "Something went wrong.") -> Fault:
    """An error of Salto's shape; Hector's clients read problem+json from the same bytes' status."""

    def reply(call: Call) -> Reply:
        if call.server == "hector":
            payload = {"type": "about:blank", "title": HTTPStatus(code).phrase, "status": code, "detail": message}
            return json_reply(payload, code, "application/problem+json")
        return json_reply({"ErrorCode": error_code, "Message": message}, code)

    return Fault(f"status {code}", before=reply)


def server_error() -> Fault:
    return status(HTTPStatus.INTERNAL_SERVER_ERROR)


def unavailable() -> Fault:
    return answer(text_reply("Service Unavailable", HTTPStatus.SERVICE_UNAVAILABLE), "503")


def too_many(retry_after: float | None = 1) -> Fault:
    """429 in plain text; ``retry_after=None`` leaves the header out."""
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    text = "API calls quota exceeded! maximum admitted 3 per 1m."
    return answer(text_reply(text, HTTPStatus.TOO_MANY_REQUESTS, headers), "429")


def unauthorized() -> Fault:
    """401 with an empty body although the token is good."""
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return answer(Reply(HTTPStatus.UNAUTHORIZED, headers=headers), "401")


def html() -> Fault:
    """200 with a page, as a proxy's maintenance notice."""
    page = b"<!DOCTYPE html><html><body><h1>Under maintenance</h1></body></html>"
    return answer(Reply(HTTPStatus.OK, page, "text/html; charset=utf-8"), "html")


def drop(*, after: bool = False) -> Fault:
    """Close the connection, without or with the request carried out."""
    return Fault("drop after" if after else "drop before", drop="after" if after else "before")


def hang(seconds: float, *, after: bool = False) -> Fault:
    """Say nothing for a while. Before: the request is never carried out. After: it has been."""
    if after:
        return Fault("hang after", hang_after=seconds)
    return Fault("hang before", hang_before=seconds, drop="before")


def half_list(missing: Literal["items", "link"] = "items") -> Fault:
    """A list that ends early: half of its items gone, or its next link; count and total still tell the truth."""

    def cut(_call: Call, reply: Reply) -> Reply:
        payload = reply.payload() if reply.status == HTTPStatus.OK else None
        if isinstance(payload, list):
            return json_reply(payload[: len(payload) // 2])
        if not isinstance(payload, dict) or "items" not in payload:
            return reply
        ends = {key: None for key in ("next_page_link", "next_cursor") if key in payload}
        kept = payload["items"] if missing == "link" else payload["items"][: len(payload["items"]) // 2]
        return json_reply({**payload, **ends, "items": kept})

    return Fault(f"half list without {missing}", after=cut)


def run(callback: Callable[[Call], Reply | None]) -> Fault:
    """Call this in the server's thread before the request is carried out; a reply it returns is the answer."""
    return Fault("callback", before=callback)


def run_after(callback: Callable[[Call, Reply], Reply]) -> Fault:
    """Call this after the request was carried out; it returns the answer."""
    return Fault("callback after", after=callback)


@dataclass
class _Rule:
    hits: Callable[[Call], bool]
    fault: Fault
    skip: int
    times: int


@dataclass
class FaultPlan:
    """The faults of one server: the first rule that hits a request wins, and counts down."""

    rules: list[_Rule] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def at(self, index: int, fault: Fault, *, writes: bool = False, times: int = 1) -> None:
        """The request number ``index`` from now (0: the next), counting API requests or only writes."""

        def counts(call: Call) -> bool:
            return call.is_write if writes else not call.is_token_request

        self._add(_Rule(counts, fault, index, times))

    def on(self, method: str, path: str, fault: Fault, *, times: int = ALWAYS) -> None:
        """Requests of a method (``*``: any) whose target matches a regular expression, token requests included."""
        pattern = re.compile(path)
        self.when(
            lambda call: method in ("*", call.method) and bool(pattern.search(call.raw_target)), fault, times=times
        )

    def when(self, hits: Callable[[Call], bool], fault: Fault, *, times: int = ALWAYS) -> None:
        self._add(_Rule(hits, fault, 0, times))

    def clear(self) -> None:
        with self._lock:
            self.rules.clear()

    def take(self, call: Call) -> Fault | None:
        """The fault for this request; every counting rule sees every request."""
        with self._lock:
            due = [rule for rule in list(self.rules) if rule.hits(call) and self._is_due(rule)]
            if not due:
                return None
            due[0].times -= 1
            if due[0].times == 0:
                self.rules.remove(due[0])
            return due[0].fault

    def _add(self, rule: _Rule) -> None:
        with self._lock:
            self.rules.append(rule)

    @staticmethod
    def _is_due(rule: _Rule) -> bool:
        if rule.skip == 0:
            return True
        rule.skip -= 1
        return False
