"""The questions, in order: Hector's own form, and what the two connections need; each answer is checked at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hector_salto.access.people import unknown_office_names
from hector_salto.access.settings import OfficeMode
from hector_salto.access.texts import few
from hector_salto.connect import report_questions
from hector_salto.connect.draft import API, REPORTS
from hector_salto.connect.question import Fault, Kind, SetupQuestion, field_check, number_check, zone_question
from hector_salto.connect.services import Option
from hector_salto.http_client.errors import AccountNotActiveError, CredentialsError, RestError
from hector_salto.integration import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from hector_salto.connect.draft import Draft
    from hector_salto.connect.services import Services


def _name(draft: Draft, _services: Services) -> Fault | None:
    if NAME.fullmatch(str(draft.get("name"))):
        return None
    return Fault("name", "the name is part of DAG ids: use a-z, 0-9 and _ only")


def _hector(draft: Draft, services: Services) -> Fault | None:  # noqa: ARG001 - as every check
    try:
        services.reader.environment()
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


def _minutes(key: str, side: str) -> Callable[[Draft, Services], Fault | None]:
    return number_check(key, ("grace_period", side), "give whole minutes, 0 to 1440")


def _api(draft: Draft) -> bool:
    return not draft.is_of_reports


def _is_other(draft: Draft) -> bool:
    return str(draft.get("environment")) == "other"


def _has_both(draft: Draft) -> bool:
    return bool(draft.get("office_groups")) and bool(draft.get("office_departments"))


QUESTIONS = (
    SetupQuestion("name", "A short name for this integration (a-z, 0-9, _)", check=_name),
    SetupQuestion(
        "source", "How is Hector read: by its API (api), or by reports that it sends (reports)?", Kind.CHOICE, API
    ),
    SetupQuestion("hector_url", "Hector: address of its API, such as https://acme.example/api/v1", needed=_api),
    SetupQuestion("hector_token", "Hector: token", Kind.SECRET, check=_hector, needed=_api),
    *report_questions.LOCATION,
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
    *report_questions.COLUMNS,
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
    zone_question("timezone", "Time zone of the schedule", ("timezone",)),
    SetupQuestion(
        "schedule",
        "When to sync (cron of five fields; empty: only when started by hand)",
        default="0 21 * * *",
        check=field_check("schedule", ("schedule",)),
        optional=True,
    ),
    SetupQuestion("delete_users", "Delete Salto users who are no longer part of Hector?", Kind.FLAG, default=False),
)
FIXED_CHOICES = {
    "source": (Option(API, "its API"), Option(REPORTS, "its reports: files in a folder, a bucket or a mailbox")),
    "environment": tuple(Option(one, one) for one in ("production", "accept", "other")),
    "office_match": tuple(Option(one, one) for one in ("all", "any")),
}
BY_KEY = {one.key: one for one in QUESTIONS}
