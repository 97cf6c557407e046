"""`make doctor`: each assumption in both positions, and nothing sent but reads."""

from __future__ import annotations

import datetime as dt

import pytest

from hector_salto.doctor.assumptions import Probe, ids_of
from hector_salto.doctor.invited import UserThereError
from hector_salto.doctor.locks import zone_rules
from hector_salto.doctor.published import differences
from hector_salto.doctor.scratch import SCRATCH, WrongSiteError
from salto.writer import SaltoWriter
from sandbox.faults import drop, half_list, status
from tests.doctor.conftest import DIFFERS, HOLDS, UNKNOWN


def test_a_site_as_the_contract_has_it_is_well_and_nothing_was_written(school):
    examination, _ = school.examine()

    assert [one.assumption for one in examination.findings] == list(ids_of(Probe.READ))
    odd = {one.assumption: one.seen for one in examination.findings if one.verdict is DIFFERS}
    assert odd == {}
    assert examination.is_well
    assert len(school.sandbox.writes) == 0


def test_what_cannot_be_asked_waits_for_the_first_that_fails(school):
    school.sandbox.change(account_active=False)
    examination, _ = school.examine()
    found = {one.assumption: one for one in examination.findings}

    assert found["salto-account"].verdict is DIFFERS
    assert found["salto-account"].matters
    assert "Site Admin" in found["salto-account"].step
    assert found["salto-token-life"].seen == "waits for salto-account"
    assert found["hector-reached"].verdict is HOLDS
    assert not examination.is_well


def test_no_number_and_no_secret_is_in_what_was_found(school):
    school.sandbox.hector.add_user(email="cleo@school.example", unique_code="2309999", first_name="cleo")
    school.sandbox.salto.enrol_tag("02309999")
    examination, _ = school.examine()
    text = str(examination.as_json())

    known = school.sandbox.credentials
    assert not [
        one
        for one in ("2309999", "02301234", known.client_secret, known.user_password, known.hector_token)
        if one in text
    ]


# --- the way in -------------------------------------------------------------------------------------------------------

WAY_IN = [
    ("salto-grant", {"grant_types": ("authorization_code",)}, DIFFERS, "backend server"),
    ("salto-account", {"token_error": "unauthorized_client"}, DIFFERS, "backend server"),
    ("salto-account", {"token_error": "unsupported_grant_type"}, DIFFERS, "backend server"),
    ("salto-account", {"token_error": "invalid_scope"}, DIFFERS, "Connect API"),
    ("salto-account", {"token_error": "invalid_client"}, DIFFERS, "client secret"),
    ("salto-account", {"token_error": "invalid_grant"}, DIFFERS, "sign-up"),
    ("salto-token-life", {"token_seconds": 120}, DIFFERS, "longer life"),
    ("clock-hector", {"hector_clock_ahead": 600.0}, DIFFERS, "clocks"),
    ("clock-salto", {"salto_clock_ahead": -600.0}, DIFFERS, "clocks"),
]


@pytest.mark.parametrize(("assumption", "behaviour", "verdict", "step"), WAY_IN)
def test_doctor_way_in(school, assumption, behaviour, verdict, step):
    assert school.finding(assumption).verdict is HOLDS
    school.sandbox.change(**behaviour)
    found = school.finding(assumption)

    assert found.verdict is verdict
    assert step in found.step


@pytest.mark.parametrize(
    ("service", "path", "assumption"),
    [("hector", "/environment", "hector-reached"), ("salto", "/.well-known", "salto-reached")],
)
def test_doctor_way_in_of_a_service_that_does_not_answer(school, service, path, assumption):
    faults = school.sandbox.hector_faults if service == "hector" else school.sandbox.salto_faults
    faults.on("GET", path, drop())

    assert school.finding(assumption).verdict is DIFFERS


def test_doctor_way_in_without_a_discovery_document(school):
    school.sandbox.salto_faults.on("GET", "/.well-known", status(404))

    assert school.finding("salto-reached").verdict is HOLDS
    assert school.finding("salto-grant").verdict is UNKNOWN


def test_doctor_zones_that_this_machine_knows_otherwise(monkeypatch):
    now = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    assert zone_rules(["Etc/GMT+5"], now).verdict is HOLDS
    monkeypatch.setattr("hector_salto.doctor.locks._from_package", lambda _zone: dt.UTC)
    odd = zone_rules(["Etc/GMT+5"], now)
    assert odd.verdict is DIFFERS
    assert "Etc/GMT+5" in odd.seen


