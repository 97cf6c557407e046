"""Which site is meant: by UUID, by the site UID that the dashboard shows, or by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from hector_salto.access.texts import comparable, few
from hector_salto.access.windows import normalize_zone
from hector_salto.http_client.addresses import segment
from hector_salto.http_client.errors import AccountNotActiveError, ConfigurationError, NotFoundError
from salto.errors import ACTIVATE_STEP, INACTIVE_SITE_CODES
from salto.models import SaltoSite
from salto.pages import read_all
from salto.payloads import ListedSite, SitePayload

if TYPE_CHECKING:
    from hector_salto.http_client.errors import RequestInfo
    from hector_salto.http_client.transport import Transport

_SITE = TypeAdapter(SitePayload)


def visible_sites(transport: Transport, version: str) -> list[ListedSite]:
    """The sites that the account of the connection may see."""
    return read_all(transport, f"/{version}/sites", ListedSite)


def describe_sites(sites: list[ListedSite]) -> str:
    return few(sorted(f"{site.customer_reference} ({site.site_uid})" for site in sites))


def resolve_site(transport: Transport, version: str, wanted: str) -> SaltoSite:
    """The one site that is meant, ready to be worked on.

    Raises:
        ConfigurationError: no site, or more than one, is called that.
        NotActiveError: the account sees no site, or the site may not be used (yet).
    """
    exchange = transport.service.request_info("GET", f"/{version}/sites")
    listed = _choose_site(visible_sites(transport, version), wanted, exchange)
    path = f"/{version}/sites/{segment(listed.id)}"
    found = transport.read(path, _SITE)
    return _require_usable(found, transport.service.request_info("GET", path))


def recheck_site(transport: Transport, version: str, wanted: str, site_id: str) -> SaltoSite | None:
    """The site that was found to be meant before, ready to be worked on; None: it has to be looked up again.

    A name may by now be another site's as well, or another's alone: only a UUID and a site UID are taken on trust.

    Raises:
        NotActiveError: the site may not be used (yet).
    """
    path = f"/{version}/sites/{segment(site_id)}"
    try:
        found = transport.read(path, _SITE)
    except NotFoundError:
        return None
    if comparable(wanted) not in {comparable(called(found)) for called in (_id, _uid)}:
        return None
    return _require_usable(found, transport.service.request_info("GET", path))


def _choose_site(sites: list[ListedSite], wanted: str, exchange: RequestInfo) -> ListedSite:
    if not sites:
        raise AccountNotActiveError(exchange, "shows no site to the account", ACTIVATE_STEP)
    sought = comparable(wanted)
    for called in (_id, _uid, _name):
        matches = [site for site in sites if comparable(called(site)) == sought]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise ConfigurationError(
                exchange,
                f"shows several sites called {wanted!r} ({describe_sites(matches)})",
                "put the site UID into site_id",
            )
    raise ConfigurationError(
        exchange,
        f"shows no site {wanted!r}, only {describe_sites(sites)}",
        "correct site_id, or make the integration's account Site Admin of that site",
    )


def _id(site: ListedSite) -> str:
    return site.id


def _uid(site: ListedSite) -> str:
    return site.site_uid


def _name(site: ListedSite) -> str:
    return site.customer_reference


def _require_usable(site: SitePayload, exchange: RequestInfo) -> SaltoSite:
    if site.installation_state == "installation":
        raise AccountNotActiveError(exchange, *INACTIVE_SITE_CODES["2210"])
    if not site.subscription_valid:
        raise AccountNotActiveError(exchange, *INACTIVE_SITE_CODES["2212"])
    return SaltoSite(
        site_id=site.id,
        site_uid=site.site_uid,
        name=site.customer_reference,
        zone=normalize_zone(site.time_zone) or "",
        seats=site.subscribed_user_amount,
        seats_used=site.active_user_amount,
        subscription_valid=site.subscription_valid,
        installation_state=site.installation_state,
        owner_platform_user_id=None if site.owner is None else site.owner.id,
    )
