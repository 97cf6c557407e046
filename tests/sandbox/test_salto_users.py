"""Site users: two ids, seats, tags, invitations, profiles, lags, rights."""

import datetime as dt

import pytest

from sandbox.roles import ADMIN_ID, OWNER_ID, USER_ID


def test_creation_answers_200_with_two_ids(sandbox, salto):
    answer = salto.new_user(email="mira@b.example", alias="hector:u_1")

    user = answer.json()
    assert answer.status_code == 200
    assert user["id"] != user["user"]["id"]
    assert (user["alias"], user["subscription_state"], user["roles"][0]["code"]) == (
        "hector:u_1",
        "subscribed",
        "site_user",
    )
    assert [mail.email for mail in sandbox.salto.invitations] == ["mira@b.example"]


def test_a_user_without_email_gets_no_mail(sandbox, salto):
    salto.new_user()

    assert sandbox.salto.invitations == []


def test_the_platform_id_finds_no_site_user(salto, refused):
    user = salto.new_user().json()

    assert refused(salto.get(f"/users/{user['user']['id']}")) == (404, "2202")
    assert refused(salto.get("/users/me")) == (400, "1100")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"email": ""}, "1101"),
        ({"tag_id": ""}, "1101"),
        ({"role_ids": []}, "1101"),
        ({"first_name": " "}, "1101"),
        ({"alias": 7}, "1101"),
        ({"use_pin": "true"}, "1101"),
        ({"send_mail": False}, "1101"),
    ],
)
def test_values_that_are_refused(salto, refused, changes, error):
    assert refused(salto.new_user(**changes)) == (400, error)


def test_missing_fields_and_bodies_that_are_not_json(salto, refused):
    assert refused(salto.post("/users", {"first_name": "Mira"})) == (400, "1100")
    answer = salto.session.post(f"{salto.root}/sites/{salto.sandbox.salto.site.id}/users", data="{", timeout=5)
    assert answer.status_code == 415


def test_an_email_on_the_site_is_refused(salto, refused):
    salto.new_user(email="mira@b.example")

    assert refused(salto.new_user(email="MIRA@b.example")) == (400, "1101")


def test_a_person_known_to_the_platform_joins_by_search_and_existing(sandbox, salto, refused):
    person = sandbox.salto.add_person("pia@b.example", has_profile=True)
    assert refused(salto.new_user(email="pia@b.example")) == (400, "1101")

    query = {"search_for": "Pia@b.example", "for_site_id": sandbox.salto.site.id}
    found = salto.get(f"{salto.root}/users/search", **query).json()["items"]
    joined = salto.post("/users/existing", {"id": found[0]["id"], "role_ids": [USER_ID], "alias": "hector:u_2"})

    assert (found[0]["id"], joined.status_code, joined.json()["user"]["id"]) == (person, 200, person)
    assert refused(salto.post("/users/existing", {"id": person, "role_ids": [USER_ID]})) == (400, "1101")
    assert refused(salto.post("/users/existing", {"id": joined.json()["id"], "role_ids": [USER_ID]})) == (404, "2202")
    assert refused(salto.post("/users/existing", {"id": person, "email": "x@y.example"})) == (400, "1101")


def test_beyond_the_last_seat_creation_succeeds_and_the_user_is_suspended(sandbox, salto, refused):
    sandbox.salto.site.subscribed_user_amount = 3
    first, second = salto.new_user().json(), salto.new_user().json()
    assert [first["subscription_state"], second["subscription_state"]] == ["subscribed", "suspended"]

    path = f"/users/{second['id']}/subscription"
    assert refused(salto.patch(path, {"state": "subscribed"})) == (403, "2203")
    assert salto.patch(f"/users/{first['id']}/subscription", {"state": "suspended"}).status_code == 204
    assert salto.patch(path, {"state": "subscribed"}).status_code == 204
    assert refused(salto.patch(path, {"subscription_state": "suspended"})) == (400, "1101")


def test_deletion_is_202_frees_seat_and_tag_at_once_and_is_404_later(sandbox, salto, clock, refused):
    tag = sandbox.salto.enrol_tag("04A2")
    user = salto.new_user(email="mira@b.example", tag_id=tag).json()
    seats = sandbox.salto.seats_used()

    assert salto.delete(f"/users/{user['id']}").status_code == 202
    assert sandbox.salto.seats_used() == seats - 1
    assert salto.get(f"/tags/{tag}").json()["site_user"] is None
    assert salto.get(f"/users/{user['id']}").status_code == 200
    assert refused(salto.new_user(email="mira@b.example")) == (400, "1101")
    clock.forward(10)
    assert refused(salto.get(f"/users/{user['id']}")) == (404, "2202")
    assert refused(salto.delete(f"/users/{user['id']}")) == (404, "2202")
    assert salto.new_user(email="mira@b.example").json()["user"]["id"] != user["user"]["id"]


def test_a_person_with_a_profile_stays_on_the_platform(sandbox, salto, clock):
    member = sandbox.salto.add_member("pia@b.example", has_profile=True)
    person = sandbox.salto.person_of(member).id
    salto.delete(f"/users/{member}")
    clock.forward(11)

    assert salto.get(f"{salto.root}/users/search", search_for="pia@b.example").json()["items"][0]["id"] == person