# --- the site ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("site", ["DE4520000000", "de4520000000", "Rehearsal House"])
def test_doctor_site_by_uid_or_name(school, site):
    assert school.finding("site-found", site=site).verdict is HOLDS


def test_doctor_site_that_the_account_does_not_see(school):
    found = school.finding("site-found", site="DE999")

    assert found.verdict is DIFFERS
    assert "Rehearsal House (DE4520000000)" in found.seen


@pytest.mark.parametrize("change", ["role", "released", "subscription", "seats"])
def test_doctor_site_that_may_not_be_used(school, change):
    site = school.sandbox.salto.site
    if change == "role":
        school.sandbox.change(acting_site_admin=False)
    elif change == "released":
        site.installation_state = "installation"
    elif change == "subscription":
        site.subscription_valid = False
    else:
        site.subscribed_user_amount = school.sandbox.salto.seats_used()
    examination, _ = school.examine()

    assert not examination.is_well
    assert any(one.matters and one.assumption.startswith("site-") for one in examination.findings)


def test_doctor_published_document_is_held_against_what_is_used(school):
    assert "0 differ" in school.finding("published-document").seen
    school.sandbox.change(published_document=False)
    assert school.finding("published-document").verdict is UNKNOWN


def test_doctor_published_document_that_lacks_something_names_it(school):
    _, subject = school.examine()
    document = subject.probe.published_document()
    del document["paths"]["/v1.1/sites/{site_id}/tags"]
    shown = document["components"]["schemas"]
    del shown["SiteUser"]["properties"]["subscription_state"]
    shown["Lock"]["properties"]["online"]["type"] = "string"
    body = document["paths"]["/v1.1/sites/{site_id}/users/{user}"]["patch"]["requestBody"]["content"]
    del body["application/json"]["schema"]["properties"]["tag_id"]
    found = differences(document, "v1.1")

    assert "GET /tags is missing" in found
    assert "GET /users: no subscription_state" in found
    assert "GET /locks: online is string, not boolean" in found
    assert "PATCH /users/{}: the body has no tag_id" in found


# --- lists ------------------------------------------------------------------------------------------------------------

LISTS = [
    ("list-shape", {"bare_arrays": "users"}, HOLDS, "bare array"),
    ("list-end", {"bare_arrays": "users", "bare_arrays_cut": True, "page_size": 2}, DIFFERS, "without a count"),
    ("list-count", {"list_count": "page", "page_size": 2}, DIFFERS, "count 2"),
    ("list-count", {"list_count": "none"}, UNKNOWN, "no count"),
    ("list-top", {"page_size": 2}, DIFFERS, "1000: 2"),
    ("list-link", {"next_link_host": "https://alias.saltoks.com", "page_size": 2}, DIFFERS, "alias.saltoks.com"),
    ("filter-case", {"filter_case": "minded"}, DIFFERS, "finds 0"),
]


@pytest.mark.parametrize(("assumption", "behaviour", "verdict", "seen"), LISTS)
def test_doctor_lists(school, assumption, behaviour, verdict, seen):
    for number in range(4):
        school.sandbox.salto.add_member(f"m{number}@school.example")
    school.sandbox.change(**behaviour)
    found = school.finding(assumption)

    assert found.verdict is verdict
    assert seen in found.seen
    assert not found.matters


# --- locks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "assumption", ["lock-names", "lock-zones", "lock-online", "lock-privacy", "lock-office", "lock-lookback"]
)
def test_doctor_locks(school, assumption):
    salto = school.sandbox.salto
    lock = salto.lock_named("Studio 1")
    if assumption == "lock-names":
        salto.add_lock("STUDIO 1")
    elif assumption == "lock-zones":
        lock.iq_id = salto.add_iq("IQ of nowhere", None)
    elif assumption == "lock-online":
        lock.online = False
    elif assumption == "lock-privacy":
        lock.privacy_mode = True
    elif assumption == "lock-office":
        lock.locked_state = "office_mode"
    else:
        lock.look_back_days = 7
    found = school.finding(assumption)

    assert found.verdict is DIFFERS
    assert "Studio 1" in found.seen
    assert found.step


# --- tags and Hector --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "way"), [("2309999", "zero-padded"), ("'02309999", "apostrophe"), ("2309999.0", "without decimals")]
)
def test_doctor_tags_say_what_a_spreadsheet_did(school, code, way):
    user = school.sandbox.hector.add_user(email="cleo@school.example", unique_code=code, first_name="cleo")
    school.sandbox.salto.enrol_tag("02309999")
    found = school.finding("tag-near")

    assert found.verdict is DIFFERS
    assert way in found.seen
    assert user in found.step
    assert school.finding("tag-shape").verdict is DIFFERS
    assert "2 of 3 codes" in school.finding("tag-match").seen


