"""Writes files whole or not at all, and says in one sentence why one cannot be written or read."""

from __future__ import annotations

import errno
import json
import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import ObjectStoragePath

LOCAL = frozenset({"file", ""})
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
UNFINISHED = ".unfinished"  # ends the name of a file that is being written; one that stays was cut off
AGAIN = "start a new run"
PROBE_SIZE = 1 << 18  # bytes; about as much as the tables of a small run


class StorageError(OSError):
    """A file of a run cannot be written; the message says where and what to do."""


class UnreadableFileError(ValueError):
    """A file of a run is missing, cut off or damaged; the message names it."""


def write_whole(path: ObjectStoragePath, content: bytes, where: ObjectStoragePath) -> None:
    """Write a file whole or not at all, also when the process dies; object stores do that by themselves.

    Args:
        path: of the file.
        content: all of it.
        where: the folder that an error names.

    Raises:
        StorageError: when there is no space left, or the folder cannot be written.
    """
    with storage_errors(where):
        if path.protocol in LOCAL:
            _replace(Path(path.path), content)
            return
        with path.open("wb") as file:  # type: ignore[no-untyped-call]  # universal_pathlib ships half its types
            file.write(content)


def read_note(path: ObjectStoragePath, next_step: str = AGAIN) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises:
        UnreadableFileError: when it is missing, cut off or holds anything else.
    """
    try:
        with path.open("r", encoding="utf-8") as file:  # type: ignore[no-untyped-call]  # universal_pathlib ships half its types
            found = json.load(file)
    except FileNotFoundError:
        raise UnreadableFileError(f"{path_text(path)} is missing: {next_step}") from None
    except ValueError as error:
        raise UnreadableFileError(f"{path_text(path)} is cut off or damaged ({error}): {next_step}") from error
    if not isinstance(found, dict):
        raise UnreadableFileError(f"{path_text(path)} is damaged (not an object): {next_step}")
    return found


def path_text(path: ObjectStoragePath) -> str:
    """Return a path as people know it: without file:// on this machine."""
    return str(path.path) if path.protocol in LOCAL else str(path)


def complaint(folder: ObjectStoragePath) -> str | None:
    """Why nothing can be written in a folder now; None: something can."""
    if folder.protocol not in LOCAL:
        return None
    probe = Path(folder.path) / f".probe.{secrets.token_hex(4)}{UNFINISHED}"
    try:
        with storage_errors(folder):
            probe.parent.mkdir(parents=True, exist_ok=True)
            _write(probe, bytes(PROBE_SIZE))
    except StorageError as error:
        return str(error)
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return None


@contextmanager
def storage_errors(where: ObjectStoragePath) -> Iterator[None]:
    """Translate what an operating system or object store says into StorageError."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno in NO_SPACE:
            raise StorageError(f"no space left in {path_text(where)}: free some, then start a new run") from error
        why = error.strerror or str(error) or type(error).__name__
        raise StorageError(
            f"{path_text(where)} cannot be written ({why}): make it writable for Airflow, then start a new run"
        ) from error


def _replace(target: Path, content: bytes) -> None:
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        _write(unfinished, content)
        unfinished.replace(target)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
