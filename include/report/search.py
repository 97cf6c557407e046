"""What a word in the page's search box may mean: a reservation, a person, a door."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from include.access.texts import comparable, folded
from include.ledger.tables import SeenReservation
from include.report.inquiry import Question

if TYPE_CHECKING:
    import pandas as pd

    from include.ledger.ledger import Ledger

MOST = 30  # candidates that are listed


@dataclass(frozen=True)
class Meaning:
    """One thing that was perhaps meant: what it is, its name, and the question about it."""

    kind: str
    label: str
    question: Question


def meanings(kept: Ledger, integration: str, words: str) -> list[Meaning]:
    """Whatever is called exactly so; if nothing is, whatever holds the words; at most MOST."""
    sought = words.strip()
    if not sought:
        return []
    seen = kept.seen(integration, names=("people", "locks", "places"))
    exact, near = _references(kept, integration, sought), []
    sources: list[tuple[str, tuple[pd.Series, ...], list[Question | None]]] = [
        ("person", (seen.people["email"], seen.people["name"]), _about_people(seen.people)),
        ("door", (seen.locks["name"],), [Question(door=name) for name in seen.locks["name"]]),
        ("place", (seen.places["place_name"],), [Question(door=name) for name in seen.places["place_name"]]),
    ]
    for kind, names, questions in sources:
        labels = _labels(kind, names)
        for column in names:
            text = folded(column).fillna("")
            same, holding = text.eq(comparable(sought)), text.str.contains(comparable(sought), regex=False)
            exact += _chosen(kind, labels, questions, same)
            near += _chosen(kind, labels, questions, holding)
    return _once(exact or near)[:MOST]


def _references(kept: Ledger, integration: str, sought: str) -> list[Meaning]:
    query = select(SeenReservation.reference).where(
        SeenReservation.integration == integration, SeenReservation.reference == sought
    )
    with kept.reading() as connection:
        found = connection.execute(query.limit(1)).scalar_one_or_none()
    return [] if found is None else [Meaning("reservation", found, Question(reference=found))]


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
        for email, name in zip(*names, strict=True)
    ]


def _chosen(kind: str, labels: list[str], questions: list[Question | None], chosen: pd.Series) -> list[Meaning]:
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
