"""How Salto KS says no, sorted by what to do. Branches on codes: its texts may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hector_salto.http_client.errors import AccountNotActiveError, ForbiddenError, NotFoundError, RefusedError
from hector_salto.http_client.redaction import redact

if TYPE_CHECKING:
    from hector_salto.http_client.errors import RequestInfo, RestError
    from hector_salto.http_client.service_response import ErrorBody

UNAUTHORIZED_STEP = "check client id, client secret, username and user_password in the connection"
ACTIVATE_STEP = (
    "the integration's account is not active on this site yet: accept its invitation and make it Site Admin in the "
    "Salto dashboard"
)
SINGLE_USER_CODES = frozenset({"2203", "2220"})  # no right on that user; a pod member
INACTIVE_SITE_CODES = {
    "2210": ("belongs to a site that is not released (2210)", "have the installer hand the site over in Salto"),
    "2212": ("belongs to a site without a valid subscription (2212)", "renew the site's subscription in Salto"),
}


def error_for_refusal(exchange: RequestInfo, said: ErrorBody) -> RestError:
    code = f", code {said.code}" if said.code else ""
    words = f', "{redact(said.text)}"' if said.text.strip() else ""
    told = f"({exchange.status}{code}{words})"
    if exchange.status == 403:  # noqa: PLR2004 - HTTP's own number
        return _error_for_forbidden(exchange, said.code, told)
    if exchange.status == 404:  # noqa: PLR2004 - HTTP's own number
        return NotFoundError(exchange, f"is not there {told}")
    return RefusedError(exchange, f"is refused {told}")


def _error_for_forbidden(exchange: RequestInfo, code: str | None, told: str) -> RestError:
    if code in INACTIVE_SITE_CODES:
        return AccountNotActiveError(exchange, *INACTIVE_SITE_CODES[code])
    if exchange.method == "GET":  # who may not even read has no rights here; a refused write may concern one user only
        return AccountNotActiveError(exchange, f"is not permitted {told}", ACTIVATE_STEP)
    if code in SINGLE_USER_CODES and "/users" in exchange.path:
        step = "change this one in the Salto dashboard, or raise the account's role"
        return RefusedError(exchange, f"is not permitted {told}", step)
    return ForbiddenError(exchange, f"is not permitted {told}", ACTIVATE_STEP)
