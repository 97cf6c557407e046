"""Runs the product with other Airflows: `make matrix`, `make matrix ONLY="3.3.1"`.

Each environment is made anew in `.matrix/<name>`: Airflow as a platform installs it, then our wheel, which must change nothing that
was there. In it the sandbox is synced twice (the second sync must find nothing to do), and a part of the suite runs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".matrix"
CONSTRAINTS = ROOT / "tests" / "constraints"
PART = (
    *("tests/access", "tests/http_client", "tests/salto", "tests/hector", "tests/ledger", "tests/reports"),
    *("tests/integrations", "tests/ui/test_app.py", "tests/dags/test_dag_integrity.py"),
)
SMALL_PART = ("tests/salto", "tests/hector", "tests/integrations", "tests/dags/test_dag_integrity.py")
TEST_PACKAGES = (
    *("pytest<9.2", "pytest-socket", "pytest-timeout", "pytest-xdist", "pytest-randomly", "hypothesis", "responses"),
    *("time-machine", "playwright", "axe-playwright-python"),
)
SEEN = 'import airflow,pandas,sqlalchemy,sys; print("Airflow", airflow.__version__, "Python", sys.version.split()[0], "pandas", pandas.__version__, "SQLAlchemy", sqlalchemy.__version__)'


@dataclass(frozen=True)
class Airflow:
    """One Airflow to try.

    Attributes:
        name: as `ONLY` names it.
        python: its Python.
        install: what uv is asked to install before our wheel.
        limits: options that hold for everything that is installed.
    lacks: tests of what this Airflow does otherwise, left out by the beginning of their names.
    """

    name: str
    python: str
    install: tuple[str, ...]
    limits: tuple[str, ...] = field(default=())
    lacks: tuple[str, ...] = field(default=())


def _official(version: str) -> Airflow:
    constraints = str(CONSTRAINTS / f"constraints-{version}-3.12.txt")
    return Airflow(version, "3.12", (f"apache-airflow[celery,postgres]=={version}",), ("-c", constraints))


AIRFLOWS = (
    Airflow("pins", "3.11", ("-r", str(ROOT / "requirements.txt"))),
    Airflow("pins-3.13", "3.13", ("-r", str(ROOT / "requirements.txt"))),
    Airflow("pins-3.14", "3.14", ("-r", str(ROOT / "requirements.txt"))),
    _official("3.3.1"),
    _official("3.2.1"),
    # What was current when 3.1.7 was the newest.
    Airflow(
        "3.1.7",
        "3.12",
        ("apache-airflow[celery,postgres]==3.1.7",),
        ("--exclude-newer", "2026-02-20"),
        # It refuses a connection whose extra is no JSON before our hooks see it: the error says so in other words.
        ("tests/salto/test_hook.py::test_extra_fields", "tests/hector/test_hook.py::test_"),
    ),
    Airflow("3.4-beta", "3.12", ("apache-airflow[celery,postgres]==3.4.0b2",), ("--prerelease", "allow")),
)


class FailedError(Exception):
    """A step of one environment failed; its output was printed."""


def main() -> int:
    names = os.environ.get("ONLY", "").split() or [one.name for one in AIRFLOWS]
    part = SMALL_PART if os.environ.get("PART") == "small" else PART
    failed = []
    for airflow in [one for one in AIRFLOWS if one.name in names]:
        began = time.monotonic()
        try:
            seen = try_airflow(airflow, part)
        except FailedError as error:
            failed.append(airflow.name)
            print(f"{airflow.name}: FAILED: {error}", flush=True)
        else:
            print(f"{airflow.name}: green in {time.monotonic() - began:.0f} s: {seen}", flush=True)
    unknown = sorted(set(names) - {one.name for one in AIRFLOWS})
    if unknown:
        print(f"unknown: {', '.join(unknown)}; known: {', '.join(one.name for one in AIRFLOWS)}")
    return int(bool(failed or unknown))


def try_airflow(airflow: Airflow, part: tuple[str, ...]) -> str:
    """Return the versions that were tried.

    Raises:
        FailedError: when something did not hold.
    """
    folder = FOLDER / airflow.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python = _install(airflow, folder)
    home = {"AIRFLOW_HOME": str(folder / "home"), "HECTOR_SALTO_SANDBOX": str(folder / "sandbox")}
    home["PYTHONPATH"] = os.pathsep.join(str(ROOT / name) for name in ("", "include", "plugins"))
    for _ in range(2):
        _run([python, "-m", "commands", "sync"], home, log=folder / "sync.log")
    newest = max((folder / "home" / "runs" / "sandbox").glob("*/report.json"), key=lambda path: path.stat().st_mtime)
    if changes := json.loads(newest.read_text())["changes"]:
        raise FailedError(f"the second sync had {len(changes)} changes to make")
    tests = [python, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider", *part]
    tests += [f"--deselect={name}" for name in airflow.lacks]
    _run(tests, {}, log=folder / "tests.log")
    return subprocess.run(
        [python, "-W", "ignore", "-c", SEEN], env=_environment(home), capture_output=True, text=True, check=True
    ).stdout.splitlines()[-1]


def _install(airflow: Airflow, folder: Path) -> str:
    python = str(folder / "venv" / "bin" / "python")
    _uv(["venv", "--python", _interpreter(airflow.python), str(folder / "venv")])
    _uv(["pip", "install", "--compile-bytecode", "--python", python, *airflow.install, *airflow.limits])
    before = _frozen(python)
    _uv(["build", "--wheel", "--out-dir", str(folder / "dist"), str(ROOT)])
    for left in ("build", "hector_salto.egg-info"):
        shutil.rmtree(ROOT / left, ignore_errors=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    _uv(["pip", "install", "--compile-bytecode", "--python", python, f"{wheel}[sandbox,reports]", *airflow.limits])
    changed = sorted(before - _frozen(python))
    if changed:
        raise FailedError(f"our wheel replaced {', '.join(changed)}")
    _uv(["pip", "check", "--python", python])
    kept = folder / "kept.txt"
    kept.write_text("\n".join(line for line in sorted(_frozen(python)) if "==" in line))
    _uv(["pip", "install", "--compile-bytecode", "--python", python, *TEST_PACKAGES, "-c", str(kept)])
    return python


def _interpreter(wanted: str) -> str:
    """Return the Python of that version, or the one that runs this where the machine has no such: the result names it."""
    found = subprocess.run(
        [sys.executable, "-m", "uv", "python", "find", "--no-python-downloads", wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or sys.executable


def _frozen(python: str) -> set[str]:
    return set(_uv(["pip", "freeze", "--python", python]).splitlines())


def _uv(arguments: list[str]) -> str:
    command = [sys.executable, "-m", "uv", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=FOLDER)
    if ended.returncode:
        print(ended.stdout + ended.stderr)
        raise FailedError(f"uv {' '.join(arguments[:2])}")
    return ended.stdout


def _environment(more: dict[str, str]) -> dict[str, str]:
    plain = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "HECTOR_SALTO", "PYTHON"))
    }
    return plain | more


def _run(command: list[str], more: dict[str, str], *, log: Path) -> None:
    with log.open("a") as file:
        ended = subprocess.run(
            command, cwd=ROOT, env=_environment(more), stdout=file, stderr=subprocess.STDOUT, check=False
        )
    if ended.returncode:
        print("\n".join(log.read_text().splitlines()[-60:]))
        raise FailedError(f"{' '.join(command[2:5])}; see {log}")


if __name__ == "__main__":
    sys.exit(main())
