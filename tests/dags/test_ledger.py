"""What a person can answer from a finished run: why somebody cannot get in, what was changed by hand, who could enter."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from rich.console import Console

from hector_salto.ledger.ledger import Ledger
from hector_salto.ledger.tables import DoorEntry, ProblemRow, Run
from sandbox.entries import try_door, try_tag

NOW = datetime.now(UTC)
START = NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)


@pytest.fixture
def ask(monkeypatch):
    """`make why` without make: exit status and what it printed."""
    from commands import why as command

    monkeypatch.setattr(command, "migrate_database", lambda: None)
    monkeypatch.setattr(command, "OWN_STORE", ("AIRFLOW_HOME", "set already"))

    def answer(integration="", live=False, **words):
        console = Console(width=400, record=True, file=StringIO())
        status = command.why(command.Question(**words), console, integration=integration, live=live)
        return status, console.export_text()

    return answer


class School:
    """A site on which each person has another reason to stand before a closed door."""

    def __init__(self, sandbox):
        self.sandbox, self.hector, self.salto = sandbox, sandbox.hector, sandbox.salto
        self.number = 0
        iq = self.salto.add_iq("attic", "America/Toronto")
        self.studio = self.salto.add_lock("Studio 204", iq)
        self.place = self.hector.add_place("Studio 204", lock="Studio 204")

    def person(self, name, *, tag=True, enrolled=True):
        self.number += 1
        code = f"04A2B3{self.number:02X}" if tag else None
        if code and enrolled:
            self.salto.enrol_tag(code)
        return self.hector.add_user(email=f"{name}@campus.example", unique_code=code)

    def book(self, who, reference, *, place=None, start=START, hours=1):
        end = start + timedelta(hours=hours)
        return self.hector.add_loaner(who, place or self.place, start, end, reference=reference)


@pytest.fixture
def school(sandbox):
    return School(sandbox)


def state(ledger_url, *columns):
    with Ledger.open(ledger_url).reading() as connection:
        from sqlalchemy import select

        return connection.execute(select(*columns)).all()


def test_why_somebody_cannot_get_in(school, run_dag, ask):
    """Nine true reasons, each found by the chain and told with the next step; and one door that opens."""
    fine = school.person("fine")
    school.book(fine, "100")
    pending = school.person("pending")
    school.hector.set_status(school.book(pending, "101"), "pending_approval", at=NOW)
    school.book(school.person("codeless", tag=False), "102")
    school.book(school.person("unenrolled", enrolled=False), "103")
    attic = school.hector.add_place("Attic", lock="Attic Door")
    school.book(school.person("lockless"), "104", place=attic)
    dead = school.salto.add_iq("cellar", "America/Toronto", online=False)
    school.salto.add_lock("Cellar", dead)
    school.book(school.person("offline"), "105", place=school.hector.add_place("Cellar", lock="Cellar"))
    late = school.person("late")
    school.book(late, "106", start=START + timedelta(days=3))
    blocked = school.person("blocked")
    school.book(blocked, "107")
    assert run_dag("sync", "campus", sandbox=school.sandbox).state == "success"
    member = school.salto.member_of_email("blocked@campus.example")
    member.blocked = True
    assert run_dag("sync", "campus", sandbox=school.sandbox).state == "success"

    for reference, status, said, step in (
        ("100", 0, "lock      Studio 204 and its IQ are online", ""),
        ("101", 1, "NO  status    reservation 101 (status pending_approval)", "approve or reactivate the reservation"),
        ("102", 1, "has no unique code in Hector and no tag in Salto", "enter the number of the user's tag"),
        ("103", 1, "has a unique code in Hector, but no tag in Salto", "create it in the Salto dashboard"),
        (
            "104",
            1,
            "no single lock of the site is called Attic Door",
            "enter the lock's name as the Salto dashboard shows it",
        ),
        ("105", 1, "the IQ of door Cellar is offline", "see why the lock or its IQ is offline"),
        ("107", 1, "is blocked in Salto by hand", "unblock the user in the Salto dashboard"),
        ("999", 1, "reservation 999 is not known", "check the reference"),
    ):
        answered = ask(reference=reference)
        assert (reference, answered[0]) == (reference, status)
        assert said in answered[1]
        assert ("next step: " + step in answered[1]) == bool(step), answered[1]
    soon = datetime.now(UTC) + timedelta(minutes=1)
    status, said = ask(email="late@campus.example", at=soon.isoformat())
    assert status == 1
    assert "closed: late@campus.example has no reservation open at" in said
    assert "reservation 106:" in said
    assert ask(email="late@campus.example")[0] == 0  # the next one is in place
    assert ask(email="FINE@campus.example", reference="100")[0] == 0
    assert ask(email="late@campus.example", reference="100")[0] == 1
    assert "no user has the email" in ask(email="stranger@campus.example")[1]


def test_who_could_enter_a_door_at_a_moment_as_the_site_itself_knows(school, run_dag, ask):
    ana, bo = school.person("ana"), school.person("bo")
    school.book(ana, "1")
    loaner = school.book(bo, "2", hours=2)
    run_dag("sync", "campus", sandbox=school.sandbox)
    during, after = START + timedelta(minutes=30), START + timedelta(hours=1, minutes=30)

    status, said = ask(door="studio 204", at=during.isoformat())
    assert status == 0
    assert "2 of 2 users who should enter" in said
    assert "in reservation 1, at Studio 204, since" in said
    said = ask(door="Studio 204", at=after.isoformat())[1]
    assert "bo@campus.example" in said
    assert "ana@campus.example" not in said
    status, said = ask(door="Studio 204", at=(START + timedelta(hours=4)).isoformat())
    assert status == 1
    assert "no reservation should open Studio 204" in said

    school.hector.set_status(loaner, "cancelled", at=NOW)
    run_dag("sync", "campus", sandbox=school.sandbox)
    assert "bo@campus.example" not in ask(door="Studio 204", at=after.isoformat())[1]


def test_access_that_was_to_go_and_has_not_gone_is_still_open(school, run_dag, ask):
    """Whoever cancels a booking asks whether the door is shut: as long as Salto opens it, the answer is no."""
    ana = school.person("ana")
    loaners = [school.book(ana, str(number), start=START + timedelta(hours=2 * number)) for number in range(3)]
    limits = "limits: {hold_above: 1, hold_above_percent: 0}\n"
    run_dag("sync", "campus", sandbox=school.sandbox, lines=limits)
    for loaner in loaners[:2]:
        school.hector.set_status(loaner, "cancelled", at=NOW)

    status, said = ask(reference="0", integration="campus", live=True)
    assert (status, said.count("still open: reservation 0")) == (0, 1)
    assert "start the sync (Hector's reload): it takes the access away" in said

    run_dag("sync", "campus", sandbox=school.sandbox, lines=limits)
    status, said = ask(reference="0")
    assert status == 0
    assert "BUT door      Salto still opens Studio 204 for user" in said
    assert "approve what is held" in said
    assert "group_delete: held" in said
    assert ask(door="Studio 204", at=START.isoformat())[0] == 0


def test_a_booking_that_was_cancelled_and_made_again_opens(school, run_dag, ask):
    ana = school.person("ana")
    school.hector.set_status(school.book(ana, "1"), "cancelled", at=NOW)
    school.book(ana, "2")
    run_dag("sync", "campus", sandbox=school.sandbox)

    for at in ("", START.isoformat()):
        status, said = ask(email="ana@campus.example", at=at)
        assert status == 0
        assert "reservation 1" not in said


def test_an_offline_door_is_shut_whichever_way_it_is_asked_about(school, run_dag, ask):
    school.book(school.person("ana"), "1")
    school.salto.locks[school.studio].online = False
    run_dag("sync", "campus", sandbox=school.sandbox)

    assert ask(reference="1")[0] == ask(email="ana@campus.example")[0] == 1
    status, said = ask(door="Studio 204", at=START.isoformat())
    assert status == 1
    assert "1 of 1 user who should enter Studio 204" in said
    assert "door Studio 204 is offline" in said


def test_a_room_without_a_lock_closes_nobody_out(school, run_dag, ask):
    ana = school.person("ana")
    loaner = school.book(ana, "1")
    cellar = school.hector.add_place("Cellar")
    school.hector.loaners[loaner]["lines"].append({"id": "ln_x", "type": "place", "place_id": cellar})
    run_dag("sync", "campus", sandbox=school.sandbox)

    status, said = ask(reference="1")
    assert status == 0
    assert "no lock: reservation 1" in said
    status, said = ask(door="cellar")
    assert (status, "place Cellar names no lock" in said) == (1, True)


def test_two_groups_of_one_name_are_one_door_that_opens(school, run_dag, ask):
    ana = school.person("ana")
    school.book(ana, "1")
    run_dag("sync", "campus", sandbox=school.sandbox)
    twin = school.salto.group_named("Hector_1")
    school.salto.groups["00000000-0000-4000-8000-000000000000"] = replace(
        twin, id="00000000-0000-4000-8000-000000000000", users=[], schedules=[]
    )

    status, said = ask(reference="1", integration="campus", live=True)
    assert status == 0, said


def test_a_wall_clock_time_is_that_of_the_door_also_by_the_name_of_its_place(school, run_dag, ask):
    tokyo = school.salto.add_iq("far", "Asia/Tokyo")
    for number in range(3):
        school.salto.add_lock(f"Toronto {number}", school.salto.locks[school.studio].iq_id)
    school.salto.add_lock("T-1", tokyo)
    place = school.hector.add_place("Tea Room", lock="T-1")
    school.book(school.person("ana"), "1", place=place)
    run_dag("sync", "campus", sandbox=school.sandbox)
    wall = f"{START.astimezone(ZoneInfo('Asia/Tokyo')):%Y-%m-%d %H:%M}"

    for asked in ({"door": "T-1"}, {"door": "tea room"}, {"reference": " 1 "}):
        assert ask(**asked, at=wall)[0] == 0, asked


def test_an_integration_that_has_had_no_run_yet_silences_no_other(school, run_dag, ask):
    school.book(school.person("ana"), "1")
    run_dag("sync", "campus", sandbox=school.sandbox)
    assert run_dag("sync", "other", site="DE0000000000", sandbox=school.sandbox).state == "failed"

    status, said = ask(reference="1")
    assert status == 0
    assert "the ledger has no run of other" in said


def test_a_reservation_that_moved_beyond_the_horizon_is_not_to_be_booked_again(school, run_dag, ask):
    loaner = school.book(school.person("ana"), "1")
    run_dag("sync", "campus", sandbox=school.sandbox)
    school.hector.move(loaner, START + timedelta(days=30), START + timedelta(days=30, hours=1), at=NOW)
    run_dag("sync", "campus", sandbox=school.sandbox)

    status, said = ask(reference="1")
    assert status == 1
    assert "it was removed, or moved further ahead" in said
    assert "book it again" not in said


def test_somebody_whom_the_sync_never_changes_is_told_what_to_do_by_hand(school, run_dag, ask):
    admin = school.person("admin")
    school.salto.add_member("admin@campus.example", roles=["site_user", "site_admin"])
    school.book(admin, "1")
    run_dag("sync", "campus", sandbox=school.sandbox)

    status, said = ask(reference="1")
    assert status == 1
    assert "next step: assign the tag by hand in the Salto dashboard" in said


def test_live_asks_both_services_now(school, run_dag, ask):
    ana = school.person("ana")
    school.book(ana, "1")
    run_dag("sync", "campus", sandbox=school.sandbox)
    assert ask(reference="1", integration="campus", live=True)[0] == 0
    written = len(school.sandbox.writes)

    group = school.salto.group_named("Hector_1")
    group.users.clear()

    assert ask(reference="1")[0] == 0  # the last run saw it in place
    status, said = ask(reference="1", integration="campus", live=True)
    assert status == 1
    assert "is not in access group Hector_1" in said
    assert "as Hector and Salto show it now" in said
    assert len(school.sandbox.writes) == written


def by_hand(school):
    """What somebody changes in the dashboard: a stranger in, the window wider, a tag off, office mode on."""
    group = school.salto.group_named("Hector_1")
    stranger = school.salto.member_of_email("bo@campus.example")
    group.users.append(stranger.person_id)
    widened = group.schedules[0]  # by its date: a window around midnight has the whole day as its times already
    widened.end_date = (datetime.fromisoformat(widened.end_date) + timedelta(days=1)).isoformat()
    ana = school.salto.member_of_email("ana@campus.example")
    school.salto.give_tag(ana.id, None)
    ana.manual_office_mode = True


DRIFT = {"member_remove", "schedule_change", "tag_on", "office_off"}


def test_what_was_changed_by_hand_is_shown_and_repaired(school, run_dag):
    ana = school.person("ana")
    school.person("bo")
    school.book(ana, "1")
    run_dag("sync", "campus", sandbox=school.sandbox)
    by_hand(school)

    ended = run_dag("sync", "campus", sandbox=school.sandbox)

    assert ended.state == "success"
    operations = ended.table("operations")
    assert set(operations["kind"]) == DRIFT
    assert set(operations["cause"]) == {"drift"}
    assert operations["before"].notna().all()
    assert "changed by hand: reservation 1: somebody put this person in by hand (done)" in ended.log
    report = json.loads((ended.folder / "report.json").read_text())
    assert report["counts"]["cause_drift"] == 4
    assert run_dag("sync", "campus", sandbox=school.sandbox).table("operations").empty


def test_drift_is_only_reported_where_the_site_wants_it_so(school, run_dag, ask):
    ana = school.person("ana")
    bo = school.person("bo")
    school.book(ana, "1")
    lines = "drift: report\n"
    run_dag("sync", "campus", sandbox=school.sandbox, lines=lines)
    by_hand(school)
    school.book(bo, "2")  # what Hector says goes on

    ended = run_dag("sync", "campus", sandbox=school.sandbox, lines=lines)

    assert ended.state == "success"
    assert set(ended.table("operations")["group_name"].dropna()) == {"Hector_2"}
    found = ended.table("problems").query("code == 'drift_reported'")
    assert len(found) == 4
    assert found["message"].str.contains("reservation 1 \\(user u_.*\\): somebody put this person in by hand").any()
    assert len(school.salto.group_named("Hector_1").users) == 2
    school.salto.group_named("Hector_1").users.clear()
    run_dag("sync", "campus", sandbox=school.sandbox, lines=lines)
    said = ask(reference="1")[1]
    assert "left as it is (drift: report)" in said
    assert "next step: undo it in the Salto dashboard, or set drift: repair" in said
    again = run_dag("sync", "campus", sandbox=school.sandbox, lines=lines)
    assert again.table("operations").empty


@pytest.mark.parametrize("between", ["cleanup", "plan_only", "references"])
@pytest.mark.parametrize("drift", ["repair", "report"])
def test_what_another_run_has_seen_meanwhile_is_no_less_drift(school, run_dag, between, drift):
    """The cleanup runs daily, and a plan before a sync is good practice: neither makes a change by hand ours."""
    ana, bo = school.person("ana"), school.person("bo")
    school.book(ana, "1")
    school.book(bo, "2")
    lines = f"drift: {drift}\n"
    run_dag("sync", "campus", sandbox=school.sandbox, lines=lines)
    by_hand(school)
    conf = {"plan_only": {"plan_only": True}, "references": {"references": ["2"]}}.get(between)
    run_dag("cleanup" if between == "cleanup" else "sync", "campus", sandbox=school.sandbox, lines=lines, conf=conf)

    ended = run_dag("sync", "campus", sandbox=school.sandbox, lines=lines)

    if drift == "repair":
        assert set(ended.table("operations")["kind"]) == DRIFT
        assert set(ended.table("operations")["cause"]) == {"drift"}
    else:
        assert ended.table("operations").empty
        assert len(ended.table("problems").query("code == 'drift_reported'")) == 4


@pytest.mark.parametrize("drift", ["repair", "report"])
def test_a_new_card_is_hectors_doing_and_nobodys_hand(school, run_dag, drift):
    ana = school.person("ana")
    school.book(ana, "1")
    lines = f"drift: {drift}\n"
    run_dag("sync", "campus", sandbox=school.sandbox, lines=lines)
    school.salto.enrol_tag("0499FFEE")
    school.hector.users[ana]["unique_code"] = "0499FFEE"

    ended = run_dag("sync", "campus", sandbox=school.sandbox, lines=lines)

    assert "drift" not in set(ended.table("operations")["cause"])
    assert run_dag("sync", "campus", sandbox=school.sandbox, lines=lines).table("operations").empty
    member = school.salto.member_of_email("ana@campus.example")
    assert school.salto.holder_of(school.salto.tag_numbered("0499FFEE").id) is member


def test_a_change_in_hector_is_no_drift(school, run_dag):
    ana, bo = school.person("ana"), school.person("bo")
    loaner = school.book(ana, "1")
    run_dag("sync", "campus", sandbox=school.sandbox)
    school.hector.move(loaner, START + timedelta(hours=1), START + timedelta(hours=2), at=NOW)
    school.book(bo, "2")

    operations = run_dag("sync", "campus", sandbox=school.sandbox).table("operations")

    assert set(operations["cause"]) == {"moved", "new"}


def test_the_report_says_what_changed_for_whom_and_what_it_took(school, run_dag, ledger_url):
    ana = school.person("ana")
    school.book(ana, "1")
    school.book(school.person("mallory", tag=False), "<script>2</script>")
    ended = run_dag("sync", "campus", sandbox=school.sandbox)

    report = json.loads((ended.folder / "report.json").read_text())
    assert report["state"] == "green"
    assert report["counts"]["done"] == len(ended.table("operations"))
    (made,) = [
        change for change in report["changes"] if change["did"] == "access group made" and change["reference"] == "1"
    ]
    assert (made["for"], made["cause"], made["outcome"]) == ("reservation 1", "new", "done")
    asked = report["took"]["requests"]
    tokens = [row for row in school.sandbox.requests if row.path.startswith("/connect/")]
    assert sum(asked.values()) == len(school.sandbox.requests) - len(tokens)
    page = (ended.folder / "report.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "ana@campus.example" in page  # whom Salto invites
    (run,) = state(ledger_url, Run.state, Run.operations, Run.requests_salto, Run.requests_hector)
    assert run == ("green", len(ended.table("operations")), asked["Salto KS"], asked["Hector"])


def test_a_red_run_has_its_report_too(school, run_dag, ledger_url):
    school.book(school.person("ana"), "1")
    ended = run_dag("sync", "campus", sandbox=school.sandbox, site="DE0000000000")

    assert ended.state == "failed"
    report = json.loads((ended.folder / "report.json").read_text())
    assert report["state"] == "red"
    assert report["causes"]
    assert [row.state for row in state(ledger_url, Run.state)] == ["red"]
    assert state(ledger_url, Run.causes)[0][0] == report["causes"]


def test_tomorrows_doors_that_will_stay_shut_are_problems_now(school, run_dag, ledger_url):
    school.book(school.person("codeless", tag=False), "1")
    school.book(school.person("later", tag=False), "2", start=START + timedelta(days=3))
    ended = run_dag("sync", "campus", sandbox=school.sandbox)

    risky = ended.table("problems").query("code.str.startswith('risk_')")
    assert list(zip(risky["code"], risky["reference"], strict=True)) == [("risk_tag", "1")]
    assert [
        row.subject for row in state(ledger_url, ProblemRow.subject, ProblemRow.code) if row.code == "risk_tag"
    ] == ["user u_3"]
    assert ended.state == "success"


def test_a_lock_that_goes_offline_is_told_by_a_run_that_has_nothing_to_send(school, run_dag):
    school.book(school.person("ana"), "1")
    run_dag("sync", "campus", sandbox=school.sandbox)
    school.salto.locks[school.studio].online = False

    ended = run_dag("sync", "campus", sandbox=school.sandbox)

    assert ended.table("operations").empty
    assert "door Studio 204 is offline" in " ".join(ended.table("problems")["message"])


def test_the_clean_up_applies_the_retention_of_the_ledger(school, run_dag, ledger_url, monkeypatch):
    school.book(school.person("ana"), "1")
    run_dag("sync", "campus", sandbox=school.sandbox)
    with Ledger.open(ledger_url).transaction() as connection:
        from sqlalchemy import update

        connection.execute(update(Run).values(began_at=NOW - timedelta(days=731)))
    ended = run_dag("cleanup", "campus", sandbox=school.sandbox)

    assert ended.state == "success"
    assert [row.kind for row in state(ledger_url, Run.kind)] == ["cleanup"]
    assert "ledger: rows older than 730 days removed" in ended.log


def test_a_ledger_that_cannot_be_written_stops_the_run_before_anything_is_sent(school, run_dag, monkeypatch):
    school.book(school.person("ana"), "1")
    run_dag("sync", "campus", sandbox=school.sandbox, conf={"plan_only": True})
    written = len(school.sandbox.writes)
    from hector_salto.ledger.ledger import LedgerError

    def broken(*arguments):
        raise LedgerError("the ledger at sqlite:///x cannot be used (disk full)")

    monkeypatch.setattr(Ledger, "send", broken)
    ended = run_dag("sync", "campus", sandbox=school.sandbox)

    assert ended.state == "failed"
    assert len(school.sandbox.writes) == written
    assert "make the ledger writable, then run again" in ended.log


@pytest.mark.parametrize(
    ("free", "code", "state"), [(10, None, "success"), (2, "seats_close", "success"), (1, "seats_short", "failed")]
)
def test_seats_that_will_not_suffice_are_told_before(school, run_dag, free, code, state):
    for name in ("ana", "bo"):
        school.person(name)
    school.salto.site.subscribed_user_amount = free + school.salto.seats_used()
    ended = run_dag("sync", "campus", sandbox=school.sandbox)

    assert ended.state == state
    table = pd.read_parquet(ended.folder / "seats.parquet")
    assert len(table) == 8
    assert set(table["needed"]) == {2 + school.salto.site.subscribed_user_amount - free}
    assert set(ended.table("problems")["code"]) & {"seats_close", "seats_short"} == ({code} if code else set())


@pytest.mark.parametrize("version", ["v1.1", "v1.2"])
def test_what_the_doors_themselves_told(school, run_dag, ask, ledger_url, monkeypatch, version):
    """Somebody who stood before the door can be told so: when, with what, and what the lock said."""
    ana, bo = school.person("ana"), school.person("bo")
    school.book(ana, "1", start=NOW.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1), hours=3)
    school.book(bo, "2", start=START + timedelta(days=1))
    school.sandbox.change(page_size=2)
    for name, value in school.sandbox.connections("campus", api_version=version).items():
        monkeypatch.setenv(name, value)
    lines = "entries: true\n"
    run_dag("sync", "campus", lines=lines)
    at = datetime.now(UTC)
    assert try_door(school.salto, "ana@campus.example", "Studio 204", at)
    for minute in range(4):
        assert not try_door(school.salto, "bo@campus.example", "Studio 204", at - timedelta(minutes=minute))
    try_door(school.salto, "bo@campus.example", "Studio 204", at - timedelta(days=3))

    for _ in range(2):
        ended = run_dag("sync", "campus", lines=lines)
        assert ended.state == "success"

    assert "doors: 5 events of the last day, 0 of them new" in ended.log
    assert len(state(ledger_url, DoorEntry.id)) == 5
    said = ask(email="bo@campus.example")[1]
    assert said.count("tried Studio 204 at") == 4
    assert "with a tag, rejected: no access" in said
    assert "with a tag, opened" in ask(door="Studio 204")[1]


def test_a_refused_tag_that_is_the_users_code_but_not_enrolled_is_explained(school, run_dag, ask, ledger_url):
    bo = school.person("bo")
    school.sandbox.hector.users[bo]["unique_code"] = "02304711"
    school.book(bo, "1", start=START)
    run_dag("sync", "campus", sandbox=school.sandbox, lines="entries: true\n")
    for number in ("02304711", "02309999"):
        assert not try_tag(school.salto, number, "Studio 204", datetime.now(UTC))
    ended = run_dag("sync", "campus", sandbox=school.sandbox, lines="entries: true\n")

    assert ended.state == "success"
    said = ask(email="bo@campus.example")[1]
    assert "with a tag that is the user's unique code in Hector, but not enrolled on this site" in said
    assert "with a tag that is no user's unique code in Hector" in ask(door="Studio 204")[1]
    assert not [text for text in (said, ended.log, str(state(ledger_url, DoorEntry.tap_tag))) if "02304711" in text]


def test_events_that_cannot_be_read_are_a_problem_and_no_failure(school, run_dag):
    from sandbox.faults import status

    school.sandbox.salto_faults.when(lambda call: call.path.endswith("/entries"), status(403, "2203"))
    ended = run_dag("sync", "campus", sandbox=school.sandbox, lines="entries: true\n")

    assert ended.state == "success"
    assert "entries_unread" in set(ended.table("problems")["code"])
