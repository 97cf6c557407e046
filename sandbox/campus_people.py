"""The campus's people: 60 users of Hector, and what Salto knows of them already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.hector_state import HectorState
    from sandbox.salto_state import SaltoState

FIRST = [
    "Ana",
    "Ben",
    "Chloé",
    "Daniel",
    "Elif",
    "Farid",
    "Grace",
    "Hugo",
    "Inès",
    "Jonas",
    "Keiko",
    "Liam",
    "Maya",
    "Noé",
    "Olga",
    "Priya",
    "Quinn",
    "Rosa",
    "Samir",
    "Tara",
]
LAST = [
    "Roy",
    "Tremblay",
    "Okafor",
    "Lindqvist",
    "Moreau",
    "Sato",
    "Haddad",
    "Nguyen",
    "Côté",
    "Ferreira",
    "Walsh",
    "Kaur",
    "Novak",
    "Bélanger",
    "Diaz",
    "Iyer",
]
COUNT = 60


@dataclass
class Crowd:
    """User ids by what is special about them; ``plain`` have nothing special: email, code, a free tag enrolled."""

    plain: list[str] = field(default_factory=list)
    special: dict[str, str] = field(default_factory=dict)
    _made: int = 0

    def next_name(self) -> tuple[str, str]:
        number, self._made = self._made, self._made + 1
        return FIRST[number % len(FIRST)], LAST[(number * 7 + number // len(FIRST)) % len(LAST)]


@dataclass(frozen=True)
class _Register:
    hector: HectorState
    salto: SaltoState
    crowd: Crowd
    groups: dict[str, str]
    departments: dict[str, str]

    def user(self, kind: str | None = None, *, enrol: bool = True, **changes: Any) -> str:  # noqa: ANN401 - the fields of a user
        """A user with all that is usual, except for the changes; with a kind it is one of the special ones."""
        first, last = self.crowd.next_name()
        number = len(self.hector.users)
        usual: dict[str, Any] = {
            "email": email_of(first, last),
            "unique_code": f"0230{number:04}",
            "first_name": first,
            "last_name": last,
            "groups": [self.groups[("Students", "Teachers", "Teachers (AAD)")[number % 3]]],
            "department": self.departments[("Music", "Theatre", "Music", "Administration")[number % 4]],
        }
        row = usual | changes
        user = self.hector.add_user(**row)
        if enrol and row["unique_code"] and self.salto.tag_numbered(row["unique_code"]) is None:
            self.salto.enrol_tag(row["unique_code"])
        if kind:
            self.crowd.special[kind] = user
        else:
            self.crowd.plain.append(user)
        return user

    def known(self, user: str, **changes: Any) -> str:  # noqa: ANN401 - the fields of a member
        """The same person as a user of the site."""
        row = self.hector.users[user]
        usual = {"email": row["email"], "first_name": row["first_name"], "last_name": row["last_name"]}
        return self.salto.add_member(**(usual | changes))


def people(hector: HectorState, salto: SaltoState) -> Crowd:
    register = _Register(hector, salto, Crowd(), *_groups(hector))
    _staff(salto)
    _incomplete(register)
    _tags(register)
    _known_in_salto(register)
    _protected(register)
    while len(hector.users) < COUNT:
        register.user()
    return register.crowd


def email_of(first: str, last: str) -> str:
    plain = str.maketrans("éèôïâ", "eeoia")
    return f"{first}.{last}@campus.example".lower().translate(plain)


def _groups(hector: HectorState) -> tuple[dict[str, str], dict[str, str]]:
    groups = {name: hector.add_group(name) for name in ("Teachers", "Students")}
    groups["Teachers (AAD)"] = hector.add_group("Teachers (AAD)", official=False, alias_of=groups["Teachers"])
    groups["Alumni (AAD)"] = hector.add_group("Alumni (AAD)", official=False)
    return groups, {name: hector.add_department(name) for name in ("Music", "Theatre", "Administration")}


def _staff(salto: SaltoState) -> None:
    """People of the site whom Hector does not know."""
    for first, last, tag in (("Carmen", "Silva", "CLEAN001"), ("Igor", "Petrov", "CLEAN002")):
        salto.add_member(f"{first}.{last}@cleaning.example".lower(), first, last, alias=f"cleaning {first}", tag=tag)
    salto.add_member(
        "super@campus.example", "Sven", "Berg", roles=["site_super_user"], tag="SUPER001", has_profile=True
    )
    salto.add_member("gone@campus.example", "Gil", "Gone", alias="hector:u_999999", tag="GONE0001")
    salto.add_member(None, "Guest", "Visitor", roles=["site_guest"])


def _incomplete(register: _Register) -> None:
    register.user("without email", email=None)
    register.user("without code", unique_code=None)
    register.user("without code, second", unique_code=None)
    register.user("disabled", status="disabled")
    register.user("archived", status="archived")
    first = register.user("one email, first")
    shared = register.hector.users[first]["email"]
    register.user("one email, second", email=f" {shared.upper()} ")
    register.user("padded email", email="  Padded.MAIL@campus.example ")
    register.user("alumni", groups=[register.groups["Alumni (AAD)"]], department=None)


def _tags(register: _Register) -> None:
    register.user("one code, first", unique_code="TWIN0001")
    register.user("one code, second", unique_code="TWIN0001")
    register.user("unknown code", unique_code="NOWHERE1", enrol=False)
    register.user("foreign tag", unique_code="CLEAN001")
    register.user("blocked tag", unique_code="BLOCKED1", enrol=False)
    register.salto.enrol_tag("BLOCKED1", blocked=True)
    swapped = [register.user(f"swap, {which}", unique_code=f"SWAP000{which}") for which in "12"]
    for user, other in zip(swapped, reversed(swapped), strict=True):
        code = register.hector.users[other]["unique_code"]
        register.known(user, alias=f"hector:{user}", tag=code)
    removed = register.user("code removed", unique_code=None)
    register.known(removed, alias=f"hector:{removed}", tag="REMOVED1")


def _known_in_salto(register: _Register) -> None:
    register.known(register.user("to adopt"))
    register.known(register.user("alias by hand"), alias="piano tuner")
    moved = register.user("new email")
    register.known(moved, email="old.address@campus.example", alias=f"hector:{moved}")
    profiled = register.user("new email, profile")
    register.known(profiled, email="former@campus.example", alias=f"hector:{profiled}", has_profile=True)
    settled = register.user("settled")
    register.known(
        settled, alias=f"hector:{settled}", tag=register.hector.users[settled]["unique_code"], has_profile=True
    )
    stale = register.user("stale office mode", groups=[register.groups["Students"]])
    register.known(stale, alias=f"hector:{stale}", manual_office_mode=True)
    elsewhere = register.hector.users[register.user("platform only")]
    register.salto.add_person(
        elsewhere["email"], elsewhere["first_name"], elsewhere["last_name"], has_profile=True, managed_here=False
    )


def _protected(register: _Register) -> None:
    """Users of Hector whose record in Salto stays as it is."""
    register.known(register.user("site admin"), roles=["site_admin"], tag="ADMIN001", has_profile=True)
    register.known(register.user("pod member"), roles=["site_pod_member"], tag="POD00001")
    register.known(register.user("blocked by hand"), blocked=True)
