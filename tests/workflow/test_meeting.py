"""Where runs meet at one site: each plan is applied once, and only while no other run has changed the site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from hector_salto.integration import Integration
from hector_salto.ledger import site_claims
from hector_salto.ledger.tables import SiteRow
from hector_salto.workflow import extraction, plan_application, planning, reporting, run_start, site_lock
from hector_salto.workflow.failures import OtherOwnerError, OtherRunError, RunError, StalePlanError
from hector_salto.workflow.recorder import Book, ledger
from sandbox import Sandbox, empty, openings

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
UID = "DE4520000000"


@dataclass
class Desk:
    """Takes each step of each run when the test says so."""

    sandbox: Sandbox
    write: Callable[..., object]
    integrations: dict[str, Integration] = field(default_factory=dict)
    bookings: dict[str, str] = field(default_factory=dict)

    def integrate(self, name="campus", site=UID):
        self.write(name, f"hector_conn_id: hector_{name}\nsalto_conn_id: salto_{name}\nsite_id: {site}\n")
        self.integrations[name] = Integration(
            hector_conn_id=f"hector_{name}", salto_conn_id=f"salto_{name}", site_id=site
        )

    def book(self, reference, start=HOUR, finish=2 * HOUR):
        user = self.sandbox.hector.add_user(email=f"{reference}@school.example")
        self.sandbox.salto.add_lock(reference)
        place = self.sandbox.hector.add_place(reference, lock=reference)
        self.bookings[reference] = self.sandbox.hector.add_loaner(
            user, place, NOW + start, NOW + finish, reference=reference
        )

    def cancel(self, reference):
        self.sandbox.hector.set_status(self.bookings[reference], "cancelled")

    def begin(self, kind="sync", *, now=NOW, name="campus", **conf):
        folder = run_start.start_run(name, f"{kind}_{now:%H%M}", conf, now, kind=kind)
        if kind == "sync":
            for step in (extraction.extract_people, extraction.extract_places, extraction.extract_loaners):
                step(self.integrations[name], folder)
            extraction.build_desired(self.integrations[name], folder)
        return folder

    def plan(self, folder):
        run = folder.read_json("run")
        integration = self.integrations[run["integration"]]
        if run["kind"] == "cleanup":
            return planning.plan_cleanup(integration, folder)["fingerprint"]
        chosen = run["conf"].get("references")
        return planning.plan(integration, folder, references=chosen, approve=None)["fingerprint"]

    def planned(self, kind="sync", **options):
        folder = self.begin(kind, **options)
        return folder, self.plan(folder)

    def apply(self, folder, fingerprint):
        run, now = folder.read_json("run"), run_start.as_of(folder).to_pydatetime()
        with_hector = run["kind"] == "sync"
        return plan_application.apply(
            self.integrations[run["integration"]], folder, now, fingerprint, fingerprinted=with_hector
        )

    def run(self, kind="sync", **options):
        return self.apply(*self.planned(kind, **options))

    @property
    def groups(self):
        return sorted(group.name for group in self.sandbox.salto.groups.values())

    @property
    def open_doors(self):
        found = openings(self.sandbox.salto, NOW - 24 * HOUR, NOW + 24 * HOUR, need_tag=False)
        return sorted({one.lock_name for one in found if one.end > NOW})

    @property
    def writes(self):
        return len(self.sandbox.writes)


@pytest.fixture
def desk(integrations, tmp_path, monkeypatch):
    monkeypatch.setenv("HECTOR_SALTO_RUNS", (tmp_path / "runs").as_uri())
    with Sandbox(empty()) as sandbox:
        for name in ("campus", "annex"):
            for variable, value in sandbox.connections(name).items():
                monkeypatch.setenv(variable, value)
        desk = Desk(sandbox, integrations)
        desk.integrate()
        yield desk


def test_an_apply_that_is_cleared_sends_nothing(desk):
    """Airflow's Clear of the task, after the booking was cancelled and a newer run has closed its door."""
    desk.book("1")
    old = desk.planned()
    desk.apply(*old)
    desk.cancel("1")
    desk.run()

    with pytest.raises(StalePlanError, match="this run has applied its plan already, so nothing is sent"):
        desk.apply(*old)
    assert (desk.groups, desk.open_doors) == ([], [])


def test_an_apply_that_is_cleared_sends_nothing_twice(desk):
    """Also when no other run came between: a group must not exist twice."""
    desk.book("1")
    plan = desk.planned()
    desk.apply(*plan)

    with pytest.raises(StalePlanError, match="start a new run"):
        desk.apply(*plan)
    assert desk.groups == ["Hector_1"]


def test_nor_is_an_applied_plan_made_again(desk):
    """Airflow's Clear of the task that plans, also when the plan was empty."""
    folder, fingerprint = desk.planned()
    desk.apply(folder, fingerprint)

    with pytest.raises(StalePlanError, match="has sent its plan already"):
        desk.plan(folder)


