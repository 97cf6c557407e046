"""The run's folder: tables travel between tasks as Parquet files there; only the folder's path goes through XCom.

It is the run's tabular desired state: anyone who may read it can open it with pandas. It holds emails, never tokens or
tag numbers.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import stat
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pandas as pd
from airflow.sdk import ObjectStoragePath

from hector_salto.access import schemas
from hector_salto.integration import IntegrationError
from hector_salto.settings import PREFIX, setting
from hector_salto.workflow.naming import LONGEST_FOLDER, shorten
from hector_salto.workflow.storage import (
    AGAIN,
    LOCAL,
    UnreadableFileError,
    path_text,
    read_note,
    storage_errors,
    write_whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER_SETTING = "HECTOR_SALTO_RUNS"  # any ObjectStoragePath; default: the folder "runs" in AIRFLOW_HOME
FILE_ADDRESS = "file://"
RETENTION_DAYS = 30
# They have no folders. To ask for one needs rights over the whole bucket, and makes a bucket whose name was mistyped.
OBJECT_STORES = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "az", "abfs", "abfss", "adl"})
LONGEST_RETENTION = 36_500  # days; nothing is older, and a calendar does not go back much further
INSTANCE = "instance.json"  # in the runs' folder, beside the integrations
RESTORE = "restore it, or remove it and release this Airflow's sites (docs/ledger.md, sites)"
STAMP = "%Y%m%dT%H%M%SZ"


class RetentionError(IntegrationError):
    """A setting that says how long something is kept cannot be used; the message names it and what is allowed."""


class RunFolder:
    """One run's folder.

    :param path: as text, as it travels through XCom.
    """

    def __init__(self, path: str) -> None:
        self.path = place(path)

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def create(cls, integration: str, run_id: str, as_of: datetime) -> RunFolder:
        """Make a folder that no other run shares: a sync and a cleanup can be due in the same second, with the same id."""
        stamp, own = as_of.astimezone(UTC).strftime(STAMP), secrets.token_hex(4)
        plain = re.sub(r"[^A-Za-z0-9_.-]", "_", run_id)
        name = f"{stamp}_{own}_{shorten(plain, LONGEST_FOLDER)}"
        return cls(str(ensure_directory(base() / integration / name)))

    def write(self, name: str, table: pd.DataFrame) -> None:
        content = io.BytesIO()
        table.to_parquet(content, index=False)
        self._keep(f"{name}.parquet", content.getvalue())

    def read(self, name: str, schema: schemas.Schema | None = None) -> pd.DataFrame:
        """Read a table.

        Raises:
            UnreadableFileError: when it is missing, cut off or damaged.
        """
        path = self.path / f"{name}.parquet"
        try:
            with path.open("rb") as file:  # type: ignore[no-untyped-call]  # universal_pathlib ships half its types
                table = pd.read_parquet(file)
        except FileNotFoundError:
            raise UnreadableFileError(f"{path_text(path)} is missing: {AGAIN}") from None
        except ValueError as error:  # pyarrow's, too
            raise UnreadableFileError(
                f"{path_text(path)} is cut off or damaged ({type(error).__name__}): {AGAIN}"
            ) from error
        return schemas.validate(schema, table) if schema is not None else table

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        self.write_text(f"{name}.json", json.dumps(value, indent=1, sort_keys=True))

    def write_text(self, name: str, text: str) -> None:
        self._keep(name, text.encode())

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Read a note; None when the run never came so far.

        Raises:
            UnreadableFileError: when it is cut off or damaged.
        """
        file_path = self.path / f"{name}.json"
        return read_note(file_path) if file_path.exists() else None

    def require_json(self, name: str) -> dict[str, Any]:
        """Read a note without which nothing can go on.

        Raises:
            UnreadableFileError: when it is missing, cut off or damaged.
        """
        return read_note(self.path / f"{name}.json")

    def _keep(self, name: str, content: bytes) -> None:
        write_whole(self.path / name, content, self.path.parent)

    def forget(self, name: str) -> None:
        (self.path / f"{name}.json").unlink(missing_ok=True)

    def has(self, name: str) -> bool:
        return (self.path / f"{name}.parquet").exists()


