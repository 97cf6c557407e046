"""The answers so far, and what is made of them: the integration file and the two connections."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import BaseHook, Connection

from hector.reports import KINDS
from hector.reports_hook import MAILBOX_PORTS
from hector_salto.report_fields import WEEK, ReportFields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hector_salto.integration import Integration

ADDRESSES = {
    "production": ("https://connect.my-clay.com", "https://identity.eu.my-clay.com"),
    "accept": ("https://clp-accept-user.my-clay.com", "https://identity-acc.eu.my-clay.com"),
}
API, REPORTS = "api", "reports"
# What each field of a connection is called among the answers, by the connection's type.
HECTOR_FIELDS = {"host": "hector_url", "password": "hector_token"}
REPORTS_FIELDS = {"host": "reports_host", "login": "mailbox_login", "password": "mailbox_password"}
SALTO_FIELDS = {"host": "salto_url", "login": "client_id", "password": "client_secret"}
SALTO_EXTRAS = {"identity_url": "identity_url", "username": "username", "user_password": "user_password"}
REPORTS_EXTRAS = {"sender": "mailbox_sender"}
SECRETS = frozenset({"hector_token", "client_secret", "user_password", "mailbox_password", "fingerprint_key"})


@dataclass(frozen=True)
class Draft:
    """Answers by the key of their question.

    :param answers: texts, numbers, flags, lists of names, and headings by field.
    """

    answers: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def get(self, key: str, default: Any = "") -> Any:  # noqa: ANN401 - an answer
        return self.answers.get(key, default)

    def put(self, key: str, value: object) -> Draft:
        return Draft({**self.answers, key: value})

    def with_fingerprint_key(self) -> Draft:
        """Return the answers with the key of tag numbers that reports from a folder need; made once."""
        if self.get("fingerprint_key"):
            return self
        return self.put("fingerprint_key", secrets.token_urlsafe(24))

    @property
    def is_of_reports(self) -> bool:
        return str(self.get("source")) == REPORTS

    @property
    def is_of_mailbox(self) -> bool:
        return self.is_of_reports and urlsplit(str(self.get("reports_host"))).scheme in MAILBOX_PORTS

    @property
    def hector_conn_id(self) -> str:
        return str(self.get("hector_conn_id") or f"hector_{self.get('name')}")

    @property
    def salto_conn_id(self) -> str:
        return str(self.get("salto_conn_id") or f"salto_{self.get('name')}")

    @property
    def salto_addresses(self) -> tuple[str, str]:
        """Return the addresses of the API and of the identity server."""
        known = ADDRESSES.get(self.get("environment"))
        return known or (self.get("salto_url"), self.get("identity_url"))

    def columns(self, kind: str) -> dict[str, str]:
        """Return the headings by field of a kind of report, as far as they were chosen."""
        found = self.get(f"{kind}_columns") or {}
        return {name: heading for name, heading in found.items() if heading}

    # --- the connections ----------------------------------------------------------------------------------------------

    def hector_connection(self) -> Connection:
        if self.is_of_reports:
            return self._reports_connection()
        return Connection(
            conn_id=self.hector_conn_id,
            conn_type="hector",
            host=self.get("hector_url"),
            password=self.get("hector_token"),
            extra=json.dumps(self.get("hector_extra")) if self.get("hector_extra") else None,
        )

    def _reports_connection(self) -> Connection:
        """Return the connection of reports; a mailbox without a key of tag numbers has its password for that."""
        extra = dict(self.get("hector_extra") or {})
        if not self.is_of_mailbox:
            extra["fingerprint_key"] = extra.get("fingerprint_key") or self.get("fingerprint_key")
            return Connection(
                conn_id=self.hector_conn_id,
                conn_type="hector_reports",
                host=self.get("reports_host"),
                extra=json.dumps(extra),
            )
        extra["sender"] = self.get("mailbox_sender")
        return Connection(
            conn_id=self.hector_conn_id,
            conn_type="hector_reports",
            host=self.get("reports_host"),
            login=self.get("mailbox_login"),
            password=self.get("mailbox_password"),
            extra=json.dumps(extra),
        )

    def salto_connection(self) -> Connection:
        api, identity = self.salto_addresses
        extra = {
            **(self.get("salto_extra") or {}),
            "identity_url": identity,
            "username": self.get("username"),
            "user_password": self.get("user_password"),
        }
        return Connection(
            conn_id=self.salto_conn_id,
            conn_type="salto_ks",
            host=api,
            login=self.get("client_id"),
            password=self.get("client_secret"),
            extra=json.dumps(extra),
        )

    def connections(self) -> dict[str, dict[str, Any]]:
        """Return the connections by their ids, as Airflow's command and environment take them."""
        return {one.conn_id: as_json(one) for one in (self.hector_connection(), self.salto_connection())}

    # --- the integration file -----------------------------------------------------------------------------------------

    def fields(self) -> dict[str, Any]:
        """Return the fields of the integration file."""
        reports = {"hector_reports": self._reports_block()} if self.is_of_reports else {}
        return {
            "hector_conn_id": self.hector_conn_id,
            "salto_conn_id": self.salto_conn_id,
            "site_id": self.get("site_id"),
            **reports,
            "schedule": self.get("schedule") or None,
            "timezone": self.get("timezone"),
            "grace_period": {"before": int(self.get("grace_before")), "after": int(self.get("grace_after"))},
            "office_mode": {
                "groups": list(self.get("office_groups", ())),
                "departments": list(self.get("office_departments", ())),
                "match": self.get("office_match") or "all",
            },
            "delete_users": bool(self.get("delete_users", False)),
        } | dict(self.get("others", {}))

    def yaml(self) -> str:
        return yaml.safe_dump(self.fields(), sort_keys=False, allow_unicode=True)

    def report_fields(self, **changes: object) -> ReportFields:
        """Return the block of reports; until the limit of their age is answered, a week.

        Args:
            changes: fields that are to be otherwise.
        """
        return ReportFields.model_validate({"max_age_hours": WEEK} | self._reports_block() | changes)

    def _reports_block(self) -> dict[str, Any]:
        limit = {"max_age_hours": int(self.get("max_age_hours"))} if self.get("max_age_hours") else {}
        statuses = {name: code for name, code in (self.get("statuses") or {}).items() if code}
        return {
            **{kind: {"file": self.get(f"{kind}_file"), "columns": self.columns(kind)} for kind in KINDS},
            "timezone": self.get("reports_timezone"),
            **({"date_format": self.get("date_format")} if self.get("date_format") else {}),
            **limit,
            **({"statuses": statuses} if statuses else {}),
            **(self.get("report_others") or {}),
        }

    # --- an integration that is edited --------------------------------------------------------------------------------

    @classmethod
    def of(cls, name: str, integration: Integration) -> Draft:
        """Return the answers that an integration file gives."""
        office, grace = integration.office_mode, integration.grace_period
        asked = {"hector_conn_id", "salto_conn_id", "site_id", "schedule", "timezone", "hector_reports"}
        asked |= {"grace_period", "office_mode", "delete_users"}
        return cls(
            {
                "name": name,
                "hector_conn_id": integration.hector_conn_id,
                "salto_conn_id": integration.salto_conn_id,
                "source": API if integration.hector_reports is None else REPORTS,
                "site_id": integration.site_id,
                "schedule": integration.schedule or "",
                "timezone": integration.timezone,
                "grace_before": grace.before,
                "grace_after": grace.after,
                "office_groups": list(office.groups),
                "office_departments": list(office.departments),
                "office_match": office.match,
                "delete_users": integration.delete_users,
                "others": integration.model_dump(mode="json", exclude=asked, exclude_unset=True),
                **(_answers_of(integration.hector_reports) if integration.hector_reports is not None else {}),
            }
        )

    def with_connections(self) -> Draft:
        """Return the answers with those that the two connections in Airflow give, if they are there."""
        found = dict(self.answers)
        hector = REPORTS_FIELDS if self.is_of_reports else HECTOR_FIELDS
        found |= _of_connection(self.hector_conn_id, hector, REPORTS_EXTRAS if self.is_of_reports else {}, "hector")
        found |= _of_connection(self.salto_conn_id, SALTO_FIELDS, SALTO_EXTRAS, "salto")
        known = {addresses: name for name, addresses in ADDRESSES.items()}
        if found.get("salto_url"):
            found["environment"] = known.get((found["salto_url"], found.get("identity_url", "")), "other")
        return Draft(found)


