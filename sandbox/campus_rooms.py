"""The campus's rooms: 25 locks on three IQs, and the places of Hector that should lead to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.hector_state import HectorState
    from sandbox.salto_state import SaltoState

NORTH = [*(f"Studio {number}" for number in range(201, 209)), "Recital Hall", "Green Room", "Control Room A"]
SOUTH = [*(f"Practice Room {number}" for number in range(1, 9)), "Percussion Room", "Rehearsal Room", "Music Library"]
ANNEX = ["Annex Studio 1", "Annex Studio 2"]
ODD = frozenset({"Practice Room 3", *ANNEX})


@dataclass
class House:
    """Place ids and lock ids by name; ``plain`` are the places that lead to exactly one lock in the site's zone."""

    places: dict[str, str] = field(default_factory=dict)
    locks: dict[str, str] = field(default_factory=dict)

    @property
    def plain(self) -> list[str]:
        return [self.places[name] for name in [*NORTH, *SOUTH] if name not in ODD]


def rooms(hector: HectorState, salto: SaltoState) -> House:
    house = House()
    _locks(salto, house)
    _places(hector, house)
    return house


def _locks(salto: SaltoState, house: House) -> None:
    zone = salto.site.time_zone
    north = next(iter(salto.iqs))
    south = salto.add_iq("IQ South Wing", zone)
    # The annex stands on the other side of a zone border: its locks keep another wall-clock than the site.
    annex = salto.add_iq("IQ Riverside Annex", "Europe/London" if zone == "America/Winnipeg" else "America/Winnipeg")
    for iq, names in ((north, NORTH), (south, SOUTH), (annex, ANNEX)):
        for name in names:
            house.locks[name] = salto.add_lock(name, iq, online=name != "Percussion Room")
    salto.add_lock("Practice Room 3", south)  # the same name twice: nobody can say which door is meant


def _places(hector: HectorState, house: House) -> None:
    wings = {
        "North Wing": NORTH,
        "South Wing": SOUTH,
        "Riverside Annex": ANNEX,
    }
    for wing, names in wings.items():
        house.places[wing] = hector.add_place(wing, kind="space")
        for name in names:
            house.places[name] = hector.add_place(name, name, parent=house.places[wing])
    hector.set_lock(house.places["Studio 205"], "  studio 205 ")
    hector.set_lock(house.places["Recital Hall"], "RECITAL HALL")
    house.places["Seminar Room 12"] = hector.add_place("Seminar Room 12")
    house.places["Old Chapel"] = hector.add_place("Old Chapel", "Chappel Door")
    house.places["Loading Dock"] = hector.add_place("Loading Dock", "   ")