def test_a_cleanup_does_not_delete_what_a_sync_has_extended(desk):
    """The cleanup planned first: it plans again, and finds nothing outdated."""
    desk.book("1", start=-3 * HOUR, finish=-HOUR)
    desk.run(now=NOW - 2 * HOUR)
    cleanup = desk.planned("cleanup")
    desk.sandbox.hector.move(desk.bookings["1"], NOW - 3 * HOUR, NOW + HOUR)
    desk.run()

    assert desk.apply(*cleanup) == {}
    assert (desk.groups, desk.open_doors) == (["Hector_1"], ["1"])


def test_a_sync_plans_again_after_a_cleanup(desk):
    """Due at the same time every day, neither ends red."""
    desk.book("1", start=-3 * HOUR, finish=-HOUR)
    desk.run(now=NOW - 2 * HOUR)
    desk.book("2")
    sync, cleanup = desk.planned(), desk.planned("cleanup")
    desk.apply(*cleanup)

    assert set(desk.apply(*sync)) == {"done"}
    assert (desk.groups, desk.open_doors) == (["Hector_2"], ["2"])


def test_the_older_of_two_syncs_is_refused(desk):
    """A backfill: the later plan was applied first, and knows that the booking is cancelled."""
    desk.book("1")
    older = desk.planned()
    desk.cancel("1")
    desk.run()
    written = desk.writes

    with pytest.raises(StalePlanError, match=r"sync sync_\d+ of campus began after this run and was applied"):
        desk.apply(*older)
    assert (desk.groups, desk.writes) == ([], written)


def test_the_newer_of_two_syncs_plans_again(desk):
    """Both wanted to make the same group."""
    desk.book("1")
    older, newer = desk.planned(), desk.planned()
    desk.apply(*older)
    desk.apply(*newer)

    assert (desk.groups, desk.open_doors) == (["Hector_1"], ["1"])