HECTOR = [
    ("hector-attribute", lambda hector: hector.attributes.clear(), "first sync makes it"),
    ("hector-locks", lambda hector: hector.add_place("Studio 9", "Studoi 1"), "nearest is 'Studio 1'"),
    ("hector-office", lambda hector: next(iter(hector.groups.values())).update(name="Teacher"), "nearest is 'Teacher'"),
    (
        "hector-emails",
        lambda hector: hector.add_user(email=None, unique_code="1", first_name="dan"),
        "correct these users",
    ),
    (
        "hector-status",
        lambda hector: next(iter(hector.users.values())).update(status="on_leave"),
        "report these statuses",
    ),
    (
        "hector-codes",
        lambda hector: hector.add_user(email="dan@school.example", unique_code=None, first_name="dan"),
        "enter the unique codes",
    ),
]


@pytest.mark.parametrize(("assumption", "change", "step"), HECTOR)
def test_doctor_hector(school, assumption, change, step):
    change(school.sandbox.hector)
    found = school.finding(assumption)

    assert found.verdict is DIFFERS
    assert step in found.step


def test_doctor_hector_lists_that_are_cut(school):
    school.sandbox.hector_faults.on("GET", "/users", half_list())

    assert school.finding("hector-lists").verdict is DIFFERS


# --- by writing -------------------------------------------------------------------------------------------------------


def test_another_site_that_was_typed_sends_nothing(school):
    with pytest.raises(WrongSiteError, match="nothing was sent"):
        school.by_writing("DE4520000001")
    assert len(school.sandbox.writes) == 0


def test_what_was_written_is_gone_and_opens_nothing(school):
    school.sandbox.change(filter_case="minded")
    found = school.by_writing(email="probe@school.example")

    assert {name for name in (*ids_of(Probe.WRITE), *ids_of(Probe.USER)) if found[name].verdict is not HOLDS} == set()
    salto = school.sandbox.salto
    salto.settle(school.sandbox.clock(), 0)
    assert not [group for group in salto.groups.values() if group.name.startswith(SCRATCH)]
    assert salto.member_of_email("probe@school.example") is None
    assert {tag.id: salto.holder_of(tag.id) for tag in salto.tags.values()} == dict.fromkeys(salto.tags)


WRITTEN = [
    ("group-name", {"group_names": "unique"}),
    ("filter-name", {"filter_case": "ignored"}),
    ("membership-repeated", {"repeated_changes": "refused"}),
    ("membership-removed", {"repeated_changes": "refused"}),
    ("tag-off", {"tag_cleared_by": "empty"}),
    ("tag-off", {"tag_cleared_by": "empty_only"}),
    ("tag-off", {"tag_cleared_by": "nothing"}),
    ("seat-tagless", {"seat_without_tag": False}),
    ("user-invited", {"creation_lag_seconds": 20.0}),
]


@pytest.mark.parametrize(("assumption", "behaviour"), WRITTEN)
def test_what_a_site_does_otherwise_is_found_by_writing(school, assumption, behaviour):
    school.sandbox.change(filter_case="minded")
    school.sandbox.change(**behaviour)
    found = school.by_writing(email="probe@school.example")[assumption]

    assert found.verdict is DIFFERS, found.seen


def test_leftovers_of_a_crash_are_removed_by_the_next_examination(school):
    salto = school.sandbox.salto
    salto.add_group(f"{SCRATCH} 0815")
    salto.add_member("probe@school.example", alias="doctor")
    school.by_writing(email="probe@school.example")
    salto.settle(school.sandbox.clock(), 0)

    assert not [group for group in salto.groups.values() if group.name.startswith(SCRATCH)]
    assert salto.member_of_email("probe@school.example") is None


def test_a_user_whom_others_put_there_is_not_touched(school):
    school.sandbox.salto.add_member("probe@school.example")
    with pytest.raises(UserThereError, match="name another email"):
        school.by_writing(email="probe@school.example")

    assert len(school.sandbox.writes) == 0


def test_ctrl_c_in_the_middle_leaves_nothing_behind(school, monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(SaltoWriter, "create_schedule", interrupted)
    with pytest.raises(KeyboardInterrupt):
        school.by_writing()

    assert not [group for group in school.sandbox.salto.groups.values() if group.name.startswith(SCRATCH)]
