from hector_salto.access import schemas
from hector_salto.access.places import place_locks, silent_places
from tests.access.tables import booking, codes, current, desired, loaners, lock, place, plan, user


def doors(places, locks):
    found, problems = place_locks(
        schemas.frame(schemas.HECTOR_PLACES, places), schemas.frame(schemas.SALTO_LOCKS, locks)
    )
    return found.set_index("place_id")["lock_id"].to_dict(), problems


def test_a_lock_is_found_trimmed_and_in_any_case():
    found, problems = doors([place("p_1", "  recital HALL ")], [lock("k1", " Recital Hall")])

    assert found == {"p_1": "k1"}
    assert problems.empty


def test_several_places_may_name_one_lock():
    assert doors([place("p_1", "A"), place("p_2", "a")], [lock("k1", "A")])[0] == {"p_1": "k1", "p_2": "k1"}


def test_an_unknown_name_is_reported_with_the_nearest_names():
    found, problems = doors([place("p_1", "Chappel Door")], [lock("k1", "Chapel Door"), lock("k2", "Sauna")])

    assert found == {}
    assert codes(problems) == ["lock_unknown"]
    assert "'Chapel Door'" in problems["message"].iloc[0]
    assert "Sauna" not in problems["message"].iloc[0]


def test_a_name_like_no_other_has_no_nearest():
    assert "nearest: none" in doors([place("p_1", "xyz")], [lock("k1", "Chapel Door")])[1]["message"].iloc[0]


def test_a_name_on_a_site_without_locks_is_reported():
    assert codes(doors([place("p_1", "A")], [])[1]) == ["lock_unknown"]


def test_two_locks_of_one_name_are_ambiguous_whatever_their_case():
    found, problems = doors([place("p_1", "Door")], [lock("k1", "Door"), lock("k2", "DOOR ")])

    assert found == {}
    assert codes(problems) == ["lock_ambiguous"]
    assert "2 locks" in problems["message"].iloc[0]


def test_a_place_without_a_name_of_a_lock_is_none_of_our_business():
    places = [place("p_1", None), place("p_2", "  "), place("p_3", "Door")]
    found, problems = doors(places, [lock("k1", "Door")])

    assert found == {"p_3": "k1"}
    assert problems.empty


def test_when_no_place_at_all_names_a_lock_that_is_said_once():
    """A first run, or somebody removed the attribute: no door would open, and nobody would know why."""
    found, problems = doors([place("p_1", None), place("p_2", "  ")], [lock("k1", "Door")])

    assert found == {}
    assert codes(problems) == ["no_lock_names"]
    assert "none of Hector's 2 places names a lock" in problems["message"].iloc[0]
    assert doors([], [lock("k1", "Door")])[1].empty


def test_locks_without_a_name_are_nobodys_door():
    found, problems = doors([place("p_1", "  ")], [lock("k1", " "), lock("k2", "  ")])

    assert found == {}
    assert codes(problems) == ["no_lock_names"]


def silent(places, bookings):
    """Places before which somebody with access will stand in vain, as the run of these bookings says it."""
    users = [user("u_1")]
    made = plan(desired(users, places, bookings), current(locks=[lock("k1", "Door")]))
    return silent_places(loaners(bookings).places, schemas.frame(schemas.HECTOR_PLACES, places), made.decisions)


def test_a_place_without_a_lock_beside_one_that_opens_is_said_once_with_its_first_reservations():
    places = [place("p_1", "Door"), place("p_2", " ")]
    bookings = [booking(str(number), where=("p_1", "p_2"), start=number, finish=number + 1) for number in range(1, 6)]
    found = silent(places, bookings)

    assert codes(found) == ["place_without_lock"]
    assert found["subject"].tolist() == ["place p_2"]
    assert found["who"].tolist() == ["hector_admin"]
    assert "stays shut for reservations 1, 2, 3 and 2 more, whose other places open" in found["message"].iloc[0]
    assert "for reservation 1, whose" in silent(places, bookings[:1])["message"].iloc[0]


def test_places_that_hurt_nobody_ahead_are_not_told():
    places = [place("p_1", "Door"), place("p_2", None), place("p_3", None, active=False), place("p_4", None)]

    for bookings in (
        [booking("1", where="p_1")],
        [booking("1", where="p_2")],  # none of its places has a lock: it is no reservation of ours
        [booking("1", where=("p_1", "p_3"))],  # not in use
        [booking("1", where=("p_1", "p_2"), status="cancelled")],
        [booking("1", where=("p_1", "p_2"), start=24.0 * 30, finish=24.0 * 30 + 1)],  # beyond the horizon
        [booking("1", where=("p_1", "p_2"), start=-5.0, finish=-4.0)],  # over
    ):
        assert silent(places, bookings).empty
