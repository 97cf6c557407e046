from __future__ import annotations

import itertools
import json
import logging
from datetime import UTC, datetime

import pytest

from hector_salto.http_client.errors import (
    AccountNotActiveError,
    CredentialsError,
    IncompleteReadError,
    MalformedAnswerError,
    NotFoundError,
    RestError,
)
from hector_salto.http_client.fingerprint import Fingerprint
from salto.client import SaltoReader
from salto.mapping import is_above_site_user, is_pod_or_guest
from salto.models import FoundUser
from salto.payloads import Role, SiteUser
from salto.versions import version_of

API = "https://connect.example"
SITE = "0b5f6f0e-0000-4000-8000-000000000001"
BELOW = f"{API}/v1.1/sites/{SITE}"
FINGERPRINT = Fingerprint(b"key")
SITE_USER = {
    "id": "r1",
    "customer_reference": "Site User",
    "code": "site_user",
    "parent_id": "r0",
    "is_hierarchical": True,
}
ADMIN = SITE_USER | {"id": "r2", "code": "site_admin"}
MIRA = {
    "id": "mira-s",
    "user": {
        "id": "mira-p",
        "first_name": "Mira",
        "last_name": "Sound",
        "email": "Mira.O'Hara@example.org",
        "image_url": None,
        "tag_number": "1042-0007",
        "is_managed_by_current_site": True,
        "has_profile": False,
    },
    "roles": [SITE_USER],
    "alias": "member-1042",
    "toggle_easy_office_mode": False,
    "toggle_manual_office_mode": False,
    "remote_access": False,
    "blocked": False,
    "tag_owned_by_this_site": True,
    "subscription_state": "subscribed",
    "override_privacy_mode": False,
    "use_pin": False,
}
GROUP = {"id": "g1", "customer_reference": "Hector_10452", "lock_count": 1, "user_count": 2}
LOCK = {
    "id": "l1",
    "customer_reference": "Room 3",
    "online": True,
    "iq": {"id": "iq1", "customer_reference": "IQ attic", "mac_address": "AA", "is_online": False, "revision": "2"},
}
IQ = {"id": "iq1", "customer_reference": "IQ attic", "time_zone": "Asia/Kolkata", "is_online": True}
SCHEDULE = {
    "id": "t1",
    **dict.fromkeys(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"], False),
    "sunday": True,
    "start_time": "18:00:00",
    "end_time": "21:30:59",
    "start_date": "2026-09-01T00:00:00",
    "end_date": None,
}


def page(*items, link=None, count=None):
    return {"items": list(items), "next_page_link": link, "count": count}


def numbered(*names):
    return [GROUP | {"id": name} for name in names]


@pytest.fixture
def answer(web):
    def give(path, *pages):
        for one in pages:
            web.get(f"{BELOW}/{path}", json=one)

    return give


def test_users_come_with_both_ids_and_a_fingerprint_instead_of_the_number(reader, answer, calls):
    answer("users", page(MIRA, count=1))

    row = reader.users(FINGERPRINT).iloc[0]
    assert (row.site_user_id, row.platform_user_id, row.role_codes) == ("mira-s", "mira-p", "site_user")
    assert row.tag == FINGERPRINT("1042-0007")
    assert "1042-0007" not in row.to_string()
    assert calls() == [("GET", "users?$inlinecount=allpages")]


@pytest.mark.parametrize("shape", [page(MIRA, count=1), page(MIRA), [MIRA], {"items": [MIRA]}])
def test_envelopes_and_bare_arrays_are_the_same(reader, answer, shape):
    answer("users", shape)

    assert len(reader.users(FINGERPRINT)) == 1


def test_next_links_are_followed_verbatim_and_repaired_to_https(reader, answer, calls):
    link = f"{BELOW.replace('https', 'http')}/access_groups?$skip=1&x=%27"
    answer("access_groups", page(*numbered("a"), link=link, count=2), page(*numbered("b"), count=2))

    assert reader.groups()["group_id"].tolist() == ["a", "b"]
    assert calls()[1] == ("GET", "access_groups?$skip=1&x=%27")


@pytest.mark.parametrize("link", ["https://evil.example/x", "http://connect.example:8080/x", "/v1.1/sites", ""])
def test_a_link_to_anywhere_else_gets_no_token(reader, answer, web, link):
    answer("access_groups", page(*numbered("a"), link=link, count=2))
    stolen = web.get("https://evil.example/x", json=page())

    with pytest.raises(MalformedAnswerError, match="never followed"):
        reader.groups()
    assert stolen.call_count == 0


SECOND = f"{BELOW}/access_groups?$skip=1"


@pytest.mark.parametrize(
    "pages",
    [
        [page(*numbered("a"), count=2)],
        [page(*numbered("a", "b"), count=1)],
        [page(*numbered("a", "a"))],
        [page(*numbered("a"), link=SECOND, count=2), page(*numbered("a"), count=2)],
        [page(*numbered("a"), link=SECOND, count=2), page(*numbered("b"), count=3)],
        [page(*numbered("a"), link=SECOND), page(*numbered("b"), link=SECOND)],
    ],
    ids=["half", "more than all", "twice", "twice over pages", "count changes", "circle"],
)
def test_an_incomplete_list_is_read_again_once_and_then_is_an_error(reader, answer, calls, pages):
    answer("access_groups", *pages, *pages)

    with pytest.raises(IncompleteReadError, match="salto_campus"):
        reader.groups()
    assert len(calls()) == 2 * len(pages)


def test_a_list_that_is_whole_the_second_time_is_taken(reader, answer):
    answer("access_groups", page(*numbered("a"), count=2), page(*numbered("a", "b"), count=2))

    assert len(reader.groups()) == 2


@pytest.mark.parametrize("field", ["alias", "roles", "user", "blocked", "subscription_state"])
def test_a_user_without_a_field_that_decides_is_malformed(reader, answer, field):
    answer("users", page({key: value for key, value in MIRA.items() if key != field}))

    with pytest.raises(MalformedAnswerError, match=rf"items\.0\.{field}: missing"):
        reader.users(FINGERPRINT)


@pytest.mark.parametrize(
    ("codes", "above"),
    [
        ([("site_user", True)], False),
        ([("site_user", True), ("site_mobile_user", False)], False),
        ([("site_guest", True)], False),
        ([("site_admin", True)], True),
        ([("site_owner", False)], True),
        ([("site_user", True), ("site_super_user", True)], True),
        ([("door_keeper", True)], True),
        ([("door_keeper", False)], False),
        ([(None, True)], True),
        ([], False),
    ],
)
def test_above_site_user_is_whoever_holds_a_higher_or_unknown_hierarchical_role(codes, above):
    roles = [Role(id="r", code=code, is_hierarchical=hierarchical) for code, hierarchical in codes]

    assert is_above_site_user(roles) is above


@pytest.mark.parametrize(
    ("fields", "pod"),
    [
        ({}, False),
        ({"member_of_pods": None, "guest_of_pods": []}, False),
        ({"member_of_pods": [{"id": "p"}]}, True),
        ({"guest_of_pods": [{"id": "p"}]}, True),
        ({"roles": [SITE_USER | {"code": "site_pod_member"}]}, True),
        ({"roles": [SITE_USER | {"code": "site_guest"}]}, True),
    ],
)
def test_pod_members_and_guests_are_known_by_role_or_by_their_pods(fields, pod):
    assert is_pod_or_guest(SiteUser.model_validate(MIRA | fields)) is pod


def test_locks_have_the_zone_of_their_iq_and_else_of_the_site(reader, answer):
    other = LOCK["iq"] | {"id": "iq9"}
    answer("locks", page(LOCK, LOCK | {"id": "l2", "iq": None}, LOCK | {"id": "l3", "iq": other}))
    answer("iqs", page(IQ))

    locks = reader.locks("Europe/Berlin")
    assert locks["zone"].tolist()[:2] == ["Asia/Kolkata", "Europe/Berlin"]
    assert locks["zone"].isna().tolist() == [False, False, True]
    assert locks["iq_online"].tolist() == [False, False, False]


def test_tags_are_free_or_held_by_a_site_user(reader, answer):
    tag = {"id": "t", "blocked": False, "tag_number": "1042-0007", "is_pod_tag": False, "site_user": None}
    answer("tags", page(tag, tag | {"id": "u", "site_user": {"id": "mira-s", "user": {"id": "mira-p"}}}))

    tags = reader.tags(FINGERPRINT)
    assert tags["site_user_id"].isna().tolist() == [True, False]
    assert tags["tag"].tolist() == [FINGERPRINT("1042-0007")] * 2


def test_a_group_is_read_in_three_parts(reader, answer):
    answer("access_groups/g1/users", page({"id": "mira-p", "first_name": "Mira", "last_name": "Sound"}))
    answer("access_groups/g1/locks", page({"id": "l1", "customer_reference": "Room 3"}))
    answer("access_groups/g1/time_schedules", page(SCHEDULE))

    assert reader.group_users("g1").to_dict("records") == [{"group_id": "g1", "platform_user_id": "mira-p"}]
    assert reader.group_locks("g1").to_dict("records") == [{"group_id": "g1", "lock_id": "l1"}]
    schedule = reader.schedules("g1").iloc[0]
    assert (schedule.sunday, schedule.end_time, schedule.start_date) == (True, "21:30:59", "2026-09-01T00:00:00")


def test_a_group_that_is_gone_is_not_found(reader, web):
    web.get(f"{BELOW}/access_groups/g1/users", status=404, json={"ErrorCode": "2202", "Message": "not found"})

    with pytest.raises(NotFoundError):
        reader.group_users("g1")


def test_one_user_is_a_table_of_one_row(reader, answer, calls):
    answer("users/mira-s", MIRA)

    assert reader.user("mira-s", FINGERPRINT)["alias"].tolist() == ["member-1042"]
    assert calls() == [("GET", "users/mira-s")]


def test_users_with_an_email_are_asked_for_with_doubled_quotes_and_looked_at_again(reader, answer, calls):
    near = MIRA | {"id": "near", "user": MIRA["user"] | {"id": "near-p", "email": "xmira.o'hara@example.org"}}
    answer("users", page(MIRA, near, count=2))

    found = reader.users_with_email(" mira.o'hara@EXAMPLE.org ", FINGERPRINT)
    assert found["site_user_id"].tolist() == ["mira-s"]
    query = "$inlinecount=allpages&$filter=user/email%20eq%20'mira.o''hara%40EXAMPLE.org'"
    assert calls() == [("GET", f"users?{query}")]


def test_groups_of_a_name_are_those_of_exactly_that_name(reader, answer, calls):
    name = "Hector_1'%&#"
    answer("access_groups", page(GROUP | {"customer_reference": name}, GROUP | {"id": "g2"}, count=2))

    assert reader.groups_named(name)["group_id"].tolist() == ["g1"]
    query = "$inlinecount=allpages&$filter=customer_reference%20eq%20'Hector_1''%25%26%23'"
    assert calls() == [("GET", f"access_groups?{query}")]


ANA = {"id": "ana-p", "email": "Ana@example.org"}


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ([ANA], [("ana-p", True)]),
        (page(ANA), [("ana-p", True)]),
        (ANA, [("ana-p", True)]),
        ([{"id": "ana-s", "user": ANA}], [("ana-p", True)]),
        ([ANA, ANA | {"id": "x", "email": "diana@example.org"}], [("ana-p", True)]),
        ([ANA, ANA], [("ana-p", True)]),
        ([ANA, ANA | {"id": "other"}], [("ana-p", True), ("other", True)]),
        ([ANA | {"email": "diana@example.org"}], []),
        ([ANA | {"email": None}], [("ana-p", False)]),
        ([{"id": "ana-p"}], [("ana-p", False)]),
        ([{"id": "ana-p"}, ANA], [("ana-p", True)]),
        ([], []),
        ({}, []),
        (None, []),
    ],
)
def test_a_search_of_the_platform_shows_whom_it_finds_and_whether_by_exactly_that_email(reader, web, reply, found):
    web.get(f"{API}/v1.1/users/search", body=json.dumps(reply))

    assert reader.search_platform_users("ana@Example.org") == [FoundUser(*one) for one in found]
    assert web.calls[-1].request.url.endswith(f"/v1.1/users/search?search_for=ana%40Example.org&for_site_id={SITE}")


