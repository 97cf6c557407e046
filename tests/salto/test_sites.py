from __future__ import annotations

import pytest

from hector_salto.http_client.errors import AccountNotActiveError, ConfigurationError
from hector_salto.http_client.transport import READ_METHODS
from salto.client import SaltoReader

API = "https://connect.example"
SITE = "0b5f6f0e-0000-4000-8000-000000000001"
LISTED = {"id": SITE, "customer_reference": "Rehearsal House", "site_uid": "DE4520000000"}
OTHER = {"id": "0b5f6f0e-0000-4000-8000-000000000002", "customer_reference": "Annex", "site_uid": "DE4520000001"}
SINGLE = LISTED | {
    "time_zone": "Europe/Berlin",
    "subscribed_user_amount": 50,
    "subscription_valid": True,
    "owner": {"id": "own-p"},
    "installation_state": "released",
    "active_user_amount": 47,
}


@pytest.fixture
def sites(web):
    def give(*listed, **single):
        web.get(f"{API}/v1.1/sites", json=list(listed))
        web.get(f"{API}/v1.1/sites/{SITE}", json=SINGLE | single)

    return give


@pytest.mark.parametrize("wanted", [SITE, SITE.upper(), "DE4520000000", "de4520000000 ", "Rehearsal House"])
def test_a_site_is_found_by_uuid_uid_or_name(unresolved, sites, wanted):
    sites(LISTED, OTHER)

    site = unresolved.resolve_site(wanted)
    assert (site.site_id, site.zone, site.seats, site.seats_used) == (SITE, "Europe/Berlin", 50, 47)
    assert site.owner_platform_user_id == "own-p"


def test_an_unknown_site_is_an_error_that_lists_what_there_is(unresolved, sites):
    sites(LISTED, OTHER)

    with pytest.raises(ConfigurationError, match=r"'Attic'.*Annex \(DE4520000001\), Rehearsal House \(DE4520000000\)"):
        unresolved.resolve_site("Attic")


def test_an_ambiguous_name_is_an_error(unresolved, sites):
    sites(LISTED, OTHER | {"customer_reference": "Rehearsal House"})

    with pytest.raises(ConfigurationError, match="several"):
        unresolved.resolve_site("rehearsal house")


def test_an_account_without_sites_is_not_active(unresolved, sites):
    sites()

    with pytest.raises(AccountNotActiveError, match="not active on this site yet"):
        unresolved.resolve_site("x")


@pytest.mark.parametrize(
    ("state", "step"),
    [({"installation_state": "installation"}, "hand the site over"), ({"subscription_valid": False}, "subscription")],
)
def test_a_site_that_may_not_be_used_stops(unresolved, sites, state, step):
    sites(LISTED, **state)

    with pytest.raises(AccountNotActiveError, match=step):
        _ = unresolved.site


def test_unlimited_seats_and_no_owner_are_fine(unresolved, sites):
    sites(LISTED, subscribed_user_amount=None, owner=None)

    assert (unresolved.site.seats, unresolved.site.owner_platform_user_id) == (None, None)


@pytest.fixture
def known(transport):
    """A reading client that knows which site was meant the last time."""

    def build(wanted):
        return SaltoReader(transport(READ_METHODS), "v1.1", wanted, SITE)

    return build


@pytest.mark.parametrize("wanted", [SITE.upper(), " de4520000000"])
def test_a_site_that_is_known_is_not_looked_for_among_all(known, web, wanted):
    web.get(f"{API}/v1.1/sites/{SITE}", json=SINGLE)

    assert known(wanted).site.site_id == SITE
    assert [call.request.url for call in web.calls[1:]] == [f"{API}/v1.1/sites/{SITE}"]


def test_a_name_is_looked_for_each_time_because_another_site_may_have_it_now(known, sites):
    sites(LISTED, OTHER | {"customer_reference": "Rehearsal House"})

    with pytest.raises(ConfigurationError, match="several"):
        _ = known("Rehearsal House").site


@pytest.mark.parametrize("answer", [{"status": 404}, {"json": SINGLE | {"site_uid": "DE9"}}])
def test_a_site_that_is_no_longer_what_was_meant_is_looked_for(known, web, answer):
    web.get(f"{API}/v1.1/sites/{SITE}", **answer)
    web.get(f"{API}/v1.1/sites", json=[OTHER | {"site_uid": "DE4520000000"}])
    web.get(f"{API}/v1.1/sites/{OTHER['id']}", json=SINGLE | {"id": OTHER["id"]})

    web.get(f"{API}/v1.1/sites/{OTHER['id']}/access_groups/g", json={"id": "g", "customer_reference": "x"})
    reader = known("DE4520000000")

    assert reader.site.site_id == reader.site_id == OTHER["id"]
    assert reader.has_group("g")  # and its paths name that site


def test_a_known_site_that_the_account_may_not_see_any_more_stops_the_run(known, web):
    web.get(f"{API}/v1.1/sites/{SITE}", status=403)

    with pytest.raises(AccountNotActiveError, match="make it Site Admin"):
        _ = known("DE4520000000").site


def test_a_known_site_without_a_subscription_stops_the_run(known, web):
    web.get(f"{API}/v1.1/sites/{SITE}", json=SINGLE | {"subscription_valid": False})

    with pytest.raises(AccountNotActiveError):
        _ = known("DE4520000000").site
