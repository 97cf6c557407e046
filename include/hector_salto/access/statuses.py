"""The status codes of a reservation (hector_api.md), their older names, and what an unknown one means: no access."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

STATUSES = frozenset(
    {
        "pending_approval",
        "new",
        "assigned",
        "partially_out",
        "out",
        "overdue",
        "to_be_inspected",
        "suspended",
        "damaged",
        "returned",
        "completed",
        "refused",
        "cancelled",
    }
)
ALIASES = {"awaiting_approval": "pending_approval"}
ENDED = frozenset({"returned", "completed"})  # Hector itself shows that the access is no longer needed
DEFAULT_ACCESS_STATUSES = frozenset({"new", "assigned", "partially_out", "out", "overdue"})


def canonical_status(codes: pd.Series) -> pd.Series:
    """Codes trimmed, in lower case, older names replaced; unknown codes come through and match nothing."""
    return codes.str.strip().str.lower().replace(ALIASES)
