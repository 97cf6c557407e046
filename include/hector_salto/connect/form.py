"""The questions as one form: which stand together, what each shows now, and what its fields answer. Nothing is sent or kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from hector_salto.connect import report_questions
from hector_salto.connect.conversation import Prompt, first_fault, prompt_of
from hector_salto.connect.question import Kind
from hector_salto.connect.questions import BY_KEY
from hector_salto.http_client.errors import RestError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from hector_salto.connect.draft import Draft
    from hector_salto.connect.question import Fault, SetupQuestion
    from hector_salto.connect.services import Services


@dataclass(frozen=True, slots=True)
class Section:
    """Questions that stand together.

    Attributes:
        key, title: of the section.
        questions: their keys, in order.
        tests: whether the section has a button that tests it against the service.
    """

    key: str
    title: str
    questions: tuple[str, ...]
    tests: bool = False


HECTOR, SALTO, REPORTS = "hector", "salto", "reports"
SECTIONS = (
    Section("name", "Name", ("name",)),
    Section(
        HECTOR,
        "Hector",
        ("source", "hector_url", "hector_token", *(one.key for one in report_questions.LOCATION)),
        tests=True,
    ),
    Section(
        SALTO,
        "Salto KS",
        (
            "environment",
            "salto_url",
            "identity_url",
            "client_id",
            "client_secret",
            "username",
            "user_password",
            "site_id",
        ),
        tests=True,
    ),
    Section(REPORTS, "Reports", tuple(one.key for one in report_questions.COLUMNS), tests=True),
    Section("office", "Office mode", ("office_groups", "office_departments", "office_match")),
    Section("grace", "Grace period, in minutes", ("grace_before", "grace_after")),
    Section("sync", "Sync", ("timezone", "schedule", "delete_users")),
)
SECTION_OF = {key: section for section in SECTIONS for key in section.questions}
# Which sections must have answered before a question's choices can be asked for.
ASKS: Mapping[str, frozenset[str]] = {
    "site_id": frozenset({SALTO}),
    "timezone": frozenset({SALTO}),
    "reports_timezone": frozenset({SALTO}),
    "office_groups": frozenset({HECTOR}),
    "office_departments": frozenset({HECTOR}),
    **{key: frozenset({HECTOR}) for key in SECTION_OF if SECTION_OF[key].key == REPORTS and key != "reports_timezone"},
}
# What a secret was given for: of another address it must be given anew.
ADDRESS_OF: Mapping[str, tuple[str, ...]] = {
    "hector_token": ("hector_url",),
    "mailbox_password": ("reports_host",),
    "client_secret": ("environment", "salto_url", "identity_url"),
    "user_password": ("environment", "salto_url", "identity_url"),
}


@dataclass(frozen=True)
class Form:
    """The form as it is shown.

    Attributes:
        draft: the answers, with what is proposed where there was none.
        prompts: by section, of the questions that are needed.
    """

    draft: Draft
    prompts: Mapping[str, Sequence[Prompt]]


def show(draft: Draft, services: Services, answered: Collection[str]) -> Form:
    """Return the form for these answers.

    Args:
        draft: the answers.
        services: as they reach them.
        answered: the sections whose service has answered: only these are asked for choices. What is in the reports is
            shown once Hector's section has.
    """
    found: dict[str, list[Prompt]] = {section.key: [] for section in SECTIONS}
    for key, section in SECTION_OF.items():
        question = BY_KEY[key]
        if not question.needed(draft) or (section.key == REPORTS and HECTOR not in answered):
            continue
        prompt = _prompt(question, draft, services, answered)
        if question.kind is not Kind.SECRET and draft.get(key, None) != prompt.default:
            draft = draft.put(key, prompt.default)
            services = services.after(key, draft)
        found[section.key].append(prompt)
    return Form(draft, found)


def _prompt(question: SetupQuestion, draft: Draft, services: Services, answered: Collection[str]) -> Prompt:
    """Return a question with what there is to choose from; without it where the service has not answered."""
    if ASKS.get(question.key, frozenset()) <= set(answered):
        try:
            return prompt_of(question, draft, services)
        except (RestError, ValidationError):  # the answers before it are not complete: their own check says so
            pass
    return Prompt(question, (), draft.get(question.key, question.default))


def answers_of(fields: Callable[[str], Sequence[str]], names: Collection[str], before: Draft) -> Draft:
    """Return the answers that a form's fields give.

    Args:
        fields: returns the values of a field.
        names: of all fields that were sent.
        before: the answers from before; what no field is about stays as it is there.
    """
    draft = before
    for question in BY_KEY.values():
        draft = _answer(question, fields, names, draft)
    return _without_moved_secrets(draft, before, fields)


def _answer(
    question: SetupQuestion, fields: Callable[[str], Sequence[str]], names: Collection[str], draft: Draft
) -> Draft:
    key, given = question.key, fields(question.key)
    if question.kind is Kind.MAPPING:
        rows = {name.removeprefix(f"{key}."): fields(name)[0] for name in names if name.startswith(f"{key}.")}
        return draft.put(key, rows) if rows else draft
    if f"has.{key}" not in names:  # the form did not show it
        return draft
    if question.kind is Kind.FLAG:
        return draft.put(key, bool(given))
    if question.kind is Kind.CHOICES:
        lines = [line.strip() for text in given for line in text.splitlines()]
        return draft.put(key, list(dict.fromkeys(line for line in lines if line)))
    text = given[0].strip() if given else ""
    return draft if question.kind is Kind.SECRET and not text else draft.put(key, text)


def _without_moved_secrets(draft: Draft, before: Draft, fields: Callable[[str], Sequence[str]]) -> Draft:
    """Forget a secret from before whose address is another now: it is sent to no host that it was not given for."""
    for secret, addresses in ADDRESS_OF.items():
        typed = any(text.strip() for text in fields(secret))
        moved = any(draft.get(one) != before.get(one) for one in addresses)
        if moved and not typed and before.get(secret):
            draft = draft.put(secret, "")
    return draft


def section_fault(section: Section, draft: Draft, services: Services) -> Fault | None:
    """Return what is wrong with a section; a site that is not chosen yet is nothing wrong."""
    keys = (key for key in section.questions if key != "site_id" or draft.get(key))
    return first_fault((BY_KEY[key] for key in keys), draft, services)


def said_by(section: Section, draft: Draft, services: Services) -> str:
    """Return what a section's service says, in one sentence, once it has answered."""
    if section.key == HECTOR:
        if draft.is_of_reports:
            return f"{services.source.describe()}."
        return f"Hector answers: {services.reader.environment().name}."
    if section.key == SALTO:
        number = len(services.sites)
        choose = "" if draft.get("site_id") else " Choose one below."
        return f"Salto answers: the account sees {number} site{'' if number == 1 else 's'}.{choose}"
    return "All three reports can be read."


def needed_sections(draft: Draft) -> list[Section]:
    """Return the sections that have a question for these answers."""
    return [section for section in SECTIONS if any(BY_KEY[key].needed(draft) for key in section.questions)]
