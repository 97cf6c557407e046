"""Hector by its reports: reads users, places and loaners from files, and gives the same tables as its API."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hector import mapping
from hector.client import Environment
from hector.report_errors import ReportMissingError, file_info
from hector.report_files import ReportColumns, read_report
from hector.report_mapping import Known, ReportReading, map_loaners, map_people, map_places
from hector_salto.access import schemas
from hector_salto.access.people import ACTIVE, HectorPeople
from hector_salto.access.reservations import HectorReservations
from hector_salto.access.texts import comparable, one_line
from hector_salto.http_client.clock_skew import ClockReading
from hector_salto.http_client.tag_numbers import pattern_of
from hector_salto.report_fields import KNOWN_STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from hector.report_sources import ReportFile, ReportSource
    from hector_salto.http_client.tag_numbers import TagPattern
    from hector_salto.report_fields import ReportFields

LOG = logging.getLogger(__name__)
USERS, PLACES, LOANERS = "users", "places", "loaners"
KINDS = (USERS, PLACES, LOANERS)
KEYS = {PLACES: "place", LOANERS: "reference"}
REQUIRED = {LOANERS: frozenset({"status", "start", "finish"})}
OPTIONAL = {USERS: ("unique_code", "status", "groups", "department"), LOANERS: ("participants", "blocking")}
INSTANCE = "reports"  # no report says which Hector it is of
SETTLING = timedelta(seconds=60)  # the reports of one hour arrive one after the other, and are one sync


def utc_now() -> datetime:
    return datetime.now(UTC)


def report_columns(kind: str, headings: Mapping[str, str]) -> ReportColumns:
    """Return which columns of a report are read, and what no row may lack.

    Args:
        kind: users, places or loaners.
        headings: of each field.
    """
    key = KEYS.get(kind) or ("id" if "id" in headings else "email")
    return ReportColumns(headings, key, REQUIRED.get(kind, frozenset()), skip_without_key=kind == USERS)


@dataclass(frozen=True, slots=True)
class UsedReport:
    """A file that was read.

    Attributes:
        kind: users, places or loaners.
        file: its name.
        at: when it was made; aware.
        rows: how many it shows.
        unmapped: headings of columns that are not read.
    """

    kind: str
    file: str
    at: datetime
    rows: int
    unmapped: tuple[str, ...] = ()


class HectorReportsReader:
    """Reads Hector from report files: each answer is of one whole file, or an error.

    :param source: where the files are.
    :param fields: which files, and what their columns mean.
    :param connection: id of the Airflow connection, for errors.
    :param now: what is taken for now; replaced in tests.
    """

    def __init__(
        self, source: ReportSource, fields: ReportFields, connection: str, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._source = source
        self._fields = fields
        self._connection = connection
        self._now = now
        self._used: dict[str, UsedReport] = {}

    @property
    def clock(self) -> ClockReading:
        """A file does not show Hector's clock."""
        return ClockReading("Hector", self._connection, None)

    @property
    def used(self) -> tuple[UsedReport, ...]:
        """The files that were read so far, the last of each kind."""
        return tuple(self._used.values())

    def environment(self) -> Environment:
        """Return what the reports show of their Hector, once there is a file of each kind."""
        for kind in KINDS:
            self._newest(kind)
        return Environment(INSTANCE, f"reports in {self._source.address}", self._fields.timezone, None)

    def users(self, fingerprint: mapping.Fingerprinting) -> HectorPeople:
        """All users; their unique codes leave this client as fingerprints only."""
        found = map_people(self._read(USERS))
        memberships = (row for user in found.users for row in mapping.user_group_rows(user))
        return HectorPeople(
            users=schemas.frame(schemas.HECTOR_USERS, (mapping.user_row(user, fingerprint) for user in found.users)),
            user_groups=schemas.frame(schemas.HECTOR_USER_GROUPS, memberships),
            groups=schemas.frame(schemas.HECTOR_GROUPS, map(mapping.group_row, found.groups)),
            departments=schemas.frame(schemas.HECTOR_DEPARTMENTS, map(mapping.department_row, found.departments)),
        )

    def code_patterns(self) -> Counter[TagPattern]:
        """Count how the active users' unique codes are written; no code leaves this client."""
        users = map_people(self._read(USERS)).users
        codes = (user.unique_code for user in users if user.status == ACTIVE)
        return Counter(pattern for code in codes if (pattern := pattern_of(code)) is not None)

    def places(self) -> pd.DataFrame:
        return schemas.frame(schemas.HECTOR_PLACES, map(mapping.place_row, map_places(self._read(PLACES))))

    def loaners(self, begin: datetime, end: datetime) -> HectorReservations:
        """Every loaner, of any status, that overlaps [begin, end)."""
        found, others = map_loaners(self._read(LOANERS), self._known())
        if others:
            LOG.info("%d resources of loaners are no places of the report of places: taken for equipment", others)
        loaners = [one.loaner for one in found if one.overlaps(begin, end)]
        return HectorReservations(
            reservations=schemas.frame(schemas.RESERVATIONS, map(mapping.reservation_row, loaners)),
            people=schemas.frame(
                schemas.RESERVATION_PEOPLE, (row for one in loaners for row in mapping.people_rows(one))
            ),
            places=schemas.frame(
                schemas.RESERVATION_PLACES, (row for one in loaners for row in mapping.place_rows(one))
            ),
        )

    def loaners_changed_since(self, begin: datetime, end: datetime, since: datetime) -> pd.DataFrame:  # noqa: ARG002 - as HectorReader has it
        """The files made at or after ``since`` (CHANGED_RESERVATIONS), each without a reference: all of it is due.

        While files still arrive, none is shown.
        """
        files = self._source.newest(self._patterns.values())
        kinds = {pattern: kind for kind, pattern in self._patterns.items()}
        new = {kinds[pattern]: file for pattern, file in files.items() if file.at >= since}
        settling = any(timedelta() <= self._now() - file.at < SETTLING for file in new.values())
        rows = (
            []
            if settling
            else [{"reservation_id": kind, "reference": "", "updated_at": file.at} for kind, file in new.items()]
        )
        return schemas.frame(schemas.CHANGED_RESERVATIONS, rows)

    def unknown_statuses(self) -> list[str]:
        """Return the names of statuses for which no code is known: what has one opens no door."""
        found: dict[str, str] = {}
        for kind in (USERS, LOANERS):
            reading = self._read(kind)
            for row in reading.table.rows if "status" in reading.headings else ():
                if reading.status(row) not in KNOWN_STATUSES and (name := one_line(reading.text(row, "status"))):
                    found.setdefault(comparable(name), name)
        return sorted(found.values(), key=comparable)

    def has_lock_attribute(self) -> bool:
        """The integration file maps it, and a report without its column is an error."""
        return True

    @property
    def _patterns(self) -> dict[str, str]:
        return {kind: getattr(self._fields, kind).file for kind in KINDS}

    def _known(self) -> Known:
        """What loaners refer to; users are looked up only where they have ids of their own."""
        places = frozenset(place.id for place in map_places(self._read(PLACES)))
        if self._fields.users.columns.id is None:
            return Known({}, places)
        users = map_people(self._read(USERS)).users
        return Known({comparable(user.email): user.id for user in reversed(users) if user.email}, places)

    def _read(self, kind: str) -> ReportReading:
        file = self._newest(kind)
        exchange = file_info(self._connection, file.name)
        columns = self._columns(kind)
        table = read_report(file.load(), columns, exchange)
        self._note(kind, UsedReport(kind, file.name, file.at, len(table.rows), table.unmapped), table.without_key)
        return ReportReading(table, columns.headings, self._fields, exchange)

    def _note(self, kind: str, used: UsedReport, without_key: int) -> None:
        """Log once a reader what a report shows, and what it cannot say."""
        if kind not in self._used:
            LOG.info(
                "report of %s: %s of %s, %d rows", kind, used.file, used.at.isoformat(timespec="minutes"), used.rows
            )
            missing = [name for name in OPTIONAL.get(kind, ()) if name not in self._columns(kind).headings]
            if missing:
                LOG.info("the report of %s does not say %s: nothing is granted by them", kind, ", ".join(missing))
            if without_key:
                LOG.info("%d rows of the report of %s without email are left out", without_key, kind)
        self._used[kind] = used

    def _columns(self, kind: str) -> ReportColumns:
        return report_columns(kind, getattr(self._fields, kind).columns.model_dump(exclude_none=True))

    def _newest(self, kind: str) -> ReportFile:
        """Return the newest file of a kind.

        Raises:
            ReportMissingError: when there is none, or it is older than max_age_hours.
        """
        pattern = self._patterns[kind]
        file = self._source.newest([pattern]).get(pattern)
        if file is None:
            raise ReportMissingError(file_info(self._connection, pattern), f"is not in {self._source.address}")
        age, limit = self._now() - file.at, self._fields.max_age_hours
        if age > timedelta(hours=limit):
            what = f"is {age / timedelta(hours=1):.0f} hours old, the limit (max_age_hours) is {limit}"
            raise ReportMissingError(file_info(self._connection, file.name), what)
        return file
