"""How Hector says no, sorted by what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hector_salto.http_client.errors import NotActiveError, NotFoundError, RefusedError
from hector_salto.http_client.redaction import readable

if TYPE_CHECKING:
    from hector_salto.http_client.answers import Said
    from hector_salto.http_client.errors import Exchange, RestError

UNAUTHORISED = "make a new API token in Hector and put it into the connection's password"


def refusal(exchange: Exchange, said: Said) -> RestError:
    words = f', "{readable(said.text)}"' if said.text.strip() else ""
    if exchange.status == 403:  # noqa: PLR2004 - HTTP's own number
        return NotActiveError(
            exchange, f"does not permit this (403{words})", "give the token's user in Hector the permission to do this"
        )
    if exchange.status == 404:  # noqa: PLR2004 - HTTP's own number
        return NotFoundError(exchange, f"is not there (404{words})", "check the base URL in the connection's host")
    return RefusedError(exchange, f"is refused ({exchange.status}{words})")
