"""Nothing changes a site by itself before a person has let the integration loose on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hector_salto.access.release import Gate, ReleaseDecision, Target, Trigger, gate, is_release

NOW = datetime(2026, 1, 14, tzinfo=UTC)
HERE = Target("site-1", "https://hector.example/api/v1", "campus")
RELEASED = ReleaseDecision(HERE, "ops", NOW)
BY_ITSELF = [one for one in Trigger if one is not Trigger.PERSON]


@pytest.mark.parametrize("trigger", BY_ITSELF)
def test_what_no_person_starts_waits_for_a_release(trigger):
    assert gate(None, HERE, trigger) is Gate.NOT_RELEASED
    assert gate(RELEASED, HERE, trigger) is Gate.OPEN


@pytest.mark.parametrize("last", [None, RELEASED, ReleaseDecision(HERE, "ops", NOW, withdrawn=True)])
def test_what_a_person_starts_is_applied_at_once(last):
    assert gate(last, HERE, Trigger.PERSON) is Gate.OPEN


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (Target("site-2", HERE.hector_url, "campus"), Gate.SITE_CHANGED),
        (Target("SITE-1", HERE.hector_url, "campus"), Gate.OPEN),
        (Target("site-1", "https://other.example/api/v1", "campus"), Gate.HECTOR_CHANGED),
        (Target("site-1", HERE.hector_url, "annex"), Gate.HECTOR_CHANGED),
        (Target("site-1", HERE.hector_url), Gate.OPEN),  # the cleanup does not ask Hector who it is
        (Target("site-1"), Gate.OPEN),  # nor does it need its connection
    ],
)
def test_another_site_or_hector_waits_for_a_release_of_its_own(now, expected):
    assert gate(RELEASED, now, Trigger.SCHEDULE) is expected


def test_a_withdrawn_release_is_none():
    assert gate(ReleaseDecision(HERE, "ops", NOW, withdrawn=True), HERE, Trigger.WATCH) is Gate.WITHDRAWN


@pytest.mark.parametrize(
    ("withdrawn", "waited", "expected"),
    [(True, 1, Gate.WITHDRAWN), (True, -1, Gate.OPEN), (False, 1, Gate.OPEN), (False, -1, Gate.OPEN)],
)
def test_a_run_that_waited_while_a_person_asked_for_plans_only(withdrawn, waited, expected):
    """Unpaused, Airflow begins what was started before: also a sync of a person, and an old one that is cleared."""
    last = ReleaseDecision(HERE, "ops", NOW, withdrawn=withdrawn)

    assert gate(last, HERE, Trigger.PERSON, NOW - timedelta(hours=waited)) is expected


def test_only_a_persons_sync_of_everything_is_a_release():
    assert is_release(Trigger.PERSON, whole=True)
    assert not is_release(Trigger.PERSON, whole=False)
    assert not any(is_release(trigger, whole=True) for trigger in BY_ITSELF)
