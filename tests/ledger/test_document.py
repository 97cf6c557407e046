"""docs/ledger.md tells analysts what is there: every table, column and view, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from include.ledger.ledger import Ledger
from include.ledger.tables import Table

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")


def test_every_table_and_column_is_explained():
    parts = re.split(r"^### `(\w+)`$", DOCUMENT, flags=re.MULTILINE)
    told = {
        name: re.findall(r"^\| `(\w+)` \| \S", body, re.MULTILINE)
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }

    assert {name: set(columns) for name, columns in told.items()} == {
        table.name: {column.name for column in table.columns} for table in Table.metadata.sorted_tables
    }


@pytest.mark.parametrize("query", re.findall(r"^(select .*?);", DOCUMENT, re.MULTILINE | re.DOTALL))
def test_the_questions_can_be_asked(ledger_url, query):
    with Ledger.open(ledger_url).reading() as connection:
        assert connection.execute(text(query)).all() == []
