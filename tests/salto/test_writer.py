from __future__ import annotations

import json

import pytest
import requests

from hector_salto.http_client.errors import (
    AccountNotActiveError,
    CredentialsError,
    NotFoundError,
    RefusedError,
    UnknownOutcomeError,
)
from salto.models import AccessSchedule, CreatedUser, NewUser, UserChange

SITE = "0b5f6f0e-0000-4000-8000-000000000001"
BELOW = f"https://connect.example/v1.1/sites/{SITE}"
SCHEDULE = AccessSchedule(
    days=(True, False, True, False, False, False, False),
    start_time="18:00",
    end_time="21:30",
    start_date="2026-09-01T00:00:00",
    end_date="2027-01-31T23:59:59",
)
SCHEDULE_BODY = {
    "monday": True,
    "tuesday": False,
    "wednesday": True,
    "thursday": False,
    "friday": False,
    "saturday": False,
    "sunday": False,
    "start_time": "18:00",
    "end_time": "21:30",
    "start_date": "2026-09-01T00:00:00",
    "end_date": "2027-01-31T23:59:59",
}
MIRA = NewUser("Mira", "Sound", "mira@example.org", "hector:u_1", "role-1", office_mode=False)
SHOWN = {
    "id": "mira-s",
    "user": {
        "id": "mira-p",
        "email": None,
        "tag_number": "1042-0007",
        "is_managed_by_current_site": True,
        "has_profile": False,
    },
    "roles": [],
    "alias": "hector:u_1",
    "toggle_manual_office_mode": True,
    "blocked": False,
    "subscription_state": "suspended",
}

WRITES = {
    "create_group": (
        lambda w: w.create_group("Hector_10452"),
        ("POST", "access_groups", {"customer_reference": "Hector_10452"}),
        {"id": "g1", "customer_reference": "Hector_10452"},
    ),
    "delete_group": (lambda w: w.delete_group("g1"), ("DELETE", "access_groups/g1", None), None),
    "change_group_users": (
        lambda w: w.change_group_users("g1", add=["p1", "p2"], remove=["p3"]),
        ("PATCH", "access_groups/g1/users", {"add_ids": ["p1", "p2"], "remove_ids": ["p3"]}),
        None,
    ),
    "change_group_locks": (
        lambda w: w.change_group_locks("g1", add=["l1"]),
        ("PATCH", "access_groups/g1/locks", {"add_ids": ["l1"], "remove_ids": []}),
        None,
    ),
    "create_schedule": (
        lambda w: w.create_schedule("g1", SCHEDULE),
        ("POST", "access_groups/g1/time_schedules", SCHEDULE_BODY),
        {"id": "t1"},
    ),
    "change_schedule": (
        lambda w: w.change_schedule("g1", "t1", SCHEDULE),
        ("PATCH", "access_groups/g1/time_schedules/t1", SCHEDULE_BODY),
        {"id": "t1"},
    ),
    "delete_schedule": (
        lambda w: w.delete_schedule("g1", "t1"),
        ("DELETE", "access_groups/g1/time_schedules/t1", None),
        None,
    ),
    "create_user": (
        lambda w: w.create_user(MIRA),
        (
            "POST",
            "users",
            {
                "first_name": "Mira",
                "last_name": "Sound",
                "email": "mira@example.org",
                "role_ids": ["role-1"],
                "alias": "hector:u_1",
                "toggle_manual_office_mode": False,
            },
        ),
        SHOWN,
    ),
    "link_existing_user": (
        lambda w: w.link_existing_user("mira-p", "role-1", "hector:u_1", office_mode=True),
        (
            "POST",
            "users/existing",
            {"id": "mira-p", "role_ids": ["role-1"], "alias": "hector:u_1", "toggle_manual_office_mode": True},
        ),
        SHOWN,
    ),
    "change_user": (
        lambda w: w.change_user("mira-s", UserChange(tag_id="tag-1", office_mode=True)),
        ("PATCH", "users/mira-s", {"tag_id": "tag-1", "toggle_manual_office_mode": True}),
        SHOWN,
    ),
    "set_subscription": (
        lambda w: w.set_subscription("mira-s", "suspended"),
        ("PATCH", "users/mira-s/subscription", {"state": "suspended"}),
        None,
    ),
    "delete_user": (lambda w: w.delete_user("mira-s"), ("DELETE", "users/mira-s", None), None),
}
REMOVALS = {"delete_group", "delete_schedule", "delete_user"}
REPLIED = {name for name, (_, _, reply) in WRITES.items() if reply is not None}


@pytest.fixture(params=WRITES)
def write(request, web, writer):
    """One write, with a function that says how the service answers and one that sends it."""
    call, (method, path, body), reply = WRITES[request.param]

    class Write:
        name = request.param
        expected = method, path, body

        def answer(self, **answer):
            web.add(method, f"{BELOW}/{path}", **answer)

        def answer_well(self):
            self.answer(**({"status": 204} if reply is None else {"json": reply}))

        def send(self):
            return call(writer)

        @property
        def sent(self):
            found = [call.request for call in web.calls if not call.request.url.endswith("/connect/token")]
            return [(one.method, one.url.removeprefix(f"{BELOW}/"), json.loads(one.body or "null")) for one in found]

    return Write()


