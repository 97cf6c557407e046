"""Asks the questions in order; an answer that turns out to be wrong is asked for again, at its own question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hector_salto.connect.question import Fault, Kind
from hector_salto.connect.questions import BY_KEY, FIXED_CHOICES, QUESTIONS
from hector_salto.connect.services import Option, Services
from hector_salto.http_client.errors import RestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hector_salto.connect.draft import Draft
    from hector_salto.connect.question import MappingRow, SetupQuestion


ONE_TEXT = frozenset({Kind.TEXT, Kind.SECRET, Kind.CHOICE})  # kinds whose answer is one text


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question as it is put now.

    Attributes:
        question: see SetupQuestion.
        choices: what there is to choose from; empty: anything may be typed.
        default: the answer from before, else what is proposed.
        rows: of a mapping: what is to be chosen for.
    """

    question: SetupQuestion
    choices: Sequence[Option]
    default: Any
    rows: Sequence[MappingRow] = ()


class Answerer(Protocol):
    """Who answers."""

    def answer(self, prompt: Prompt) -> Any:  # noqa: ANN401 - an answer
        """Return the answer to a question."""

    def refuse(self, fault: Fault) -> None:
        """Say why an answer cannot be taken; what this raises ends the conversation."""


def converse(draft: Draft, answerer: Answerer, keep: Callable[[Draft], None] = lambda _draft: None) -> Draft:
    """Return all answers.

    Args:
        draft: answers from before: each is what its question begins with.
        answerer: answers.
        keep: called with the answers after each that was taken.
    """
    keys = [one.key for one in QUESTIONS]
    draft = draft.with_fingerprint_key()
    services, at = Services(draft), 0
    while at < len(keys):
        question = BY_KEY[keys[at]]
        if not question.needed(draft):
            at += 1
            continue
        draft, fault = _asked(question, draft, services, answerer)
        services = services.after(question.key, draft)
        fault = fault or check(question, draft, services)
        if fault is None:
            keep(draft)
            at += 1
        else:
            answerer.refuse(fault)
            at = keys.index(fault.key)
    return draft


def _asked(question: SetupQuestion, draft: Draft, services: Services, answerer: Answerer) -> tuple[Draft, Fault | None]:
    try:
        prompt = prompt_of(question, draft, services)
    except RestError as error:
        return draft, Fault(question.asked_of or question.key, str(error))
    if question.kind is Kind.MAPPING and not prompt.rows:
        return draft.put(question.key, {}), None
    return draft.put(question.key, answerer.answer(prompt)), None


def prompt_of(question: SetupQuestion, draft: Draft, services: Services) -> Prompt:
    """Return a question as it is put now.

    Raises:
        RestError: when the service that knows the choices does not answer.
    """
    rows = question.rows(services) if question.rows else ()
    return Prompt(question, choices_of(question, services), _default(question, draft, services), rows)


def _default(question: SetupQuestion, draft: Draft, services: Services) -> Any:  # noqa: ANN401 - an answer
    before = draft.get(question.key, None)
    if question.proposal is None:
        return question.default if before is None else before
    if question.kind is Kind.MAPPING:
        return {**question.proposal(services), **(before or {})}
    return before or question.proposal(services)


def check(question: SetupQuestion, draft: Draft, services: Services) -> Fault | None:
    """Return what is wrong with the answer to a question, if anything is."""
    answer, allowed = (
        draft.get(question.key, question.default),
        [one.value for one in FIXED_CHOICES.get(question.key, ())],
    )
    if allowed and answer not in allowed:
        return Fault(question.key, f"choose one of {', '.join(allowed)}")
    if question.kind in ONE_TEXT and not question.optional and not str(answer).strip():
        return Fault(question.key, "an answer is needed")
    try:
        return question.check(draft, services) if question.check else None
    except RestError as error:
        return Fault(question.key, str(error))


def first_fault(questions: Iterable[SetupQuestion], draft: Draft, services: Services) -> Fault | None:
    """Return what is wrong with the first of these answers that is; all are there."""
    needed = (one for one in questions if one.needed(draft))
    return next((fault for one in needed if (fault := check(one, draft, services)) is not None), None)


def choices_of(question: SetupQuestion, services: Services) -> Sequence[Option]:
    """Return what there is to choose from; nothing: anything may be typed."""
    return FIXED_CHOICES.get(question.key, ()) or (question.choices(services) if question.choices else [])
