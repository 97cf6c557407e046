"""What a service answered: bytes read within limits, then JSON taken literally, then the contract's types."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, TypeVar

from pydantic import TypeAdapter, ValidationError

from hector_salto.http_client.errors import RequestInfo, error_for_body

if TYPE_CHECKING:
    import requests

    from hector_salto.http_client.timing import Timing

T = TypeVar("T")
MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_BODY_SECONDS = (
    60.0  # seconds for a whole body: a server that drips one byte now and then must not hold a run for ever
)
CHUNK_BYTES = 64 * 1024


class OversizeError(OSError):
    """More bytes, or more seconds, than any honest answer needs."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Status and body of one reply; the body never shows in a log."""

    status: int
    content: bytes = field(repr=False)
    content_type: str = ""
    retry_after: float | None = None
    date: float | None = None  # the service's own clock when it answered, in seconds since 1970

    @property
    def is_html(self) -> bool:
        return "html" in self.content_type.lower() or self.content.lstrip()[:1] == b"<"


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """A refusal in the service's own words: its code, and its text still to be redacted."""

    code: str | None
    text: str = field(repr=False)


def read_body(response: requests.Response, timing: Timing) -> bytes:
    """The whole body, read as it arrives so that size and time can be limited."""
    deadline, body = timing.monotonic() + MAX_BODY_SECONDS, bytearray()
    while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
        body += chunk
        if len(body) > MAX_BODY_BYTES or timing.monotonic() > deadline:
            raise OversizeError("the answer does not end")
    return bytes(body)


def decode_json(content: bytes) -> object:
    """JSON as the standard has it: UTF-8, no NaN, and no half of a character, which no table could hold.

    Raises:
        ValueError: when it is anything else.
    """
    try:
        value: object = json.loads(content.decode("utf-8-sig"), parse_constant=_reject_constant)
        if b"\\u" in content:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deep") from None
    return value


def parse_json(exchange: RequestInfo, answer: HttpResponse) -> object:
    """The answer's JSON value, or the error that fits the request."""
    try:
        return decode_json(answer.content)
    except ValueError:
        kind = "an HTML page" if answer.is_html else "something that is not JSON"
    raise error_for_body(exchange, f"answered {answer.status} with {kind}")


def validate_payload(exchange: RequestInfo, adapter: TypeAdapter[T], value: object, where: str = "") -> T:
    """The value as the contract's type; a misfit is named by its place and kind, never by its value."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in (where, *first["loc"]) if part != "") or "the answer"
        misfit = f"answered with a field that breaks the contract ({place}: {first['type']})"
    raise error_for_body(exchange, misfit)


def parse_error_body(answer: HttpResponse) -> ErrorBody:
    """Code and text of an error body of any shape: PascalCase, problem+json, plain text, nothing. HTML says nothing."""
    if answer.is_html:
        return ErrorBody(None, "")
    try:
        value = decode_json(answer.content)
    except ValueError:
        return ErrorBody(None, answer.content.decode("utf-8", "replace"))
    if not isinstance(value, dict):
        return ErrorBody(None, value if isinstance(value, str) else "")
    keys = {str(key).lower(): entry for key, entry in value.items()}
    text = next((keys[key] for key in ("message", "title") if isinstance(keys.get(key), str)), "")
    return ErrorBody(_parse_error_code(keys.get("errorcode")), text)


def _parse_error_code(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    code = str(value).strip()
    return code if code.isdecimal() and code.isascii() and len(code) <= 6 else None  # noqa: PLR2004 - codes have four


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
