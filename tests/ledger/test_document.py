"""docs/ledger.md tells analysts what is there: every table, column and view, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from hector_salto.access import results
from hector_salto.ledger.ledger import Ledger
from hector_salto.ledger.tables import Table

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")


def told():
    """Columns of each table and view, in the order in which they are explained."""
    parts = re.split(r"^### `(\w+)`$", DOCUMENT, flags=re.MULTILINE)
    bodies = zip(parts[1::2], parts[2::2], strict=True)
    return {name: re.findall(r"^\| `(\w+)` \| \S", body, re.MULTILINE) for name, body in bodies}


def test_every_table_and_view_and_column_is_explained(ledger):
    found = inspect(ledger.engine)
    names = {*Table.metadata.tables, *found.get_view_names()}

    assert {name: set(columns) for name, columns in told().items()} == {
        name: {column["name"] for column in found.get_columns(name)} for name in names
    }


def test_every_outcome_is_explained():
    (line,) = re.findall(r"^\| `outcome` \| null: .*$", DOCUMENT, re.MULTILINE)

    for outcome in (
        results.DONE,
        results.NO_SEAT,
        results.FAILED,
        results.UNKNOWN,
        results.NOT_SENT,
        results.HELD,
    ):
        assert f"`{outcome}`" in line


@pytest.mark.parametrize("query", re.findall(r"^(select .*?);", DOCUMENT, re.MULTILINE | re.DOTALL))
def test_the_questions_can_be_asked(ledger_url, query):
    with Ledger.open(ledger_url).reading() as connection:
        assert connection.execute(text(query)).all() == []
