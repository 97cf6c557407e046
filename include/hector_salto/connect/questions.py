"""The questions, in order: Hector's own form, and what the two connections need; each answer is checked at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hector_salto.access.people import unknown_office_names
from hector_salto.access.settings import OfficeMode
from hector_salto.access.texts import few
from hector_salto.http_client.errors import AccountNotActiveError, CredentialsError, RestError
from hector_salto.integration import NAME, IntegrationError, check_field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hector_salto.connect.draft import Draft
    from hector_salto.connect.services import Option, Services


class Kind(StrEnum):
    """How a question is answered."""

    TEXT = "text"
    SECRET = "secret"  # noqa: S105 - a kind of question
    CHOICE = "choice"
    CHOICES = "choices"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an answer cannot be taken, in one sentence with its next step; ``key``: the question to answer anew."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class SetupQuestion:
    """One question.

    Attributes:
        key: of the answer.
        text: what is asked.
        kind: how it is answered.
        default: what stands there before; empty: nothing.
        choices: what there is to choose from; None: anything may be typed.
        check: finds fault with the answers up to this one; None: it is fine.
        needed: whether it is asked at all.
    """

    key: str
    text: str
    kind: Kind = Kind.TEXT
    default: Any = ""
    choices: Callable[[Services], Sequence[Option]] | None = None
    check: Callable[[Draft, Services], Fault | None] | None = None
    needed: Callable[[Draft], bool] = lambda _draft: True


def _name(draft: Draft, _services: Services) -> Fault | None:
    if NAME.fullmatch(str(draft.get("name"))):
        return None
    return Fault("name", "the name is part of DAG ids: use a-z, 0-9 and _ only")


def _hector(draft: Draft, services: Services) -> Fault | None:  # noqa: ARG001 - as every check
    try:
        services.hector.reader.environment()
    except CredentialsError as error:
        return Fault("hector_token", str(error))
    except RestError as error:
        return Fault("hector_url", str(error))
    return None


def _salto(draft: Draft, services: Services) -> Fault | None:  # noqa: ARG001 - as every check
    """Sign in: what the identity server refuses is answered anew where it was typed."""
    try:
        if services.sites:
            return None
    except AccountNotActiveError as error:
        return Fault("username", str(error))
    except CredentialsError as error:
        return Fault("client_id", str(error))
    except RestError as error:
        return Fault("environment", str(error))
    return Fault("username", "the account sees no site: make it Site Admin in the Salto dashboard")


def _site(draft: Draft, services: Services) -> Fault | None:
    try:
        services.salto.reader(draft.get("site_id")).require_site_admin()
    except RestError as error:
        return Fault("site_id", str(error))
    return None


def _office(key: str) -> Callable[[Draft, Services], Fault | None]:
    def check(draft: Draft, services: Services) -> Fault | None:
        names = tuple(draft.get(key, ()))
        asked = OfficeMode(groups=names) if key == "office_groups" else OfficeMode(departments=names)
        missing = unknown_office_names(services.people, asked)
        if missing.empty:
            return None
        return Fault(
            key, f"Hector has no {few(list(missing['what'] + ' ' + missing['name']))}: choose from its own names"
        )

    return check


def _field(key: str, path: tuple[str, ...]) -> Callable[[Draft, Services], Fault | None]:
    """Check an answer as the integration file would."""

    def check(draft: Draft, _services: Services) -> Fault | None:
        value = draft.get(key)
        try:
            check_field(path, int(value) if path[0] == "grace_period" else value or None)
        except IntegrationError as error:
            return Fault(key, str(error))
        return None

    return check


def _minutes(key: str, side: str) -> Callable[[Draft, Services], Fault | None]:
    def check(draft: Draft, services: Services) -> Fault | None:
        if not str(draft.get(key)).strip().isdecimal():
            return Fault(key, "give whole minutes, 0 to 1440")
        return _field(key, ("grace_period", side))(draft, services)

    return check


def _is_other(draft: Draft) -> bool:
    return str(draft.get("environment")) == "other"


def _has_both(draft: Draft) -> bool:
    return bool(draft.get("office_groups")) and bool(draft.get("office_departments"))


QUESTIONS = (
    SetupQuestion("name", "A short name for this integration (a-z, 0-9, _)", check=_name),
    SetupQuestion("hector_url", "Hector: address of its API, such as https://acme.example/api/v1"),
    SetupQuestion("hector_token", "Hector: token", Kind.SECRET, check=_hector),
    SetupQuestion(
        "environment",
        "Salto KS: production, accept (its test environment), or other addresses",
        Kind.CHOICE,
        "production",
    ),
    SetupQuestion("salto_url", "Salto KS: address of its API", needed=_is_other),
    SetupQuestion("identity_url", "Salto KS: address of its identity server", needed=_is_other),
    SetupQuestion("client_id", "Salto KS: client id"),
    SetupQuestion("client_secret", "Salto KS: client secret", Kind.SECRET),
    SetupQuestion("username", "Salto KS: email of the account made for this integration (a Site Admin)"),
    SetupQuestion("user_password", "Salto KS: password of that account", Kind.SECRET, check=_salto),
    SetupQuestion("site_id", "Which site?", Kind.CHOICE, choices=lambda services: services.site_choices(), check=_site),
    SetupQuestion(
        "office_groups",
        "Groups whose users may toggle office mode",
        Kind.CHOICES,
        choices=lambda services: services.group_choices(),
        check=_office("office_groups"),
    ),
    SetupQuestion(
        "office_departments",
        "Departments whose users may toggle office mode",
        Kind.CHOICES,
        choices=lambda services: services.department_choices(),
        check=_office("office_departments"),
    ),
    SetupQuestion(
        "office_match", "Must both match, or is one enough? (all, any)", Kind.CHOICE, "all", needed=_has_both
    ),
    SetupQuestion(
        "grace_before",
        "Minutes before a reservation in which its door opens",
        default="15",
        check=_minutes("grace_before", "before"),
    ),
    SetupQuestion("grace_after", "Minutes after it", default="15", check=_minutes("grace_after", "after")),
    SetupQuestion(
        "timezone",
        "Time zone of the schedule",
        Kind.CHOICE,
        choices=lambda services: services.zones(),
        check=_field("timezone", ("timezone",)),
    ),
    SetupQuestion(
        "schedule",
        "When to sync (cron of five fields; empty: only when started by hand)",
        default="0 21 * * *",
        check=_field("schedule", ("schedule",)),
    ),
    SetupQuestion("delete_users", "Delete Salto users who are no longer part of Hector?", Kind.FLAG, default=False),
)
FIXED_CHOICES = {"environment": ("production", "accept", "other"), "office_match": ("all", "any")}
BY_KEY = {one.key: one for one in QUESTIONS}