def test_a_search_that_finds_nobody_may_answer_404(reader, web):
    web.get(f"{API}/v1.1/users/search", status=404, json={"ErrorCode": "2202", "Message": "User not found"})

    assert reader.search_platform_users("ana@example.org") == []


def test_a_search_of_no_known_shape_is_malformed(reader, web):
    web.get(f"{API}/v1.1/users/search", json=[{"email": "ana@example.org"}])

    with pytest.raises(MalformedAnswerError):
        reader.search_platform_users("ana@example.org")


def test_roles_are_known_by_their_codes(reader, answer):
    answer("roles", page(SITE_USER, ADMIN, SITE_USER | {"id": "r9", "code": None}))

    assert reader.roles() == {"site_user": "r1", "site_admin": "r2"}


@pytest.mark.parametrize("code", ["site_admin", "site_owner"])
def test_a_site_admin_may_go_on(reader, answer, code):
    answer("me", MIRA | {"roles": [ADMIN | {"code": code}]})

    assert reader.require_site_admin().site_user_id == "mira-s"


@pytest.mark.parametrize("roles", [[], [SITE_USER]])
def test_anybody_else_is_told_to_become_one(reader, answer, roles):
    answer("me", MIRA | {"roles": roles})

    with pytest.raises(AccountNotActiveError, match=r"salto_campus.*Site Admin"):
        reader.require_site_admin()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"ErrorCode": "2212", "Message": "x"}', AccountNotActiveError),
        ('{"ErrorCode": 2210, "Message": "x"}', AccountNotActiveError),
        ('{"ErrorCode": "2203", "Message": "x"}', AccountNotActiveError),
        ('{"type": "https://httpstatuses.io/403", "title": "Forbidden", "status": 403}', AccountNotActiveError),
        ("", AccountNotActiveError),
        ("<html>403</html>", AccountNotActiveError),
        ("plain", AccountNotActiveError),
        ("[1]", AccountNotActiveError),
    ],
)
def test_who_may_not_read_has_no_rights_whatever_the_body(reader, web, body, kind):
    web.get(f"{BELOW}/users", status=403, body=body)

    with pytest.raises(kind, match="salto_campus"):
        reader.users(FINGERPRINT)


