"""The settings of one integration that the rules read: Hector's form, and the few options beyond it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from hector_salto.access.statuses import DEFAULT_ACCESS_STATUSES

GROUP_PREFIX = "Hector_"
MARKER_PREFIX = "hector:"


@dataclass(frozen=True, slots=True)
class OfficeMode:
    """Who may toggle manual office mode: names of Hector groups and departments. Both empty: no user."""

    groups: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()
    match: Literal["all", "any"] = "all"


@dataclass(frozen=True, slots=True)
class Limits:
    """Removals beyond both limits are held back for approval (design, section 5)."""

    hold_above: int = 10
    hold_above_percent: int = 10


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What one integration's file says about access. Defaults are those of the interface."""

    grace_before: timedelta = timedelta(minutes=15)
    grace_after: timedelta = timedelta(minutes=15)
    horizon: timedelta = timedelta(days=7)
    office_mode: OfficeMode = field(default_factory=OfficeMode)
    delete_users: bool = False
    provision_users: Literal["all", "with_reservations"] = "all"
    access_statuses: frozenset[str] = DEFAULT_ACCESS_STATUSES
    protected_emails: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    drift: Literal["repair", "report"] = "repair"  # manual changes to our groups and users