def test_a_plan_made_again_is_not_taken_for_a_forged_one(desk, monkeypatch):
    """Its task was killed after that, and is tried again."""
    desk.book("1")
    older, newer = desk.planned(), desk.planned()
    desk.apply(*older)
    desk.book("2")

    def ends(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(plan_application.release, "plans_only", ends)
        with pytest.raises(KeyboardInterrupt):
            desk.apply(*newer)
    with pytest.raises(StalePlanError, match=r"made its plan again.*start a new run"):
        desk.apply(*newer)
    assert desk.groups == ["Hector_1"]


def test_a_reload_after_an_older_plan_stays(desk):
    """A sync of all that knows less than the reload does not take the walk-up's door away."""
    sync = desk.planned()
    desk.book("1")
    desk.run(references=["1"])

    with pytest.raises(StalePlanError, match="began after this run"):
        desk.apply(*sync)
    assert desk.open_doors == ["1"]


def test_a_plan_that_has_aged_is_not_made_again(desk):
    """Waiting for the site makes a plan no younger."""
    desk.book("1")
    folder, fingerprint = desk.planned()

    with pytest.raises(StalePlanError, match="16 minutes old, the limit is 15; start a new run"):
        plan_application.apply(desk.integrations["campus"], folder, NOW + timedelta(minutes=16), fingerprint)
    assert desk.groups == []


def busy(folder, holder="another"):
    """Let another process have the site that a run has planned for."""
    book = Book.of(folder)
    with book.ledger.transaction() as connection:
        until = datetime.now(UTC) + HOUR
        connection.execute(update(SiteRow).values(run_id=0, holder=holder, held_until=until))


def test_a_busy_site_is_waited_for_and_not_for_ever(desk, monkeypatch):
    """No longer than the plan may be old."""
    desk.run()
    desk.book("1")
    folder, fingerprint = desk.planned()
    busy(folder)
    monkeypatch.setattr(site_lock, "POLL", 0.0)
    monkeypatch.setattr(run_start, "seconds_left", lambda *_: 0.05)

    with pytest.raises(OtherRunError, match="another run is still applying its plan"):
        desk.apply(folder, fingerprint)
    assert desk.groups == []


def test_a_process_that_lost_its_site_sends_nothing_more(desk):
    """It was paused for so long that another run took over."""
    desk.run()
    for reference in "123456":
        desk.book(reference)
    folder, fingerprint = desk.planned()
    seen = []

    def take_over(_state, request):
        if not seen:
            busy(folder)
        seen.append(request)

    desk.sandbox.after_write = take_over
    with pytest.raises(Exception, match="another run has taken the site over: start a new run"):
        desk.apply(folder, fingerprint)

    assert len(seen) <= 12  # the requests that were under way
    assert desk.open_doors == []


def test_the_site_is_free_after_an_apply(desk, monkeypatch):
    """Also after one that fails."""
    folder, fingerprint = desk.planned()
    monkeypatch.setattr(plan_application, "_activate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        desk.apply(folder, fingerprint)

    with ledger().reading() as connection:
        assert connection.execute(SiteRow.__table__.select()).one().holder is None


# --- two integrations, one site ---------------------------------------------------------------------------------------


def site_names(sandbox):
    site = sandbox.salto.site
    return site.site_uid, site.customer_reference, site.id


@pytest.mark.parametrize("called", ["uid", "name", "uuid"])
def test_the_second_integration_of_a_site_writes_nothing(desk, called):
    """However its file names the site, and through whichever connection."""
    uid, name, uuid = site_names(desk.sandbox)
    desk.integrate("annex", {"uid": uid, "name": name, "uuid": uuid}[called])
    desk.book("1")
    desk.run()
    written = desk.writes

    for kind in ("sync", "cleanup"):
        with pytest.raises(OtherOwnerError, match=r"belongs to the integration campus since .*remove annex\.yaml, or"):
            desk.planned(kind, name="annex")
    assert (desk.groups, desk.writes) == (["Hector_1"], written)
    assert desk.run() == {}  # the first is not disturbed


def test_of_two_plans_for_a_new_site_one_is_applied(desk):
    """Both were made before anybody owned the site."""
    desk.integrate("annex")
    desk.book("1")
    first, second = desk.planned(), desk.planned(name="annex")
    desk.apply(*first)

    with pytest.raises(OtherOwnerError, match="belongs to the integration campus"):
        desk.apply(*second)
    assert desk.groups == ["Hector_1"]


def test_a_site_is_handed_over_by_removing_the_file(desk):
    """The next run of the other integration takes it."""
    desk.integrate("annex")
    desk.book("1")
    desk.run()
    (desk.write.folder / "campus.yaml").unlink()

    assert desk.run(name="annex") == {}
    with pytest.raises(OtherOwnerError, match="belongs to the integration annex"):
        desk.planned()


def test_a_second_airflow_with_the_same_ledger_writes_nothing(desk, tmp_path, monkeypatch):
    """A copy of the product, for tests say, that has the real site's connection."""
    desk.run()
    monkeypatch.setenv("HECTOR_SALTO_RUNS", (tmp_path / "copy").as_uri())

    with pytest.raises(OtherOwnerError, match=r"of another Airflow .*commands ledger release --site \S+` releases"):
        desk.planned()


def test_a_released_site_is_taken_by_the_next_run(desk, tmp_path, monkeypatch):
    """The runs' folder was lost, and with it what this Airflow is called in the ledger."""
    desk.run()
    site_id = desk.sandbox.salto.site.id
    monkeypatch.setenv("HECTOR_SALTO_RUNS", (tmp_path / "new").as_uri())
    released = site_claims.release(ledger(), site_id, datetime.now(UTC))

    assert released.owner.integration == "campus"
    assert desk.run() == {}
    assert site_claims.release(ledger(), "another", datetime.now(UTC)) is None


def test_a_site_is_not_released_under_a_run(desk):
    """Its plan is being applied just now."""
    desk.run()
    folder, _ = desk.planned()
    busy(folder)
    site_id = desk.sandbox.salto.site.id

    assert site_claims.release(ledger(), site_id, datetime.now(UTC)).busy_with is not None
    assert site_claims.site_states(ledger(), datetime.now(UTC))[site_id].owner.integration == "campus"


def test_both_integrations_learn_that_they_share_a_site(desk):
    """The second by its refusal, the owner by a problem; also when the files call the site differently."""
    _, name, _ = site_names(desk.sandbox)
    desk.integrate("annex", name)
    desk.run()
    with pytest.raises(OtherOwnerError, match="belongs to the integration campus"):
        desk.planned(name="annex")
    folder, _ = desk.planned()

    (subject,) = folder.read("problems").query("code == 'site_shared'")["message"]
    assert "annex, campus" in subject
    (desk.write.folder / "annex.yaml").unlink()
    folder, _ = desk.planned()
    assert "site_shared" not in set(folder.read("problems")["code"])


# --- tasks of an old run, cleared -------------------------------------------------------------------------------------


def test_an_old_run_plans_nothing(desk):
    """What it read from Hector is last night's."""
    folder = desk.begin(now=NOW - 10 * HOUR)

    run_start.refuse_outdated(folder, NOW - 10 * HOUR + run_start.OLDEST_PLAN)
    with pytest.raises(StalePlanError, match="what this run read is 600 minutes old, the limit is 15"):
        run_start.refuse_outdated(folder, NOW)


def test_the_report_of_an_old_run_says_so_first(desk):
    """It reads nothing, and what is known of this morning's booking stays."""
    old, fingerprint = desk.planned(now=NOW - 10 * HOUR)
    desk.apply(old, fingerprint)
    desk.book("1")
    desk.run()

    with pytest.raises(
        RunError, match=r"^what this run read is 6\d\d minutes old, and a sync that began later has looked"
    ):
        reporting.report(old, reporting.ReportSpec(desk.integrations["campus"], ("plan", "apply"), lambda: 1 / 0))
    assert list(ledger().read_snapshot("campus").reservations["decision"]) == ["access"]
