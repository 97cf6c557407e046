"""Random sequences of looks, against a plain model that compares row by row: the same rows, dated alike."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta

import pandas as pd
import pytest
from sqlalchemy import event

from hector_salto.access import schemas
from hector_salto.access.snapshot import SCHEMAS
from hector_salto.ledger.ledger import TABLES
from hector_salto.ledger.tables import writable
from tests.ledger.test_ledger import NOW, begun, reservation

BOOKED = ("reservations", "borrowers", "rooms")


@dataclass
class Model:
    """What is known, each row with since and until when."""

    live: dict[str, dict[tuple, object]] = field(default_factory=lambda: {name: {} for name in SCHEMAS})
    over: list[tuple] = field(default_factory=list)

    def observe(self, looked, at, still_read):
        now = {name: list(dict.fromkeys(plain(table))) for name, table in looked.items()}
        asked = {row[0] for row in self.live["reservations"] if still_read is None or row[4] > still_read}
        for name, shown in now.items():
            could_be_seen = asked | {row[0] for row in shown}
            for row in list(self.live[name]):
                known = name not in BOOKED or still_read is None or row[0] in could_be_seen
                if known and row not in shown:
                    self.over.append((name, row, self.live[name].pop(row), at))
            for row in shown:
                self.live[name].setdefault(row, at)

    def remove_before(self, moment):
        ended = (row for name, row, *_ in self.over if name == "reservations")
        past = {row[0] for row in (*self.live["reservations"], *ended) if row[4] < moment}
        for name in BOOKED:
            self.live[name] = {row: at for row, at in self.live[name].items() if row[0] not in past}
        self.over = [row for row in self.over if row[3] >= moment]

    def rows(self):
        return sorted(
            map(
                str, [*self.over, *((name, row, at, None) for name in self.live for row, at in self.live[name].items())]
            )
        )


def look(dice):
    """A look at up to five reservations, their users and places, and some groups: often the same as one before."""
    shown = [reservation(str(one), dice.choice([-200, 1, 300])) for one in range(5) if dice.random() < 0.7]
    ids = [row["reservation_id"] for row in shown]
    users = [{"reservation_id": one, "user_id": f"u_{dice.randrange(2)}"} for one in ids if dice.random() < 0.7]
    places = [
        {"reservation_id": one, "place_id": "p", "place_name": None, "lock_name": "a\x00", "lock_id": None}
        for one in ids
    ]
    members = [{"group_id": "g", "platform_user_id": f"p_{one}"} for one in range(3) if dice.random() < 0.7]
    found = {"reservations": shown, "borrowers": users, "rooms": places, "members": members}
    return {name: schemas.frame(SCHEMAS[name], table) for name, table in found.items()}


def kept(ledger):
    """All rows of the ledger, in the model's form."""
    found = []
    with ledger.reading() as connection:
        for name in (*BOOKED, "members"):
            table = TABLES[name].__table__
            for row in connection.execute(table.select()).mappings():
                cells = tuple(
                    pd.Timestamp(row[one]) if str(row[one])[:2] == "20" else row[one] for one in SCHEMAS[name].columns
                )
                found.append(str((name, cells, row["seen_at"], row["until"])))
    return sorted(found)


def plain(table):
    """Rows as the ledger gives them back: no null but None, and no text that no database takes."""
    rows_ = table.itertuples(index=False, name=None)
    return [
        tuple(None if pd.isna(cell) else writable(cell) if isinstance(cell, str) else cell for cell in row)
        for row in rows_
    ]


@pytest.mark.parametrize("seed", range(12))
def test_any_sequence_of_looks_is_kept_as_row_by_row(ledger, seed):
    dice, model = random.Random(seed), Model()  # noqa: S311 - test data
    run, still_read = ledger.begin_run(begun()), None
    looks = [look(random.Random(one)) for one in range(seed, seed + 3)]  # noqa: S311 - test data
    for step in range(14):
        at = NOW + timedelta(hours=step)
        looked = dice.choice(looks)
        if dice.random() < 0.3:
            looked = {"members": looked["members"]}
        still_read = dice.choice([still_read, still_read, NOW - timedelta(days=4), NOW + timedelta(days=4)])
        if dice.random() < 0.15:
            ledger.remove_before("campus", NOW - timedelta(days=2))
            model.remove_before(NOW - timedelta(days=2))
        ledger.observe(run, "campus", looked, at, still_read=still_read)
        model.observe(looked, at, still_read)
        assert kept(ledger) == model.rows(), f"step {step}"


def one(hours, *users):
    """A look at one reservation; None: at none."""
    shown = [] if hours is None else [reservation("1", hours)]
    found = {
        "reservations": shown,
        "borrowers": [{"reservation_id": "l_1", "user_id": user} for user in users],
        "rooms": [],
    }
    return {name: schemas.frame(SCHEMAS[name], table) for name, table in found.items()}


PAST, LATE = NOW - timedelta(days=4), NOW + timedelta(days=4)


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param([(one(1), None), (one(None), LATE), (one(None), PAST)], id="asked further back"),
        pytest.param(
            [(one(1, "u"), None), (one(None), LATE), (one(300), LATE), (one(300), LATE)], id="over, then moved ahead"
        ),
    ],
)
def test_the_same_look_may_tell_more(ledger, looks):
    """What a look says about a reservation that is over depends on how far back it asked, and on what was known."""
    run, model = ledger.begin_run(begun()), Model()
    for step, (looked, still_read) in enumerate(looks):
        at = NOW + timedelta(hours=step)
        ledger.observe(run, "campus", looked, at, still_read=still_read)
        model.observe(looked, at, still_read)
        assert kept(ledger) == model.rows(), f"step {step}"


def test_the_same_look_again_is_not_read_back(ledger):
    run, looked = ledger.begin_run(begun()), look(random.Random(1))  # noqa: S311 - test data
    for hours in range(2):
        ledger.observe(run, "campus", looked, NOW + timedelta(hours=hours), still_read=NOW)
    asked = []
    event.listen(ledger.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    ledger.observe(run, "campus", looked, NOW + timedelta(hours=3), still_read=NOW + timedelta(hours=3))
    assert not [statement for statement in asked if "seen_" in statement]
