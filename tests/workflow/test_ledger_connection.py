"""The ledger is opened as Airflow's own hook would open its connection, or not at all."""

from __future__ import annotations

import json
from unittest.mock import Mock

import pytest
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import Connection
from sqlalchemy import create_engine, make_url

from hector_salto.ledger.ledger import Ledger, LedgerError
from hector_salto.workflow.ledger_connection import ledger_url
from hector_salto.workflow.recorder import ledger

ROWS = {"cursor_factory", "row_factory"}  # how rows look to whoever has the cursor
TLS = {"sslmode": "verify-full", "sslrootcert": "/c/ca.pem", "sslcert": "/c/me.pem", "sslkey": "/c/me.key"}


def connection(extra=None, conn_type="postgres", **fields):
    known = {"host": "db.example", "login": "ledger", "password": "p@ss:/?", "schema": "salto", "port": 5433}
    text = extra if isinstance(extra, str) else json.dumps(extra) if extra is not None else None
    return Connection(conn_id="ledger", conn_type=conn_type, extra=text, **(known | fields))


@pytest.mark.parametrize(
    "extra",
    [
        None,
        {},
        TLS,
        {"connect_timeout": 10, "options": "-c statement_timeout=5s -c search_path=a", "application_name": "x y&z"},
        {"keepalives_idle": "30", "cursor": "dictcursor", "iam": False, "sslmode": None},
        {"host": "other.example", "dbname": "else", "port": "6000"},
    ],
)
def test_the_driver_is_given_what_the_hook_gives(extra):
    """The same parameters, through a URL as the ledger keeps it."""
    hook = PostgresHook(connection=connection(extra))
    hook._create_connection = Mock()
    hook.get_conn()
    ((meant,), _) = hook._create_connection.call_args
    meant = {name: str(value) for name, value in meant.items() if value is not None and name not in ROWS}

    url = make_url(ledger_url(connection(extra)).render_as_string(hide_password=False))
    _, given = create_engine(url).dialect.create_connect_args(url)

    assert {name: str(value) for name, value in given.items()} == meant


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({"ssl_mode": "require"}, 'does not know .*invalid connection option "ssl_mode"'),
        ({"iam": True}, "'iam', which the ledger cannot connect with"),
        ({"sslmode": ["require"]}, "'sslmode', whose value is neither text nor number"),
        ({"sslmode": True}, "'sslmode', whose value is neither text nor number"),
        ({"sqlalchemy_query": "sslmode=require"}, "'sqlalchemy_query' that is no object"),
        ({"port": "x"}, "'port' that is no number"),
        ("{sslmode: require}", "what is no JSON object"),
        ("[]", "what is no JSON object"),
    ],
)
def test_what_cannot_be_used_is_refused(extra, sentence):
    """In one sentence, before anything is connected without it."""
    with pytest.raises(
        LedgerError, match=rf"^the extra of the ledger's connection ledger holds .*{sentence}.*: remove"
    ):
        ledger_url(connection(extra))


def test_sqlite_takes_no_extra():
    """A file is opened as it is."""
    assert ledger_url(connection({}, "sqlite", host="/x/l.db")).database == "/x/l.db"
    with pytest.raises(LedgerError, match="holds 'sslmode', which a SQLite file has no use for"):
        ledger_url(connection({"sslmode": "require"}, "sqlite"))


def test_no_secret_is_shown():
    """An error names the ledger without its password and without its extra."""
    url = ledger_url(connection(TLS | {"sslpassword": "hidden"}))

    assert (
        Ledger(url.render_as_string(hide_password=False)).where
        == "postgresql+psycopg2://ledger:***@db.example:5433/salto"
    )


def test_the_ledgers_setting_leads_to_it(monkeypatch):
    """What is wrong with the extra ends a run before it begins."""
    monkeypatch.setenv("HECTOR_SALTO_LEDGER", "my_ledger")
    wrong = {"conn_type": "postgres", "host": "localhost", "extra": {"ssl": "yes"}}
    monkeypatch.setenv("AIRFLOW_CONN_MY_LEDGER", json.dumps(wrong))

    with pytest.raises(LedgerError, match="the extra of the ledger's connection my_ledger holds"):
        ledger()
