"""Sends alerts when a condition of an integration begins, gets worse or is over; the ledger records what was sent."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow import sdk
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from airflow.sdk import BaseHook

from hector_salto.access import schemas
from hector_salto.access.operations import HELD
from hector_salto.access.problems import TOKEN_DAYS
from hector_salto.alerts import conditions as alert
from hector_salto.alerts import mail, outbox
from hector_salto.alerts.conditions import CREDENTIALS, LEDGER, SENT_AWAY, STALE, Cause, Change, Condition, RunFacts
from hector_salto.integration_files import load_all
from hector_salto.ledger.ledger import RESTART, LedgerError
from hector_salto.ledger.queries import first_run, last_success
from hector_salto.reports.page import alert_page
from hector_salto.reports.people import NOBODY_KNOWN, People
from hector_salto.settings import setting
from hector_salto.workflow import release
from hector_salto.workflow.failures import failures
from hector_salto.workflow.recorder import ledger
from hector_salto.workflow.run_folder import base, ensure_directory
from hector_salto.workflow.storage import UnreadableFileError, complaint, read_note, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from airflow.sdk import Connection, ObjectStoragePath

    from hector_salto.integration import AlertFields, Integration
    from hector_salto.ledger.ledger import Ledger
    from hector_salto.workflow.run_folder import RunFolder

    Judged = tuple[list[Condition], frozenset[str]]  # what is wrong; what was looked at

LOG = logging.getLogger(__name__)
LISTED = 25  # changes of one kind in one message
_LOOKING = ThreadPoolExecutor(8, thread_name_prefix="deadline")  # of the triggerer, whose own threads others need
TITLES = {alert.ENTERED: "New", alert.WORSENED: "Worse", alert.RECOVERED: "Recovered"}
HELD_CAUSE = re.compile(r"\d+ operations? (is|are) held\b")  # as the report words it (reporting.py)
NOT_BEGUN = "the run did not begin, and nothing was written: see the log of the task start_run"
NOT_REPORTED = "the report was not finished: see the log of the task report"
WITHOUT_LEDGER = "ledger_away.json"  # beside the runs' folders: who was alerted that the ledger cannot be used


class ChannelError(Exception):
    """A channel of alerts that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Ended:
    """How a run ended. ``folder``: None: it did not begin; reported: its report ended green."""

    folder: RunFolder | None
    steps: tuple[str, ...]
    reported: bool

    @property
    def where(self) -> str:
        return f"run folder: {self.folder}" if self.folder else "the run has no folder"

    def note(self, name: str) -> dict[str, Any]:
        """A note of the run's folder; empty: there is none, or it cannot be read, which must not keep an alert back."""
        try:
            return (self.folder.read_json(name) if self.folder else None) or {}
        except UnreadableFileError as error:
            LOG.warning("note %s passed over: %s", name, error)
            return {}

    def table(self, name: str, schema: schemas.Schema) -> pd.DataFrame | None:
        """A table of the run's folder; None: there is none, or it cannot be read."""
        try:
            return self.folder.read(name, schema) if self.folder and self.folder.has(name) else None
        except (UnreadableFileError, schemas.SchemaError) as error:
            LOG.warning("table %s passed over: %s", name, error)
            return None


@dataclass(frozen=True)
class Channel:
    """One way to tell. ``label``: as the ledger knows it; send: subject, changes and where they were found."""

    label: str
    conn_id: str
    conn_type: str
    send: Callable[[Connection, Message], None]


@dataclass(frozen=True)
class Message:
    """What goes out through one channel."""

    name: str
    changes: list[Change]
    where: str
    people: People = NOBODY_KNOWN

    @property
    def subject(self) -> str:
        return alert.subject_of(self.name, self.changes)

    @property
    def html(self) -> str:
        return alert_page(
            self.name, {title: those for title, those in self._first_changes().items() if those}, self._end
        )

    @property
    def plain(self) -> str:
        lines = [f"{title}: {one.told}" for title, those in self._first_changes().items() for one in those]
        return "\n".join([self.subject, *lines, self._end])

    def _first_changes(self) -> dict[str, list[Change]]:
        """Return the first changes of each part: thousands of lines in a mail hide the others."""
        return {title: those[:LISTED] for title, those in self._parts().items()}

    @property
    def _end(self) -> str:
        more = len(self.changes) - sum(len(those) for those in self._first_changes().values())
        return f"{more:,} more in the run's report. {self.where}" if more > 0 else self.where

    def _parts(self) -> dict[str, list[Change]]:
        named = [replace(one, text=self.people.replace_ids(one.text)) for one in self.changes]
        return {title: [one for one in named if one.change == change] for change, title in TITLES.items()}


