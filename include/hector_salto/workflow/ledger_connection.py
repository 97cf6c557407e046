"""The ledger's Airflow connection as a database URL: with everything its extra asks of the driver, or refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL

from hector_salto.ledger.ledger import LedgerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Connection

POSTGRES = frozenset({"postgres", "postgresql"})
# What Airflow's PostgresHook keeps from the driver; those of the first kind change how it connects.
UNUSABLE = (
    "iam",
    "aws_conn_id",
    "azure_conn_id",
    "redshift",
    "redshift-serverless",
    "cluster-identifier",
    "workgroup-name",
)
IGNORED = frozenset({"cursor", "sqlalchemy_scheme"})  # how rows look, and which driver: ours are fixed
FIELDS = {"user": "username", "password": "password", "host": "host", "port": "port", "dbname": "database"}


def ledger_url(connection: Connection) -> URL:
    """Return the URL of a ledger's connection.

    Raises:
        LedgerError: when its type or anything in its extra cannot be used; nothing is connected without it.
    """
    extra = _extra(connection)
    if connection.conn_type == "sqlite":
        if extra:
            raise _connection_error(connection, f"{min(extra)!r}, which a SQLite file has no use for")
        return URL.create("sqlite", database=connection.host)
    if connection.conn_type not in POSTGRES:
        raise LedgerError(
            f"the ledger's connection {connection.conn_id} has the type {connection.conn_type}: use postgres or sqlite"
        )
    options = _options(connection, extra)
    parts: dict[str, Any] = {
        "username": connection.login,
        "password": connection.password,
        "host": connection.host,
        "port": connection.port,
        "database": connection.schema,
    }
    parts |= {FIELDS[name]: value for name, value in options.items() if name in FIELDS}
    if parts["port"] is not None:
        parts["port"] = _port(connection, parts["port"])
    query = {name: value for name, value in options.items() if name not in FIELDS}
    return URL.create("postgresql+psycopg2", **parts, query=query)


def _extra(connection: Connection) -> dict[str, Any]:
    """The extra as an object: Airflow itself passes over one that it cannot read, TLS settings and all."""
    try:
        found = json.loads(connection.extra or "{}")
        found = json.loads(found or "{}") if isinstance(found, str) else found  # encoded twice
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _connection_error(connection, "what is no JSON object")
    return found


def _options(connection: Connection, extra: Mapping[str, Any]) -> dict[str, str]:
    """What the driver is given, as Airflow's PostgresHook would give it."""
    for name in UNUSABLE:
        if extra.get(name):
            raise _connection_error(connection, f"{name!r}, which the ledger cannot connect with")
    more = extra.get("sqlalchemy_query") or {}
    if not isinstance(more, dict):
        raise _connection_error(connection, "a 'sqlalchemy_query' that is no object")
    left_out = {*UNUSABLE, *IGNORED, "sqlalchemy_query"}
    found = {name: value for name, value in {**more, **extra}.items() if name not in left_out and value is not None}
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise _connection_error(connection, f"{name!r}, whose value is neither text nor number")
    options = {name: str(value) for name, value in found.items()}
    _check_dsn(connection, options)
    return options


def _check_dsn(connection: Connection, options: Mapping[str, str]) -> None:
    """Let the driver read its options; it is only there where a ledger in PostgreSQL was asked for."""
    try:
        import psycopg2.extensions  # type: ignore[import-untyped]  # noqa: PLC0415 - it ships no types
    except ModuleNotFoundError:
        raise LedgerError(
            f"the ledger's connection {connection.conn_id} is of PostgreSQL, whose driver is not installed: install "
            "hector-salto[postgres]"
        ) from None
    try:
        psycopg2.extensions.make_dsn(**options)
    except psycopg2.Error as error:
        raise _connection_error(connection, f"what PostgreSQL's driver does not know ({_first_line(error)})") from None


def _port(connection: Connection, value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise _connection_error(connection, "a 'port' that is no number") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _connection_error(connection: Connection, what: str) -> LedgerError:
    return LedgerError(
        f"the extra of the ledger's connection {connection.conn_id} holds {what}: remove or correct it, then run again"
    )
