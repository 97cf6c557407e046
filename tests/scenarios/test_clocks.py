"""A run whose clocks disagree ends before its plan: what is over for one of them is open for another."""

import pytest

from hector_salto.http_client.errors import ClockError
from hector_salto.integration import Integration
from hector_salto.workflow import extraction, planning, run_start
from tests.scenarios.world import world

THREE_HOURS = 3 * 3600.0


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HECTOR_SALTO_RUNS", tmp_path.as_uri())

    def begin(h, kind):
        for name, value in h.sandbox.connections("campus").items():
            monkeypatch.setenv(name, value)
        return run_start.start_run("campus", f"manual__{kind}", {}, h.clock.now, kind=kind)

    return begin


INTEGRATION = Integration(hector_conn_id="hector_campus", salto_conn_id="salto_campus", site_id="DE4520000000")


@pytest.mark.parametrize(
    ("switches", "sentence"),
    [
        (
            {"hector_clock_ahead": -THREE_HOURS, "salto_clock_ahead": -THREE_HOURS},
            "this machine's clock is 3 h 0 min ahead",
        ),
        ({"hector_clock_ahead": THREE_HOURS}, "^Hector .*has a clock that is 3 h 0 min ahead"),
        ({"salto_clock_ahead": THREE_HOURS}, "^Salto KS .*has a clock that is 3 h 0 min ahead"),
        ({"hector_clock_ahead": -90.0, "salto_clock_ahead": 90.0}, "^Salto KS .* ahead of that of Hector"),
    ],
    ids=["machine", "hector", "salto", "each other"],
)
def test_a_sync_stops_before_its_plan(folder, switches, sentence):
    with world(**switches) as h:
        run = folder(h, "sync")
        for extract in (extraction.extract_people, extraction.extract_places, extraction.extract_loaners):
            extract(INTEGRATION, run)
        extraction.build_desired(INTEGRATION, run)

        with pytest.raises(ClockError, match=sentence):
            planning.plan(INTEGRATION, run, references=None, approve=None)
        assert not run.has("operations")


def test_a_cleanup_stops_before_its_plan(folder):
    """Windows that are still open would be over for a machine three hours ahead."""
    with world(salto_clock_ahead=-THREE_HOURS) as h:
        run = folder(h, "cleanup")

        with pytest.raises(ClockError, match="this machine's clock is 3 h 0 min ahead"):
            planning.plan_cleanup(INTEGRATION, run)
        assert not run.has("operations")
