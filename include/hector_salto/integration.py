"""One integration: the fields of Hector's form and the few beyond it, read from ``include/integrations/<name>.yaml``.

Every mistake in a file is one clear error that names file, key and what is allowed (interfaces, "Integrations").
"""

from __future__ import annotations

import functools
import itertools
import logging
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypedDict, get_args

import yaml
from croniter import CroniterError, croniter
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from hector_salto.access.addresses import is_address
from hector_salto.access.settings import AccessRules, Limits, OfficeMode
from hector_salto.access.statuses import ALIASES, DEFAULT_ACCESS_STATUSES, STATUSES
from hector_salto.access.texts import few, plain
from hector_salto.field_types import LONGEST_TEXT, STRICT, Text, Zone
from hector_salto.report_fields import ReportFields  # noqa: TC001 - pydantic reads it
from hector_salto.scalars import odd_numbers, quotes_needed, quotes_too_many, scalars

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hector_salto.scalars import Path as Path_

NAME = re.compile(r"[a-z0-9_]+")
CRON_FIELDS = 5
ALLOWED_CRON = 'allowed is a cron expression of five fields such as "0 21 * * *", or null'
LISTED = 12  # faults of a file in one message
FIRST_DAY, FORTNIGHT = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=14)


MARGIN = timedelta(hours=1)  # a sync takes time, and a day has 25 hours once a year
LONGEST_HORIZON = 365  # days
LOG = logging.getLogger(__name__)


class IntegrationError(ValueError):
    """An integration file that cannot be used; the message names file, key and what is allowed."""


def _cron(text: str) -> str:
    if len(text.split()) != CRON_FIELDS or not croniter.is_valid(text):
        raise ValueError(ALLOWED_CRON)
    try:
        croniter(text, FIRST_DAY).get_next(datetime)
    except CroniterError:
        raise ValueError('this time never comes; allowed is one that does, such as "0 21 * * *", or null') from None
    return text


def _status(code: str) -> str:
    known = ALIASES.get(code, code)
    if known not in STATUSES:
        raise ValueError(f"allowed are {', '.join(sorted(STATUSES))}")
    return known


def _email(text: str) -> str:
    if not is_address(plain(text)):
        raise ValueError("allowed is an email address")
    return plain(text)


Minutes = Annotated[int, Field(ge=0, le=1440)]


class IntegrationFile(Protocol):
    """What is needed of a file: a Path, an ObjectStoragePath or an entry of a Variable."""

    @property
    def name(self) -> str: ...

    @property
    def stem(self) -> str: ...

    @property
    def suffix(self) -> str: ...

    @property
    def parts(self) -> tuple[str, ...]: ...

    def read_text(self, encoding: str) -> str: ...

    def exists(self) -> bool: ...


class _Strict(BaseModel):
    model_config = STRICT


class GracePeriod(_Strict):
    """Minutes around a reservation in which its doors open too."""

    before: Minutes = 15
    after: Minutes = 15


class OfficeModeFields(_Strict):
    """Who may toggle manual office mode."""

    groups: list[Text] = []
    departments: list[Text] = []
    match: Literal["all", "any"] = "all"


class LimitFields(_Strict):
    """Removals beyond both are held for approval."""

    hold_above: Annotated[int, Field(ge=0)] = 10
    hold_above_percent: Annotated[int, Field(ge=0, le=100)] = 10


class AlertFields(_Strict):
    """Who is alerted when something begins to be wrong, gets worse, or is over; through Airflow connections."""

    email: list[Annotated[str, AfterValidator(_email)]] = []
    smtp_conn_id: Text = "smtp_default"
    slack_conn_id: Text | None = None
    slack_channel: Text = "#general"
    apprise_conn_id: Text | None = None