def test_two_empty_401_stop_after_one_new_token(reader, web):
    web.get(f"{BELOW}/users", status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})

    with pytest.raises(CredentialsError):
        reader.users(FINGERPRINT)
    tokens = [call for call in web.calls if call.request.url.endswith("/connect/token")]
    assert len(tokens) == 2


def test_a_reader_cannot_write():
    verbs = ("create", "change", "delete", "set", "link", "remove", "add", "update", "post", "patch", "put")

    assert not [name for name in dir(SaltoReader) if name.lstrip("_").startswith(verbs) and not name.startswith("__")]


@pytest.mark.parametrize("verb", ["POST", "PATCH", "PUT", "DELETE"])
def test_a_readers_transport_refuses_to_write(reader, web, verb):
    with pytest.raises(TypeError, match="may not send"):
        reader._transport.write(verb, "/v1.1/sites", {})
    assert len(web.calls) == 0


@pytest.mark.parametrize("status", [200, 400, 403, 404, 500])
def test_no_tag_number_or_token_in_any_text(reader, web, caplog, status):
    caplog.set_level(logging.DEBUG)
    echo = {"ErrorCode": "1101", "Message": "tag 1042-0007 of Mira@example.org", "items": [{"tag_number": "1042-0007"}]}
    web.get(f"{BELOW}/tags", status=status, json=echo)

    with pytest.raises(RestError) as raised:
        reader.tags(FINGERPRINT)
    told = f"{raised.value} {raised.value!r} {raised.value.__context__!r}"
    assert not [secret for secret in ("1042-0007", "jwt4711", "Mira@") if secret in told + caplog.text]
    assert "1042-0007" not in repr(SiteUser.model_validate(MIRA))


