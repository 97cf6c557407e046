"""What a word in the page's search box, or ABOUT, may mean: a reservation, a person, a door, by name or by any id shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from hector_salto.access.references import spellings
from hector_salto.access.settings import GROUP_PREFIX
from hector_salto.access.texts import comparable, fold_all
from hector_salto.ledger.tables import SeenBorrower, SeenGroup, SeenReservation, SeenSchedule
from hector_salto.reports.questions import Question

if TYPE_CHECKING:
    import pandas as pd

    from hector_salto.access.snapshot import Snapshot
    from hector_salto.ledger.ledger import Ledger

MOST = 30  # candidates that are listed
NAMED = ("people", "locks", "places")


@dataclass(frozen=True)
class Meaning:
    """One thing that was perhaps meant: what it is, its name, and the question about it."""

    kind: str
    label: str
    question: Question


NOUNS = re.compile(
    r"^(?:user|person|salto user|reservation id|reservation|access group id|access group|group|door|lock|place|tag id|schedule)"
    r"(?: id)? +",
    re.IGNORECASE,
)


def matches(kept: Ledger, integration: str, words: str) -> list[Meaning]:
    """Whatever is called exactly so, name or id; if nothing is, whatever holds the words; at most MOST.

    Ids can be asked for as they are shown: ``u_40``, ``user u_40``, ``Hector_10452``, ``access group Hector_10452``.
    """
    sought = words.strip()
    if not sought:
        return []
    found = _matches_of_name(kept, integration, sought)
    bare = NOUNS.sub("", sought)
    return found or (_matches_of_name(kept, integration, bare) if bare != sought else [])


def _matches_of_name(kept: Ledger, integration: str, sought: str) -> list[Meaning]:
    seen = kept.read_snapshot(integration, names=NAMED)
    exact, near = [*_references(kept, integration, sought), *_by_id(kept, integration, seen, sought)], []
    sources: list[tuple[str, tuple[pd.Series, ...], list[Question | None]]] = [
        ("person", (seen.people["email"], seen.people["name"]), _about_people(seen.people)),
        ("door", (seen.locks["name"],), [Question(door=name) for name in seen.locks["name"]]),
        ("place", (seen.places["place_name"],), [Question(door=name) for name in seen.places["place_name"]]),
    ]
    for kind, names, questions in sources:
        labels = _labels(kind, names)
        for column in names:
            text = fold_all(column).fillna("")
            same, holding = text.eq(comparable(sought)), text.str.contains(comparable(sought), regex=False)
            exact += _select(kind, labels, questions, same)
            near += _select(kind, labels, questions, holding)
    return _once(exact or near)[:MOST]


def _references(kept: Ledger, integration: str, sought: str) -> list[Meaning]:
    """Reservations by reference, by Hector's id, or by the name of their access group."""
    table = SeenReservation
    named = or_(table.reference.in_(spellings(sought)), table.reservation_id == sought)
    query = select(table.reference).where(table.integration == integration, named)
    with kept.reading() as connection:
        found = connection.execute(query.distinct().limit(MOST)).scalars().all()
    return [Meaning("reservation", one, Question(reference=one)) for one in found]


def _by_id(kept: Ledger, integration: str, seen: Snapshot, sought: str) -> list[Meaning]:
    """Whatever has an id that a problem, plan, report or log shows: of users, doors, places, groups, schedules, tags."""
    ids = ("user_id", "platform_user_id", "site_user_id", "tag_id", "person")
    people = seen.people[seen.people[list(ids)].isin([sought]).any(axis=1)]
    found = [
        Meaning("person", label, question)
        for label, question in zip(_labels("person", (people["email"], people["name"])), _by_user(people), strict=True)
    ]
    if people.empty and _is_borrower(kept, integration, sought):
        found.append(Meaning("person", f"user {sought}", Question(user_id=sought)))
    for kind, table, key, name in (
        ("door", seen.locks, "lock_id", "name"),
        ("place", seen.places, "place_id", "place_name"),
    ):
        rows = table[table[key].eq(sought)]
        found += [Meaning(kind, label, Question(door=id_)) for label, id_ in zip(rows[name], rows[key], strict=True)]
    return found + [
        Meaning("reservation", name, Question(reference=name.removeprefix(GROUP_PREFIX)))
        for name in _groups(kept, integration, sought)
    ]


def _groups(kept: Ledger, integration: str, sought: str) -> list[str]:
    """Return the access groups on the site of that id or name, or with a schedule of that id."""
    group, schedule = SeenGroup, SeenSchedule
    carrying = select(schedule.group_id).where(
        schedule.integration == integration, schedule.until.is_(None), schedule.schedule_id == sought
    )
    named = or_(group.group_id.in_(carrying), group.group_id == sought, group.name == sought)
    query = select(group.name).where(group.integration == integration, group.until.is_(None), named)
    with kept.reading() as connection:
        return list(connection.execute(query.order_by(group.group_id)).scalars())


def _is_borrower(kept: Ledger, integration: str, sought: str) -> bool:
    """Whether a reservation names a user that Hector does not show."""
    query = select(SeenBorrower.user_id).where(SeenBorrower.integration == integration, SeenBorrower.user_id == sought)
    with kept.reading() as connection:
        return connection.execute(query.limit(1)).first() is not None


def _by_user(people: pd.DataFrame) -> list[Question]:
    """By Hector's id, else by Salto's: of two users with one email each is a question of its own."""
    return [
        Question(user_id=user if isinstance(user, str) else person)
        for user, person in zip(people["user_id"], people["person"], strict=True)
    ]


def _about_people(people: pd.DataFrame) -> list[Question | None]:
    return [
        Question(email=email) if isinstance(email, str) else Question(user_id=user) if isinstance(user, str) else None
        for email, user in zip(people["email"], people["user_id"], strict=True)
    ]


def _labels(kind: str, names: tuple[pd.Series, ...]) -> list[str]:
    if kind != "person":
        return [str(name) for name in names[0]]
    return [
        " ".join(part for part in (name, f"<{email}>" if isinstance(email, str) else None) if isinstance(part, str))
        or "user without name and email"
        for email, name in zip(*names, strict=True)
    ]


def _select(kind: str, labels: list[str], questions: list[Question | None], chosen: pd.Series) -> list[Meaning]:
    return [
        Meaning(kind, label, question)
        for label, question, one in zip(labels, questions, chosen, strict=True)
        if one and question is not None
    ]


def _once(found: list[Meaning]) -> list[Meaning]:
    """A door and its place of the same name are one question."""
    first: dict[Question, Meaning] = {}
    for one in found:
        folded_ = Question(**{name: comparable(getattr(one.question, name)) for name in Question.__dataclass_fields__})
        first.setdefault(folded_, one)
    return list(first.values())
