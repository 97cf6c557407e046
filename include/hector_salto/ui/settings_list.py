"""The settings of an integration as sentences a person reads: what is set, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hector_salto.integration import AlertFields, Integration


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        title: what it is.
        text: what is set.
        key: its key in the file.
    """

    title: str
    text: str
    key: str


def list_settings(integration: Integration) -> list[Setting]:
    """Return every setting, those of Hector's own form first."""
    return [Setting(title, text(integration), key) for key, (title, text) in SETTINGS.items()]


def _grace(one: Integration) -> str:
    return f"{one.grace_period.before} minutes before, {one.grace_period.after} minutes after"


def office_mode_text(one: Integration) -> str:
    """Return who may toggle office mode, by the groups and departments of the file."""
    office = one.office_mode
    parts = [f"group {name}" for name in office.groups] + [f"department {name}" for name in office.departments]
    if not parts:
        return "no user may toggle it"
    joint = " and " if office.match == "all" and office.groups and office.departments else " or "
    if joint == " or ":
        return f"users of {' or '.join(parts)}"
    groups, departments = parts[: len(office.groups)], parts[len(office.groups) :]
    return f"users of {' or '.join(groups)} who are also of {' or '.join(departments)}"


def _schedule(one: Integration) -> str:
    return "only when it is started" if one.schedule is None else f"{one.schedule} ({one.timezone})"


def _limits(one: Integration) -> str:
    return f"more than {one.limits.hold_above} removals that are also more than {one.limits.hold_above_percent} %"


def _alerts(alerts: AlertFields) -> str:
    found = list(alerts.email)
    found += [f"Slack {alerts.slack_channel}"] if alerts.slack_conn_id else []
    found += [f"Apprise ({alerts.apprise_conn_id})"] if alerts.apprise_conn_id else []
    return _listed(found, "no one")


def _listed(found: Iterable[str], none: str) -> str:
    return ", ".join(found) or none


def _hector(one: Integration) -> str:
    return f"connection {one.hector_conn_id}" + ("" if one.hector_reports is None else ", read from its reports")


SETTINGS: dict[str, tuple[str, Callable[[Integration], str]]] = {
    "site_id": ("Site id", lambda one: one.site_id),
    "grace_period": ("Grace period", _grace),
    "office_mode": ("Office mode", office_mode_text),
    "delete_users": (
        "Users who left Hector",
        lambda one: "are deleted from the site" if one.delete_users else "stay on the site",
    ),
    "horizon_days": ("Horizon", lambda one: f"doors are set up {one.horizon_days} days ahead"),
    "schedule": ("Schedule", _schedule),
    "timezone": ("Time zone of the schedule", lambda one: one.timezone),
    "provision_users": (
        "Users made in Salto",
        lambda one: "all users of Hector" if one.provision_users == "all" else "users with a reservation ahead",
    ),
    "access_statuses": ("Statuses that open doors", lambda one: _listed(one.access_statuses, "none")),
    "protected_emails": ("Users never changed", lambda one: _listed(one.protected_emails, "none")),
    "limits": ("Held for approval", _limits),
    "drift": (
        "Changes made in Salto itself",
        lambda one: "are repaired" if one.drift == "repair" else "are reported only",
    ),
    "entries": ("Events at the doors", lambda one: "are read" if one.entries else "are not read"),
    "alerts": ("Alerts go to", lambda one: _alerts(one.alerts)),
    "hector_conn_id": ("Hector", _hector),
    "hector_reports": ("Hector's reports", lambda one: "not used" if one.hector_reports is None else "used"),
    "salto_conn_id": ("Salto KS", lambda one: f"connection {one.salto_conn_id}"),
    "owner": ("Owner in Airflow", lambda one: one.owner),
}