@pytest.mark.parametrize(("new_ids", "count", "pages"), [(True, 5, 6), (False, 5, 12), (False, None, 12)])
def test_next_links_that_never_end_end_the_read(reader, web, new_ids, count, pages):
    """Each link is another one, and leads to what was read already or to ever new groups."""
    numbers = itertools.count(1)

    def endless(_request):
        number = next(numbers)
        group = GROUP | {"id": f"g{number if new_ids else 1}"}
        link = f"{BELOW}/access_groups?$skip={number}"
        return 200, {}, json.dumps({"items": [group], "next_page_link": link, "count": count})

    web.add_callback("GET", f"{BELOW}/access_groups", endless)

    with pytest.raises(IncompleteReadError, match=r"salto_campus.*/access_groups"):
        reader.groups()
    assert next(numbers) - 1 == 2 * pages


def test_events_whose_tokens_never_end_end_the_read(reader, web, monkeypatch):
    monkeypatch.setattr("salto.events.MAX_EMPTY_PAGES", 3)
    numbers = itertools.count(1)

    def endless(_request):
        return 200, {}, json.dumps({"items": [], "continuation_token": f"t{next(numbers)}"})

    web.add_callback("GET", f"{BELOW}/entries", endless)

    with pytest.raises(IncompleteReadError, match="without a new entry"):
        reader.events(datetime(2026, 1, 14, tzinfo=UTC))


def test_schedules_and_entries_have_their_own_version_whatever_the_connection_says():
    assert version_of("v1.2", "access_groups", "g", "time_schedules") == "v1.1"
    assert version_of("v1.2", "entries") == "v1.1"
    assert version_of("v1.2", "users", "u") == "v1.2"
