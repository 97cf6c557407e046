"""What the runs of an integration remember of each other, as small files beside their folders.

``history/<run>.removals.json``: keys of the removals a run set out to send, written before the first of them, so that
they count also when the process dies; ``history/good.json``: what the last green sync of everything, or the last approved one, had read;
``history/reports.json``: the report files that were used last, where Hector is read from reports;
``history/watched.json``: how far the watch has seen Hector's changes;
``history/<digest>.asked.json`` and ``.approved.json``: when approval of a held set was asked for, and who approved it.
Ids only: no name, no email but the approver's own, as Airflow shows it.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hector_salto.access.guard_history import REMEMBERED, GuardHistory, ReadCounts
from hector_salto.access.operations import EVIDENT, READY
from hector_salto.access.results import DONE, UNKNOWN
from hector_salto.workflow.failures import HistoryError
from hector_salto.workflow.run_folder import base, ensure_directory, retention_start
from hector_salto.workflow.run_start import as_of
from hector_salto.workflow.storage import UNFINISHED, UnreadableFileError, path_text, read_note, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from airflow.sdk import ObjectStoragePath

    from hector_salto.workflow.run_folder import RunFolder

REMOVALS, ASKED, APPROVED, GOOD = ".removals.json", ".asked.json", ".approved.json", "good.json"
BASELINE_GUARDS = frozenset({"shrink", "empty"})  # measure how much Hector shows
REMOVE = "remove the file, then start a new run"
NAME_CHARACTERS = frozenset("0123456789abcdef")


def name_of(folder: RunFolder) -> str:
    """The integration of a run."""
    return str(folder.require_json("run")["integration"])


def load_guard_history(name: str, now: datetime) -> GuardHistory:
    """What the guards measure against.

    Raises:
        HistoryError: for a file that cannot be read; nothing is written then.
    """
    removed: set[str] = set()
    approvals: dict[str, int] = {}
    for path in _files(name, REMOVALS):
        with _whole(path):
            kept = _read(path)
            if now - datetime.fromisoformat(kept["as_of"]) <= REMEMBERED:
                removed.update(kept["keys"])
            if kept["approved_set"] is not None:
                approvals[kept["approved_set"]] = approvals.get(kept["approved_set"], 0) + 1
    good = _folder(name) / GOOD
    if not good.exists():
        return GuardHistory(None, frozenset(removed), approvals)
    with _whole(good):
        kept = _read(good)
        return GuardHistory(ReadCounts(int(kept["users"]), int(kept["reservations"])), frozenset(removed), approvals)


@contextmanager
def _whole(path: ObjectStoragePath) -> Iterator[None]:
    """Translate what a file without its fields raises.

    Raises:
        HistoryError: naming the file.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise HistoryError(f"{path_text(path)} is damaged (fields are missing): {REMOVE}") from error


def note_removals(folder: RunFolder, operations: pd.DataFrame) -> None:
    """Before anything is sent: every removal this run may send, except the approved ones."""
    _keep_removals(folder, operations, used=False)


def settle_removals(folder: RunFolder, operations: pd.DataFrame, outcomes: pd.DataFrame) -> None:
    """After all was sent: what went, or may have gone; and whether an approval was used up."""
    states = outcomes.set_index("key")["state"]
    gone = operations[operations["key"].map(states).isin([DONE, UNKNOWN])]
    used = bool(_approved_keys(folder)) and _approved_keys(folder) <= set(states.index[states.eq(DONE)])
    _keep_removals(folder, gone, used=used)
    if used:
        _remember_approved(folder)


def remember_good(folder: RunFolder) -> None:
    """Make what a green sync of everything read the baseline of later runs; a plan or a reload moves none."""
    if folder.has("outcomes") and not _is_reload(folder):
        _keep_baseline(folder, all_as_of=as_of(folder).isoformat())


def _remember_approved(folder: RunFolder) -> None:
    """Make the level that was just approved the baseline, whatever else keeps the run red."""
    guards = (folder.read_json("plan") or {}).get("approved_guards") or ()
    if BASELINE_GUARDS & set(guards) and not _is_reload(folder):
        _keep_baseline(folder, all_as_of=(read_file(name_of(folder), GOOD) or {}).get("all_as_of"))


def _keep_baseline(folder: RunFolder, *, all_as_of: str | None) -> None:
    row = folder.read("desired_read").iloc[0]
    read = ReadCounts(users=int(row["users"]), reservations=int(row["reservations"]))
    moments = {"as_of": as_of(folder).isoformat(), "all_as_of": all_as_of}
    _write(_folder(name_of(folder)) / GOOD, asdict(read) | moments)