def folders_since(integration: str, kind: str, moment: datetime) -> list[str]:
    """Return the folders of the runs of a kind ("sync", "cleanup") that began at a moment or later, the newest last."""
    where = base() / integration
    first = moment.astimezone(UTC).strftime(STAMP)
    with storage_errors(where):
        found = sorted(path_text(path) for path in where.iterdir() if path.name >= first) if where.exists() else []
    return [path for path in found if (RunFolder(path).read_json("run") or {}).get("kind") == kind]


def place(path: str) -> ObjectStoragePath:
    """A path in the storage where runs are kept. Lists are asked for each time: other machines write there too."""
    if "://" not in path:
        return ObjectStoragePath(path)  # of this machine, which keeps no lists
    found = ObjectStoragePath(
        path, use_listings_cache=False
    )  # without a connection it looks through UPath's own fsspec
    if getattr(found, "conn_id", None) is not None:  # Airflow 3.1 has it only for the stores it knows
        found.fs.dircache.use_listings_cache = False  # with one, through Airflow's, which is made without these options
    return found


def ensure_directory(path: ObjectStoragePath) -> ObjectStoragePath:
    """A folder that exists, where there are folders; personal data: for its owner only."""
    with storage_errors(path.parent):
        if path.protocol not in OBJECT_STORES:
            path.mkdir(parents=True, exist_ok=True)
        if path.protocol in LOCAL:
            Path(path.path).chmod(stat.S_IRWXU)
    return path


def airflow_home() -> Path:
    """Return AIRFLOW_HOME as Airflow reads it."""
    return Path(os.path.expandvars(os.environ.get("AIRFLOW_HOME") or "~/airflow")).expanduser().absolute()


def base() -> ObjectStoragePath:
    """Return the folder of all runs: HECTOR_SALTO_RUNS as a path or an address, else "runs" in AIRFLOW_HOME."""
    given = setting("runs")
    return place(_local_path(given) if given else str(airflow_home() / "runs"))


def _local_path(setting: str) -> str:
    """Return the absolute path that a path means ("~" too: no shell has read an env file), or a file:// address, whose special
    signs are encoded; other addresses as they are.

    A path is handed over as a path: ObjectStoragePath takes an address literally, so that "%20" would become a folder's name.
    """
    if not setting.startswith(FILE_ADDRESS):
        return setting if "://" in setting else str(Path(setting).expanduser().absolute())
    return unquote(setting.removeprefix(FILE_ADDRESS).removeprefix("localhost"))


def instance_id() -> str:
    """Return the id of this Airflow, made with its first run: tasks that share the runs' folder are one Airflow."""
    path = base() / INSTANCE
    if not path.exists():
        if path.protocol in LOCAL:
            with storage_errors(path.parent):
                Path(path.parent.path).mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({"instance": str(uuid.uuid4())}).encode(), path.parent)
    found = read_note(path, RESTORE).get("instance")
    if not isinstance(found, str) or not found:
        raise UnreadableFileError(f"{path_text(path)} holds no id of this Airflow: {RESTORE}")
    return found


def list_outdated(integration: str, *, as_of: datetime) -> Iterator[ObjectStoragePath]:
    """Folders of an integration's runs that are past retention."""
    folder = base() / integration
    oldest = retention_start(as_of).strftime(STAMP)
    if not folder.exists():
        return
    for path in folder.iterdir():
        stamp = path.name.partition("_")[0]
        if re.fullmatch(r"\d{8}T\d{6}Z", stamp) and stamp < oldest:
            yield path


def retention_start(as_of: datetime) -> datetime:
    """Older runs are past retention."""
    return as_of.astimezone(UTC) - timedelta(days=days_kept("run_days", RETENTION_DAYS))


def days_kept(option: str, default: int) -> int:
    """How many days a setting keeps something; not set, or empty: the default.

    Raises:
        RetentionError: when it is no whole number of days.
    """
    given = setting(option)
    if not given:
        return default
    if not re.fullmatch(r"[0-9]+", given) or not given.strip("0"):
        raise RetentionError(
            f"the setting {PREFIX}{option.upper()} is {given!r}: allowed is a whole number of days, 1 or more"
        )
    return LONGEST_RETENTION if len(given.lstrip("0")) > 5 else min(int(given), LONGEST_RETENTION)  # noqa: PLR2004 - digits


def remove(path: ObjectStoragePath) -> None:
    path.rmdir(recursive=True)
