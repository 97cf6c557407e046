"""Write probes on a test site: a scratch access group without locks answers what no read can; it is removed at the end.

The group opens nothing, whatever happens to it: it has no lock. Its name says whose it is, so that a second run finds and
removes what a crash has left.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hector_salto.access.schemas import WEEKDAYS
from hector_salto.access.texts import comparable
from hector_salto.doctor.finding import holds, judged, unknown
from hector_salto.http_client.errors import NotFoundError, RefusedError, RestError
from salto.models import AccessSchedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hector_salto.doctor.finding import Finding
    from salto.client import SaltoReader
    from salto.probe import SaltoProbe
    from salto.writer import SaltoWriter

SCRATCH = "Doctor scratch"  # not Hector_: no sync takes it for its own
LENGTHS = (100, 255, 256, 1000)
EXPECTED_LENGTH = 255
WEDNESDAY = tuple(day == "wednesday" for day in WEEKDAYS)
DAY = ("2030-01-16T10:00:00", "2030-01-16T18:00:00")  # a Wednesday, far ahead


class WrongSiteError(ValueError):
    """The site UID that was typed is not that of the integration's site: nothing was sent."""


@dataclass(frozen=True)
class WriteClients:
    """Clients of one test site."""

    reader: SaltoReader
    writer: SaltoWriter
    probe: SaltoProbe


def require_typed_site(typed: str, site_uid: str) -> None:
    """Check that the site was named once more by the person who asks for writes.

    Raises:
        WrongSiteError: when another was named.
    """
    if comparable(typed) != comparable(site_uid):
        raise WrongSiteError(f"WRITES names {typed!r}, but the integration's site is {site_uid}: nothing was sent")


def leftovers(reader: SaltoReader) -> list[str]:
    """Ids of scratch groups that an earlier examination has left."""
    groups = reader.groups()
    return groups.loc[groups["name"].str.startswith(SCRATCH), "group_id"].tolist()


def remove_leftovers(site: WriteClients) -> int:
    found = leftovers(site.reader)
    for group_id in found:
        site.writer.delete_group(group_id)
    return len(found)


def look(site: WriteClients) -> Iterator[Finding]:
    """Ask by writing; everything that was made is removed, also after an error or Ctrl-C."""
    try:
        name = f"{SCRATCH} {uuid.uuid4().hex[:8]}"
        group_id = site.writer.create_group(name)
        yield from _names(site, group_id, name)
        yield from _schedules(site, group_id)
        yield from _members(site, group_id)
        yield _deletion("group-deletion", lambda: site.writer.delete_strictly("access_groups", group_id))
    finally:
        remove_leftovers(site)


def _names(site: WriteClients, group_id: str, name: str) -> Iterator[Finding]:
    refused = _refusal(lambda: site.writer.create_group(name))
    yield judged("group-name", refused is None, refused or "two groups have it", matters=False)
    lengths = [length for length in LENGTHS if _refusal(partial(_rename, site, group_id, length)) is None]
    _rename(site, group_id, 0, name)
    yield judged(
        "group-name-length",
        EXPECTED_LENGTH in lengths,
        f"taken: {', '.join(map(str, lengths)) or 'none'} letters",
        matters=False,
    )
    found = site.probe.filtered("access_groups", field="customer_reference", text=name.swapcase())
    yield judged("filter-name", found.items == 0, f"in other letters the filter finds {found.items}", matters=False)


def _rename(site: WriteClients, group_id: str, size: int, name: str = "") -> None:
    site.writer.rename_group(group_id, name or (SCRATCH + " ").ljust(size, "x"))


def _schedules(site: WriteClients, group_id: str) -> Iterator[Finding]:
    made = site.writer.create_schedule(group_id, _schedule("10:00", "18:00"))
    shown = site.reader.schedule_rows(group_id)[0]
    times = f"{shown['start_time']} to {shown['end_time']}, {shown['start_date']} to {shown['end_date']}"
    fits = (shown["start_time"], shown["end_time"], shown["start_date"], shown["end_date"]) == (
        "10:00:00",
        "18:00:59",
        *DAY,
    )
    yield judged("schedule-rounding", fits, f"10:00 to 18:00 comes back as {times}", matters=False)
    site.writer.change_schedule(group_id, made, _schedule("00:00:00", "23:59:59"))
    shown = site.reader.schedule_rows(group_id)[0]
    fits = (shown["start_time"], shown["end_time"]) == ("00:00:00", "23:59:59")
    yield judged("schedule-day", fits, f"{shown['start_time']} to {shown['end_time']}", matters=False)
    for assumption, start, end in (("schedule-edge", "10:00", "10:00"), ("schedule-midnight", "22:00", "02:00")):
        refused = _refusal(partial(site.writer.create_schedule, group_id, _schedule(start, end)))
        yield judged(assumption, refused is not None, refused or f"{start} to {end} is taken", matters=False)
    site.writer.delete_schedule(group_id, made)
    yield _deletion(
        "schedule-deletion", lambda: site.writer.delete_strictly("access_groups", group_id, "time_schedules", made)
    )


def _schedule(start: str, end: str) -> AccessSchedule:
    return AccessSchedule(WEDNESDAY, start, end, *DAY)


def _members(site: WriteClients, group_id: str) -> Iterator[Finding]:
    """Put the account itself in and out: the group has no lock, so it opens nothing."""
    me = site.reader.own_account().platform_user_id
    change = site.writer.change_group_users
    refused = _refusal(lambda: change(group_id, add=[me]))
    if refused is not None:
        for name in ("membership-repeated", "membership-removed", "membership-atomic"):
            yield unknown(name, f"the account cannot be put into a group: {refused}")
        return
    refused = _refusal(lambda: change(group_id, add=[me]))
    yield judged("membership-repeated", refused is None, refused or "taken", matters=False)
    change(group_id, remove=[me])
    refused = _refusal(lambda: change(group_id, remove=[me]))
    yield judged("membership-removed", refused is None, refused or "taken", matters=False)
    refused = _refusal(lambda: change(group_id, add=[me, str(uuid.uuid4())]))
    there = me in set(site.reader.group_users(group_id)["platform_user_id"])
    seen = f"{refused or 'taken'}; the good one is {'in' if there else 'not in'}"
    yield judged("membership-atomic", refused is not None and not there, seen, matters=False)
    with suppress(RestError):
        change(group_id, remove=[me])


def _deletion(assumption: str, delete: Callable[[], object]) -> Finding:
    """Delete once more what is gone, or is gone after this."""
    with suppress(NotFoundError):
        delete()
    refused = _refusal(delete)
    return (
        holds(assumption, refused)
        if refused and "404" in refused
        else judged(assumption, False, refused or "taken", matters=False)
    )


def _refusal(send: Callable[[], object]) -> str | None:
    """Return how a write was refused; None: it was not."""
    try:
        send()
    except (RefusedError, NotFoundError) as error:
        return f"refused ({error.status}, code {error.code})" if error.code else f"refused ({error.status})"
    return None
