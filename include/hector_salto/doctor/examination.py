"""Asks both services about every assumption that a read can answer, in an order that stops where nothing more can be learnt."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from hector.hook import hector_hook
from hector_salto.doctor import hector_data, invited, lists, locks, published, scratch, tags, way_in
from hector_salto.doctor.assumptions import ASSUMPTIONS, Probe, ids_of
from hector_salto.doctor.finding import Finding, differs, unknown
from hector_salto.doctor.invited import remove_left_user
from hector_salto.doctor.scratch import WriteClients, remove_leftovers, require_typed_site
from hector_salto.doctor.subject import Subject
from hector_salto.http_client.errors import RestError
from hector_salto.http_client.timing import WITHOUT_RETRIES, Timing
from salto.hook import SaltoHook

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from hector_salto.integration import Integration

LOG = logging.getLogger(__name__)
Look: TypeAlias = "Callable[[Subject], Iterable[Finding]]"
Stage: TypeAlias = tuple[Look, tuple[str, ...]]  # what looks, and the assumptions that it speaks of


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings of one integration, in the order of ``ASSUMPTIONS``."""

    integration: str
    at: datetime
    findings: tuple[Finding, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing differs that matters, and everything essential could be asked."""
        return not any(one.matters for one in self.findings)

    def as_json(self) -> dict[str, Any]:
        rows = []
        for one in self.findings:
            about = ASSUMPTIONS[one.assumption]
            rows.append(
                {
                    "id": one.assumption,
                    "section": about.section,
                    "label": about.label,
                    "assumption": about.text,
                    "verdict": one.verdict.value,
                    "seen": one.seen,
                    "product": about.product,
                    "step": one.step,
                    "matters": one.matters,
                }
            )
        return {"integration": self.integration, "at": self.at.isoformat(), "well": self.is_well, "findings": rows}


STAGES: tuple[Stage, ...] = (
    (way_in.look_at_hector, ("hector-reached", "hector-token", "clock-hector")),
    (way_in.look_at_salto, ("salto-pair", "salto-reached", "salto-grant", "salto-account", "salto-token-life")),
    (way_in.look_at_site, ("site-found", "site-role", "site-released", "site-seats", "clock-salto", "api-versions")),
    (published.look, ("published-document",)),
    (lists.look, ("list-shape", "list-end", "list-count", "list-top", "list-link", "filter-email", "filter-case")),
    (
        locks.look,
        ("lock-names", "lock-zones", "clock-zones", "lock-online", "lock-privacy", "lock-office", "lock-lookback"),
    ),
    (
        hector_data.look,
        ("hector-lists", "hector-attribute", "hector-locks", "hector-office", "hector-emails", "hector-status"),
    ),
    (tags.look, ("tag-shape", "hector-codes", "tag-match", "tag-near")),
)


def examine(
    name: str,
    integration: Integration,
    *,
    now: datetime | None = None,
    timing: Timing = WITHOUT_RETRIES,
    stages: Collection[Stage] = STAGES,
) -> tuple[Examination, Subject]:
    """Ask about everything that a read can answer, or in other stages; return the findings, and what was read."""
    subject = Subject(
        integration,
        hector_hook(integration, timing=timing),
        SaltoHook(integration.salto_conn_id, timing=timing),
        now or datetime.now(UTC),
    )
    found: dict[str, Finding] = {}
    for look, ids in stages:
        for one in _asked(look, ids, subject):
            found.setdefault(one.assumption, one)
    order = ids_of(Probe.READ)
    return Examination(name, subject.now, tuple(found[one] for one in order if one in found)), subject


def examine_by_writing(
    examination: Examination, subject: Subject, typed: str, email: str = "", sleep: Callable[[float], None] = time.sleep
) -> Examination:
    """Ask a test site what only writes can answer, and remove what was made; return all findings.

    Args:
        examination: of the reads.
        subject: who was examined.
        typed: the site's UID, typed once more.
        email: of a person who is invited; empty: none is.
        sleep: seconds; replaced in tests.

    Raises:
        WrongSiteError: when another site was typed; nothing was sent then.
        UserThereError: when the person is on the site already; nothing was sent then.
        RestError: when the site cannot be opened, or what was left cannot be removed.
    """
    require_typed_site(typed, subject.reader.site.site_uid)
    site = WriteClients(subject.reader, subject.salto.writer(subject.integration.site_id), subject.probe)
    if email:
        remove_left_user(site, email)
    remove_leftovers(site)
    found = list(_asked(lambda _: scratch.look(site), ids_of(Probe.WRITE), subject))
    if email:
        found += _asked(lambda _: invited.look(site, email, sleep), ids_of(Probe.USER), subject)
        remove_leftovers(site)
    known = {one.assumption: one for one in reversed([*examination.findings, *found])}
    return replace(examination, findings=tuple(known[name] for name in ASSUMPTIONS if name in known))


def _asked(look: Callable[[Subject], Iterable[Finding]], ids: tuple[str, ...], subject: Subject) -> Iterator[Finding]:
    """Each finding of a stage; what an error kept it from asking is unknown, and the first of them says why."""
    left = list(ids)
    try:
        for one in look(subject):
            yield one
            left = [name for name in left if name != one.assumption]
    except RestError as error:
        yield from _unanswered(left, f"{error.request_info} {error.what}", error.next_step)
    except Exception as error:
        LOG.exception("the doctor failed at %s", ", ".join(left))
        yield from _unanswered(left, f"unexpected {type(error).__name__}", "report it with this command's log")


def _unanswered(ids: list[str], why: str, step: str) -> Iterator[Finding]:
    for place, name in enumerate(ids):
        if place == 0:
            yield differs(name, why, step, matters=True)
        else:
            yield unknown(name, f"waits for {ids[0]}")
