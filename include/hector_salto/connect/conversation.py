"""Asks the questions in order; an answer that turns out to be wrong is asked for again, at its own question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from hector_salto.connect.questions import BY_KEY, FIXED_CHOICES, QUESTIONS, Fault
from hector_salto.connect.services import Option, Services
from hector_salto.http_client.errors import RestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hector_salto.connect.draft import Draft
    from hector_salto.connect.questions import SetupQuestion


class Answerer(Protocol):
    """Who answers."""

    def answer(self, question: SetupQuestion, choices: Sequence[Option], default: Any) -> Any:  # noqa: ANN401 - an answer
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
    services, at = Services(draft), 0
    while at < len(keys):
        question = BY_KEY[keys[at]]
        if not question.needed(draft):
            at += 1
            continue
        draft, fault = _asked(question, draft, services, answerer)
        services = services.after(question.key, draft)
        fault = fault or _checked(question, draft, services)
        if fault is None:
            keep(draft)
            at += 1
        else:
            answerer.refuse(fault)
            at = keys.index(fault.key)
    return draft


def _asked(question: SetupQuestion, draft: Draft, services: Services, answerer: Answerer) -> tuple[Draft, Fault | None]:
    try:
        choices = choices_of(question, services)
    except RestError as error:
        return draft, Fault(question.key, str(error))
    answer = answerer.answer(question, choices, draft.get(question.key, question.default))
    return draft.put(question.key, answer), None


def _checked(question: SetupQuestion, draft: Draft, services: Services) -> Fault | None:
    try:
        return question.check(draft, services) if question.check else None
    except RestError as error:
        return Fault(question.key, str(error))


def choices_of(question: SetupQuestion, services: Services) -> Sequence[Option]:
    """Return what there is to choose from; nothing: anything may be typed."""
    fixed = FIXED_CHOICES.get(question.key, ())
    return [Option(one, one) for one in fixed] or (question.choices(services) if question.choices else [])
