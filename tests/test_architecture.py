"""Imports point one way, as one table says; the rules know no Airflow, no network, no clock."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NETWORK = {"requests", "urllib3", "http", "socket", "httpx"}
PURE = {"pandas", "pandera", "numpy", "pyarrow", "email_validator"}  # the last asks no name server here

FOUNDATION = {
    "access",
    "http_client",
    "integration",
    "integration_files",
    "settings",
    "field_types",
    "report_fields",
    "scalars",
    "ledger",
    "alerts",
    "reports",
}
PRODUCT = FOUNDATION | {"salto", "hector", "workflow", "doctor", "connect"}
# A room, and the rooms that it may import. A room is a package or module of hector_salto, or a folder of that name.
MAY_IMPORT = {
    "access": set(),
    "http_client": {"access"},
    "scalars": set(),
    "settings": set(),
    "field_types": set(),
    "report_fields": {"access", "field_types"},
    "integration": {"access", "field_types", "report_fields", "scalars"},
    "integration_files": {"access", "integration", "settings"},
    "ledger": {"access"},
    "alerts": {"access", "ledger"},
    "reports": {"access", "ledger"},
    "salto": {"access", "http_client", "settings"},
    "hector": {"access", "http_client", "report_fields"},
    "workflow": PRODUCT - {"workflow", "doctor", "connect"},
    "connect": {"access", "http_client", "integration", "report_fields", "salto", "hector"},
    "doctor": {"access", "http_client", "integration", "salto", "hector"},
    "ui": PRODUCT,
    "salto_doors": {"ui"},
    "__main__": PRODUCT,
    "commands": PRODUCT | {"sandbox"},
    "dags": PRODUCT,
    "sandbox": set(),
}
FOLDERS = {"hector", "salto", "commands", "dags", "sandbox"}  # rooms outside hector_salto
AIRFLOW_FREE = {
    "access",
    "field_types",
    "report_fields",
    "integration",
    "scalars",
    "ledger",
    "alerts",
    "reports",
    "sandbox",
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module}
            if node.module == "hector_salto":
                names |= {f"hector_salto.{alias.name}" for alias in node.names}
    return names


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[2] if parts[:2] == ("include", "hector_salto") else parts[1] if parts[0] == "plugins" else parts[0]


def rooms(path: Path) -> set[str]:
    found: set[str] = set()
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "hector_salto" and len(parts) > 1:
            found.add(parts[1])
        elif parts[0] in FOLDERS:
            found.add(parts[0])
    return found


PRODUCT_FILES = [
    path
    for folder in ("include/hector_salto", "plugins", "commands", "dags", "sandbox")
    for path in files(folder)
    if path != ROOT / "include/hector_salto/__init__.py"
]


@pytest.mark.parametrize("path", PRODUCT_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_the_table_allows(path):
    room = room_of(path)

    assert rooms(path) - {room} <= MAY_IMPORT[room]
    if room in AIRFLOW_FREE:
        assert "airflow" not in tops(path)


@pytest.mark.parametrize("path", files("include/hector_salto/access"), ids=lambda path: path.name)
def test_the_rules_import_the_standard_library_and_pure_packages_only(path):
    assert {name for name in tops(path) if name not in sys.stdlib_module_names} <= PURE | {"hector_salto"}
    assert set() == tops(path) & NETWORK


@pytest.mark.parametrize("path", files("include/hector_salto/access"), ids=lambda path: path.name)
def test_the_rules_never_look_at_a_clock(path):
    source = path.read_text(encoding="utf-8")

    for clock in (".now(", ".today(", ".utcnow(", "time.time", "monotonic"):
        assert clock not in source


@pytest.mark.parametrize(
    "path", [*files("plugins"), *files("include/hector_salto")], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_file_shadows_the_standard_library(path):
    """Airflow may load a plugin file as a module named like the file."""
    below_plugins = path.is_relative_to(ROOT / "plugins")

    assert not (below_plugins and path.stem in sys.stdlib_module_names)
    assert path.name not in {"utils.py", "helpers.py", "manager.py", "process_data.py"}


def test_every_package_below_plugins_is_kept_from_being_loaded_file_by_file():
    packages = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}
    ignored = (ROOT / "plugins" / ".airflowignore").read_text(encoding="utf-8").split()

    assert {f"{name}/" for name in packages} <= set(ignored)
