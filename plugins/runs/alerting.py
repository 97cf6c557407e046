"""Tells somebody when a condition of an integration begins, gets worse or is over; what was told is kept in the ledger."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from include.access import schemas
from include.access.operations import HELD
from include.access.problems import TOKEN_DAYS
from include.alerts.conditions import (
    CREDENTIALS,
    ENTERED,
    RECOVERED,
    SENT_AWAY,
    STALE,
    WORSENED,
    Change,
    RunFacts,
    news,
    of_age,
    of_run,
    subject_of,
)
from include.integrations.integration import load_all
from include.ledger.questions import first_run, last_success
from include.ledger.tables import Alert
from include.report.page import alert_page
from runs.bookkeeping import ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.integrations.integration import AlertFields, Integration
    from include.ledger.ledger import Ledger
    from runs.folder import RunFolder

LOG = logging.getLogger(__name__)
TITLES = {ENTERED: "New", WORSENED: "Worse", RECOVERED: "Recovered"}


class ChannelError(Exception):
    """A channel of alerts that cannot be used; the message says what to do."""


def after_sync(
    name: str, integration: Integration, folder: RunFolder, causes: list[str], steps: tuple[str, ...]
) -> int:
    """What this run has to tell; how many changes were told.

    A run of chosen reservations, or a plan only, says nothing about the others: it tells only what it could not do.
    """
    facts = _facts(folder, causes, steps)
    found, judged = of_run(facts)
    run = folder.read_json("run") or {}
    conf = run.get("conf") or {}
    if conf.get("references") or conf.get("plan_only"):
        judged = frozenset({CREDENTIALS})
        found = [condition for condition in found if condition.name in judged]
    return _tell(name, integration, (found, judged), f"run folder: {folder}")


def look_for_stale(name: str, integration: Integration, now: datetime) -> int:
    """Whether no sync has succeeded for too long; how many changes were told."""
    interval = integration.interval()
    since = first_run(ledger(), name)
    if interval is None or since is None:
        return 0
    found = of_age(last_success(ledger(), name), since, now, interval)
    return _tell(
        name, integration, (found, frozenset({STALE})), "no run is under way: the schedule itself was looked at"
    )


def deadline_passed(name: str, **kwargs: Any) -> None:  # noqa: ANN401, ARG001 - Airflow hands over its context
    """What Airflow calls when a sync has not succeeded within twice its interval."""
    look_for_stale(name, load_all()[0][name], datetime.now(UTC))


def _facts(folder: RunFolder, causes: list[str], steps: tuple[str, ...]) -> RunFacts:
    failures = [one for one in (folder.read_json(f"failure_{step}") for step in steps) if one]
    refusals = tuple(one["sentence"] for one in failures if one.get("kind") in SENT_AWAY)
    if not folder.has("operations"):
        return RunFacts(tuple(causes), refusals=refusals)
    problems = folder.read("problems", schemas.PROBLEMS)
    operations = folder.read("operations", schemas.OPERATIONS)
    told = (f"{row['message']}. Next step: {row['next_step']}" for row in problems.to_dict("records"))
    token = folder.read_json("token_days") or {}
    return RunFacts(
        causes=tuple(causes),
        held=int(operations["state"].eq(HELD).sum()),
        digest=(folder.read_json("plan") or {}).get("digest"),
        refusals=refusals,
        problems=tuple(zip(problems["code"], problems["subject"], told, strict=True)),
        token_days=token.get("days") if token.get("days", TOKEN_DAYS + 1) <= TOKEN_DAYS else None,
    )


def _tell(name: str, integration: Integration, judged: tuple[list[Any], frozenset[str]], where: str) -> int:
    """Keep what is news, then send whatever has not been delivered yet: a channel that was down loses nothing."""
    book = ledger()
    changes = news(_open(book, name), *judged)
    now = datetime.now(UTC)
    book.add_alerts(
        [
            {
                "integration": name,
                "condition": change.condition,
                "change": change.change,
                "severity": change.severity,
                "at": now,
                "text": change.text,
                "delivered_at": None,
            }
            for change in changes
        ]
    )
    waiting = _waiting(book, name)
    for change in waiting.values():
        LOG.warning("%s: %s: %s", change.change, change.condition, change.text)
    if waiting:
        _deliver(name, integration.alerts, list(waiting.values()), where)
        with book.transaction() as connection:
            connection.execute(update(Alert).where(Alert.id.in_(list(waiting))).values(delivered_at=datetime.now(UTC)))
    return len(waiting)


def _open(book: Ledger, name: str) -> dict[str, int]:
    """Severity of each condition that is open, by name."""
    query = select(Alert.condition, Alert.change, Alert.severity).where(Alert.integration == name).order_by(Alert.id)
    with book.reading() as connection:
        last = {condition: (change, severity) for condition, change, severity in connection.execute(query)}
    return {condition: severity for condition, (change, severity) in last.items() if change != RECOVERED}


def _waiting(book: Ledger, name: str) -> dict[int, Change]:
    columns = (Alert.id, Alert.condition, Alert.change, Alert.severity, Alert.text)
    query = select(*columns).where(Alert.integration == name, Alert.delivered_at.is_(None)).order_by(Alert.id)
    with book.reading() as connection:
        rows = connection.execute(query).all()
    return {row.id: Change(row.condition, row.change, row.severity, row.text) for row in rows}


def _deliver(name: str, channels: AlertFields, changes: list[Change], where: str) -> None:
    """Send to every channel; one that fails does not keep the others from being told.

    Raises:
        ChannelError: naming each channel that failed; the changes stay undelivered and go out with the next ones.
    """
    subject = subject_of(name, changes)
    failed = []
    for channel, send in _senders(channels, subject, changes, name, where).items():
        try:
            send()
        except Exception as error:  # noqa: BLE001 - whatever a provider raises is told, and the others are tried
            failed.append(f"{channel}: {type(error).__name__}: {error}")
        else:
            LOG.info("told by %s: %s", channel, subject)
    if failed:
        raise ChannelError(
            f"alerts could not be delivered ({'; '.join(failed)}); mend the connection, they go out then"
        )


def _senders(
    channels: AlertFields, subject: str, changes: list[Change], name: str, where: str
) -> dict[str, Callable[[], None]]:
    """Each channel that is set up. The notifiers are called past their templating: texts name what people typed."""
    grouped = {title: [one for one in changes if one.change == change] for change, title in TITLES.items()}
    plain = "\n".join([subject, *(f"{title}: {one.text}" for title, those in grouped.items() for one in those), where])
    senders: dict[str, Callable[[], None]] = {}
    if channels.email:
        html = alert_page(name, {title: those for title, those in grouped.items() if those}, where)
        senders[f"email ({channels.smtp_conn_id})"] = lambda: _mail(channels, subject, html)
    if channels.slack_conn_id:
        senders[f"Slack ({channels.slack_conn_id})"] = lambda: _slack(channels, plain)
    if channels.apprise_conn_id:
        senders[f"Apprise ({channels.apprise_conn_id})"] = lambda: _apprise(channels, subject, plain)
    return senders


def _mail(channels: AlertFields, subject: str, html: str) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier  # noqa: PLC0415 - only where mail is sent

    SmtpNotifier(to=channels.email, subject=subject, html_content=html, smtp_conn_id=channels.smtp_conn_id).notify({})


def _slack(channels: AlertFields, text: str) -> None:
    try:
        from airflow.providers.slack.notifications.slack import SlackNotifier  # noqa: PLC0415 - may be missing
    except ImportError:
        raise ChannelError("install apache-airflow-providers-slack") from None
    SlackNotifier(slack_conn_id=channels.slack_conn_id, text=text, channel=channels.slack_channel).notify({})


def _apprise(channels: AlertFields, subject: str, text: str) -> None:
    try:
        from airflow.providers.apprise.notifications.apprise import AppriseNotifier  # noqa: PLC0415 - may be missing
    except ImportError:
        raise ChannelError("install apache-airflow-providers-apprise") from None
    AppriseNotifier(body=text, title=subject, apprise_conn_id=channels.apprise_conn_id).notify({})
