"""Imports point one way: dags -> plugins -> include; the rules know no Airflow, no network, no clock."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = {path.name for path in (ROOT / "plugins").iterdir() if path.is_dir() and (path / "__init__.py").exists()}
NETWORK = {"requests", "urllib3", "http", "socket", "httpx", "authlib"}
PURE = {"pandas", "pandera", "numpy", "email_validator"}  # the last asks no name server here


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module}
    return names


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", files("include/access"), ids=lambda path: path.name)
def test_the_rules_import_the_standard_library_and_pure_packages_only(path):
    import sys

    foreign = {name for name in tops(path) if name not in sys.stdlib_module_names} - PURE - {"include"}

    assert set() == foreign
    assert set() == tops(path) & NETWORK
    rooms = {name for name in imported(path) if name.startswith("include.")}
    assert all(name.startswith("include.access") for name in rooms)


@pytest.mark.parametrize("path", files("include/access"), ids=lambda path: path.name)
def test_the_rules_never_look_at_a_clock(path):
    source = path.read_text(encoding="utf-8")

    for clock in (".now(", ".today(", ".utcnow(", "time.time", "monotonic"):
        assert clock not in source


@pytest.mark.parametrize("path", files("include"), ids=lambda path: str(path.relative_to(ROOT)))
def test_include_imports_neither_airflow_nor_plugins_nor_dags(path):
    assert set() == tops(path) & ({"airflow", "dags", "commands"} | PLUGINS)


@pytest.mark.parametrize(
    "path", [path for path in files("include") if "sandbox" not in path.parts], ids=lambda path: path.name
)
def test_nothing_in_include_but_itself_imports_the_sandbox(path):
    assert not any(name.startswith("include.sandbox") for name in imported(path))


@pytest.mark.parametrize("path", files("include/sandbox"), ids=lambda path: path.name)
def test_the_sandbox_shares_nothing_with_the_rules_it_checks(path):
    assert not any(name.startswith("include.access") for name in imported(path))


@pytest.mark.parametrize("path", files("plugins"), ids=lambda path: str(path.relative_to(ROOT)))
def test_plugins_import_no_dag_and_no_sandbox(path):
    assert "dags" not in tops(path)
    assert not any(name.startswith("include.sandbox") for name in imported(path))


@pytest.mark.parametrize("path", files("plugins"), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_below_plugins_shadows_the_standard_library(path):
    """Airflow may load a plugin file as a module named like the file."""
    import sys

    assert path.stem not in sys.stdlib_module_names
    assert path.name not in {"utils.py", "helpers.py", "manager.py", "process_data.py"}


def test_every_package_below_plugins_is_kept_from_being_loaded_file_by_file():
    ignored = (ROOT / "plugins" / ".airflowignore").read_text(encoding="utf-8").split()

    assert {f"{name}/" for name in PLUGINS} <= set(ignored)
