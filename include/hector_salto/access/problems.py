"""Problems: data that a person must fix. Each says what is wrong, with what, who must act, and the next step.

A problem is no failure: everything else goes on and the run stays green (design, section 4). The one exception is a
person who got no seat, which turns the run red.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access import schemas

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

HECTOR_ADMIN, SALTO_ADMIN, OPERATOR = "hector_admin", "salto_admin", "operator"


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of problem. ``message`` and ``next_step`` are templates over the columns of the rows it is found in."""

    code: str
    who: str
    subject: str
    message: str
    next_step: str
    red: bool = False

    @property
    def columns(self) -> frozenset[str]:
        """What it asks of a row: what its templates name, and the reservation."""
        named = (name for text in (self.subject, self.message) for _, name, _, _ in Formatter().parse(text))
        return frozenset({"reference", *(name for name in named if name)})


KINDS = {
    kind.code: kind
    for kind in (
        ProblemKind(
            "email_twice",
            HECTOR_ADMIN,
            "user {user_id}",
            "Hector users {others} share one email, so none of them is touched in Salto",
            "give each of these users an email of their own in Hector",
        ),
        ProblemKind(
            "email_missing",
            HECTOR_ADMIN,
            "user {user_id}",
            "user {user_id} holds reservation {reference} but has no email, so no Salto user can be theirs",
            "enter the user's email in Hector",
        ),
        ProblemKind(
            "email_invalid",
            HECTOR_ADMIN,
            "user {user_id}",
            "the email {email!r} of user {user_id} is no email address, so it is not sent to Salto",
            "correct the user's email in Hector",
        ),
        ProblemKind(
            "user_not_active",
            HECTOR_ADMIN,
            "user {user_id}",
            "user {user_id} of reservation {reference} is not an active Hector user",
            "activate the user in Hector, or give the reservation to somebody else",
        ),
        ProblemKind(
            "user_status_unknown",
            OPERATOR,
            "user {user_id}",
            "user {user_id} has the unknown status {status!r} in Hector, so they get no access and are not deleted",
            "correct the user's status in Hector, or ask for the status to be added",
        ),
        ProblemKind(
            "user_unknown",
            HECTOR_ADMIN,
            "user {user_id}",
            "user {user_id} of reservation {reference} is not among Hector's users",
            "give the reservation to an existing user in Hector",
        ),
        ProblemKind(
            "code_missing",
            HECTOR_ADMIN,
            "user {user_id}",
            "user {user_id} holds a reservation but has no tag: no unique code in Hector, no tag in Salto",
            "enter the number of the user's tag as their unique code in Hector",
        ),
        ProblemKind(
            "code_twice",
            HECTOR_ADMIN,
            "user {user_id}",
            "Hector users {others} share one unique code, so nobody gets that tag",
            "correct the unique codes of these users in Hector",
        ),
        ProblemKind(
            "tag_unknown",
            SALTO_ADMIN,
            "user {user_id}",
            "the unique code of user {user_id} is no tag of this site{miss}",
            "create it in the Salto dashboard: Site > Tags > Add Tags (or correct the user's unique code in Hector)",
        ),
        ProblemKind(
            "tag_ambiguous",
            SALTO_ADMIN,
            "user {user_id}",
            "the unique code of user {user_id} names {count} tags of this site",
            "remove the tags that are not in use in the Salto dashboard: Site > Tags",
        ),
        ProblemKind(
            "tag_blocked",
            SALTO_ADMIN,
            "user {user_id}",
            "the tag of user {user_id} (tag id {tag_id}) is blocked in Salto",
            "unblock it in the Salto dashboard, or give the user another tag and enter its number in Hector",
        ),
        ProblemKind(
            "tag_held",
            SALTO_ADMIN,
            "user {user_id}",
            "the tag of user {user_id} (tag id {tag_id}) is held by another Salto user ({holder}) whom the sync must not change",
            "take the tag from that user in the Salto dashboard, or correct the unique code in Hector",
        ),
        ProblemKind(
            "email_has_profile",
            SALTO_ADMIN,
            "user {user_id}",
            "the email of user {user_id} changed in Hector, but their Salto profile keeps the old one",
            "ask the user to change the email in their Salto profile, or remove the Salto user by hand",
        ),
        ProblemKind(
            "email_held",
            SALTO_ADMIN,
            "user {user_id}",
            "the email of user {user_id} belongs to another Salto user ({holder})",
            "remove or rename one of the two users in the Salto dashboard",
        ),
        ProblemKind(
            "salto_user_twice",
            SALTO_ADMIN,
            "user {user_id}",
            "{count} Salto users stand for Hector user {user_id}, so none of them is touched",
            "keep one of them in the Salto dashboard and clear the alias of the others",
        ),
        ProblemKind(
            "user_blocked",
            SALTO_ADMIN,
            "user {user_id}",
            "user {user_id} holds a reservation but is blocked in Salto by hand",
            "unblock the user in the Salto dashboard if they may enter",
        ),
        ProblemKind(
            "user_suspended",
            SALTO_ADMIN,
            "user {user_id}",
            "user {user_id} holds a reservation, but their Salto user is suspended and not managed by the sync",
            "subscribe the user in the Salto dashboard if they may enter",
        ),
        ProblemKind(
            "no_seat",
            SALTO_ADMIN,
            "user {user_id}",
            "user {user_id} got no seat: the site's subscription is full, so their tag opens nothing",
            "buy seats or free some in the Salto dashboard (or set provision_users: with_reservations), then reload",
            red=True,
        ),
        ProblemKind(
            "door_held_open",
            SALTO_ADMIN,
            "lock {lock}",
            "the door {lock} stands open in office mode, and no reservation opens it now",
            "lock it: office mode that a person began has no end of its own",
        ),
        ProblemKind(
            "no_lock_names",
            HECTOR_ADMIN,
            "places",
            "none of Hector's {count} places names a lock, so no reservation opens a door",
            "fill the place attribute Salto Lock Id with the names of the locks as the Salto dashboard shows them",
        ),
        ProblemKind(
            "lock_unknown",
            HECTOR_ADMIN,
            "place {place_id}",
            "place {place_id} ({place_name}) names the lock {lock_name!r}, which this site does not have; nearest: {nearest}",
            "enter the lock's name as the Salto dashboard shows it in the place's attribute Salto Lock Id",
        ),
        ProblemKind(
            "lock_ambiguous",
            SALTO_ADMIN,
            "place {place_id}",
            "place {place_id} ({place_name}) names the lock {lock_name!r}, but {count} locks of this site have that name",
            "give each lock a name of its own in the Salto dashboard and enter it in the place's attribute Salto Lock Id",
        ),
        ProblemKind(
            "place_without_lock",
            HECTOR_ADMIN,
            "place {place_id}",
            "place {place_id} ({place_name}) names no lock, so its door stays shut for {booked}, whose other places open",
            "if this place has a lock, enter its name in the place's attribute Salto Lock Id; if it has none, do nothing",
        ),
        ProblemKind(
            "place_unknown",
            HECTOR_ADMIN,
            "reservation {reference}",
            "reservation {reference} names place {place_id}, which is not among Hector's places",
            "correct the reservation's place in Hector",
        ),
        ProblemKind(
            "zones_differ",
            SALTO_ADMIN,
            "reservation {reference}",
            "the locks of reservation {reference} stand in different time zones ({zones}), which one schedule cannot serve",
            "set the same time zone on these locks' IQs in Salto, or split the reservation in Hector",
        ),
        ProblemKind(
            "timezone_differs",
            OPERATOR,
            "timezone",
            "the integration's timezone is {timezone}, and the clocks of the site's locks are those of {zones}: the sync "
            "begins at another hour there than its schedule says",
            "set timezone in the integration file to the zone of the locks, or correct the zone of the IQs in Salto",
        ),
        ProblemKind(
            "zone_unknown",
            SALTO_ADMIN,
            "{subject}",
            "{subject}{about} has {shown_zone}, so its access groups are left as they are",
            "set a time zone such as America/Toronto in the Salto dashboard: the IQ's, or the site's for a lock without IQ",
        ),
        ProblemKind(
            "status_unknown",
            OPERATOR,
            "reservation {reference}",
            "reservation {reference} has the unknown status {status!r}, which grants nothing",
            "if it should grant access, ask for the status to be added; else change the reservation's status in Hector",
        ),
        ProblemKind(
            "reference_twice",
            HECTOR_ADMIN,
            "reservation {reference}",
            "{count} reservations have the reference {reference}; none is applied and the group {group_name} is left as it is",
            "give each reservation a reference of its own in Hector",
        ),
        ProblemKind(
            "reference_blank",
            HECTOR_ADMIN,
            "reservation id {reservation_id}",
            "the reservation with id {reservation_id} has a blank reference, so no access group can be named after it",
            "give the reservation a reference in Hector",
        ),
        ProblemKind(
            "window_backwards",
            HECTOR_ADMIN,
            "reservation {reference}",
            "reservation {reference} does not finish after its start, so it grants nothing",
            "correct start and finish of the reservation in Hector",
        ),
        ProblemKind(
            "window_too_long",
            HECTOR_ADMIN,
            "reservation {reference}",
            "the window of reservation {reference} is longer than 31 days, so it grants nothing",
            "split the reservation in Hector, or give this access by hand in the Salto dashboard",
        ),
        ProblemKind(
            "look_alike",
            SALTO_ADMIN,
            "access group {group_name}",
            "access group {group_name} ({group_id}) looks like one of ours but has no end date; it is never touched",
            "rename the group in the Salto dashboard, so that its name does not start with Hector_",
        ),
        ProblemKind(
            "office_group_unknown",
            OPERATOR,
            "office mode",
            "office_mode names the {what} {name!r}, which Hector does not have",
            "correct the name in the integration file, or create it in Hector",
        ),
        ProblemKind(
            "site_shared",
            OPERATOR,
            "site {site_id}",
            "the integrations {names} serve the same site {site_id}: only its owner changes it, every run of the others is refused",
            "keep one integration a site: remove the other file",
        ),
        ProblemKind(
            "approval_unmatched",
            OPERATOR,
            "approve {approve}",
            "approve {approve} is not the digest of what would be held now, so it let nothing through",
            "read what this run holds, if anything; if that is meant, pass the digest it prints",
        ),
        ProblemKind(
            "reference_not_found",
            OPERATOR,
            "reservation {reference}",
            "reservation {reference} was asked for, but Hector shows no such reservation in this horizon",
            "check the reference; a reservation further ahead is made when it comes into the horizon",
        ),
        ProblemKind(
            "horizon_short",
            OPERATOR,
            "horizon_days",
            "{why}",
            "change horizon_days or schedule in the integration file",
        ),
        ProblemKind(
            "references_unknown",
            OPERATOR,
            "references",
            "Hector shows none of the reservations asked for in this horizon ({names}), so nothing was done",
            "check the references in Hector; a reservation further ahead gets its doors when it comes into the horizon",
            red=True,
        ),
        ProblemKind(
            "risk_group",
            OPERATOR,
            "reservation {reference}",
            "reservation {reference}: a door will stay shut at {when}: {words}",
            "read why it was held or failed in this run's report, then reload",
        ),
        ProblemKind(
            "risk_schedule",
            OPERATOR,
            "reservation {reference}",
            "reservation {reference}: a door will stay shut at {when}: {words}",
            "reload; if it stays so, somebody changes it by hand in the Salto dashboard",
        ),
        ProblemKind(
            "risk_door",
            OPERATOR,
            "reservation {reference}",
            "reservation {reference}: a door will stay shut at {when}: {words}",
            "read why it was held or failed in this run's report, then reload",
        ),
        ProblemKind(
            "risk_member",
            OPERATOR,
            "user {user_id}",
            "reservation {reference}: a door will stay shut at {when}: {words}",
            "read why it was held or failed in this run's report, then reload",
        ),
        ProblemKind(
            "risk_seat",
            SALTO_ADMIN,
            "user {user_id}",
            "reservation {reference}: a door will stay shut at {when}: {words}",
            "free or buy a seat, subscribe or unblock the user in the Salto dashboard, then reload",
        ),
        ProblemKind(
            "risk_tag",
            HECTOR_ADMIN,
            "user {user_id}",
            "reservation {reference}: a door will stay shut at {when}: {words}",
            "enter the tag's number as the unique code in Hector; in Salto see that the tag exists and is not blocked",
        ),
        ProblemKind(
            "risk_lock",
            SALTO_ADMIN,
            "lock {lock_name}",
            "reservation {reference}: a door will stay shut at {when}: {words}",
            "see to the lock and its IQ before then: what is offline learns of no new rights",
        ),
        ProblemKind(
            "seats_short",
            SALTO_ADMIN,
            "seats",
            "on {day} the site needs {needed} seats, and its subscription has {allowed}",
            "buy seats, remove users who need none, or set provision_users: with_reservations before that day",
        ),
        ProblemKind(
            "seats_close",
            SALTO_ADMIN,
            "seats",
            "on {day} the site needs {needed} of the {allowed} seats of its subscription, 80 % or more",
            "plan for more seats, or set provision_users: with_reservations",
        ),
        ProblemKind(
            "operation_malformed",
            OPERATOR,
            "{unit}",
            "{unit}: the operation {key} is malformed ({reason}), so it and what builds on it were left out",
            "report it with this run's folder; other reservations and users are not affected",
            red=True,
        ),
        ProblemKind(
            "drift_reported",
            SALTO_ADMIN,
            "{subject}",
            "{subject}{about}: {why}, and drift: report leaves it so",
            "undo it in the Salto dashboard, or set drift: repair in the integration file",
        ),
        ProblemKind(
            "drift_undone",
            SALTO_ADMIN,
            "{subject}",
            "{subject}{about}: {why}; the access group changes for Hector now, so this is undone first",
            "if this access is needed, give it in an access group whose name does not start with Hector_",
        ),
        ProblemKind(
            "token_expires",
            OPERATOR,
            "Hector's token",
            "Hector's token of the connection {connection} expires on {day}, in {left} days",
            "make a new token in Hector and put it into the connection before that day",
        ),
        ProblemKind(
            "entries_unread",
            OPERATOR,
            "entries",
            "the events at the doors could not be read: {why}",
            "run again; the doors themselves are not concerned",
        ),
        ProblemKind(
            "waits_for_all",
            OPERATOR,
            "user {user_id}",
            "user {user_id} still stands in groups or windows that should have gone and are not among the references "
            "asked for, so a tag, seat or office mode that would also work there is not given yet",
            "run the synchronization without references",
        ),
    )
}


