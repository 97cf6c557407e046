from __future__ import annotations

import os

import pytest

from hector_salto.ledger.ledger import Ledger
from tests.ledger import postgres


@pytest.fixture(scope="session")
def postgres_server():
    folder = postgres.programs()
    if folder is None:
        if os.environ.get("CI"):
            pytest.fail(postgres.MISSING)
        pytest.skip(postgres.MISSING)
    with postgres.server(folder) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, ledger_url):
    """A ledger that does not exist yet, in each of the two databases."""
    if request.param == "sqlite":
        return ledger_url
    made = request.getfixturevalue("postgres_server").url
    import sqlalchemy

    engine = sqlalchemy.create_engine(made)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("drop schema if exists ledger cascade"))
    engine.dispose()
    return made


@pytest.fixture
def ledger(url):
    return Ledger.open(url)
