"""What was asked of the sandbox, without secrets."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    import datetime as dt

    from sandbox.web import Call

SECRETS = frozenset({"password", "user_password", "client_secret", "refresh_token", "access_token", "otp", "token"})


@dataclass(frozen=True)
class RecordedRequest:
    """One request as it came; ``status`` is None when no answer was sent, ``fault`` names the one that hit it."""

    number: int
    server: str
    method: str
    path: str
    body: Any
    status: int | None
    at: dt.datetime
    is_write: bool
    fault: str | None = None


class RequestLog:
    """All requests in the order in which they were answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[RecordedRequest] = []
        self._next = 0

    def take_number(self) -> int:
        with self._lock:
            self._next += 1
            return self._next

    def add(self, number: int, call: Call, status: int | None, fault: str | None) -> RecordedRequest:
        row = RecordedRequest(
            number=number,
            server=call.server,
            method=call.method,
            path=call.raw_target,
            body=visible_body(call),
            status=None if status is None else int(status),
            at=call.at,
            is_write=call.is_write,
            fault=fault,
        )
        with self._lock:
            self._rows.append(row)
        return row

    def rows(self) -> list[RecordedRequest]:
        with self._lock:
            return list(self._rows)

    def clear(self) -> None:
        with self._lock:
            self._rows.clear()


def visible_body(call: Call) -> Any:  # noqa: ANN401 - JSON
    """The body with every secret replaced."""
    if not call.body:
        return None
    if call.is_token_request:
        return _hidden(dict(parse_qsl(call.body.decode("utf-8", "replace"))))
    try:
        return _hidden(json.loads(call.body))
    except ValueError:
        return "<not JSON>"


def _hidden(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: "***" if key in SECRETS else _hidden(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    return value
