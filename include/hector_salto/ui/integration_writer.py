"""Saves what the page's form answers: the integration file, where its folder can be written, and the two connections."""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.models.connection import Connection
from airflow.models.log import Log
from airflow.utils.session import create_session
from sqlalchemy import select

from hector_salto.integration import load
from hector_salto.integration_files import integrations_folder

if TYPE_CHECKING:
    from hector_salto.connect.draft import Draft

LOG = logging.getLogger(__name__)
BACKUP = ".before"  # what the folder's readers pass over


@dataclass(frozen=True)
class Saved:
    """What was saved.

    Attributes:
        path: of the file, also of one that was only shown.
        text: of the file.
        written: whether the file was written; otherwise somebody who may write there copies it.
        backup: where the file of before is; empty: there was none.
        connections: which were saved in Airflow.
        overridden: which the environment has too, and takes from there.
    """

    path: str
    text: str
    written: bool
    backup: str
    connections: tuple[str, ...]
    overridden: tuple[str, ...]


class FileChangedError(Exception):
    """The file is not the one that the form was made of."""


def digest_of(name: str) -> str:
    """Return what tells one text of an integration file from another; empty: there is no file."""
    path = integrations_folder() / f"{name}.yaml"
    return sha256(path.read_text(encoding="utf-8").encode()).hexdigest() if path.exists() else ""


def save(draft: Draft, before: Draft, digest: str, visitor: str) -> Saved:
    """Save the connections that have changed, then the file.

    Args:
        draft: the answers.
        before: those of the file and connections that are there.
        digest: of the file that the form was made of.
        visitor: who saves.

    Raises:
        FileChangedError: when the file has changed since.
        IntegrationError: when the file could not be used.
    """
    name, text = str(draft.get("name")), draft.yaml()
    _require_usable(name, text)
    if digest_of(name) != digest:
        raise FileChangedError
    old = before.connections() if before.get("hector_conn_id") else {}
    changed = {conn_id: fields for conn_id, fields in draft.connections().items() if old.get(conn_id) != fields}
    _save_connections(draft, frozenset(changed), visitor)
    folder = integrations_folder()
    backup = _write(folder / f"{name}.yaml", text) if isinstance(folder, Path) and os.access(folder, os.W_OK) else None
    LOG.info("integration %s saved: file %s, connections %s", name, backup is not None, ", ".join(changed) or "none")
    return Saved(
        path=f"{folder}/{name}.yaml",
        text=text,
        written=backup is not None,
        backup=backup or "",
        connections=tuple(changed),
        overridden=tuple(one for one in changed if f"AIRFLOW_CONN_{one.upper()}" in os.environ),
    )


def _require_usable(name: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        load(path)


def _write(path: Path, text: str) -> str:
    """Write a file whole or not at all; return where the one of before is, empty when there was none."""
    backup = path.with_name(f".{path.name}{BACKUP}") if path.exists() else None
    if backup is not None:
        _replace(backup, path.read_text(encoding="utf-8"))
    _replace(path, text)
    return str(backup or "")


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.chmod(0o644)  # every process of Airflow reads it; it holds no secret
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _save_connections(draft: Draft, chosen: frozenset[str], visitor: str) -> None:
    wanted = {one.conn_id: one for one in (draft.hector_connection(), draft.salto_connection())}
    with create_session() as session:
        for conn_id in sorted(chosen):
            given = wanted[conn_id]
            found = session.scalar(select(Connection).where(Connection.conn_id == conn_id))
            if found is None:
                found = Connection(conn_id=conn_id)
                session.add(found)
            found.conn_type, found.host, found.login = given.conn_type, given.host, given.login
            found.set_password(given.password)
            found.set_extra(given.extra)
            session.add(Log(event="doors_connection", owner=visitor, extra=conn_id))
