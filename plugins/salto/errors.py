"""How Salto KS says no, sorted by what to do. Branches on codes: its texts may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hector_salto.http_client.errors import ForbiddenError, NotActiveError, NotFoundError, RefusedError
from hector_salto.http_client.redaction import readable

if TYPE_CHECKING:
    from hector_salto.http_client.answers import Said
    from hector_salto.http_client.errors import Exchange, RestError

UNAUTHORISED = "check client id, client secret, username and user_password in the connection"
ACTIVATE = (
    "the integration's account is not active on this site yet: accept its invitation and make it Site Admin in the "
    "Salto dashboard"
)
OF_ONE_USER = frozenset({"2203", "2220"})  # no right on that user; a pod member
STOPPING = {
    "2210": ("belongs to a site that is not released (2210)", "have the installer hand the site over in Salto"),
    "2212": ("belongs to a site without a valid subscription (2212)", "renew the site's subscription in Salto"),
}


def refusal(exchange: Exchange, said: Said) -> RestError:
    code = f", code {said.code}" if said.code else ""
    words = f', "{readable(said.text)}"' if said.text.strip() else ""
    told = f"({exchange.status}{code}{words})"
    if exchange.status == 403:  # noqa: PLR2004 - HTTP's own number
        return _forbidden(exchange, said.code, told)
    if exchange.status == 404:  # noqa: PLR2004 - HTTP's own number
        return NotFoundError(exchange, f"is not there {told}")
    return RefusedError(exchange, f"is refused {told}")


def _forbidden(exchange: Exchange, code: str | None, told: str) -> RestError:
    if code in STOPPING:
        return NotActiveError(exchange, *STOPPING[code])
    if exchange.method == "GET":  # who may not even read has no rights here; a refused write may concern one user only
        return NotActiveError(exchange, f"is not permitted {told}", ACTIVATE)
    if code in OF_ONE_USER and "/users" in exchange.path:
        step = "change this one in the Salto dashboard, or raise the account's role"
        return RefusedError(exchange, f"is not permitted {told}", step)
    return ForbiddenError(exchange, f"is not permitted {told}", ACTIVATE)
