"""The clients against real HTTP servers that speak the contracts to the letter and refuse anything else."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest

from hector.hook import HectorHook
from hector_salto.http_client.errors import AccountNotActiveError, RefusedError
from hector_salto.http_client.fingerprint import Fingerprint
from salto.hook import SaltoHook
from salto.models import AccessSchedule, NewUser, UserChange
from sandbox import Sandbox, Throttle, empty

FINGERPRINT = Fingerprint(b"key")
SITE = "DE4520000000"
MONDAY = AccessSchedule(
    days=(True, False, False, False, False, False, False),
    start_time="10:00",
    end_time="11:59",
    start_date="2026-11-23T10:00:00",
    end_date="2026-11-23T12:00:00",
)


@pytest.fixture(params=["v1.1", "v1.2"])
def version(request):
    return request.param


@pytest.fixture
def sandbox(monkeypatch, version):
    with Sandbox(empty()) as running:
        for name, value in running.connections("campus", api_version=version).items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def hook(sandbox):
    return SaltoHook("salto_campus")


def test_both_connections_answer_the_test_button(sandbox, hook):
    assert HectorHook("hector_campus").test_connection() == (True, "Connected to Campus (campus)")
    assert hook.test_connection() == (True, f"Connected; sites: Rehearsal House ({SITE})")


@pytest.mark.parametrize("arrays", ["off", "all"])
def test_a_whole_site_is_read_page_by_page(sandbox, hook, arrays):
    for number in range(7):
        sandbox.salto.add_lock(f"Room {number}")
        sandbox.salto.enrol_tag(f"1042-000{number}")
        sandbox.salto.add_group(f"Hector_{number}")
    sandbox.change(page_size=100 if arrays == "all" else 3, bare_arrays=arrays)

    reader = hook.reader(SITE)
    assert len(reader.users(FINGERPRINT)) == 2
    assert reader.locks(reader.site.zone)["name"].tolist() == [f"Room {number}" for number in range(7)]
    assert len(reader.tags(FINGERPRINT)) == 7
    assert len(reader.groups()) == 7
    assert reader.require_site_admin().role_codes == ("site_admin",)


def test_a_group_is_made_filled_changed_and_removed(sandbox, hook):
    lock = sandbox.salto.add_lock("Room 1")
    reader, writer = hook.reader(SITE), hook.writer(SITE)

    created = writer.create_user(
        NewUser("Ana", "O'Hara", "ana.o'hara@example.org", "hector:u_1", reader.roles()["site_user"], office_mode=False)
    )
    group = writer.create_group("Hector_1'2 %&#")
    schedule = writer.create_schedule(group, MONDAY)
    writer.change_schedule(group, schedule, MONDAY)
    writer.change_group_locks(group, add=[lock])
    writer.change_group_users(group, add=[created.platform_user_id])

    assert reader.groups_named("Hector_1'2 %&#")["group_id"].tolist() == [group]
    assert reader.group_locks(group)["lock_id"].tolist() == [lock]
    assert reader.group_users(group)["platform_user_id"].tolist() == [created.platform_user_id]
    assert reader.schedules(group)["end_time"].tolist() == ["11:59:59"]

    writer.change_group_users(group, remove=[created.platform_user_id])
    writer.delete_schedule(group, schedule)
    for _ in range(2):
        writer.delete_group(group)
    assert reader.groups().empty


def test_a_user_is_made_found_changed_suspended_and_removed(sandbox, hook):
    sandbox.salto.enrol_tag("1042-0007")
    reader, writer = hook.reader(SITE), hook.writer(SITE)
    tag = reader.tags(FINGERPRINT)["tag_id"][0]
    new = NewUser(
        "Ana", "O'Hara", "ana.o'hara@example.org", "hector:u_1", reader.roles()["site_user"], office_mode=True
    )

    created = writer.create_user(new)
    assert reader.users_with_email(new.email, FINGERPRINT)["site_user_id"].tolist() == [created.site_user_id]
    assert [one.platform_user_id for one in reader.search_platform_users(new.email) if one.has_email] == [
        created.platform_user_id
    ]
    with pytest.raises(RefusedError):
        writer.create_user(new)

    assert writer.change_user(created.site_user_id, UserChange(tag_id=tag, office_mode=False)).has_tag
    assert reader.user(created.site_user_id, FINGERPRINT)["tag"].tolist() == [FINGERPRINT("1042-0007")]
    assert not writer.change_user(created.site_user_id, UserChange(tag_id=None)).has_tag
    writer.set_subscription(created.site_user_id, "suspended")
    assert reader.user(created.site_user_id, FINGERPRINT)["subscription_state"].tolist() == ["suspended"]
    for _ in range(2):
        writer.delete_user(created.site_user_id)


def test_a_person_of_the_platform_is_linked(sandbox, hook):
    person = sandbox.salto.add_person("kim@example.org", "Kim", "Lee", has_profile=True)
    reader, writer = hook.reader(SITE), hook.writer(SITE)

    (found,) = (one.platform_user_id for one in reader.search_platform_users("kim@example.org"))
    linked = writer.link_existing_user(found, reader.roles()["site_user"], "hector:u_2", office_mode=False)
    assert linked.platform_user_id == found == person


def test_an_account_that_is_not_active_yet_stops(sandbox, hook):
    sandbox.change(account_active=False)

    with pytest.raises(AccountNotActiveError, match="not active on this site yet"):
        _ = hook.reader(SITE).site


def test_an_account_that_is_no_site_admin_stops(sandbox, hook):
    sandbox.change(acting_site_admin=False)

    with pytest.raises(AccountNotActiveError, match="Site Admin"):
        hook.reader(SITE).require_site_admin()


def test_a_throttled_site_is_read_by_eight_threads_without_an_error(sandbox, hook):
    groups = [sandbox.salto.add_group(f"Hector_{number}") for number in range(24)]
    reader = hook.reader(SITE)
    _ = reader.site
    sandbox.change(salto_throttle=Throttle(limit=10, window_seconds=1))

    with ThreadPoolExecutor(8) as pool:
        frames = list(pool.map(reader.schedules, groups))
    assert len(frames) == 24


def test_all_of_hector_is_read_page_by_page(sandbox):
    now = dt.datetime.now(dt.UTC)
    hector = HectorHook("hector_campus")
    sandbox.change(hector_page_size=2)

    assert hector.reader.users(FINGERPRINT).users.empty
    assert hector.reader.loaners(now, now + dt.timedelta(days=7)).reservations.empty
    assert hector.reader.has_lock_attribute()
    hector.writer().create_lock_attribute()
    assert hector.reader.places().empty
