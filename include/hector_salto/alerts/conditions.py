"""What is wrong with an integration right now, and what of it is news."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

FAILED, HELD, CREDENTIALS, TOKEN, STALE, PROBLEM = "failed", "held", "credentials", "token", "stale", "problem:"
CLEANUP, LEDGER = "cleanup_failed", "ledger"
ENTERED, WORSENED, RECOVERED = "entered", "worsened", "recovered"
TOKEN_DAYS = (14, 7, 3, 1, 0)  # each one passed is worse
SENT_AWAY = frozenset({"CredentialsError", "NotActiveError", "ConfigurationError"})
OUTCOMES = frozenset({"failed", "unknown", "no_seat"})  # a cause that begins so names the kind of operation next
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is wrong: its name, how bad (higher is worse), in words, and what to do.

    marks: what it consists of (kinds of failure, the digest of a held set), each with the words for it. One that was
    not reported before is news, although the condition as a whole is not.
    """

    name: str
    severity: int
    text: str
    next_step: str = ""
    marks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What the recipients know of an open condition: severity and text of the last alert, marks of all alerts so far."""

    severity: int
    text: str
    marks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """What is news about a condition."""

    condition: str
    change: str  # entered | worsened | recovered
    severity: int
    text: str
    next_step: str = ""
    marks: frozenset[str] = frozenset()

    @property
    def told(self) -> str:
        return f"{self.text}. Next step: {self.next_step}" if self.next_step else self.text


class Cause(NamedTuple):
    """Why a run is red. ``kind``: HELD, CREDENTIALS, or what ``kind_of`` says."""

    kind: str
    sentence: str


class ProblemSummary(NamedTuple):
    """A problem that a run found; ``subject``: what must be mended."""

    code: str
    subject: str
    message: str
    next_step: str


@dataclass(frozen=True)
class RunFacts:
    """What a run tells.

    causes: why it is red (empty: green); held: operations held back; digest: what approves them; refusals: what mends
    them (which connection) and the sentence, of failures that only new credentials or rights mend; problems: None: it
    never came so far; token_days: days until Hector's token expires, None: not within 14 days, or not known.
    """

    causes: tuple[Cause, ...]
    held: int = 0
    digest: str | None = None
    refusals: tuple[tuple[str, str], ...] = ()
    problems: tuple[ProblemSummary, ...] | None = None
    token_days: int | None = None


def kind_of(cause: str) -> str:
    """What kind of failure a cause tells of: outcome and kind of operation ("failed: tag.assign"), else its first clause.

    A mere number makes no other kind.
    """
    head, _, rest = cause.partition(": ")
    kind = f"{head}: {rest.split(maxsplit=1)[0]}" if head in OUTCOMES and rest.strip() else head
    return re.sub(r"\d+", "#", kind)


def count_text(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def of_run(facts: RunFacts) -> tuple[list[Condition], frozenset[str]]:
    """What a run shows to be wrong, and the kinds of condition it could judge to be over.

    Only a run that came as far as a plan can say that a problem, a held set, a token or credentials are well again, and
    only a green one that FAILED is over. A run that is red for held removals alone is reported as HELD: it neither begins
    nor ends FAILED, so that the two do not take turns.
    """
    found = _red(FAILED, "run", [cause for cause in facts.causes if cause.kind != HELD])
    if facts.held:
        text = f"{count_text(facts.held, 'operation')} {'is' if facts.held == 1 else 'are'} held back"
        step = f"look at what is held, and approve it with {facts.digest} if it is meant"
        found.append(Condition(HELD, facts.held, text, step, {str(facts.digest): text}))
    if facts.refusals:
        found.append(Condition(CREDENTIALS, 1, facts.refusals[0][1], marks=_first(facts.refusals)))
    if facts.token_days is not None and facts.token_days <= TOKEN_DAYS[0]:
        passed = sum(facts.token_days <= days for days in TOKEN_DAYS)
        text = f"Hector's token expires in {count_text(facts.token_days, 'day')}"
        found.append(Condition(TOKEN, passed, text, "make a new one in Hector and put it into the connection"))
    judged = set() if facts.causes else {FAILED}
    if facts.problems is not None:
        judged |= {HELD, TOKEN, PROBLEM, CREDENTIALS}
        found += _problems(facts.problems)
    return found, frozenset(judged)


def of_cleanup(causes: Sequence[Cause]) -> tuple[list[Condition], frozenset[str]]:
    """A red cleanup is a condition of its own; it says nothing about the sync's."""
    return _red(CLEANUP, "cleanup", causes), frozenset({CLEANUP})


def _red(name: str, what: str, causes: Sequence[Cause]) -> list[Condition]:
    """Refused credentials make no mark: they are reported as CREDENTIALS."""
    if not causes:
        return []
    more = f" (and {count_text(len(causes) - 1, 'more cause')})" if len(causes) > 1 else ""
    ended = f"the {what} ended red: "
    marks = _first((cause.kind, ended + cause.sentence) for cause in causes if cause.kind != CREDENTIALS)
    return [Condition(name, 1, f"{ended}{causes[0].sentence}{more}", marks=marks)]


