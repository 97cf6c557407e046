"""What is wrong with an integration right now, and what of it is news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime, timedelta

FAILED, HELD, CREDENTIALS, TOKEN, STALE, PROBLEM = "failed", "held", "credentials", "token", "stale", "problem:"
ENTERED, WORSENED, RECOVERED = "entered", "worsened", "recovered"
TOKEN_DAYS = (14, 7, 3, 1, 0)  # each one passed is worse
SENT_AWAY = frozenset({"CredentialsError", "NotActiveError", "ConfigurationError"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is wrong: its name, how bad (higher is worse), and a sentence with the next step."""

    name: str
    severity: int
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """What is news about a condition."""

    condition: str
    change: str  # entered | worsened | recovered
    severity: int
    text: str


@dataclass(frozen=True)
class RunFacts:
    """What a run tells.

    causes: why it is red (empty: green); held: operations held back; digest: what approves them; refusals: sentences of
    failures that only new credentials or rights mend; problems: (code, subject, sentence) of every problem, None: it
    never came so far; token_days: days until Hector's token expires, None: not known.
    """

    causes: tuple[str, ...]
    held: int = 0
    digest: str | None = None
    refusals: tuple[str, ...] = ()
    problems: tuple[tuple[str, str, str], ...] | None = None
    token_days: int | None = None


def of_run(facts: RunFacts) -> tuple[list[Condition], frozenset[str]]:
    """What a run shows to be wrong, and the kinds of condition it could judge at all.

    Only a run that came as far as a plan can say that a problem, a held set or a token is well again.
    """
    found: list[Condition] = []
    if facts.causes:
        more = f" (and {len(facts.causes) - 1} more causes)" if len(facts.causes) > 1 else ""
        found.append(Condition(FAILED, 1, f"the run ended red: {facts.causes[0]}{more}"))
    if facts.held:
        text = f"{facts.held} operations are held back; look at them, and approve them with {facts.digest} if they are meant"
        found.append(Condition(HELD, facts.held, text))
    found += [Condition(CREDENTIALS, 1, sentence) for sentence in facts.refusals[:1]]
    if facts.token_days is not None and facts.token_days <= TOKEN_DAYS[0]:
        passed = sum(facts.token_days <= days for days in TOKEN_DAYS)
        text = f"Hector's token expires in {facts.token_days} days: make a new one and put it into the connection"
        found.append(Condition(TOKEN, passed, text))
    judged = {FAILED, CREDENTIALS}
    if facts.problems is not None:
        judged |= {HELD, TOKEN, PROBLEM}
        kept = [problem for problem in facts.problems if problem[0] != "token_expires"]
        found += [Condition(f"{PROBLEM}{code}:{subject}", 1, text) for code, subject, text in kept]
    return found, frozenset(judged)


def of_age(last_success: datetime | None, since: datetime, now: datetime, interval: timedelta) -> list[Condition]:
    """Whether no sync has succeeded for longer than twice its interval.

    Args:
        last_success: when the last good sync began; None: there has been none, which counts from ``since``.
        since: when the integration's first run began.
        now: aware.
        interval: the longest time between two scheduled syncs.
    """
    age = now - (last_success or since)
    if age <= 2 * interval:
        return []
    hours = int(age.total_seconds() // 3600)
    text = f"no sync has succeeded for {hours} hours, twice its interval is {int(2 * interval.total_seconds() // 3600)}"
    return [
        Condition(STALE, int(age / (2 * interval)), f"{text}: see whether the DAG is paused, and why its runs are red")
    ]


def news(open_: Mapping[str, int], found: Iterable[Condition], judged: Collection[str]) -> list[Change]:
    """Conditions that began, got worse or are over.

    Args:
        open_: severity of those that were open, by name.
        found: what is wrong now.
        judged: kinds (names, or the prefix PROBLEM) that were looked at; others keep their state.
    """
    now = {condition.name: condition for condition in found}
    changes = []
    for name, condition in now.items():
        if name not in open_:
            changes.append(Change(name, ENTERED, condition.severity, condition.text))
        elif condition.severity > open_[name]:
            changes.append(Change(name, WORSENED, condition.severity, condition.text))
    over = [name for name in open_ if name not in now and _kind(name) in judged]
    changes += [Change(name, RECOVERED, 0, _over(name)) for name in over]
    return sorted(changes, key=lambda change: (ORDER[change.change], change.condition))


ORDER = {ENTERED: 0, WORSENED: 1, RECOVERED: 2}
WELL = {
    FAILED: "the sync is green again",
    HELD: "nothing is held back any more",
    CREDENTIALS: "the credentials are accepted again",
    TOKEN: "Hector's token is good for more than 14 days again",
    STALE: "a sync has succeeded again",
}


def _kind(name: str) -> str:
    return PROBLEM if name.startswith(PROBLEM) else name


def _over(name: str) -> str:
    if name.startswith(PROBLEM):
        code, _, subject = name.removeprefix(PROBLEM).partition(":")
        return f"{subject}: the problem {code} is over"
    return WELL[name]


def subject_of(integration: str, changes: list[Change]) -> str:
    """One line for a mailbox."""
    told = []
    for change, word in ((ENTERED, "new"), (WORSENED, "worse"), (RECOVERED, "recovered")):
        names = [one.condition for one in changes if one.change == change]
        plain = [name for name in names if not name.startswith(PROBLEM)]
        problems = len(names) - len(plain)
        parts = plain + ([f"{problems} problem{'s' * (problems > 1)}"] if problems else [])
        told += [f"{word}: {', '.join(parts)}"] if parts else []
    return f"Salto sync {integration}: {'; '.join(told)}"