def after_sync(name: str, integration: Integration, ended: Ended) -> int:
    """What this sync has to tell, and whether none has succeeded for too long; how much of it is news."""

    def judge(book: Ledger) -> Judged:
        found, judged = _of_sync(ended)
        late, looked = _of_age(book, name, integration, datetime.now(UTC))
        return [*found, *late], judged | looked

    return _tell(name, integration, judge, ended.where)


def after_cleanup(name: str, integration: Integration, ended: Ended) -> int:
    """The cleanup runs daily, also while the sync is paused: it also says when no sync has succeeded for too long."""

    def judge(book: Ledger) -> Judged:
        found, judged = ([], frozenset[str]()) if _plans_only(ended) else alert.of_cleanup(_causes(ended))
        late, looked = _of_age(book, name, integration, datetime.now(UTC))
        return [*found, *late], judged | looked

    return _tell(name, integration, judge, ended.where)


def sync_deadline(name: str, integration: Integration) -> Any:  # noqa: ANN401 - a DeadlineAlert, which Airflow's stubs lack
    """Return the deadline of a sync: an alert when none has succeeded for twice its interval. None: there is none."""
    interval = integration.interval()
    if interval is None or setting("deadlines") == "off" or not hasattr(sdk, "DeadlineAlert"):
        return None
    made: Any = sdk
    callback = made.AsyncCallback(deadline_passed, kwargs={"name": name})
    return made.DeadlineAlert(
        reference=made.DeadlineReference.DAGRUN_QUEUED_AT, interval=2 * interval, callback=callback
    )


async def deadline_passed(name: str, **kwargs: Any) -> None:  # noqa: ANN401, ARG001 - Airflow hands over its context
    """What Airflow's triggerer calls when a sync has not succeeded within twice its interval.

    The triggerer, because an executor need not take callbacks: with cncf-kubernetes 10.25 one ends the scheduler with an error.
    """
    await asyncio.get_running_loop().run_in_executor(_LOOKING, _look_at_age, name)


def _look_at_age(name: str) -> None:
    integration = load_all()[0].get(name)
    if integration is None:
        LOG.warning("%s has no usable integration file any more: nobody is told that its sync is late", name)
        return
    where = "the schedule itself was looked at"
    _tell(name, integration, lambda book: _of_age(book, name, integration, datetime.now(UTC)), where)


# --- what is wrong ----------------------------------------------------------------------------------------------------


def _of_sync(ended: Ended) -> Judged:
    """A run of chosen reservations, or a plan only, says nothing about the others: only whether credentials are refused."""
    found, judged = alert.of_run(_facts(ended))
    conf = ended.note("run").get("conf") or {}
    if conf.get("references") or _plans_only(ended):
        return [one for one in found if one.name == CREDENTIALS], judged & {CREDENTIALS}
    return found, judged


def _plans_only(ended: Ended) -> bool:
    """A run that only plans says nothing about one that applies."""
    try:
        return ended.folder is not None and release.plans_only(ended.folder)
    except UnreadableFileError:
        return False


def _of_age(book: Ledger, name: str, integration: Integration, now: datetime) -> Judged:
    interval, since = integration.interval(), first_run(book, name)
    if interval is None or since is None:
        return [], frozenset()
    return alert.of_age(last_success(book, name), since, now, interval), frozenset({STALE})


def _facts(ended: Ended) -> RunFacts:
    causes = tuple(_causes(ended))
    refusals = tuple((one["remedy"], one["sentence"]) for one in _failures(ended) if one["kind"] in SENT_AWAY)
    operations, problems = ended.table("operations", schemas.OPERATIONS), ended.table("problems", schemas.PROBLEMS)
    if operations is None or problems is None:
        return RunFacts(causes, refusals=refusals)
    columns = (problems[column] for column in ("code", "subject", "message", "next_step"))
    days = ended.note("token_days").get("days")
    return RunFacts(
        causes=causes,
        held=int(operations["state"].eq(HELD).sum()),
        digest=ended.note("plan").get("digest"),
        refusals=refusals,
        problems=tuple(alert.ProblemSummary(*row) for row in zip(*columns, strict=True)),
        token_days=days if days is not None and days <= TOKEN_DAYS else None,
    )


def _failures(ended: Ended) -> list[dict[str, Any]]:
    return failures(ended.folder, ended.steps) if ended.folder else []


