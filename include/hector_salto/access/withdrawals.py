"""Why a removal takes access away, as Hector has it: what a person who approves removals has to know."""

from __future__ import annotations

from enum import StrEnum

import pandas as pd

from hector_salto.access.frame_lookup import lookup
from hector_salto.access.operations import KINDS, PERSON
from hector_salto.access.refusals import MATTER_OF_TIME, Refusal
from hector_salto.access.statuses import canonical_status


class HectorSays(StrEnum):
    """What Hector shows of a reservation or a user that loses access."""

    CANCELLED = "cancelled"
    ENDED = "ended"
    DELETED = "deleted"
    MOVED = "moved"
    NO_USER = "no_user"
    NO_LOCK = "no_lock"
    USER_GONE = "user_gone"
    NO_RESERVATION = "no_reservation"
    CORRECTED = "corrected"
    UNKNOWN = "unknown"


CANCELLED = frozenset({"cancelled", "refused"})
BY_REFUSAL = {
    **{str(one): HectorSays.MOVED for one in MATTER_OF_TIME},
    **{str(one): HectorSays.NO_USER for one in (Refusal.NO_USER, Refusal.NO_SALTO_USER)},
    **{str(one): HectorSays.NO_LOCK for one in (Refusal.NO_LOCK, Refusal.NO_LOCK_OF_SITE, Refusal.ZONES)},
    str(Refusal.STATUS): HectorSays.ENDED,
}


def hector_says(operations: pd.DataFrame, decisions: pd.DataFrame, reservations: pd.DataFrame) -> pd.Series:
    """Return a code of ``HectorSays`` for each removal of OPERATIONS; null for everything else.

    Args:
        operations: OPERATIONS.
        decisions: DECISIONS, with what Salto has taken into account.
        reservations: RESERVATIONS, all that Hector showed.
    """
    removal = operations["removal"]
    whole = operations["kind"].eq("group_delete") & operations["cause"].isin(["withdrawn", "ended"])
    person = operations["kind"].isin([kind.name for kind in KINDS.values() if kind.subject == PERSON])
    said = pd.Series(str(HectorSays.MOVED), index=operations.index, dtype="str")
    said = said.mask(operations["cause"].eq("drift"), str(HectorSays.CORRECTED))
    said = said.mask(person & operations["cause"].eq("withdrawn"), str(HectorSays.USER_GONE))
    said = said.mask(operations["cause"].eq("leftover"), str(HectorSays.CORRECTED))
    said = said.mask(operations["kind"].eq("user_suspend"), str(HectorSays.NO_RESERVATION))
    said = said.mask(whole, _of_reservations(operations["reference"], decisions, reservations))
    return said.where(removal & operations["cause"].ne("expired"))


def _of_reservations(references: pd.Series, decisions: pd.DataFrame, reservations: pd.DataFrame) -> pd.Series:
    """Of each reference what its reservation shows; one that a complete read does not show was deleted, or moved far away."""
    shown = decisions.drop_duplicates("reference")
    reason = lookup(references, shown["reference"], shown["reason"])
    ids = lookup(references, shown["reference"], shown["reservation_id"])
    status = canonical_status(lookup(ids, reservations["reservation_id"], reservations["status"]).astype("str"))
    said = reason.map(BY_REFUSAL).astype("str").where(reason.isin(list(BY_REFUSAL)), str(HectorSays.UNKNOWN))
    said = said.mask(reason.eq(str(Refusal.STATUS)) & status.isin(CANCELLED), str(HectorSays.CANCELLED))
    return said.mask(reason.isna(), str(HectorSays.DELETED))
