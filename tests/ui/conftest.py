from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hector_salto.access import schemas
from hector_salto.access.operations import operations
from hector_salto.access.snapshot import SCHEMAS, empty_snapshot

LINES = "hector_conn_id: hector_{name}\nsalto_conn_id: salto_{name}\nsite_id: DE1\n"


@pytest.fixture
def now():
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="session")
def page(airflow_db):
    """The page's application, with Airflow's auth manager in place as its api-server has it."""
    from airflow.api_fastapi.app import init_auth_manager
    from fastapi import FastAPI

    init_auth_manager(FastAPI())
    from hector_salto.ui.app import app

    return app


@pytest.fixture
def visit(page):
    """A browser of somebody with a role; None: not logged in."""
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi.testclient import TestClient

    def as_(role):
        if role is None:
            page.dependency_overrides.pop(get_user, None)
        else:
            page.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username=role, role=role)
        return TestClient(page, root_path="/doors", follow_redirects=False, raise_server_exceptions=True)

    yield as_
    page.dependency_overrides.clear()


@pytest.fixture
def campus(integrations, ledger_url, now):
    """One integration with one run that planned, held and found something."""
    from hector_salto.ledger.ledger import Ledger, RunStart

    integrations("campus", LINES.format(name="campus"))
    kept = Ledger.open(ledger_url)
    run = kept.begin_run(
        RunStart(integration="campus", kind="sync", airflow_run_id="manual__1+0", folder="f", began_at=now)
    )
    kept.plan(
        run, removal(), trouble(), planned_at=now, site_name="Rehearsal House", site_zone="America/Toronto",
        holds=["withdrawals: 1 removal from 1 live group; limits: hold_above 0"], digest="ab12", seats=10, seats_used=4,
    )  # fmt: skip
    kept.observe(run, "campus", look(now).tables(), now, read_at=now)
    kept.end_run(run, ended_at=now, causes=["1 operations are held"])
    return kept


def removal():
    import pandas as pd

    rows = pd.DataFrame([{"group_name": "Hector_<b>1</b>", "group_id": "g1", "reference": "<b>1</b>"}])
    found = operations("group_delete", rows, cause="withdrawn", reason="cancelled", unit="reservation <b>1</b>")
    return found.assign(state="held", held_by="withdrawals", hector_says="cancelled")


def trouble():
    row = {
        "code": "tag_unknown", "who": "salto_admin", "subject": "user u_2", "reference": None, "red": False,
        "message": "the unique code of user u_2 is no tag", "next_step": "create it in the Salto dashboard",
    }  # fmt: skip
    return schemas.frame(schemas.PROBLEMS, [row])


def look(now):
    """Ana has a reservation now; Bo has no tag and a name that would run in a spreadsheet; a door is offline."""
    from dataclasses import replace

    def person(number, first, **changes):
        row = {
            "person": f"hector:u_{number}", "user_id": f"u_{number}", "email": f"{first.lower()}@x.example",
            "name": f"{first} Roy", "hector_status": "active", "has_code": True, "code_shared": False, "site_user_id": f"s_{number}",
            "platform_user_id": f"p_{number}", "subscription_state": "subscribed", "blocked": False, "has_tag": True,
            "tag_id": f"t_{number}", "own_tag": True, "tag_blocked": False, "managed": True, "office_mode": False,
        }  # fmt: skip
        return row | changes

    rows = {
        "reservations": [
            {
                "reservation_id": "l_1", "reference": "<b>1</b>", "status": "new", "start": now, "decision": "access",
                "finish": now + timedelta(hours=1), "reason": "its window opens its doors",
                "window_start": now - timedelta(minutes=15), "window_end": now + timedelta(hours=1, minutes=15),
            }
        ],
        "borrowers": [{"reservation_id": "l_1", "user_id": "u_1"}],
        "rooms": [
            {"reservation_id": "l_1", "place_id": "p", "place_name": "Studio", "lock_name": "Studio", "lock_id": "l1"}
        ],
        "people": [
            person(1, "Ana"),
            person(2, "Bo", name="=cmd|' /C calc'!A0", has_tag=False, own_tag=False, tag_id=None),
            person(3, "Cy", email=None, has_code=False, has_tag=False, own_tag=False, tag_id=None, site_user_id=None),
        ],
        "places": [
            {"place_id": "p", "place_name": "Studio", "active": True, "lock_name": "Studio", "lock_id": "l1"},
            {"place_id": "q", "place_name": "Barn", "active": True, "lock_name": None, "lock_id": None},
            {"place_id": "r", "place_name": "Shed", "active": True, "lock_name": "Shad", "lock_id": None},
            {"place_id": "s", "place_name": "Closed", "active": False, "lock_name": None, "lock_id": None},
        ],
        "locks": [
            {"lock_id": "l1", "name": "Studio", "online": True, "iq_online": True, "held_open": False, "privacy_mode": False, "zone": "America/Toronto"},
            {"lock_id": "l2", "name": "Attic", "online": True, "iq_online": False, "held_open": False, "privacy_mode": False, "zone": "America/Toronto"},
        ],
        "groups": [{"group_id": "g1", "name": "Hector_<b>1</b>"}],
        "members": [{"group_id": "g1", "platform_user_id": "p_1"}],
        "doors": [{"group_id": "g1", "lock_id": "l1"}],
    }  # fmt: skip
    return replace(empty_snapshot(), **{name: schemas.frame(SCHEMAS[name], found) for name, found in rows.items()})
