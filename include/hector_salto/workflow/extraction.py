"""Reads Hector into the run's folder, complete or an error, and builds the desired state from what it read."""

from __future__ import annotations

import logging
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

import pandas as pd

from hector.hook import hector_hook
from hector_salto.access import schemas
from hector_salto.access.absence import HectorList, with_more_loaners, with_more_people, with_more_places
from hector_salto.access.desired import Desired, build_desired_state
from hector_salto.access.people import HectorPeople
from hector_salto.access.problems import token_problems
from hector_salto.access.reservations import HectorReservations
from hector_salto.http_client.clock_skew import ClockReading
from hector_salto.http_client.errors import AccountNotActiveError, NotFoundError, RefusedError
from hector_salto.workflow.report_guard import check_reports
from hector_salto.workflow.run_start import as_of

if TYPE_CHECKING:
    from hector.client import HectorReader
    from hector.hook import HectorHook
    from hector.reports import HectorReportsReader
    from hector.reports_hook import HectorReportsHook
    from hector_salto.integration import Integration
    from hector_salto.workflow.run_folder import RunFolder

LOG = logging.getLogger(__name__)
_HECTOR = {
    "hector_users": schemas.HECTOR_USERS,
    "hector_user_groups": schemas.HECTOR_USER_GROUPS,
    "hector_groups": schemas.HECTOR_GROUPS,
    "hector_departments": schemas.HECTOR_DEPARTMENTS,
    "hector_places": schemas.HECTOR_PLACES,
    "reservations": schemas.RESERVATIONS,
    "reservation_people": schemas.RESERVATION_PEOPLE,
    "reservation_places": schemas.RESERVATION_PLACES,
}
_DESIRED = {
    "people": schemas.DESIRED_PEOPLE,
    "bookings": schemas.DESIRED_RESERVATIONS,
    "members": schemas.DESIRED_MEMBERS,
    "rooms": schemas.DESIRED_PLACES,
    "places": schemas.HECTOR_PLACES,
    "decisions": schemas.DECISIONS,
    "problems": schemas.PROBLEMS,
}


def extract_people(integration: Integration, folder: RunFolder) -> None:
    """All Hector users with groups and departments, complete or an error."""
    hook = hector_hook(integration)
    people = hook.reader.users(hook.fingerprint)
    check_reports(hook.reader, integration, folder)
    _write_people(folder, people)
    folder.write_json("fingerprint", {"check": hook.fingerprint(integration.hector_conn_id)})
    folder.write("token", _token(hook, integration.hector_conn_id, folder))
    LOG.info(
        "Hector shows %d users, %d groups, %d departments", *map(len, (people.users, people.groups, people.departments))
    )


def _write_people(folder: RunFolder, people: HectorPeople) -> None:
    folder.write("hector_users", people.users)
    folder.write("hector_user_groups", people.user_groups)
    folder.write("hector_groups", people.groups)
    folder.write("hector_departments", people.departments)


def _token(hook: HectorHook | HectorReportsHook, connection: str, folder: RunFolder) -> pd.DataFrame:
    """A problem (PROBLEMS) when Hector's token is about to expire.

    An account that may read users need not be allowed to read the environment: then nothing is known, and nothing is said.
    """
    now, expires, instance = as_of(folder), None, None
    try:
        environment = hook.reader.environment()
        expires, instance = environment.api_token_expires_at, environment.instance_id
    except (RefusedError, NotFoundError, AccountNotActiveError) as error:
        LOG.info("when Hector's token expires is not known: %s", error)
    folder.write_json("hector", {"base_url": hook.base_url, "instance_id": instance})
    folder.write_json("token_days", {} if expires is None else {"days": max((expires - now).days, 0)})
    return token_problems(expires, connection, now)


def extract_places(integration: Integration, folder: RunFolder) -> None:
    """All places with the attribute that names their lock."""
    reader = hector_hook(integration).reader
    active = reader.has_lock_attribute()
    if not active:
        LOG.warning("the place attribute Salto Lock Id does not exist in Hector yet; applying a plan makes it")
    places = reader.places()
    check_reports(reader, integration, folder)
    folder.write("hector_places", places)
    folder.write_json("activation", {"attribute_exists": active})
    LOG.info("Hector shows %d places, %d of them name a lock", len(places), places["lock_name"].notna().sum())


