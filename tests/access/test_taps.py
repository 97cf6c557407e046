"""A refused tag is explained through its fingerprint: Salto names no user for it."""

from __future__ import annotations

import pytest

from hector_salto.access import schemas
from hector_salto.access.taps import TapTag, with_tap_tags
from tests.access.tables import NOW, tag, user


def tapped(fingerprint, platform_user_id=None):
    row = {
        "entry_id": "e",
        "at": NOW,
        "category": "lock_rejected",
        "detail": "no_access",
        "lock_id": "l",
        "lock_name": "r1",
    }
    row |= {"platform_user_id": platform_user_id, "access_by": "tag", "tag": fingerprint}
    return schemas.frame(schemas.DOOR_EVENTS, [row | {"hector_user_id": None, "tap_tag": None}])


USERS = schemas.frame(
    schemas.HECTOR_USERS, [user("u_1", tag="code"), user("u_2", tag="enrolled"), user("u_3", tag=None)]
)
TAGS = schemas.frame(schemas.SALTO_TAGS, [tag("enrolled"), tag("free")])


@pytest.mark.parametrize(
    ("fingerprint", "what", "owner"),
    [
        ("code", TapTag.NOT_ENROLLED, "u_1"),
        ("enrolled", TapTag.NOT_ASSIGNED, "u_2"),
        ("free", TapTag.FREE, None),
        ("other", TapTag.STRANGE, None),
    ],
)
def test_whose_tag_a_door_refused(fingerprint, what, owner):
    found = with_tap_tags(tapped(fingerprint), USERS, TAGS).iloc[0]

    assert found["tap_tag"] == what
    assert (found["hector_user_id"] if owner else None) == owner


def test_an_event_that_names_its_user_or_no_tag_needs_no_explanation_and_no_fingerprint_is_kept():
    for events in (tapped("code", "p1"), tapped(None)):
        found = with_tap_tags(events, USERS, TAGS)
        assert found[["tap_tag", "hector_user_id", "tag"]].isna().all(axis=None)


def test_a_code_that_two_users_share_is_nobodys():
    both = schemas.frame(schemas.HECTOR_USERS, [user("u_1", tag="code"), user("u_2", tag="code")])

    assert with_tap_tags(tapped("code"), both, TAGS)["tap_tag"].tolist() == [TapTag.STRANGE]
