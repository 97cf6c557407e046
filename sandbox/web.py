"""A request and its answer as plain values, and the table that leads from one to the other."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from starlette.routing import compile_path

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping

W = TypeVar("W")
READS = ("GET", "HEAD")


@dataclass(frozen=True)
class Call:
    """One HTTP request."""

    server: str
    method: str
    path: str
    raw_target: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def is_token_request(self) -> bool:
        return self.path == "/connect/token"

    @property
    def is_write(self) -> bool:
        return self.method not in READS and not self.is_token_request

    @property
    def base_url(self) -> str:
        return f"http://{self.headers.get('host', 'localhost')}"


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.body)


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault of the program
    """Raised by a handler to answer at once."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def json_reply(payload: object, status: int = HTTPStatus.OK, content_type: str = "application/json") -> Reply:
    return Reply(status, json.dumps(payload, ensure_ascii=False).encode(), content_type)


def text_reply(text: str, status: int, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, text.encode(), "text/plain", headers or {})


@dataclass(frozen=True)
class Context(Generic[W]):
    """What a handler sees: the request, the values in its path, and the world it may change."""

    call: Call
    params: Mapping[str, str]
    world: W

    def asked(self, name: str, default: str | None = None) -> str | None:
        return next((value for key, value in self.call.query if key == name), default)


@dataclass(frozen=True)
class Route(Generic[W]):
    """A method and a path with its handler; ``query`` names the only parameters it takes."""

    method: str
    path: str
    handle: Callable[[Context[W]], Reply]
    query: frozenset[str] = frozenset()

    @property
    def pattern(self) -> re.Pattern[str]:
        return _pattern(self.path)


_PATTERNS: dict[str, re.Pattern[str]] = {}


def _pattern(path: str) -> re.Pattern[str]:
    if path not in _PATTERNS:
        _PATTERNS[path] = compile_path(path)[0]
    return _PATTERNS[path]


def find_route(routes: list[Route[W]], call: Call) -> tuple[Route[W], dict[str, str]]:
    """The route of a request; a path nobody knows is 404, a known one with another method 405."""
    allowed = []
    for route in routes:
        match = route.pattern.match(call.path)
        if match and route.method == call.method:
            return route, match.groupdict()
        if match:
            allowed.append(route.method)
    if allowed:
        raise Refused(Reply(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(sorted(set(allowed)))}))
    raise Refused(Reply(HTTPStatus.NOT_FOUND))