def extract_loaners(integration: Integration, folder: RunFolder) -> None:
    """Every reservation whose window can touch the horizon, any status."""
    reader = hector_hook(integration).reader
    loaners = _loaners(reader, integration, folder)
    check_reports(reader, integration, folder)
    _write_loaners(folder, loaners)
    folder.write_json("hector_clock", asdict(reader.clock))
    begin_, end = _horizon(integration, folder)
    LOG.info("Hector shows %d reservations between %s and %s", len(loaners.reservations), begin_, end)


def hector_clock(folder: RunFolder) -> ClockReading:
    """Hector's clock, as it was when the reservations were read."""
    unknown = {"service": "Hector", "connection": "", "ahead": None}
    return ClockReading(**(folder.read_json("hector_clock") or unknown))


def _loaners(
    reader: HectorReader | HectorReportsReader, integration: Integration, folder: RunFolder
) -> HectorReservations:
    begin_, end = _horizon(integration, folder)
    return reader.loaners(begin_.to_pydatetime(), end.to_pydatetime())


def _horizon(integration: Integration, folder: RunFolder) -> tuple[pd.Timestamp, pd.Timestamp]:
    rules = integration.rules()
    latest = as_of(folder) + rules.horizon + rules.grace_before + pd.Timedelta(minutes=1)
    return query_start(integration, folder), latest


def _write_loaners(folder: RunFolder, loaners: HectorReservations) -> None:
    folder.write("reservations", loaners.reservations)
    folder.write("reservation_people", loaners.people)
    folder.write("reservation_places", loaners.places)


def read_again(integration: Integration, folder: RunFolder, listing: HectorList) -> int:
    """Read one of Hector's lists once more and add to the run's tables what only the second read shows.

    Returns:
        how many entries that is; the desired state is built again when there are any.
    """
    hook = hector_hook(integration)
    people, places, loaners = hector_of(folder)
    if listing is HectorList.PEOPLE:
        all_people, more = with_more_people(people, hook.reader.users(hook.fingerprint))
        _write_people(folder, all_people)
    elif listing is HectorList.PLACES:
        all_places, more = with_more_places(places, hook.reader.places())
        folder.write("hector_places", all_places)
    else:
        all_loaners, more = with_more_loaners(loaners, _loaners(hook.reader, integration, folder))
        _write_loaners(folder, all_loaners)
    check_reports(hook.reader, integration, folder)
    if more:
        build_desired(integration, folder)
    return more


def build_desired(integration: Integration, folder: RunFolder) -> None:
    """What should exist, from what Hector showed."""
    people, places, loaners = hector_of(folder)
    desired = build_desired_state(people, places, loaners, integration.rules(), as_of=as_of(folder))
    for name, table in desired.tables().items():
        folder.write(f"desired_{name}", table)
    LOG.info(
        "desired: %d people, %d access groups, %d memberships",
        *map(len, (desired.people, desired.bookings, desired.members)),
    )


def hector_of(folder: RunFolder) -> tuple[HectorPeople, pd.DataFrame, HectorReservations]:
    """What earlier tasks read from Hector: people, places (HECTOR_PLACES), reservations."""
    read = {name: folder.read(name, schema) for name, schema in _HECTOR.items()}
    people = HectorPeople(
        read["hector_users"], read["hector_user_groups"], read["hector_groups"], read["hector_departments"]
    )
    loaners = HectorReservations(read["reservations"], read["reservation_people"], read["reservation_places"])
    return people, read["hector_places"], loaners


def query_start(integration: Integration, folder: RunFolder) -> pd.Timestamp:
    """The moment from which on Hector is asked for reservations: those over before are not shown."""
    return as_of(folder) - integration.rules().grace_after


def read_desired(folder: RunFolder) -> Desired:
    """The desired state that an earlier task built."""
    names = [field.name for field in fields(Desired)]
    return Desired(**{name: folder.read(f"desired_{name}", _DESIRED.get(name)) for name in names})