def test_a_write_is_one_request_exactly_as_the_contract_shows_it(write):
    write.answer_well()

    write.send()
    assert write.sent == [write.expected]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "1100", RefusedError),
        (400, "1101", RefusedError),
        (403, "2203", RefusedError),
        (403, "2220", RefusedError),
        (403, 2212, AccountNotActiveError),
        (403, "2212", AccountNotActiveError),
        (403, "2210", AccountNotActiveError),
        (405, "1", RefusedError),
    ],
)
def test_refusals_are_sorted_by_what_to_do_and_not_repeated(write, status, code, kind):
    write.answer(status=status, json={"ErrorCode": code, "Message": "Validation failed: mira@example.org is in use"})

    with pytest.raises(kind, match="salto_campus") as raised:
        write.send()
    assert raised.value.code == str(code)
    assert "mira@" not in str(raised.value)
    assert len(write.sent) == 1


def test_what_is_gone_is_a_success_for_removals_only(write):
    write.answer(status=404, json={"ErrorCode": "2202", "Message": "User not found"})

    if write.name in REMOVALS:
        write.send()
    else:
        with pytest.raises(NotFoundError):
            write.send()
    assert len(write.sent) == 1


@pytest.mark.parametrize("cause", [500, 503, requests.ReadTimeout(), requests.ConnectionError("reset")])
def test_only_removals_are_sent_again_after_an_unknown_outcome(write, cause):
    write.answer(**({"body": cause} if isinstance(cause, Exception) else {"status": cause}))
    write.answer_well()

    if write.name in REMOVALS:
        write.send()
    else:
        with pytest.raises(UnknownOutcomeError, match="read what is there"):
            write.send()
    assert len(write.sent) == (2 if write.name in REMOVALS else 1)


@pytest.mark.parametrize("headers", [{"Retry-After": "3"}, {}])
def test_a_throttled_write_is_sent_again_after_the_wait(write, sleeps, headers):
    write.answer(status=429, body="API calls quota exceeded!", content_type="text/plain", headers=headers)
    write.answer_well()

    write.send()
    assert sleeps == [3 if headers else 60]


def test_an_empty_401_costs_one_new_token(write, web):
    write.answer(status=401)
    write.answer_well()

    write.send()
    assert len(write.sent) == 2
    assert len(web.calls) == 4


def test_two_401_stop(write):
    write.answer(status=401)

    with pytest.raises(CredentialsError):
        write.send()
    assert len(write.sent) == 2


@pytest.mark.parametrize("body", ["<html>Maintenance</html>", "{half"])
def test_a_page_instead_of_a_reply_leaves_the_outcome_unknown(write, body):
    write.answer(status=200, body=body)

    with pytest.raises(Exception, match=r"not JSON|HTML page") as raised:
        write.send()
    assert isinstance(raised.value, UnknownOutcomeError) is (write.name not in REMOVALS)
    assert len(write.sent) == 1


@pytest.mark.parametrize("body", ["", "{}", '{"id": 7}', "[]", "null"])
def test_a_reply_without_what_it_must_tell_leaves_the_outcome_unknown(write, body):
    write.answer(status=200, body=body)

    if write.name in REPLIED:
        with pytest.raises(UnknownOutcomeError):
            write.send()
    else:
        write.send()


@pytest.mark.parametrize("status", [202, 204, 404])
def test_a_user_may_be_deleted_at_once_later_or_before(writer, web, status):
    web.delete(f"{BELOW}/users/mira-s", status=status)

    writer.delete_user("mira-s")


def test_a_created_user_tells_whether_a_seat_was_free(writer, web):
    web.post(f"{BELOW}/users", json=SHOWN, status=201)

    assert writer.create_user(MIRA) == CreatedUser("mira-s", "mira-p", "suspended")


def test_a_user_without_email_or_alias_is_sent_without_those_keys(writer, web):
    web.post(f"{BELOW}/users", json=SHOWN)

    writer.create_user(NewUser("Mira", "Sound", None, "", "role-1", office_mode=True))
    assert set(json.loads(web.calls[-1].request.body)) == {
        "first_name",
        "last_name",
        "role_ids",
        "toggle_manual_office_mode",
    }


@pytest.mark.parametrize(
    ("change", "body"),
    [
        (UserChange(tag_id=None), {"tag_id": None}),
        (UserChange(alias="hector:u_1"), {"alias": "hector:u_1"}),
        (UserChange(alias=None), {"alias": None}),
        (UserChange(email="m@example.org"), {"email": "m@example.org"}),
        (UserChange(office_mode=False), {"toggle_manual_office_mode": False}),
    ],
)
def test_a_change_names_its_fields_and_no_others(writer, web, change, body):
    web.patch(f"{BELOW}/users/mira-s", json=SHOWN)

    changed = writer.change_user("mira-s", change)
    assert json.loads(web.calls[-1].request.body) == body
    assert (changed.has_tag, changed.office_mode, changed.subscription_state) == (True, True, "suspended")


def test_a_change_of_nothing_is_not_sent(writer, web):
    with pytest.raises(ValueError, match="nothing"):
        writer.change_user("mira-s", UserChange())
    assert len(web.calls) == 0


def test_a_week_has_seven_days():
    with pytest.raises(ValueError, match="seven"):
        AccessSchedule((True,), "10:00", "11:00", "2026-01-01T10:00:00", "2026-01-01T11:00:00")


def test_ids_cannot_change_the_path(writer, web):
    web.delete(f"{BELOW}/access_groups/..%2F..%2Fusers", status=204)

    writer.delete_group("../../users")
    with pytest.raises(ValueError, match="cannot be an id"):
        writer.delete_group("")


def test_nobodys_name_or_email_shows_in_a_log_of_the_values():
    shown = f"{MIRA!r} {UserChange(email='mira@example.org')!r}"

    assert "mira@" not in shown
    assert "Sound" not in shown
