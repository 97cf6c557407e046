"""Which site is meant: by UUID, by the site UID that the dashboard shows, or by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from hector_salto.access.texts import comparable, few
from hector_salto.access.windows import normalize_zone
from hector_salto.http_client.addresses import segment
from hector_salto.http_client.errors import ConfigurationError, NotActiveError, NotFoundError
from salto.errors import ACTIVATE, STOPPING
from salto.models import Site
from salto.pages import read_all
from salto.payloads import ListedSite, SitePayload

if TYPE_CHECKING:
    from hector_salto.http_client.errors import Exchange
    from hector_salto.http_client.transport import Transport

_SITE = TypeAdapter(SitePayload)


def visible_sites(transport: Transport, version: str) -> list[ListedSite]:
    """The sites that the account of the connection may see."""
    return read_all(transport, f"/{version}/sites", ListedSite)


def shown(sites: list[ListedSite]) -> str:
    return few(sorted(f"{site.customer_reference} ({site.site_uid})" for site in sites))


def resolve_site(transport: Transport, version: str, wanted: str) -> Site:
    """The one site that is meant, ready to be worked on.

    Raises:
        ConfigurationError: no site, or more than one, is called that.
        NotActiveError: the account sees no site, or the site may not be used (yet).
    """
    exchange = transport.service.exchange("GET", f"/{version}/sites")
    listed = _chosen(visible_sites(transport, version), wanted, exchange)
    path = f"/{version}/sites/{segment(listed.id)}"
    found = transport.read(path, _SITE)
    return _usable(found, transport.service.exchange("GET", path))


def known_site(transport: Transport, version: str, wanted: str, site_id: str) -> Site | None:
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
    return _usable(found, transport.service.exchange("GET", path))


def _chosen(sites: list[ListedSite], wanted: str, exchange: Exchange) -> ListedSite:
    if not sites:
        raise NotActiveError(exchange, "shows no site to the account", ACTIVATE)
    sought = comparable(wanted)
    for called in (_id, _uid, _name):
        matches = [site for site in sites if comparable(called(site)) == sought]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise ConfigurationError(
                exchange, f"shows several sites called {wanted!r} ({shown(matches)})", "put the site UID into site_id"
            )
    raise ConfigurationError(
        exchange,
        f"shows no site {wanted!r}, only {shown(sites)}",
        "correct site_id, or make the integration's account Site Admin of that site",
    )


def _id(site: ListedSite) -> str:
    return site.id


def _uid(site: ListedSite) -> str:
    return site.site_uid


def _name(site: ListedSite) -> str:
    return site.customer_reference


def _usable(site: SitePayload, exchange: Exchange) -> Site:
    if site.installation_state == "installation":
        raise NotActiveError(exchange, *STOPPING["2210"])
    if not site.subscription_valid:
        raise NotActiveError(exchange, *STOPPING["2212"])
    return Site(
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