class Integration(_Strict):
    """The fields of one file. It holds no secret: those live in the two Airflow connections it names."""

    hector_conn_id: Text
    salto_conn_id: Text
    site_id: Text
    hector_reports: ReportFields | None = None
    schedule: Annotated[str, AfterValidator(_cron)] | None = "0 21 * * *"
    timezone: Zone = "UTC"
    grace_period: GracePeriod = GracePeriod()
    office_mode: OfficeModeFields = OfficeModeFields()
    delete_users: bool = False
    horizon_days: Annotated[int, Field(ge=1, le=LONGEST_HORIZON)] = 7
    provision_users: Literal["all", "with_reservations"] = "all"
    access_statuses: list[Annotated[str, AfterValidator(_status)]] = sorted(DEFAULT_ACCESS_STATUSES)
    protected_emails: list[Annotated[str, AfterValidator(_email)]] = []
    limits: LimitFields = LimitFields()
    drift: Literal["repair", "report"] = "repair"
    entries: bool = False
    alerts: AlertFields = AlertFields()
    owner: Text = "hector-salto"

    @property
    def pool(self) -> str:
        """Name of the Airflow pool of one slot that lets only one run write to the site at a time."""
        return "salto_site_" + re.sub(r"[^a-z0-9_.-]", "_", self.site_id.lower())

    def interval(self) -> timedelta | None:
        """The longest time between two scheduled syncs within a fortnight; None: manual runs only."""
        return None if self.schedule is None else _longest_gap(self.schedule)

    @property
    def horizon_warning(self) -> str:
        """Why some reservations get their door late or never: the horizon ends before the next sync; empty: it does not."""
        if self.schedule is None:
            return ""
        gap = _longest_rest(self.schedule)
        needed = -(-(gap + MARGIN) // timedelta(days=1))
        if self.horizon_days >= needed:
            return ""
        more = (
            f"set horizon_days to {needed} or more, or sync more often"
            if needed <= LONGEST_HORIZON
            else "sync more often"
        )
        return (
            f"horizon_days is {self.horizon_days}, but up to {gap // timedelta(hours=1)} hours pass between two syncs of the "
            f"schedule {self.schedule!r}, so a reservation after the horizon gets its door late or never: {more}"
        )

    def rules(self) -> AccessRules:
        return AccessRules(
            grace_before=timedelta(minutes=self.grace_period.before),
            grace_after=timedelta(minutes=self.grace_period.after),
            horizon=timedelta(days=self.horizon_days),
            office_mode=OfficeMode(
                groups=tuple(self.office_mode.groups),
                departments=tuple(self.office_mode.departments),
                match=self.office_mode.match,
            ),
            delete_users=self.delete_users,
            provision_users=self.provision_users,
            access_statuses=frozenset(self.access_statuses),
            protected_emails=frozenset(self.protected_emails),
            limits=Limits(self.limits.hold_above, self.limits.hold_above_percent),
            drift=self.drift,
        )


@functools.cache
def _longest_rest(schedule: str) -> timedelta:
    """The longest time between two syncs of a year; a schedule that names no day or month repeats each week."""
    day, month = schedule.split()[2:4]
    found = _longest_gap(schedule)
    if (day, month) == ("*", "*"):
        return found
    for number in range(366):
        moment = FIRST_DAY + timedelta(days=number, seconds=1)  # no sync is due then
        found = max(
            found, croniter(schedule, moment).get_next(datetime) - croniter(schedule, moment).get_prev(datetime)
        )
    return found


@functools.cache
def _longest_gap(schedule: str) -> timedelta:
    fires = croniter(schedule, FIRST_DAY)
    moments = [FIRST_DAY]
    while moments[-1] < FIRST_DAY + FORTNIGHT:
        moments.append(fires.get_next(datetime))
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments[1:])]
    return max(gaps, default=moments[-1] - FIRST_DAY)


# What YAML's own constructors raise beside its errors: `2026-02-30` is no day, `!!bool maybe` no key, `&a [*a]` has no end.
UNREADABLE_VALUES = (ValueError, LookupError, AttributeError, TypeError, RecursionError)


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a key stand twice and keeps the last; a settings file must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        doubled = sorted({str(key) for key in keys if keys.count(key) > 1})
        if doubled:
            lines = [key.start_mark.line + 1 for key, _ in node.value if str(self.construct_object(key)) == doubled[0]]
            places = " and ".join(map(str, lines))
            raise _FaultsError(f"the key {doubled[0]} stands twice, in lines {places}; keep one of them")
        return super().construct_mapping(node, deep)


@functools.cache
def _warn_once(sentence: str) -> None:
    """Log a warning once a process: a page reads each file again and again."""
    LOG.warning(sentence)


