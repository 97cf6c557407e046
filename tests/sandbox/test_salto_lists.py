"""Salto's lists: envelope, pages, filters, order, and what is refused."""

import pytest


@pytest.fixture
def locks(sandbox):
    return [sandbox.salto.add_lock(f"Studio {number}") for number in range(7)]


def test_a_list_is_an_envelope_without_a_count_unless_asked(salto, locks):
    assert salto.get("/locks").json()["count"] is None
    assert salto.get("/locks", **{"$inlinecount": "allpages"}).json()["count"] == 7


def test_pages_are_followed_by_the_link_as_it_is(sandbox, salto, locks):
    sandbox.change(page_size=3)
    page = salto.get("/locks", **{"$filter": "contains(customer_reference,'Studio')"}).json()
    seen = list(page["items"])
    while page["next_page_link"]:
        assert page["next_page_link"].startswith(sandbox.salto_url)
        page = salto.get(page["next_page_link"]).json()
        seen += page["items"]

    assert [row["id"] for row in seen] == locks


def test_a_link_with_anything_added_is_refused(sandbox, salto, locks, refused):
    sandbox.change(page_size=3)
    link = salto.get("/locks").json()["next_page_link"]

    assert refused(salto.get(f"{link}&$top=3")) == (400, "1100")
    assert refused(salto.get(f"{link[:-6]}!")) == (400, "1100")


def test_a_top_above_the_maximum_is_cut_to_it(sandbox, salto, locks):
    sandbox.change(page_size=3)

    assert len(salto.get("/locks", **{"$top": "100"}).json()["items"]) == 3


def test_the_link_keeps_the_question(sandbox, salto, locks):
    first = salto.get("/locks", **{"$top": "4", "$orderby": "customer_reference desc", "$skip": "1"}).json()
    second = salto.get(first["next_page_link"]).json()

    names = [row["customer_reference"] for row in first["items"] + second["items"]]
    assert names == [f"Studio {number}" for number in (5, 4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("customer_reference eq 'Studio 3'", 1),
        ("customer_reference eq 'O''Neill''s'", 1),
        ("contains(customer_reference,'Studio') and online eq true", 7),
        ("customer_reference eq 'studio 3'", 0),
        ("customer_reference eq 'Été 🎵 & co'", 1),
    ],
)
def test_filters_that_work(sandbox, salto, locks, question, found):
    sandbox.salto.add_lock("O'Neill's")
    sandbox.salto.add_lock("Été 🎵 & co")

    assert len(salto.get("/locks", **{"$filter": question}).json()["items"]) == found


def test_users_are_found_by_a_nested_property(sandbox, salto):
    sandbox.salto.add_member("a@b.example")

    assert len(salto.get("/users", **{"$filter": "user/email eq 'a@b.example'"}).json()["items"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"$filter": "name eq 'x'"},
        {"$filter": "customer_reference eq"},
        {"$filter": "startswith(customer_reference,'x')"},
        {"$orderby": "name"},
        {"$top": "-1"},
        {"$inlinecount": "some"},
    ],
)
def test_an_expression_that_means_nothing_is_400_1102(salto, refused, query):
    assert refused(salto.get("/locks", **query)) == (400, "1102")


def test_an_unknown_parameter_is_refused(salto, refused):
    assert refused(salto.get("/locks", page="2")) == (400, "1100")


@pytest.mark.parametrize(
    ("mode", "bare"), [("off", ()), ("sites", ("sites",)), ("users", ("users",)), ("all", ("sites", "users", "locks"))]
)
def test_bare_arrays_hold_everything(sandbox, salto, locks, mode, bare):
    sandbox.change(bare_arrays=mode, page_size=1)
    answers = {
        "sites": salto.get(f"{salto.root}/sites"),
        "users": salto.get("/users"),
        "locks": salto.get("/locks"),
    }

    assert tuple(name for name, answer in answers.items() if isinstance(answer.json(), list)) == bare
    if mode == "all":
        assert len(answers["locks"].json()) == 7


def test_sites_are_found_by_uid_but_addressed_by_uuid_only(sandbox, salto, refused):
    found = salto.get(f"{salto.root}/sites", **{"$filter": "site_uid eq 'DE4520000000'"}).json()["items"]

    assert [row["id"] for row in found] == [sandbox.salto.site.id]
    assert refused(salto.get(f"{salto.root}/sites/DE4520000000/users")) == (400, "1100")
    assert refused(salto.get(f"{salto.root}/sites/{sandbox.salto.acting_member_id}/users")) == (404, "2202")


def test_both_versions_answer_and_v12_shows_more(salto):
    assert "member_of_pods" not in salto.get("/me").json()
    salto.version = "v1.2"
    assert "member_of_pods" in salto.get("/me").json()
    salto.version = "v2"
    assert salto.get("/me").status_code == 404


def test_entries_exist_in_v11_only(salto):
    assert salto.get("/entries").json()["items"] == []
    salto.version = "v1.2"
    assert salto.get("/entries").status_code == 405


def test_a_lock_does_not_tell_the_zone_but_its_iq_does(sandbox, salto, locks):
    lock = salto.get(f"/locks/{locks[0]}").json()

    assert "time_zone" not in lock["iq"]
    assert salto.get(f"/iqs/{lock['iq']['id']}").json()["time_zone"] == "America/Toronto"


def test_the_site_tells_seats_allowed_and_used(sandbox, salto):
    sandbox.salto.site.subscribed_user_amount = 50

    site = salto.get("").json()
    assert (site["subscribed_user_amount"], site["active_user_amount"]) == (50, 2)
    assert salto.get("/subscription").json()["user_amount"] == 50


def test_roles_are_those_the_caller_may_assign(sandbox, salto):
    def codes():
        return {row["code"] for row in salto.get("/roles").json()["items"]}

    assert {"site_user", "site_admin"} <= codes()
    assert "site_owner" not in codes()
    sandbox.change(acting_site_admin=False)
    assert "site_admin" not in codes()


def test_wrong_methods_and_paths(salto):
    assert salto.post("/tags", {}).status_code == 405
    assert salto.get("/keycards").status_code == 404
