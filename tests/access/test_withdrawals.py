"""Why a removal takes access away, as Hector has it."""

from __future__ import annotations

import pandas as pd
import pytest

from hector_salto.access import schemas
from hector_salto.access.operations import operations
from hector_salto.access.refusals import Refusal
from hector_salto.access.withdrawals import HectorSays, hector_says

AT = pd.Timestamp("2026-01-14T10:00:00Z")


def said(kind: str, cause: str, *, status: str = "new", reason: str | None = None) -> object:
    """What is said of one operation about reservation 7, which Hector shows unless reason is None."""
    row = {
        "group_id": "g",
        "group_name": "Hector_7",
        "reference": "7",
        "platform_user_id": "p",
        "user_id": "u",
        "site_user_id": "s",
    }
    rows = pd.DataFrame([row]).astype("str")
    planned = operations(kind, rows, cause=cause, reason="as planned", unit="reservation 7")
    shown = [] if reason is None else [7]
    decisions = [
        {
            "reservation_id": "l_7",
            "reference": "7",
            "decision": "no_access",
            "reason": reason,
            "window_start": AT,
            "window_end": AT,
        }
        for _ in shown
    ]
    reservations = [
        {"reservation_id": "l_7", "reference": "7", "status": status, "start": AT, "finish": AT, "blocking": False}
        for _ in shown
    ]
    found = hector_says(
        planned, schemas.frame(schemas.DECISIONS, decisions), schemas.frame(schemas.RESERVATIONS, reservations)
    )
    return None if pd.isna(found.iloc[0]) else found.iloc[0]


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        ("cancelled", str(Refusal.STATUS), HectorSays.CANCELLED),
        (" Refused ", str(Refusal.STATUS), HectorSays.CANCELLED),
        ("returned", str(Refusal.STATUS), HectorSays.ENDED),
        ("new", None, HectorSays.DELETED),
        ("new", str(Refusal.AHEAD), HectorSays.MOVED),
        ("new", str(Refusal.NO_USER), HectorSays.NO_USER),
        ("new", str(Refusal.NO_LOCK_OF_SITE), HectorSays.NO_LOCK),
        ("odd", str(Refusal.STATUS_UNKNOWN), HectorSays.UNKNOWN),
        ("new", "a reason of tomorrow", HectorSays.UNKNOWN),
    ],
)
def test_a_withdrawn_group_says_what_hector_shows(status, reason, expected):
    assert said("group_delete", "withdrawn", status=status, reason=reason) == expected


@pytest.mark.parametrize(
    ("kind", "cause", "expected"),
    [
        ("member_remove", "moved", HectorSays.MOVED),
        ("member_remove", "drift", HectorSays.CORRECTED),
        ("user_delete", "withdrawn", HectorSays.USER_GONE),
        ("user_suspend", "withdrawn", HectorSays.NO_RESERVATION),
        ("group_delete", "expired", None),
        ("member_add", "moved", None),
    ],
)
def test_other_removals_say_what_they_are(kind, cause, expected):
    assert said(kind, cause) == expected