def _first(marks: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The first words for each mark."""
    found: dict[str, str] = {}
    for mark, words in marks:
        found.setdefault(mark, words)
    return found


def _problems(problems: Iterable[ProblemSummary]) -> list[Condition]:
    """One condition for each thing to mend, however many reservations it concerns."""
    alike: dict[str, list[ProblemSummary]] = {}
    for problem in problems:
        if problem.code != "token_expires":  # reported as TOKEN
            alike.setdefault(f"{PROBLEM}{problem.code}:{problem.subject}", []).append(problem)
    return [Condition(name, 1, _all_told(those), those[0].next_step) for name, those in alike.items()]


def _all_told(problems: Sequence[ProblemSummary]) -> str:
    more = len(problems) - 1
    return problems[0].message + (f" (and {more} more of {problems[0].subject})" if more else "")


def of_age(last_success: datetime | None, since: datetime, now: datetime, interval: timedelta) -> list[Condition]:
    """Whether no sync has succeeded for longer than twice its interval.

    It is worse each time its age has doubled, but never before a day has passed: a sync of every five minutes is alerted
    after ten minutes, after one day, after two, after four.

    Args:
        last_success: when the last good sync began; None: there has been none, which counts from ``since``.
        since: when the integration's first run began.
        now: aware.
        interval: the longest time between two scheduled syncs.
    """
    age = now - (last_success or since)
    severity, step = 0, 2 * interval
    while age > step:
        severity, step = severity + 1, max(2 * step, DAY)
    if not severity:
        return []
    text = f"no sync has succeeded for {_long(age)}, twice its interval is {_long(2 * interval)}"
    return [Condition(STALE, severity, text, "see whether the DAG is paused, and why its runs are red")]


def _long(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return count_text(minutes, "minute") if minutes < 120 else count_text(minutes // 60, "hour")  # noqa: PLR2004 - two hours


def news(open_: Mapping[str, Told], found: Iterable[Condition], judged: Collection[str]) -> list[Change]:
    """Conditions that began, got worse or are over.

    An open condition is worse when its severity is higher than reported last, and it is new when it has a mark that
    was not reported since it began: a failure of another kind, another held set. A kind that comes back, fewer held, or
    another number in the text is no news, so that an alert is not sent at every run.

    Args:
        open_: what was reported of those that are open, by name.
        found: what is wrong now.
        judged: kinds (names, or the prefix PROBLEM) that were looked at; others keep their state.
    """
    now = {condition.name: condition for condition in found}
    changes = [change for condition in now.values() if (change := _change(open_.get(condition.name), condition))]
    for name, told in open_.items():
        if name not in now and _kind(name) in judged:
            changes.append(Change(name, RECOVERED, 0, WELL.get(name, f"over: {told.text}")))
    return sorted(changes, key=lambda change: (ORDER[change.change], change.condition))


def _change(told: Told | None, now: Condition) -> Change | None:
    marks = frozenset(now.marks)
    if told is None:
        return Change(now.name, ENTERED, now.severity, now.text, now.next_step, marks)
    fresh = [text for mark, text in now.marks.items() if mark not in told.marks]
    worse = now.severity > told.severity
    if not fresh and not worse:
        return None
    more = f" (and {count_text(len(fresh) - 1, 'more new kind')} of cause)" if len(fresh) > 1 else ""
    text = fresh[0] + more if fresh else now.text
    return Change(now.name, WORSENED if worse else ENTERED, now.severity, text, now.next_step, marks)


ORDER = {ENTERED: 0, WORSENED: 1, RECOVERED: 2}
WELL = {
    FAILED: "the sync is green again",
    HELD: "nothing is held back any more",
    CREDENTIALS: "the credentials are accepted again",
    TOKEN: "Hector's token is good for more than 14 days again",
    STALE: "a sync has succeeded again",
    CLEANUP: "the cleanup is green again",
    LEDGER: "the ledger can be used again",
}


def _kind(name: str) -> str:
    return PROBLEM if name.startswith(PROBLEM) else name


def subject_of(integration: str, changes: list[Change]) -> str:
    """One line for a mailbox."""
    told = []
    for change, word in ((ENTERED, "new"), (WORSENED, "worse"), (RECOVERED, "recovered")):
        names = list(dict.fromkeys(one.condition for one in changes if one.change == change))
        plain = [name for name in names if not name.startswith(PROBLEM)]
        problems = len(names) - len(plain)
        parts = plain + ([count_text(problems, "problem")] if problems else [])
        told += [f"{word}: {', '.join(parts)}"] if parts else []
    return f"Salto sync {integration}: {'; '.join(told)}"
