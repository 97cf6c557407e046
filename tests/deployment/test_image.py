from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

CODE = ("commands", "dags", "include", "plugins")
MADE = {"__pycache__"}


@pytest.fixture
def python(image):
    found = re.fullmatch(r"python:(3\.\d+)-slim", image.all("FROM")[-1])
    assert found
    return found[1]


def _files(root, folder):
    for path in sorted((root / folder).rglob("*")):
        if path.is_file() and not any(part in MADE or part.endswith(".egg-info") for part in path.parts):
            yield path.relative_to(root).as_posix()


def test_the_project_and_every_pinned_package_take_this_python(python, root):
    """In its newest patch release, which the tag of the image means."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(f"{python}.99")

    pins = [Requirement(line) for line in (root / "requirements.txt").read_text(encoding="utf-8").splitlines() if line]
    there = {"python_version": python, "python_full_version": f"{python}.99", "sys_platform": "linux"}
    applying = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(there)]
    assert len({pin.name for pin in applying}) == len(applying), "a package with two versions for one Python"
    for pin in applying:
        try:
            takes = metadata(pin.name).get("Requires-Python")
        except PackageNotFoundError:  # asked for on that Python only
            continue
        assert SpecifierSet(takes or "").contains(f"{python}.99"), pin.name


def test_pins_are_installed_before_the_code_and_nothing_beside_them(image):
    pip = [step for step in image.all("RUN") if "pip install" in step]

    assert pip[0] == "pip install -r requirements.txt"
    assert pip[1].startswith("pip install --no-deps -e .")
    assert len(pip) == 2
    assert image.at("COPY", "requirements.txt") < image.at("RUN", "-r requirements.txt") < image.at("COPY", ". .")
    assert image.at("COPY", ". .") < image.at("RUN", "--no-deps")


def test_it_runs_as_a_user_without_rights_over_the_code(image):
    assert image.steps[-1] == ("USER", "airflow")
    assert image.all("USER") == ["airflow"]
    assert "--chown" not in " ".join(image.all("COPY"))
    made = next(step for step in image.all("RUN") if "useradd" in step)
    assert image.all("WORKDIR")[-1] not in made


def test_volumes_find_a_folder_of_the_user(image, compose):
    made = next(step for step in image.all("RUN") if "useradd" in step)
    mounted = {
        volume.split(":")[1] for one in compose.ours.values() for volume in one["volumes"] if not volume.startswith(".")
    }

    assert mounted == {"/opt/airflow/runs", "/opt/airflow/logs", "/opt/airflow/logins"}
    assert mounted <= set(re.search(r"mkdir -p ([^&]*)", made)[1].split())
    assert "chown -R airflow:airflow /opt/airflow" in made


def test_every_file_of_the_code_gets_into_the_image(context, root):
    left_out = [path for folder in CODE for path in _files(root, folder) if not context.holds(path)]

    assert {path for path in left_out if not re.fullmatch(r"include/integrations/\w+\.yaml", path)} == set()
    assert context.holds("requirements.txt")
    assert context.holds("pyproject.toml")
    assert context.holds(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["readme"])


def _at_import(tree):
    """The nodes that run, or that type checkers read, as the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _for_hints(node):
            yield node
            yield from _at_import(node)


def _for_hints(node):
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def test_commands_start_without_the_sandbox_and_name_what_is_missing(context, root, tmp_path):
    assert not context.holds("sandbox/sandbox.py")
    for folder in CODE:
        (tmp_path / folder).symlink_to(root / folder)
    path = os.pathsep.join(str(tmp_path / folder) for folder in ("", "include", "plugins"))
    environment = {**os.environ, "PYTHONPATH": path, "HECTOR_SALTO_SANDBOX": str(tmp_path / "kept")}

    made = [sys.executable, "-c", "import commands.__main__, commands.demo as demo; demo.require_sandbox()"]
    done = subprocess.run(made, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "this installation has no sandbox" in done.stderr


def test_the_code_imports_no_folder_of_the_project_that_is_left_out(context, root):
    folders = {path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")}
    imported = set()
    for folder in CODE:
        for path in (root / folder).rglob("*.py"):
            for node in _at_import(ast.parse(path.read_text(encoding="utf-8"))):
                names = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                imported |= {name.partition(".")[0] for name in names if name}

    assert imported & folders <= set(CODE)
    assert all(context.holds(folder) for folder in CODE)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".env.local",
        ".git/config",
        ".venv/bin/python",
        ".airflow/airflow.db",
        ".sandbox/state.json",
        "backup.sql",
        "tests/deployment/test_image.py",
        "include/integrations/campus.yaml",
        "include/hector_salto/access/__pycache__/rules.cpython-312.pyc",
        "plugins/hector_salto.egg-info/PKG-INFO",
    ],
)
def test_secrets_sites_and_leftovers_stay_out_of_the_image(context, path):
    assert not context.holds(path)


def test_wheel_compose_and_example_name_one_version(compose, root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert compose.variables(":-")["HECTOR_SALTO_VERSION"] == project["version"]
    assert f"## {project['version']}" in (root / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not os.environ.get("CI"), reason="elsewhere any Python that is new enough runs the tests")
def test_the_images_python_is_the_one_that_ci_tests_with(image):
    assert image.all("FROM")[0].startswith(f"python:{sys.version_info.major}.{sys.version_info.minor}-")
