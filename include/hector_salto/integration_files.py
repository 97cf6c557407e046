"""Where the integration files are: a folder, an object store, or an Airflow Variable."""

from __future__ import annotations

import fnmatch
import json
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol, cast

from hector_salto.access.texts import few
from hector_salto.integration import Integration, IntegrationError, IntegrationFile, load
from hector_salto.settings import setting

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER_SETTING = "HECTOR_SALTO_INTEGRATIONS"
VARIABLE = "variable://"
FILES = "*.y*ml"
SANDBOX = "sandbox"  # the integration for trying


class IntegrationFolder(Protocol):
    """What is needed of a folder of such files."""

    def __truediv__(self, name: str) -> IntegrationFile: ...

    def glob(self, pattern: str) -> Iterable[IntegrationFile]: ...

    def is_dir(self) -> bool: ...


class VariableEntry:
    """One integration in an Airflow Variable, seen as a file."""

    def __init__(self, variable: str, name: str, fields: object) -> None:
        self._path = PurePosixPath("variable", variable, name)
        self._fields = fields

    name = property(lambda self: self._path.name)
    stem = property(lambda self: self._path.stem)
    suffix = property(lambda self: self._path.suffix)
    parts = property(lambda self: self._path.parts)

    def read_text(self, encoding: str) -> str:  # noqa: ARG002 - as a Path has it
        """Return the fields as text; JSON is YAML."""
        return self._fields if isinstance(self._fields, str) else json.dumps(self._fields)

    def exists(self) -> bool:
        return self._fields is not None


class VariableFolder:
    """An Airflow Variable that holds {"<name>": {fields of the file}}, seen as a folder.

    Raises:
        IntegrationError: when the Variable holds no such JSON.
    """

    def __init__(self, variable: str) -> None:
        self._variable = variable

    def __str__(self) -> str:
        return f"{VARIABLE}{self._variable}"

    def __truediv__(self, name: str) -> VariableEntry:
        return VariableEntry(self._variable, name, self._entries().get(Path(name).stem))

    def glob(self, pattern: str) -> list[VariableEntry]:
        found = [VariableEntry(self._variable, f"{name}.yaml", fields) for name, fields in self._entries().items()]
        return [one for one in found if fnmatch.fnmatch(one.name, pattern)]

    def is_dir(self) -> bool:
        return self._text is not None

    @cached_property
    def _text(self) -> str | None:
        from airflow.sdk import Variable  # noqa: PLC0415 - only where files are kept in one

        found = Variable.get(self._variable, default=None)
        return None if found is None else str(found)

    def _entries(self) -> dict[str, object]:
        try:
            entries = json.loads(self._text or "{}")
        except ValueError as error:
            raise IntegrationError(f"the Airflow Variable {self._variable} is not JSON: {error}") from None
        if not isinstance(entries, dict):
            raise IntegrationError(f'the Airflow Variable {self._variable} must hold {{"<name>": {{...}}}}')
        return entries


def integrations_folder() -> IntegrationFolder:
    """Return the folder of the integration files; "~" too, because no shell has read an env file."""
    given = setting("integrations")
    if given.startswith(VARIABLE):
        return VariableFolder(given.removeprefix(VARIABLE))
    if "://" in given:
        from airflow.sdk import ObjectStoragePath  # noqa: PLC0415 - only where files are in an object store

        return cast("IntegrationFolder", ObjectStoragePath(given))
    return Path(given).expanduser() if given else Path(__file__).resolve().parents[1] / "integrations"


def names_of_files() -> frozenset[str]:
    """Return the name of every integration file, also of one that cannot be used."""
    return frozenset(path.stem for path in _files(integrations_folder()))


def _files(folder: IntegrationFolder) -> list[IntegrationFile]:
    left_out = {name.strip() for name in setting("leave_out").split(",")}
    return [path for path in folder.glob(FILES) if path.stem not in left_out]


def load_integration(name: str) -> Integration:
    """Return one integration by its name.

    Raises:
        IntegrationError: naming the file, each wrong key and what is allowed.
    """
    folder = integrations_folder()
    path = folder / f"{name}.yaml"
    try:
        return load(path)
    except IntegrationError:  # that it is not there reads otherwise than that it is wrong
        if not folder.is_dir():
            raise load_all(folder)[1][0] from None
        if not path.exists():
            known = few(sorted(load_all(folder)[0])) or "none"
            raise IntegrationError(f"{folder} has no integration {name}; known: {known}") from None
        raise


def load_all(folder: IntegrationFolder | None = None) -> tuple[dict[str, Integration], list[IntegrationError]]:
    """Every usable integration by name, and an error for each file that is not."""
    found: dict[str, Integration] = {}
    errors: list[IntegrationError] = []
    folder = folder or integrations_folder()
    if not folder.is_dir():
        missing = "is no Variable of this Airflow" if isinstance(folder, VariableFolder) else "is no folder"
        return {}, [IntegrationError(f"{folder} {missing}, so there are no integrations: correct {FOLDER_SETTING}")]
    try:
        files = sorted(_files(folder), key=lambda file: file.name)
    except IntegrationError as error:
        return {}, [error]
    for path in files:
        try:
            found[path.stem] = load(path)
        except IntegrationError as error:
            errors.append(error)
    return found, errors
