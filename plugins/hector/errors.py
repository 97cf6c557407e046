"""How Hector says no, sorted by what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hector_salto.http_client.errors import AccountNotActiveError, NotFoundError, RefusedError
from hector_salto.http_client.redaction import redact

if TYPE_CHECKING:
    from hector_salto.http_client.errors import RequestInfo, RestError
    from hector_salto.http_client.service_response import ErrorBody

UNAUTHORIZED_STEP = "make a new API token in Hector and put it into the connection's password"


def error_for_refusal(exchange: RequestInfo, said: ErrorBody) -> RestError:
    words = f', "{redact(said.text)}"' if said.text.strip() else ""
    if exchange.status == 403:  # noqa: PLR2004 - HTTP's own number
        return AccountNotActiveError(
            exchange, f"does not permit this (403{words})", "give the token's user in Hector the permission to do this"
        )
    if exchange.status == 404:  # noqa: PLR2004 - HTTP's own number
        return NotFoundError(exchange, f"is not there (404{words})", "check the base URL in the connection's host")
    return RefusedError(exchange, f"is refused ({exchange.status}{words})")
