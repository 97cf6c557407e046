"""The answers so far, and what is made of them: the integration file and the two connections."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import BaseHook, Connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hector_salto.integration import Integration

ADDRESSES = {
    "production": ("https://connect.my-clay.com", "https://identity.eu.my-clay.com"),
    "accept": ("https://clp-accept-user.my-clay.com", "https://identity-acc.eu.my-clay.com"),
}
SECRETS = frozenset({"hector_token", "client_secret", "user_password"})


@dataclass(frozen=True)
class Draft:
    """Answers by the key of their question.

    :param answers: texts, numbers, flags and lists of names.
    """

    answers: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def get(self, key: str, default: Any = "") -> Any:  # noqa: ANN401 - an answer
        return self.answers.get(key, default)

    def put(self, key: str, value: object) -> Draft:
        return Draft({**self.answers, key: value})

    @property
    def hector_conn_id(self) -> str:
        return f"hector_{self.get('name')}"

    @property
    def salto_conn_id(self) -> str:
        return f"salto_{self.get('name')}"

    @property
    def salto_addresses(self) -> tuple[str, str]:
        """Return the addresses of the API and of the identity server."""
        known = ADDRESSES.get(self.get("environment"))
        return known or (self.get("salto_url"), self.get("identity_url"))

    def hector_connection(self) -> Connection:
        return Connection(
            conn_id=self.hector_conn_id,
            conn_type="hector",
            host=self.get("hector_url"),
            password=self.get("hector_token"),
        )

    def salto_connection(self) -> Connection:
        api, identity = self.salto_addresses
        extra = {
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

    def fields(self) -> dict[str, Any]:
        """Return the fields of the integration file."""
        return {
            "hector_conn_id": self.hector_conn_id,
            "salto_conn_id": self.salto_conn_id,
            "site_id": self.get("site_id"),
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

    def connections(self) -> dict[str, dict[str, Any]]:
        """Return the connections by their ids, as Airflow's command and environment take them."""
        return {one.conn_id: as_json(one) for one in (self.hector_connection(), self.salto_connection())}

    @classmethod
    def of(cls, name: str, integration: Integration) -> Draft:
        """Return the answers that an integration file gives."""
        office, grace = integration.office_mode, integration.grace_period
        asked = {"hector_conn_id", "salto_conn_id", "site_id", "schedule", "timezone"}
        asked |= {"grace_period", "office_mode", "delete_users"}
        return cls(
            {
                "name": name,
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
            }
        )

    def with_connections(self) -> Draft:
        """Return the answers with those that the two connections in Airflow give, if they are there."""
        found = dict(self.answers)
        for conn_id, names in (
            (self.hector_conn_id, {"host": "hector_url", "password": "hector_token"}),
            (self.salto_conn_id, {"host": "salto_url", "login": "client_id", "password": "client_secret"}),
        ):
            try:
                connection = BaseHook.get_connection(conn_id)
            except AirflowNotFoundException:
                continue
            found |= {key: getattr(connection, field_) or "" for field_, key in names.items()}
            extra = connection.extra_dejson
            found |= {key: extra[key] for key in ("identity_url", "username", "user_password") if extra.get(key)}
        known = {addresses: name for name, addresses in ADDRESSES.items()}
        if found.get("salto_url"):
            found["environment"] = known.get((found["salto_url"], found.get("identity_url", "")), "other")
        return Draft(found)


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