def test_one_tag_per_user_and_one_user_per_tag(sandbox, salto, refused):
    first, second = sandbox.salto.enrol_tag("T1"), sandbox.salto.enrol_tag("T2")
    mira, noel = salto.new_user(tag_id=first).json(), salto.new_user().json()

    assert mira["user"]["tag_number"] == "T1"
    assert refused(salto.patch(f"/users/{noel['id']}", {"tag_id": first})) == (400, "1101")
    salto.patch(f"/users/{mira['id']}", {"tag_id": second})
    assert salto.patch(f"/users/{noel['id']}", {"tag_id": first}).json()["user"]["tag_number"] == "T1"
    assert salto.patch(f"/users/{mira['id']}", {"tag_id": None}).json()["user"]["tag_number"] is None
    assert refused(salto.patch(f"/users/{mira['id']}", {"tag_id": mira["id"]})) == (400, "1101")


def test_a_patch_changes_only_what_it_names_and_nothing_when_refused(salto, refused):
    user = salto.new_user(alias="hector:u_1").json()
    path = f"/users/{user['id']}"

    changed = salto.patch(path, {"toggle_manual_office_mode": True}).json()
    assert (changed["alias"], changed["toggle_manual_office_mode"]) == ("hector:u_1", True)
    assert refused(salto.patch(path, {"blocked": True, "email": ""})) == (400, "1101")
    assert salto.get(path).json() == changed


def test_names_and_email_belong_to_the_person_once_there_is_a_profile(sandbox, salto, refused):
    user = salto.new_user(email="mira@b.example").json()
    path = f"/users/{user['id']}"
    assert salto.patch(path, {"email": "mira@c.example"}).json()["user"]["email"] == "mira@c.example"
    assert len(sandbox.salto.invitations) == 2

    sandbox.salto.accept_invitation(user["id"])
    for change in ({"email": "mira@d.example"}, {"first_name": "Mara"}):
        assert refused(salto.patch(path, change)) == (403, "2203")
    assert salto.patch(path, {"alias": "x"}).status_code == 200


def test_during_the_creation_lag_roles_are_empty_and_groups_know_nobody(sandbox, salto, clock, refused):
    sandbox.change(creation_lag_seconds=60)
    user, group = salto.new_user().json(), salto.new_group()

    assert user["roles"] == []
    assert refused(salto.post(f"{group}/users", {"user_id": user["user"]["id"]})) == (404, "2202")
    clock.forward(60)
    assert salto.get(f"/users/{user['id']}").json()["roles"][0]["code"] == "site_user"
    assert salto.post(f"{group}/users", {"user_id": user["user"]["id"]}).status_code == 200


def test_only_users_of_an_equal_or_lower_role_can_be_edited(sandbox, salto, refused):
    owner = sandbox.salto.member_of_email("owner@campus.example").id
    admin = sandbox.salto.add_member("admin@b.example", roles=["site_admin"])

    assert refused(salto.patch(f"/users/{owner}", {"alias": "x"})) == (403, "2203")
    assert refused(salto.delete(f"/users/{owner}")) == (403, "2203")
    assert refused(salto.patch(f"/users/{owner}/subscription", {"state": "suspended"})) == (403, "2203")
    assert salto.patch(f"/users/{admin}", {"alias": "x"}).status_code == 200
    assert refused(salto.new_user(role_ids=[OWNER_ID])) == (403, "2203")
    assert salto.new_user(role_ids=[ADMIN_ID]).status_code == 200


def test_pod_members_refuse_edits(sandbox, salto, refused):
    member = sandbox.salto.add_member("pod@b.example", roles=["site_pod_member"])

    assert refused(salto.patch(f"/users/{member}", {"alias": "x"})) == (403, "2220")
    assert refused(salto.delete(f"/users/{member}")) == (403, "2220")


def test_an_account_that_is_no_site_admin_reads_but_writes_nothing(sandbox, salto, refused):
    sandbox.change(acting_site_admin=False)

    assert [role["code"] for role in salto.get("/me").json()["roles"]] == ["site_user"]
    assert refused(salto.new_user()) == (403, "2203")
    assert refused(salto.post("/access_groups", {"customer_reference": "x"})) == (403, "2203")


def test_a_site_that_is_not_released_or_not_paid_for_refuses_writes(sandbox, salto, refused):
    sandbox.salto.site.subscription_valid = False
    assert refused(salto.new_user()) == (403, "2212")
    assert {row["subscription_state"] for row in salto.get("/users").json()["items"]} == {"suspended"}

    sandbox.salto.site.installation_state = "installation"
    assert refused(salto.new_user()) == (403, "2210")
    assert salto.get("").json()["installation_state"] == "installation"


def test_invitations_are_sent_again_on_request(sandbox, salto, clock, refused):
    user = salto.new_user(email="mira@b.example").json()
    assert salto.ask("PATCH", f"/users/{user['id']}/resend_invite").status_code == 204

    assert [mail.cause for mail in sandbox.salto.invitations] == ["created", "resent"]
    assert sandbox.salto.invitations[0].at == clock.now == dt.datetime(2026, 1, 14, 15, tzinfo=dt.UTC)
    assert refused(salto.ask("PATCH", f"/users/{salto.new_user().json()['id']}/resend_invite")) == (403, "2203")