def problems(code: str, rows: pd.DataFrame) -> pd.DataFrame:
    """One problem a row. ``rows`` carries the columns that the kind's templates name."""
    kind = KINDS[code]
    if rows.empty:
        return schemas.frame(schemas.PROBLEMS, [])
    needed = [name for name in rows.columns if name in kind.columns]
    shown = [{name: _one_line(value) for name, value in row.items()} for row in rows[needed].to_dict("records")]
    return schemas.frame(
        schemas.PROBLEMS,
        [
            {
                "code": code,
                "who": kind.who,
                "subject": kind.subject.format_map(row),
                "reference": row.get("reference"),
                "message": kind.message.format_map(row),
                "next_step": kind.next_step,
                "red": kind.red,
            }
            for row in shown
        ],
    )


TOKEN_DAYS = 14


def token_problems(expires: datetime | None, connection: str, now: datetime) -> pd.DataFrame:
    """A problem when a token expires within TOKEN_DAYS; ``expires`` None: unknown, or never."""
    left = (expires - now).days if expires is not None else TOKEN_DAYS + 1
    rows = [{"connection": connection, "day": f"{expires:%Y-%m-%d}", "left": max(left, 0)}] if expires else []
    return problems("token_expires", pd.DataFrame(rows if left <= TOKEN_DAYS else []))


def _one_line(value: object) -> object:
    """Names come from people's keyboards: no line break or control character of theirs may forge a line of a log."""
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in value)


def all_problems(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The tables as one, without repetitions, in a stable order."""
    joined = pd.concat([schemas.frame(schemas.PROBLEMS, []), *tables], ignore_index=True)
    joined = joined.sort_values(["code", "subject", "message", "reference"])
    return schemas.validate(schemas.PROBLEMS, joined.drop_duplicates(["code", "subject", "message"]))