def _is_reload(folder: RunFolder) -> bool:
    return bool(((folder.read_json("run") or {}).get("conf") or {}).get("references"))


def read_file(name: str, file: str) -> dict[str, Any] | None:
    """A file of an integration's history; None: there is none.

    Raises:
        HistoryError: when it cannot be read.
    """
    path = _folder(name) / file
    return _read(path) if path.exists() else None


def keep(name: str, file: str, value: dict[str, Any]) -> None:
    _write(_folder(name) / file, value)


def note_asked(name: str, digest: str, now: datetime) -> None:
    _write(_folder(name) / f"{_validate_digest(digest)}{ASKED}", {"at": now.isoformat()})


def when_asked(name: str, digest: str) -> datetime | None:
    path = _folder(name) / f"{_validate_digest(digest)}{ASKED}"
    return datetime.fromisoformat(_read(path)["at"]) if path.exists() else None


def note_approved(name: str, digest: str, by: str, at: str) -> None:
    """Who approved a held set, and when."""
    _write(_folder(name) / f"{_validate_digest(digest)}{APPROVED}", {"by": by, "at": at})


def approval_of(name: str, digest: str | None) -> dict[str, Any] | None:
    """``by`` and ``at`` of an approval given in Airflow's page; None: given by hand, or never."""
    if digest is None or not is_digest(digest):
        return None
    path = _folder(name) / f"{digest}{APPROVED}"
    return _read(path) if path.exists() else None


def remove_outdated(name: str, now: datetime) -> None:
    """Removals and questions past retention. Approvals and what they used up stay: they say who let what through."""
    oldest = retention_start(now)
    for path in [*_files(name, REMOVALS), *_files(name, ASKED)]:
        kept = _read(path)
        moment = datetime.fromisoformat(kept.get("as_of") or kept["at"])
        if moment < oldest and kept.get("approved_set") is None:
            path.unlink()
    _remove_cut_off(name, oldest)


def _keep_removals(folder: RunFolder, operations: pd.DataFrame, *, used: bool) -> None:
    counted = operations["removal"] & ~operations["cause"].isin(EVIDENT) & operations["state"].eq(READY)
    approved = _approved_keys(folder)
    keys = sorted(set(operations.loc[counted, "key"]) - approved)
    path = _removals_path(folder)
    if not keys and not used and not path.exists():
        return
    approved_set = (folder.read_json("plan") or {}).get("approved_set") if used else None
    _write(path, {"as_of": as_of(folder).isoformat(), "keys": keys, "approved_set": approved_set})


def _approved_keys(folder: RunFolder) -> frozenset[str]:
    return frozenset((folder.read_json("plan") or {}).get("approved", ()))


def _removals_path(folder: RunFolder) -> ObjectStoragePath:
    return _folder(name_of(folder)) / f"{folder.path.name}{REMOVALS}"


def _folder(name: str) -> ObjectStoragePath:
    return base() / name / "history"


def _files(name: str, suffix: str) -> list[ObjectStoragePath]:
    folder = _folder(name)
    found = folder.iterdir() if folder.exists() else ()
    return sorted((path for path in found if path.name.endswith(suffix)), key=lambda path: path.name)


def is_digest(text: str) -> bool:
    """Return whether a text can be the digest of a held set, and so part of a file's name."""
    return bool(text) and set(text) <= NAME_CHARACTERS


def _validate_digest(digest: str) -> str:
    """A digest becomes part of a file's name."""
    if not is_digest(digest):
        raise ValueError(f"{digest!r} is no digest of a held set")
    return digest


def _read(path: ObjectStoragePath) -> dict[str, Any]:
    try:
        return read_note(path, REMOVE)
    except UnreadableFileError as error:
        raise HistoryError(str(error)) from error


def _write(path: ObjectStoragePath, value: dict[str, Any]) -> None:
    content = json.dumps(value, indent=1, sort_keys=True).encode()
    write_whole(ensure_directory(path.parent) / path.name, content, path.parent.parent)


def _remove_cut_off(name: str, oldest: datetime) -> None:
    """Remove files that a process which died was writing."""
    for path in _files(name, UNFINISHED):
        if path.stat().st_mtime < oldest.timestamp():
            path.unlink(missing_ok=True)
