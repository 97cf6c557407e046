"""Rows of reports to what Hector's API would show of them: after this, no rule knows the source."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from hector.mapping import LOCK_KEY
from hector.payloads import AttributeValue, Department, Line, Loaner, Party, Place, Status, User, UserGroup
from hector.report_errors import ReportContentError, ReportLayoutError
from hector.report_files import text_of
from hector_salto.access.people import ACTIVE
from hector_salto.access.texts import comparable, one_line
from hector_salto.http_client.timestamps import InvalidTimestampError, parse_datetime

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from hector.report_files import Cell, ReportRow, ReportTable
    from hector_salto.http_client.errors import RequestInfo
    from hector_salto.report_fields import ReportFields

SERIAL = re.compile(r"\d{5}([.,]\d+)?")
LATEST_SERIAL = 2_000_000  # days
YES = frozenset({"yes", "y", "true", "1", "x", "oui", "o", "vrai"})
NO = frozenset({"", "no", "n", "false", "0", "non", "faux"})
NOT_A_USER = Party(type="contact", id="unknown")  # a borrower whom the report shows without an email
EMAIL_DIGITS = 16  # of the digest that stands for an email
HALF_A_SECOND = timedelta(microseconds=500_000)  # serials are fractions of a day


def email_of(text: str) -> str | None:
    """Return the email of a cell that holds one, alone or as ``Name <email>``; None: it holds none."""
    address = next(iter(re.findall(r"<([^<>]*)>\s*$", text)), text).strip()
    return address if "@" in address and not re.search(r"\s", address) else None


def _by_iso(text: str) -> datetime:
    """Return a time of ISO 8601; a day alone has lost its time.

    Raises:
        ValueError: it is none.
    """
    if ":" not in text:
        raise InvalidTimestampError("no time of day")
    return parse_datetime(text)


def name_id(name: str) -> str:
    """Return what stands for a thing that reports know by its name only."""
    return comparable(" ".join(name.split()))


def email_id(email: str) -> str:
    """Return what stands for a user of whom reports show the email only: ids reach logs, emails do not."""
    return f"u_{hashlib.sha256(comparable(email).encode()).hexdigest()[:EMAIL_DIGITS]}"


@dataclass(frozen=True)
class ReportReading:
    """One report as it is mapped.

    Attributes:
        table: its rows.
        headings: by field.
        fields: of the integration file.
        exchange: names connection and file in errors.
    """

    table: ReportTable
    headings: Mapping[str, str]
    fields: ReportFields
    exchange: RequestInfo

    def text(self, row: ReportRow, field: str) -> str:
        return text_of(row.cells.get(field))

    def names(self, row: ReportRow, field: str) -> list[str]:
        """Return the names of one cell, each once."""
        parts = re.split(rf"\n|{re.escape(self.fields.separator)}", self.text(row, field))
        return list(dict.fromkeys(name for part in parts if (name := one_line(part))))

    def status(self, row: ReportRow) -> str:
        """Return the code of a status; a name that no code is known for comes through and grants nothing."""
        name = name_id(self.text(row, "status"))
        return self._codes.get(name) or re.sub(r"[\s-]+", "_", name)

    def is_yes(self, row: ReportRow, field: str) -> bool:
        text = comparable(self.text(row, field))
        if text not in YES | NO:
            raise self.error(row, field, "neither yes nor no")
        return text in YES

    def moment(self, row: ReportRow, field: str, *, fold: int) -> datetime:
        """Return an instant: a date, a serial number of days, or text.

        Args:
            row: of the report.
            field: start or finish.
            fold: which of the two hours of a clock change is meant by a time without an offset; 1: the later one.

        Raises:
            ReportContentError: when it is none of these.
        """
        moment = self._wall_clock(row.cells.get(field))
        if moment is None:
            raise self.error(
                row, field, "no time", "correct date_format in the integration file, or that row in Hector"
            )
        moment = (moment + HALF_A_SECOND).replace(microsecond=0)
        return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(self.fields.timezone), fold=fold)

    def _wall_clock(self, cell: Cell) -> datetime | None:
        if isinstance(cell, datetime):
            return cell
        if isinstance(cell, int | float):
            return self._of_serial(float(cell))
        text = text_of(cell)
        for read in (self._by_format, _by_iso):
            try:
                return read(text)
            except ValueError:
                continue
        return self._of_serial(float(text.replace(",", "."))) if SERIAL.fullmatch(text) else None

    def _by_format(self, text: str) -> datetime:
        return datetime.strptime(text, self.fields.date_format)  # noqa: DTZ007 - ``moment`` adds the zone

    def _of_serial(self, days: float) -> datetime | None:
        return self.table.serials_since + timedelta(days=days) if 1 <= days <= LATEST_SERIAL else None

    def error(self, row: ReportRow, field: str, what: str, step: str | None = None) -> ReportContentError:
        return ReportContentError(
            self.exchange, f"has a {self.headings[field]} in row {row.number} that is {what}", step
        )

    @cached_property
    def _codes(self) -> dict[str, str]:
        return {name_id(name): code for name, code in self.fields.statuses.items()}


# --- users ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReportedPeople:
    """The users of a report, with the groups and departments that it names."""

    users: list[User]
    groups: list[UserGroup]
    departments: list[Department]


class _UserFields(NamedTuple):
    id: str
    email: str | None
    first_name: str | None
    last_name: str | None
    unique_code: str | None
    status: str
    department: str


def map_people(reading: ReportReading) -> ReportedPeople:
    """Return the users: rows of one user that differ stay two users with one email, whom the rules leave as they are."""
    groups: dict[str, str] = {}
    merged: dict[_UserFields, tuple[int, list[str]]] = {}
    for row in reading.table.rows:
        named = {name_id(name): name for name in reading.names(row, "groups")}
        groups = named | groups
        merged.setdefault(_user_fields(reading, row), (row.number, []))[1].extend(named)
    ids = _distinct_ids((fields.id, number) for fields, (number, _) in merged.items())
    departments = {name_id(name): name for name in (fields.department for fields in merged) if name}
    return ReportedPeople(
        [_user(user_id, fields, names) for user_id, (fields, (_, names)) in zip(ids, merged.items(), strict=True)],
        [UserGroup(id=one, name=name, official=True, alias_of=None) for one, name in groups.items()],
        [Department(id=one, name=name) for one, name in departments.items()],
    )


def _user_fields(reading: ReportReading, row: ReportRow) -> _UserFields:
    email, code = reading.text(row, "email"), reading.text(row, "unique_code")
    return _UserFields(
        id=reading.text(row, "id") or email_id(email),
        email=email or None,
        first_name=reading.text(row, "first_name") or None,
        last_name=reading.text(row, "last_name") or None,
        unique_code=code or None,
        status=reading.status(row) if "status" in reading.headings else ACTIVE,
        department=one_line(reading.text(row, "department")),
    )


def _user(user_id: str, fields: _UserFields, groups: list[str]) -> User:
    return User(
        id=user_id,
        email=fields.email,
        first_name=fields.first_name,
        last_name=fields.last_name,
        unique_code=fields.unique_code,
        status=fields.status,
        department_id=name_id(fields.department) or None,
        group_ids=list(dict.fromkeys(groups)),
    )


def _distinct_ids(pairs: Iterable[tuple[str, int]]) -> list[str]:
    """Return an id for each pair of id and row; one that is there already gets its row with it."""
    found: dict[str, None] = {}
    for one, number in pairs:
        found[one if one not in found else f"{one} (row {number})"] = None
    return list(found)


# --- places -----------------------------------------------------------------------------------------------------------


def map_places(reading: ReportReading) -> list[Place]:
    """Return the places, known by their name.

    Raises:
        ReportContentError: when two rows give one place two locks.
    """
    locks: dict[str, tuple[str, str]] = {}
    for row in reading.table.rows:
        name, lock = one_line(reading.text(row, "place")), reading.text(row, "lock_name")
        if locks.setdefault(name_id(name), (name, lock))[1] != lock:
            step = "give places of one name different names in Hector"
            raise reading.error(row, "lock_name", "not the one that an earlier row gives this place", step)
    return [_place(one, name, lock) for one, (name, lock) in locks.items()]


def _place(place_id: str, name: str, lock: str) -> Place:
    values = [AttributeValue(key=LOCK_KEY, value=lock)] if lock else []
    return Place(id=place_id, name=name, kind="place", active=True, attributes=values)


# --- loaners ----------------------------------------------------------------------------------------------------------


class _LoanerFields(NamedTuple):
    reference: str
    status: str
    start: datetime
    finish: datetime
    borrower: Party
    blocking: bool


@dataclass(frozen=True)
class Known:
    """What loaners refer to.

    Attributes:
        users: the id of each user by folded email, where a report gives users ids; otherwise empty.
        places: the ids of all places.
    """

    users: Mapping[str, str]
    places: Collection[str]


@dataclass
class _Rows:
    number: int
    participants: dict[str, None] = field(default_factory=dict)
    resources: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportedLoaner:
    """A loaner with its instants."""

    loaner: Loaner
    start: datetime
    finish: datetime

    def overlaps(self, begin: datetime, end: datetime) -> bool:
        """Return whether it overlaps [begin, end); one that ends before it starts is shown, so that it is reported."""
        first, last = min(self.start, self.finish), max(self.start, self.finish)
        return (first < end and last > begin) or begin <= self.start < end


def map_loaners(reading: ReportReading, known: Known) -> tuple[list[ReportedLoaner], int]:
    """Return the loaners, and how many of their resources are no places.

    Rows of one reference that differ in more than the resource stay two loaners, which the rules report and leave alone.

    Raises:
        ReportLayoutError: no borrower is an email.
        ReportContentError: when a row cannot be read.
    """
    _require_emails(reading)
    merged: dict[_LoanerFields, _Rows] = {}
    for row in reading.table.rows:
        rows = merged.setdefault(_loaner_fields(reading, row, known), _Rows(row.number))
        emails = filter(None, map(email_of, reading.names(row, "participants")))
        rows.participants |= dict.fromkeys(_user_id(email, known) for email in emails)
        rows.resources |= dict.fromkeys(_resources(reading, row, known))
    ids = _distinct_ids((fields.reference, rows.number) for fields, rows in merged.items())
    loaners = [_loaner(one, fields, rows, known) for one, (fields, rows) in zip(ids, merged.items(), strict=True)]
    return loaners, len({one for rows in merged.values() for one in rows.resources} - set(known.places))


def _require_emails(reading: ReportReading) -> None:
    """Refuse a column that holds names: read on, it would take all access away."""
    borrowers = [text for row in reading.table.rows if (text := reading.text(row, "borrower"))]
    if borrowers and not any(map(email_of, borrowers)):
        step = "choose the field that holds the borrower's email for this column in Hector"
        what = f"has a column {reading.headings['borrower']} without any email"
        raise ReportLayoutError(reading.exchange, what, step)


def _loaner_fields(reading: ReportReading, row: ReportRow, known: Known) -> _LoanerFields:
    borrower = email_of(reading.text(row, "borrower"))
    return _LoanerFields(
        reference=one_line(reading.text(row, "reference")),
        status=reading.status(row),
        start=reading.moment(row, "start", fold=0),
        finish=reading.moment(row, "finish", fold=1),
        borrower=NOT_A_USER if borrower is None else Party(type="user", id=_user_id(borrower, known)),
        blocking=reading.is_yes(row, "blocking"),
    )


def _user_id(email: str, known: Known) -> str:
    return known.users.get(comparable(email)) or email_id(email)


def _resources(reading: ReportReading, row: ReportRow, known: Known) -> list[str]:
    """Return the ids of one cell's resources; a place's name may hold the separator."""
    whole = name_id(reading.text(row, "place"))
    return [whole] if whole in known.places else [name_id(name) for name in reading.names(row, "place")]


def _loaner(loaner_id: str, fields: _LoanerFields, rows: _Rows, known: Known) -> ReportedLoaner:
    lines = [Line(type="place", place_id=one) if one in known.places else Line(type="asset") for one in rows.resources]
    loaner = Loaner(
        id=loaner_id,
        reference=fields.reference,
        status=Status(code=fields.status),
        start=fields.start.isoformat(),
        finish=fields.finish.isoformat(),
        blocking=fields.blocking,
        borrower=fields.borrower,
        participants=[Party(type="user", id=one) for one in rows.participants],
        lines=lines,
    )
    return ReportedLoaner(loaner, fields.start, fields.finish)
