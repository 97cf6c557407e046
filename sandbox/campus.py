"""A music school's campus that shows every rule at least once, relative to a given now.

No edge of a window (start - 15 min, finish + 15 min) and no booking's entry into the seven days ahead lies within three
hours after now: a second run some minutes later finds nothing to change.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from sandbox.campus_bookings import book_all
from sandbox.campus_people import people
from sandbox.campus_rooms import rooms
from sandbox.campus_site import hand_made_groups
from sandbox.foundation import Credentials, Scenario, empty

if TYPE_CHECKING:
    import datetime as dt

SEATS = 120


def campus(
    now: dt.datetime,
    *,
    seed: int = 1,
    zone: str = "America/Toronto",
    seats: int | None = SEATS,
    with_attribute: bool = True,
) -> Scenario:
    """About 60 users, 25 doors and 80 reservations; ``with_attribute=False``: the integration was never activated."""
    world = empty(zone=zone, seed=seed, seats=seats, with_attribute=with_attribute)
    rng = random.Random(seed)  # noqa: S311 - it seats people, it keeps no secret
    house = rooms(world.hector, world.salto)
    crowd = people(world.hector, world.salto)
    hand_made_groups(world.salto, house, now)
    book_all(world, house, crowd, now, rng)
    return Scenario(world.hector, world.salto, Credentials.of_seed(seed))
