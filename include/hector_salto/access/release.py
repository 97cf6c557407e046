"""Whether a run may change a site, or only plans: a person presses Sync now once before anything changes it by itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Trigger(StrEnum):
    """What started a run."""

    PERSON = "person"
    SCHEDULE = "schedule"
    BACKFILL = "backfill"
    WATCH = "watch"
    APPROVAL = "approval"
    DAG = "dag"


class Gate(StrEnum):
    """Whether a run may apply its plan, and why not."""

    OPEN = "open"
    NOT_RELEASED = "not_released"
    SITE_CHANGED = "site_changed"
    HECTOR_CHANGED = "hector_changed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Target:
    """The two systems that an integration connects.

    Attributes:
        site_id: UUID of the Salto site.
        hector_url: base URL of Hector; None: not known.
        hector_instance: id that Hector gives itself; None: not known.
    """

    site_id: str
    hector_url: str | None = None
    hector_instance: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseDecision:
    """The last decision of a person about an integration.

    Attributes:
        target: what the integration connected then.
        by: who decided.
        at: when, aware.
        withdrawn: the person asked for plans only.
    """

    target: Target
    by: str
    at: datetime
    withdrawn: bool = False


def gate(release: ReleaseDecision | None, target: Target, trigger: Trigger, asked_at: datetime | None = None) -> Gate:
    """Return whether a run may apply its plan. What a person starts may; anything else needs a release of this target.

    Args:
        release: the last decision of a person; None: there is none.
        target: what the run connects.
        trigger: what started it.
        asked_at: when it was started, aware. A run that has waited while a person asked for plans only is not asked for any more.
    """
    if trigger is Trigger.PERSON:
        is_recalled = release is not None and release.withdrawn and asked_at is not None and asked_at < release.at
        return Gate.WITHDRAWN if is_recalled else Gate.OPEN
    if release is None:
        return Gate.NOT_RELEASED
    if release.withdrawn:
        return Gate.WITHDRAWN
    if release.target.site_id.casefold() != target.site_id.casefold():
        return Gate.SITE_CHANGED
    return Gate.HECTOR_CHANGED if _differs(release.target, target) else Gate.OPEN


def is_release(trigger: Trigger, *, whole: bool) -> bool:
    """Return whether a run lets its integration loose: a sync of all reservations, applied, that a person has started."""
    return trigger is Trigger.PERSON and whole


def _differs(released: Target, now: Target) -> bool:
    """Compare what is known of Hector now. The cleanup does not ask Hector: it knows its address at most."""
    address = now.hector_url is not None and now.hector_url != released.hector_url
    instance = now.hector_instance is not None and now.hector_instance != released.hector_instance
    return address or instance


STARTED_BY = {
    Trigger.PERSON: "a person Airflow does not name",
    Trigger.SCHEDULE: "its schedule",
    Trigger.BACKFILL: "a backfill",
    Trigger.WATCH: "the watch",
    Trigger.APPROVAL: "an approval",
    Trigger.DAG: "another DAG",
}


def describe_starter(trigger: str | None, person: str | None) -> str:
    """Return what started a run, in words: the person, where there is one."""
    if person:
        return f"the approval of {person}" if trigger == Trigger.APPROVAL else person
    return STARTED_BY[Trigger(trigger)] if trigger else STARTED_BY[Trigger.SCHEDULE]