def _causes(ended: Ended) -> list[Cause]:
    """Why a run is red, each cause with its kind; what keeps its own files from being written is one."""
    if ended.folder is None:
        return [Cause(alert.kind_of(cause), cause) for cause in [*_storage_complaint(), NOT_BEGUN]]
    causes = ended.note("causes").get("causes", [])
    if not causes and not ended.reported:
        causes = [*_storage_complaint(), NOT_REPORTED]
    known = {f"{one['step']}: {one['sentence']}": _kind(one) for one in _failures(ended)} | _red_problems(ended)
    return [Cause(known.get(cause) or _cause_text(cause), cause) for cause in causes]


def _storage_complaint() -> list[str]:
    found = complaint(base())
    return [] if found is None else [found]


def _kind(failure: dict[str, Any]) -> str:
    """The steps that extract ask one service: which of them met the error makes no other kind."""
    if failure["kind"] in SENT_AWAY:
        return CREDENTIALS
    return f"{failure['step'].partition('_')[0]}: {failure['kind']}"


def _red_problems(ended: Ended) -> dict[str, str]:
    found = ended.table("problems", schemas.PROBLEMS)
    records = [] if found is None else found.to_dict("records")
    return {f"{one['message']}. Next step: {one['next_step']}": one["code"] for one in records}


def _cause_text(cause: str) -> str:
    return alert.HELD if HELD_CAUSE.match(cause) else alert.kind_of(cause)


# --- telling ----------------------------------------------------------------------------------------------------------


def _tell(name: str, integration: Integration, judge: Callable[[Ledger], Judged], where: str) -> int:
    """Keep what is news, then send what each channel has not got yet; how much is news.

    Raises:
        ChannelError: naming each channel that failed and what to do; it gets what it missed once it works.
    """
    channels = _channels(integration.alerts)
    try:
        book = _book()
        found, judged = judge(book)
        _ledger_is_back(book, name, channels)
        labels, now = [channel.label for channel in channels], datetime.now(UTC)
        outbox.forget_other_channels(book, name, labels, now)
        changes = outbox.enqueue(book, name, found, judged, channels=labels, now=now)
    except LedgerError as error:
        return _tell_without_ledger(name, channels, str(error), where)
    for change in changes:
        LOG.warning("%s: %s", TITLES[change.change].lower(), change.told)
    _all_sent([_send_waiting(book, name, channel, where) for channel in channels])
    return len(changes)


def _book() -> Ledger:
    try:
        return ledger(RESTART)
    except OSError as error:
        raise LedgerError(f"the ledger cannot be used ({error}): check that its folder is writable") from error


def _send_waiting(book: Ledger, name: str, channel: Channel, where: str) -> str | None:
    """Send what this channel has not got yet; why it failed. It is written down at once: nothing goes out twice."""
    waiting = outbox.pending(book, name, channel.label)
    failure = _send(channel, Message(name, list(waiting.values()), where, _people(book, name))) if waiting else None
    if waiting and failure is None:
        outbox.mark_delivered(book, list(waiting), channel.label, datetime.now(UTC))
    return failure


def _send(channel: Channel, message: Message) -> str | None:
    """One that fails does not keep the others from being alerted; why it failed."""
    try:
        channel.send(_connection(channel), message)
    except ChannelError as error:
        why = str(error)
    except Exception as error:  # noqa: BLE001 - whatever a provider raises is reported
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
    else:
        LOG.info("told by %s: %s", channel.label, message.subject)
        return None
    waits = alert.count_text(len(message.changes), "alert")
    return f"{waits} could not be delivered by {channel.label}: {why}. What waits goes out with the next run"


def _people(book: Ledger, name: str) -> People:
    """Return the users of the site: a mail names them, a log does not."""
    return People.of(book.read_snapshot(name, names=("people",)).people)


def _all_sent(failures: list[str | None]) -> None:
    found = [one for one in failures if one]
    if found:
        raise ChannelError("; ".join(found))


def _connection(channel: Channel) -> Connection:
    try:
        return BaseHook.get_connection(channel.conn_id)
    except AirflowNotFoundException:
        raise ChannelError(
            f"Airflow has no connection {channel.conn_id}: make it, of type {channel.conn_type} (docs/alerts.md)"
        ) from None


# --- without the ledger -----------------------------------------------------------------------------------------------


