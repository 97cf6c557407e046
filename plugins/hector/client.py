"""Hector's clients: one that can only read, and one for the single thing that is ever written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import requests
from pydantic import TypeAdapter

from hector import mapping, payloads
from hector.errors import UNAUTHORIZED_STEP, error_for_refusal
from hector.pages import read_all
from hector_salto.access import schemas
from hector_salto.access.people import ACTIVE, HectorPeople
from hector_salto.access.reservations import HectorReservations
from hector_salto.http_client.errors import MalformedAnswerError, RefusedError
from hector_salto.http_client.tag_numbers import pattern_of
from hector_salto.http_client.timestamps import InvalidTimestampError, parse_timestamp
from hector_salto.http_client.transport import READ_METHODS, FixedToken, Service, Transport

if TYPE_CHECKING:
    import pandas as pd

    from hector_salto.http_client.clock_skew import ClockReading
    from hector_salto.http_client.rate_limit import RateLimit
    from hector_salto.http_client.tag_numbers import TagPattern
    from hector_salto.http_client.timing import Timing
    from hector_salto.http_client.transport import CallRecorder

WRITE_METHODS = frozenset({"POST"})
_ENVIRONMENT = TypeAdapter(payloads.EnvironmentPayload)


@dataclass(frozen=True, slots=True)
class Environment:
    """The Hector instance that answers."""

    instance_id: str
    name: str
    time_zone: str
    api_token_expires_at: datetime | None


def hector_service(base_url: str, connection: str) -> Service:
    return Service("Hector", connection, base_url, error_for_refusal, UNAUTHORIZED_STEP)


def hector_transport(  # noqa: PLR0913 - what a transport is made of, each named
    service: Service,
    token: str,
    *,
    pacing: RateLimit,
    timing: Timing,
    verbs: frozenset[str] = READ_METHODS,
    journal: CallRecorder | None = None,
) -> Transport:
    return Transport(service, FixedToken(token), verbs=verbs, pacing=pacing, timing=timing, journal=journal)


class HectorReader:
    """Reads Hector: each answer complete, or an error."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def clock(self) -> ClockReading:
        """How Hector's clock compares with this machine's, as its answers so far show."""
        return self._transport.clock

    def environment(self) -> Environment:
        found = self._transport.read("/environment", _ENVIRONMENT)
        expires = found.api_token_expires_at
        return Environment(
            instance_id=found.instance_id,
            name=found.name,
            time_zone=found.time_zone,
            api_token_expires_at=None if expires is None else self._parse_timestamp(expires),
        )

    def users(self, fingerprint: mapping.Fingerprinting) -> HectorPeople:
        """All users; their unique codes leave this client as fingerprints only."""
        users = read_all(self._transport, "/users", payloads.User)
        groups = read_all(self._transport, "/groups", payloads.UserGroup)
        departments = read_all(self._transport, "/departments", payloads.Department)
        memberships = (row for user in users for row in mapping.user_group_rows(user))
        return HectorPeople(
            users=schemas.frame(schemas.HECTOR_USERS, (mapping.user_row(user, fingerprint) for user in users)),
            user_groups=schemas.frame(schemas.HECTOR_USER_GROUPS, memberships),
            groups=schemas.frame(schemas.HECTOR_GROUPS, map(mapping.group_row, groups)),
            departments=schemas.frame(schemas.HECTOR_DEPARTMENTS, map(mapping.department_row, departments)),
        )

    def code_patterns(self) -> Counter[TagPattern]:
        """Count how the active users' unique codes are written; no code leaves this client."""
        users = read_all(self._transport, "/users", payloads.User)
        codes = (user.unique_code for user in users if user.status.strip().casefold() == ACTIVE)
        return Counter(pattern for code in codes if (pattern := pattern_of(code)) is not None)

    def places(self) -> pd.DataFrame:
        places = read_all(self._transport, "/places", payloads.Place)
        return schemas.frame(schemas.HECTOR_PLACES, map(self._place_row, places))

    def loaners(self, begin: datetime, end: datetime) -> HectorReservations:
        """Every loaner, of any status, that overlaps [begin, end)."""
        span = {"from": _format_rfc3339(begin), "to": _format_rfc3339(_round_up_to_second(end))}
        loaners = read_all(self._transport, "/loaners", payloads.Loaner, span)
        people = (row for loaner in loaners for row in mapping.people_rows(loaner))
        places = (row for loaner in loaners for row in mapping.place_rows(loaner))
        return HectorReservations(
            reservations=schemas.frame(schemas.RESERVATIONS, map(self._reservation_row, loaners)),
            people=schemas.frame(schemas.RESERVATION_PEOPLE, people),
            places=schemas.frame(schemas.RESERVATION_PLACES, places),
        )

    def loaners_changed_since(self, begin: datetime, end: datetime, since: datetime) -> pd.DataFrame:
        """Loaners, of any status, that overlap [begin, end) and were changed at or after ``since`` (CHANGED_RESERVATIONS).

        Deletions do not show.
        """
        span = {"from": _format_rfc3339(begin), "to": _format_rfc3339(end), "updated_since": _format_rfc3339(since)}
        loaners = read_all(self._transport, "/loaners", payloads.ChangedLoaner, span)
        return schemas.frame(schemas.CHANGED_RESERVATIONS, map(self._change_row, loaners))

    def has_lock_attribute(self) -> bool:
        attributes = read_all(self._transport, "/attributes", payloads.Attribute, {"entity": "place"})
        return any(map(mapping.is_lock_attribute, attributes))

    def _place_row(self, place: payloads.Place) -> mapping.Row:
        try:
            return mapping.place_row(place)
        except mapping.NotTextError:
            exchange = self._transport.service.request_info("GET", "/places")
        raise MalformedAnswerError(
            exchange,
            f"gives place {place.id!r} a {mapping.LOCK_NAME} that is no text",
            f"make the attribute {mapping.LOCK_NAME} a text in Hector, and correct that place",
        )

    def _change_row(self, loaner: payloads.ChangedLoaner) -> mapping.Row:
        try:
            return mapping.row_of_change(loaner)
        except InvalidTimestampError:
            exchange = self._transport.service.request_info("GET", "/loaners")
        raise MalformedAnswerError(
            exchange, f"gives loaner {loaner.reference!r} an updated_at that is no time with an offset"
        )

    def _reservation_row(self, loaner: payloads.Loaner) -> mapping.Row:
        try:
            return mapping.reservation_row(loaner)
        except InvalidTimestampError:
            exchange = self._transport.service.request_info("GET", "/loaners")
        raise MalformedAnswerError(
            exchange,
            f"gives loaner {loaner.reference!r} a start or finish that is no time with an offset",
            "correct that loaner in Hector",
        )

    def _parse_timestamp(self, text: str) -> datetime:
        try:
            return parse_timestamp(text)
        except InvalidTimestampError:
            exchange = self._transport.service.request_info("GET", "/environment")
        raise MalformedAnswerError(exchange, "gives an api_token_expires_at that is no time with an offset")


class HectorWriter:
    """Writes the one thing the integration adds to Hector: the place attribute that names a lock."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create_lock_attribute(self) -> None:
        """Create the place attribute; that it exists already is as good."""
        try:
            self._transport.write("POST", "/attributes", mapping.LOCK_ATTRIBUTE)
        except RefusedError as error:
            if error.status != requests.codes.conflict:
                raise


def _round_up_to_second(moment: datetime) -> datetime:
    """Rounded up, so that a loaner that starts within this second is still asked for."""
    return moment + timedelta(seconds=1) if moment.microsecond else moment


def _format_rfc3339(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a time without a zone names no instant")
    return moment.astimezone(UTC).isoformat(timespec="seconds")
