"""Why a reservation opens no door: every reason that Hector's side of the desired state gives, and what it means."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """A reason as it is written into DECISIONS."""

    REFERENCE_TWICE = "its reference is not unique, so its group is left as it is"
    REFERENCE_BLANK = "its reference is blank"
    BLOCKING = "it is a blocking event"
    STATUS_UNKNOWN = "its status is unknown"
    STATUS = "its status grants no access"
    NO_USER = "nobody among its borrower and participants can be given access"
    NO_SALTO_USER = "nobody among its people can be given access in Salto"
    NO_LOCK = "none of its places has a lock"
    NO_LOCK_OF_SITE = "none of its places names a lock of this site"
    ZONES = "its locks' time zones cannot be served by one schedule"
    DOOR_UNCLEAR = "which door it means cannot be decided now, so its group is left as it is"
    OVER = "its window is over"
    AHEAD = "its window starts beyond the horizon"
    BACKWARDS = "it does not finish after its start"
    TOO_LONG = "its window is longer than 31 days"


MATTER_OF_TIME = frozenset({Refusal.OVER, Refusal.AHEAD})
# Hector's answer is no, or there is no door: nothing is wrong, and no user waits before a door that should open.
SETTLED = frozenset({Refusal.BLOCKING, Refusal.STATUS, Refusal.NO_LOCK, *MATTER_OF_TIME})
# Every other reason is data that a person must correct: the reservation should open its doors and will not.