def _of_connection(conn_id: str, fields: Mapping[str, str], extras: Mapping[str, str], kind: str) -> dict[str, Any]:
    """Return the answers that a connection gives; extra fields that no question asks for stay together."""
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return {}
    extra = dict(connection.extra_dejson)
    found: dict[str, Any] = {key: getattr(connection, name) or "" for name, key in fields.items()}
    found |= {key: extra.pop(name) for name, key in extras.items() if extra.get(name)}
    return found | {f"{kind}_extra": extra}


def _answers_of(reports: ReportFields) -> dict[str, Any]:
    kinds = {kind: getattr(reports, kind) for kind in KINDS}
    asked = {*KINDS, "timezone", "date_format", "max_age_hours", "statuses"}
    return {
        **{f"{kind}_file": one.file for kind, one in kinds.items()},
        **{f"{kind}_columns": one.columns.model_dump(exclude_none=True) for kind, one in kinds.items()},
        "reports_timezone": reports.timezone,
        "date_format": reports.date_format,
        "max_age_hours": reports.max_age_hours,
        "statuses": dict(reports.statuses),
        "report_others": reports.model_dump(mode="json", exclude=asked, exclude_unset=True),
    }


def as_json(connection: Connection) -> dict[str, Any]:
    """Return a connection as the JSON that Airflow reads."""
    found = {
        "conn_type": connection.conn_type,
        "host": connection.host,
        "login": connection.login,
        "password": connection.password,
        "extra": json.loads(connection.extra) if connection.extra else None,
    }
    return {name: value for name, value in found.items() if value}