def _tell_without_ledger(name: str, channels: list[Channel], why: str, where: str) -> int:
    """Tell that the ledger cannot be used, once a channel: a small file beside the runs' folders remembers who knows."""
    kept = _read_note(name)
    note = kept or {"at": datetime.now(UTC).isoformat(), "text": why, "told": {}}
    news = Change(LEDGER, alert.ENTERED, 1, why)
    LOG.error("the ledger is away, so nothing else is told: %s", why)
    failures = []
    for channel in [channel for channel in channels if channel.label not in note["told"]]:
        failures.append(_send(channel, Message(name, [news], where)))
        if failures[-1] is None:
            note["told"][channel.label] = datetime.now(UTC).isoformat()
    _keep_note(name, note)
    _all_sent(failures)
    return int(kept is None)


def _ledger_is_back(book: Ledger, name: str, channels: list[Channel]) -> None:
    """What was sent without it goes into the ledger, and its end to every channel."""
    note = _read_note(name)
    if note is None:
        return
    began = Change(LEDGER, alert.ENTERED, 1, note["text"])
    over = Change(LEDGER, alert.RECOVERED, 0, alert.WELL[LEDGER])
    to = [channel.label for channel in channels]
    outbox.backfill(book, name, began, {one: note["told"].get(one) for one in to}, datetime.fromisoformat(note["at"]))
    outbox.backfill(book, name, over, dict.fromkeys(to), datetime.now(UTC))
    _note(name).unlink(missing_ok=True)


def _note(name: str) -> ObjectStoragePath:
    return base() / name / "history" / WITHOUT_LEDGER


def _read_note(name: str) -> dict[str, Any] | None:
    """None: no alert was sent, or the file cannot be read: then it is sent once more."""
    with suppress(OSError, ValueError):
        return read_note(_note(name))
    return None


def _keep_note(name: str, note: dict[str, Any]) -> None:
    try:
        content = json.dumps(note, indent=1, sort_keys=True).encode()
        write_whole(ensure_directory(_note(name).parent) / WITHOUT_LEDGER, content, base())
    except OSError as error:
        LOG.error("%s cannot be written, so the next run tells again: %s", _note(name), error)  # noqa: TRY400 - the sentence says all


# --- channels ---------------------------------------------------------------------------------------------------------


def _channels(fields: AlertFields) -> list[Channel]:
    """Each channel that is set up. The notifiers are called past their templating: texts name what people typed."""
    found = []
    if fields.email:
        found.append(_channel("email", fields.smtp_conn_id, "smtp", lambda made, text: _mail(fields, made, text)))
    if fields.slack_conn_id:
        found.append(_channel("Slack", fields.slack_conn_id, "slack", lambda made, text: _slack(fields, made, text)))
    if fields.apprise_conn_id:
        found.append(_channel("Apprise", fields.apprise_conn_id, "apprise", _apprise))
    return found


def _channel(kind: str, conn_id: str, conn_type: str, send: Callable[[Connection, Message], None]) -> Channel:
    return Channel(f"{kind} ({conn_id})", conn_id, conn_type, send)


def _mail(fields: AlertFields, connection: Connection, message: Message) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier  # noqa: PLC0415 - only where mail is sent

    if not _extras(connection).get("from_email"):
        raise ChannelError(f"the connection {fields.smtp_conn_id} names no sender: add from_email to its extra")
    conn_id, subject = fields.smtp_conn_id, message.subject
    try:
        SmtpNotifier(to=fields.email, subject=subject, html_content=message.html, smtp_conn_id=conn_id).notify({})
    except Exception as error:
        raise ChannelError(f"connection {conn_id}: {mail.meaning(error)}") from error


def _extras(connection: Connection) -> dict[str, Any]:
    """Return the extra fields as the provider will read them: it takes one JSON object, encoded once.

    Raises:
        ChannelError: when they are anything else.
    """
    try:
        found = json.loads(connection.extra or "{}")
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    step = 'write them as one JSON object, {"from_email": "..."}, without quotes around it'
    raise ChannelError(f"the connection {connection.conn_id} has extra fields that are no JSON object: {step}")


def _slack(fields: AlertFields, connection: Connection, message: Message) -> None:
    try:
        from airflow.providers.slack.notifications.slack import SlackNotifier  # noqa: PLC0415 - may be missing
    except ImportError:
        raise ChannelError("install apache-airflow-providers-slack") from None
    conn_id = connection.conn_id
    SlackNotifier(slack_conn_id=conn_id, text=message.plain, channel=fields.slack_channel).notify({})


def _apprise(connection: Connection, message: Message) -> None:
    try:
        from airflow.providers.apprise.notifications.apprise import AppriseNotifier  # noqa: PLC0415 - may be missing
    except ImportError:
        raise ChannelError("install apache-airflow-providers-apprise") from None
    AppriseNotifier(body=message.plain, title=message.subject, apprise_conn_id=connection.conn_id).notify({})
