"""Whatever Hector and Salto call their things, a run can be written down: long words, odd letters, nothing at all."""

from __future__ import annotations

import random
import string
from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest
from sqlalchemy import func, select, text

from hector_salto.access import schemas
from hector_salto.access.snapshot import SCHEMAS, empty_snapshot
from hector_salto.ledger import queries
from hector_salto.ledger.ledger import LedgerError, Selection
from hector_salto.ledger.reservation_states import list_reservations as week
from hector_salto.ledger.tables import SEEN, writable
from tests.ledger.test_ledger import NOTHING, NOW, adding, begun, problem, reservation, rows

ODD = "a\x00b"


def long(name):
    """5,000 letters that cannot be compressed into an index."""
    return name + "".join(random.Random(name).choices(string.ascii_letters + string.digits, k=5000))  # noqa: S311 - no secret


def of_words(make):
    """A look in which every text of every table is made of these words."""
    flags = {"bool": True, "boolean": True}
    tables = {}
    for name, schema in SCHEMAS.items():
        row = {}
        for column, kind in schema.columns.items():
            dtype = str(kind.dtype)
            row[column] = NOW if dtype.startswith("datetime") else flags.get(dtype, make(column))
        tables[name] = schemas.frame(schema, [row])
    return replace(empty_snapshot(), **tables)


@pytest.mark.parametrize("make", [long, lambda column: ODD + column], ids=["long", "odd"])
def test_a_whole_run_can_be_written_down(ledger, make):
    reference, person = make("reference"), make("user_id")
    looked = of_words(make)
    planned = adding(person, reference=reference)
    found = problem(subject=make("subject")).assign(reference=reference)
    run = ledger.begin_run(begun())

    ledger.plan(run, planned, found, planned_at=NOW)
    (number,) = ledger.operation_ids(run).values()
    ledger.answer(ledger.send(run, [number], ("Salto KS", "PATCH", make("path")), NOW), NOW, 204, make("error"))
    ledger.settle(number, NOW, "failed", make("message"))
    ledger.add_entries("campus", schemas.frame(schemas.DOOR_EVENTS, [event(make)]))
    for hours in (0, 1):  # the same look twice is no change
        ledger.observe(run, "campus", looked.tables(), NOW + timedelta(hours=hours), still_read=NOW - timedelta(days=1))
    ledger.end_run(run, ended_at=NOW, causes=[make("cause")])

    with ledger.reading() as connection:
        counted = [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in SEEN]
    assert counted == [1] * len(SCHEMAS)
    assert len(queries.last_errors(ledger, "campus", reference=reference)) == 1
    assert len(queries.last_errors(ledger, "campus", user_id=person)) == 1
    assert len(ledger.read_snapshot("campus", about=Selection(reference=reference)).rooms) == 1
    assert rows(ledger, "select reference from latest_reservations") == [{"reference": writable(reference)}]


def event(make):
    columns = schemas.DOOR_EVENTS.columns
    return {name: NOW if str(kind.dtype).startswith("datetime") else make(name) for name, kind in columns.items()}


def test_an_event_with_a_long_id_is_known_again(ledger):
    events = schemas.frame(schemas.DOOR_EVENTS, [event(long)])

    assert [ledger.add_entries("campus", events) for _ in range(2)] == [1, 0]


def test_what_no_database_takes_is_replaced(ledger):
    run = ledger.begin_run(begun(triggered_by="half of a pair: \ud800"))
    ledger.plan(run, adding("u\x00"), NOTHING)

    assert rows(ledger, "select user_id from operations") == [{"user_id": "u\ufffd"}]
    assert rows(ledger, "select triggered_by from runs") == [{"triggered_by": "half of a pair: \ufffd"}]


def test_a_long_reference_is_in_its_week(ledger):
    row = reservation("1", 1) | {"reference": long("reference"), "reservation_id": long("reservation_id")}
    room = {
        "reservation_id": long("reservation_id"),
        "place_id": "p",
        "place_name": "Room",
        "lock_name": None,
        "lock_id": None,
    }
    run = ledger.begin_run(begun())
    ledger.observe(
        run,
        "campus",
        {
            "reservations": schemas.frame(schemas.SEEN_RESERVATIONS, [row]),
            "rooms": schemas.frame(schemas.SEEN_ROOMS, [room]),
        },
        NOW,
    )

    assert list(week(ledger, "campus", NOW, NOW + timedelta(days=7), now=NOW)["reference"]) == [long("reference")]
    assert week(ledger, "campus", NOW + timedelta(days=7), NOW + timedelta(days=8), now=NOW).empty


def test_an_operation_that_is_there_twice_is_refused_and_named(ledger):
    twice = pd.concat([adding("u_1"), adding("u_1")], ignore_index=True)
    run = ledger.begin_run(begun())

    with pytest.raises(LedgerError, match=r"the plan has the operation member_add:.*u_1.* twice"):
        ledger.plan(run, twice, NOTHING)
    assert rows(ledger, "select * from operations") == []


def test_nothing_is_no_word(ledger):
    """A nullable list that is not there is null for SQL too."""
    run = ledger.begin_run(begun())
    ledger.plan(run, adding("u_1"), NOTHING, holds=None)

    assert rows(
        ledger, "select count(*) as n from runs where chosen_references is null and holds is null and causes is null"
    ) == [{"n": 1}]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_no_free_text_is_in_an_ordered_index(ledger):
    """One that is longer than 2,700 bytes would stop the run of a whole site; names of files and ids are cut before."""
    query = """
        select i.relname, c.data_type, c.column_name from pg_index x
        join pg_class i on i.oid = x.indexrelid join pg_am m on m.oid = i.relam join pg_class t on t.oid = x.indrelid
        join pg_namespace s on s.oid = t.relnamespace and s.nspname = 'ledger'
        join pg_attribute a on a.attrelid = i.oid
        join information_schema.columns c
          on c.table_schema = 'ledger' and c.table_name = t.relname and c.column_name = a.attname
        where m.amname = 'btree' and c.data_type = 'text' and c.column_name not in ('integration', 'entry_id', 'site_id')
    """
    with ledger.reading() as connection:
        assert connection.execute(text(query)).all() == []