def load(path: IntegrationFile) -> Integration:
    """The integration in a file.

    Raises:
        IntegrationError: naming the file, each wrong key and what is allowed.
    """
    if not NAME.fullmatch(path.stem):
        raise IntegrationError(f"{_path_text(path)}: the file's name is part of DAG ids; allowed are a-z, 0-9 and _")
    if len(path.stem) > LONGEST_TEXT:
        raise IntegrationError(
            f"{_path_text(path)}: the file's name is part of DAG ids; allowed are {LONGEST_TEXT} letters"
        )
    if path.suffix != ".yaml":
        raise IntegrationError(f"{_path_text(path)}: the file's name must end in .yaml")
    try:
        found = _parse(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        shown = " ".join(str(error).split())
        hint = "a text that begins with * & @ % ! or ` needs quotes"
        raise IntegrationError(f"{_path_text(path)}: not readable as YAML: {shown}; {hint}") from None
    except (UnicodeDecodeError, OSError) as error:
        raise IntegrationError(f"{_path_text(path)}: not readable as YAML: {' '.join(str(error).split())}") from None
    except _FaultsError as error:
        raise IntegrationError(f"{_path_text(path)}: {error}") from None
    except UNREADABLE_VALUES as error:
        shown = f"it holds a value that cannot be read ({type(error).__name__}: {error})"
        raise IntegrationError(f"{_path_text(path)}: {shown}; put texts such as dates in quotes") from None
    if found is None:
        raise IntegrationError(f"{_path_text(path)}: must hold keys such as hector_conn_id, salto_conn_id and site_id")
    if warning := found.horizon_warning:
        _warn_once(f"{_path_text(path)}: {warning}")
    return found


@functools.lru_cache(maxsize=2048)
def _parse(text: str) -> Integration | None:
    """None: no mapping. Kept by text: a page of 200 sites reads each file again, and parsing one costs 2 ms."""
    fields = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 - derived from SafeLoader
    if not isinstance(fields, dict):
        return None
    written = scalars(text, _UniqueKeys)
    faults: dict[Path_, str] = {}
    found = None
    try:
        found = Integration.model_validate(fields)
    except ValidationError as error:
        for fault in error.errors():
            place = _place(fault)
            faults.setdefault(place, _fault(fault, ".".join(map(str, place)), written.get(place)))
    for place, message in odd_numbers(written, fields).items():
        faults.setdefault(place, f"{'.'.join(map(str, place))}: {message}")
    if faults:
        raise _FaultsError(few(list(faults.values()), LISTED, "; "))
    return found


def check_field(path: tuple[str, ...], value: object) -> None:
    """Check one field's value as a file would be checked; other fields of its block may still be missing.

    Raises:
        IntegrationError: naming the key and what is allowed.
    """
    fields: Any = value
    for key in reversed(path):
        fields = {key: fields}
    required: dict[str, Any] = {"hector_conn_id": "h", "salto_conn_id": "s", "site_id": "i"}
    try:
        Integration.model_validate(required | fields)
    except ValidationError as error:
        fault = next((one for one in error.errors() if _place(one)[: len(path)] == path), None)
        if fault is not None:
            raise IntegrationError(_fault(fault, ".".join(map(str, _place(fault))), None)) from None


class _FaultsError(ValueError):
    """What is wrong with the fields of a file, each with its key."""


def _place(fault: Any) -> Path_:  # noqa: ANN401 - pydantic's ErrorDetails
    """Return keys and positions without the names of validators."""
    return tuple(part for part in fault["loc"] if not str(part).startswith(("function-", "constrained-")))


def _fault(fault: Any, key: str, written: yaml.ScalarNode | None) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    if fault["type"] == "invalid_key":
        return f"{key}: YAML reads this key as no text; put it in quotes, or correct it"
    if fault["type"] in {"string_type", "literal_error"} and (needed := quotes_needed(written, fault["input"])):
        allowed = ALLOWED_CRON if key == "schedule" else fault["msg"] if fault["type"] == "literal_error" else ""
        return f"{key}: {needed}" + (f"; {allowed}" if allowed else "")
    if fault["type"] in {"int_type", "bool_type"} and (surplus := quotes_too_many(fault["input"])):
        return f"{key}: {surplus}"
    if fault["type"] == "extra_forbidden":
        return f"{key}: unknown key; allowed are {', '.join(_fields_beside(fault['loc']))}"
    if fault["type"] == "missing":
        return f"{key}: missing; it is required"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{key}: {message} (found {fault['input']!r})"


def _fields_beside(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Integration
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation
        kinds = get_args(annotation) or (annotation,)  # a block that may be left out is a union with None
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), model)
    return list(model.model_fields)


def _path_text(path: IntegrationFile) -> str:
    return "/".join(path.parts[-3:])


class PoolFields(TypedDict):
    """A pool as Airflow takes it."""

    slots: int
    description: str
    include_deferred: bool


def site_pools(integrations: Mapping[str, Integration]) -> dict[str, PoolFields]:
    """One pool of one slot a site: sync and cleanup of a site never write at the same time."""
    return {
        integration.pool: {
            "slots": 1,
            "description": f"one run at a time writes to the site {integration.site_id}",
            "include_deferred": False,
        }
        for integration in integrations.values()
    }
