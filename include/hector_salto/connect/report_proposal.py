"""What the headings and names of a report are likely to mean, in English and French: proposed, and confirmed by the user."""

from __future__ import annotations

import glob
import re
from datetime import datetime
from typing import TYPE_CHECKING

from hector.report_mapping import SERIAL, name_id
from hector_salto.access.texts import comparable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hector.report_files import ReportSample

# The likeliest first. Hector's accounts are English or French, and each customer may rename a column.
HEADINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "users": {
        "email": ("Email", "E-mail", "Email address", "Courriel", "Adresse courriel", "Adresse électronique"),
        "id": ("Id", "User id", "Identifiant"),
        "unique_code": ("Unique code", "Code unique"),
        "first_name": ("First name", "Given name", "Prénom"),
        "last_name": ("Last name", "Surname", "Nom de famille", "Nom"),
        "status": ("Status", "Statut", "État"),
        "groups": ("Groups", "User groups", "Group", "Groupes", "Groupe"),
        "department": ("Department", "Département"),
    },
    "places": {
        "place": ("Name", "Place", "Nom", "Lieu", "Room", "Local"),
        "lock_name": ("Salto Lock Id", "salto_lock_id", "Salto lock"),
    },
    "loaners": {
        "reference": ("Number", "Reference", "Loaner number", "Numéro", "Référence"),
        "status": ("Status", "Statut", "État"),
        "start": ("Start", "Start date", "From", "Début", "Date de début"),
        "finish": ("Finish", "End", "End date", "To", "Fin", "Date de fin"),
        "borrower": ("Borrower email", "Borrower", "Courriel de l'emprunteur", "Courriel emprunteur", "Emprunteur"),
        "place": ("Resources", "Resource", "Places", "Place", "Ressources", "Ressource", "Lieux", "Lieu"),
        "participants": ("Participants", "Participant emails", "Courriels des participants"),
        "blocking": ("Blocking", "Blocking event", "Bloquant"),
    },
}
OF_EMAILS = {("users", "email"), ("loaners", "borrower")}
FILE_WORDS = {
    "users": ("user", "usager", "utilisateur", "people"),
    "places": ("place", "lieu", "room", "local", "resource"),
    "loaners": ("loaner", "reservation", "réservation", "booking", "prêt"),
}
STATUS_NAMES: Mapping[str, str] = {
    "nouveau": "new",
    "assigné": "assigned",
    "en cours": "out",
    "sorti": "out",
    "partiellement sorti": "partially_out",
    "en retard": "overdue",
    "retourné": "returned",
    "terminé": "completed",
    "refusé": "refused",
    "annulé": "cancelled",
    "en attente d'approbation": "pending_approval",
    "actif": "active",
    "désactivé": "disabled",
    "archivé": "archived",
}
DATE_FORMATS = (
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M %p",
    "%d.%m.%Y %H:%M",
    "%d-%m-%Y %H:%M",
)
CHANGING_END = re.compile(r"[\s_(-]*\d[\d\s_.:()T-]*$")  # a date or number that the next file will not have


def propose_columns(kind: str, sample: ReportSample) -> dict[str, str]:
    """Return the likely heading of each field; a field without one is left out."""
    folded = {comparable(name): name for name in sample.headings}
    found: dict[str, str] = {}
    for field, names in HEADINGS[kind].items():
        known = [folded[comparable(name)] for name in names if comparable(name) in folded]
        if (kind, field) in OF_EMAILS:
            known = [one for one in known if _holds_emails(sample.columns[one])] or [*_of_emails(sample), *known]
        free = [one for one in known if one not in found.values()]
        if free:
            found[field] = free[0]
    return found


def _of_emails(sample: ReportSample) -> list[str]:
    return [name for name in sample.headings if _holds_emails(sample.columns[name])]


def _holds_emails(texts: Sequence[str]) -> bool:
    """Return whether most texts hold an email."""
    return sum("@" in text for text in texts) * 2 > len(texts)


def likely_headings(kind: str) -> list[str]:
    """Return every heading that is known for a kind of report."""
    return [name for names in HEADINGS[kind].values() for name in names]


def patterns_of(names: Iterable[str]) -> list[str]:
    """Return the pattern of each report file: a date or number at its end, which the next file will not have, is a ``*``."""
    found = [_pattern(name) for name in names if name.lower().endswith((".xlsx", ".csv"))]
    return sorted(set(found), key=comparable)


def _pattern(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    kept = CHANGING_END.sub("", stem) or stem
    return f"{glob.escape(kept)}*.{suffix}"


def propose_file(kind: str, patterns: Sequence[str]) -> str:
    """Return the pattern that is likely the report's; empty: none is."""
    words = FILE_WORDS[kind]
    return next((one for word in words for one in patterns if word in comparable(one)), "")


def propose_status(name: str) -> str:
    """Return the code that a name of a status likely means; empty: not known."""
    return STATUS_NAMES.get(name_id(name), "")


def propose_date_format(texts: Sequence[str]) -> str:
    """Return the one format that reads all texts; empty: none does, or two read them differently.

    Times that need no format, such as a workbook's own dates, are left out.
    """
    open_ones = [text for text in texts if not _needs_no_format(text)]
    fits = [one for one in DATE_FORMATS if all(_read(text, one) is not None for text in open_ones)]
    read = {tuple(_read(text, one) for text in open_ones) for one in fits}
    return fits[0] if len(read) == 1 else ""


def _needs_no_format(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return SERIAL.fullmatch(text) is not None
    return True


def _read(text: str, date_format: str) -> datetime | None:
    try:
        return datetime.strptime(text, date_format)  # noqa: DTZ007 - compared with another reading of the same text
    except ValueError:
        return None
