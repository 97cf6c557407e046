"""What a question of the set-up is, and the checks that hold an answer against the integration file's own rules."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hector_salto.integration import IntegrationError, check_field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hector_salto.connect.draft import Draft
    from hector_salto.connect.services import Option, Services

NUMBERS = frozenset({"before", "after", "max_age_hours"})  # fields that hold one


class Kind(StrEnum):
    """How a question is answered."""

    TEXT = "text"
    SECRET = "secret"  # noqa: S105 - a kind of question
    CHOICE = "choice"
    CHOICES = "choices"
    FLAG = "flag"
    MAPPING = "mapping"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an answer cannot be taken, in one sentence with its next step; ``key``: the question to answer anew."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class MappingRow:
    """One row of a mapping: what is to be chosen for, as it is shown, and whether it may stay open."""

    key: str
    shown: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class SetupQuestion:
    """One question.

    Attributes:
        key: of the answer.
        text: what is asked.
        kind: how it is answered.
        default: the answer that is proposed; empty: none.
        choices: what there is to choose from; None: anything may be typed.
        rows: of a mapping: what is to be chosen for; none: it is not asked.
        proposal: the answer that is proposed, of what the services show; None: ``default``.
        check: finds fault with the answers up to this one; None: it is fine.
        needed: whether it is asked at all.
        asked_of: the question to answer anew when the service does not say what to choose from.
        optional: whether the answer may be empty.
    """

    key: str
    text: str
    kind: Kind = Kind.TEXT
    default: Any = ""
    choices: Callable[[Services], Sequence[Option]] | None = None
    rows: Callable[[Services], Sequence[MappingRow]] | None = None
    proposal: Callable[[Services], Any] | None = None
    check: Callable[[Draft, Services], Fault | None] | None = None
    needed: Callable[[Draft], bool] = lambda _draft: True
    asked_of: str = ""
    optional: bool = False


def zone_question(
    key: str, text: str, path: tuple[str, ...], *, needed: Callable[[Draft], bool] = lambda _draft: True
) -> SetupQuestion:
    """Return a question about a time zone: those of the site's locks, the most usual is proposed."""
    return SetupQuestion(
        key,
        text,
        Kind.CHOICE,
        choices=lambda services: services.zones,
        proposal=lambda services: services.zones[0].value,
        check=field_check(key, path),
        needed=needed,
    )


def field_check(key: str, path: tuple[str, ...]) -> Callable[[Draft, Services], Fault | None]:
    """Return a check of an answer as the integration file would be checked.

    Args:
        key: of the question.
        path: of the field.
    """

    def check(draft: Draft, _services: Services) -> Fault | None:
        value = draft.get(key)
        try:
            check_field(path, int(value) if path[-1] in NUMBERS else value or None)
        except IntegrationError as error:
            return Fault(key, str(error))
        return None

    return check


def number_check(key: str, path: tuple[str, ...], allowed: str) -> Callable[[Draft, Services], Fault | None]:
    """Return a check of a whole number; ``allowed`` says which, in one sentence."""

    def check(draft: Draft, services: Services) -> Fault | None:
        if not str(draft.get(key)).strip().isdecimal():
            return Fault(key, allowed)
        return field_check(key, path)(draft, services)

    return check
