from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from importlib import import_module
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
from airflow.executors.executor_loader import ExecutorLoader
from airflow.sdk import Connection

from hector_salto.settings import OPTIONS

AIRFLOW_SETTING = re.compile(r"AIRFLOW__(\w+?)__(\w+)")
PREFIX = "HECTOR_SALTO_"
SERVERS = {"api-server", "scheduler", "dag-processor", "triggerer", "worker-1", "worker-2"}
STEPS = {"migrate", "pools", "logins", "integrations"}
WRITES_FILES = {"api-server", "integrations"}
LONG_ENOUGH = "long enough to pass"


def test_the_services_of_a_daily_run_are_there(compose):
    assert set(compose.ours) == SERVERS | STEPS
    assert set(compose.services) - set(compose.ours) == {"postgres", "redis"}


# --- commands and settings that the pinned Airflow really has ------------------------------------------------------


def test_every_airflow_command_is_one_the_installed_airflow_takes(compose):
    commands = {
        name: service["command"] for name, service in compose.ours.items() if service["command"][0] == "airflow"
    }

    assert set(commands) == SERVERS | {"migrate"}
    for command in commands.values():
        get_parser().parse_args([str(word) for word in command[1:]])


def test_pools_are_made_by_a_command_that_the_project_has(compose, monkeypatch):
    command = compose.ours["pools"]["command"]
    assert command[:3] == ["python", "-m", "commands"]
    monkeypatch.setattr(sys, "argv", ["commands", *command[3:]])

    assert import_module("commands.__main__")._arguments().command == "pools"


def test_every_airflow_setting_is_one_the_installed_airflow_knows(compose):
    known = {
        (section.upper(), key.upper())
        for section, about in conf.configuration_description.items()
        for key in about["options"]
    }
    named = {found.groups() for key in compose.settings if (found := AIRFLOW_SETTING.fullmatch(key))}

    assert len(named) > 15
    assert named - known == set()


@pytest.mark.filterwarnings("ignore")
def test_the_pinned_packages_load_the_executor_and_the_logins(compose):
    classes = (
        ExecutorLoader.executors[compose.settings["AIRFLOW__CORE__EXECUTOR"]],
        compose.settings["AIRFLOW__CORE__AUTH_MANAGER"],
    )
    for module, name in (path.rsplit(".", 1) for path in classes):
        assert hasattr(import_module(module), name)
    import_module("airflow.providers.celery.executors.celery_executor_utils")  # scheduler and workers begin with it


def test_every_setting_of_ours_is_set_for_all(compose):
    assert {key for key in compose.settings if key.startswith(PREFIX)} == {PREFIX + name.upper() for name in OPTIONS}


# --- one image, one set of settings ----------------------------------------------------------------------------------


def test_all_of_ours_share_image_settings_and_rules(compose):
    for name, service in compose.ours.items():
        own = set(service["environment"]) - set(compose.settings)
        assert own == ({"UI_PASSWORDS"} if name == "logins" else set()), name
        assert compose.settings.items() <= service["environment"].items(), name
        for key in ("image", "init", "cap_drop", "security_opt", "logging"):
            assert service[key] == compose.data["x-ours"][key], (name, key)


def test_one_service_builds_the_image_and_none_pulls_it(compose):
    """Several builds of one tag at once can refuse each other."""
    assert [name for name, service in compose.ours.items() if "build" in service] == ["migrate"]
    policies = {name: service["pull_policy"] for name, service in compose.ours.items()}
    assert policies.pop("migrate") == "build"
    assert set(policies.values()) == {"never"}


def test_only_what_speaks_to_services_knows_their_secrets(compose):
    holders = {name for name, service in compose.services.items() if "env_file" in service}

    assert holders == {"api-server", "triggerer", "worker-1", "worker-2"}
    assert {compose.services[name]["env_file"] for name in holders} == {"connections.env"}


def test_the_sandbox_is_left_out(compose):
    assert compose.settings["HECTOR_SALTO_LEAVE_OUT"] == "sandbox"


def test_settings_agree_with_the_image(compose, image):
    assert compose.settings["PYTHONPATH"] == image.environment["PYTHONPATH"]
    assert compose.settings["AIRFLOW_HOME"] == image.environment["AIRFLOW_HOME"]
    code = image.all("WORKDIR")[-1]
    assert compose.settings["PYTHONPATH"].split(":") == [code, f"{code}/include", f"{code}/plugins"]
    assert compose.settings["AIRFLOW__CORE__DAGS_FOLDER"] == f"{code}/dags"
    assert compose.settings["AIRFLOW__CORE__PLUGINS_FOLDER"] == f"{code}/plugins"


def test_addresses_name_services_and_their_ports(compose, fill):
    given = {"POSTGRES_PASSWORD": "a1", "REDIS_PASSWORD": "b2"}
    at = {key: urlsplit(fill(value, given)) for key, value in compose.settings.items() if "://" in value}
    port = compose.services["api-server"]["command"][compose.services["api-server"]["command"].index("--port") + 1]

    assert at["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].netloc == "airflow:a1@postgres:5432"
    assert at["AIRFLOW__CELERY__RESULT_BACKEND"].netloc == "airflow:a1@postgres:5432"
    assert at["AIRFLOW__CELERY__BROKER_URL"] == at["CELERY_BROKER_URL"]
    assert at["AIRFLOW__CELERY__BROKER_URL"].netloc == ":b2@redis:6379"
    assert at["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].netloc == f"api-server:{port}"
    assert compose.services["api-server"]["ports"][0].endswith(f":{port}")


def test_airflow_runs_no_more_tasks_than_the_workers_take(compose):
    workers = [service for name, service in compose.ours.items() if name.startswith("worker-")]
    each = int(compose.settings["AIRFLOW__CELERY__WORKER_CONCURRENCY"])

    assert int(compose.settings["AIRFLOW__CORE__PARALLELISM"]) == len(workers) * each


def test_what_workers_import_once_is_there_and_starts_nothing(compose, root):
    """A thread that runs when a worker makes a task's process would be missing in there."""
    named = json.loads(compose.settings["AIRFLOW__CELERY__EXTRA_CELERY_CONFIG"])
    assert set(named) == {"imports"}
    lines = ["import importlib, threading", *(f"importlib.import_module({name!r})" for name in named["imports"])]
    code = "; ".join([*lines, "print(threading.active_count())"])
    environment = os.environ | {"PYTHONPATH": f"{root}:{root / 'include'}:{root / 'plugins'}"}

    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.split()[-1:]) == (0, ["1"]), done.stderr


def test_begun_runs_end_before_others_begin(compose):
    """Otherwise all sites of an evening begin at once, and the last plan is too old when its turn comes."""
    assert compose.settings["AIRFLOW__CORE__DEFAULT_TASK_WEIGHT_RULE"] == "upstream"


def test_each_worker_is_told_apart_and_asked_for_by_name(compose):
    for name in ("worker-1", "worker-2"):
        worker = compose.ours[name]
        assert worker["hostname"] == name
        assert worker["command"][-2:] == ["--celery-hostname", name]
        assert worker["healthcheck"]["test"][-1] == f"celery@{name}"


# --- start, health, restart -------------------------------------------------------------------------------------------


def test_every_server_has_a_health_check_and_comes_back(compose):
    for name, service in compose.services.items():
        if name in STEPS:
            assert service["restart"] == "no", name
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert {"interval", "timeout", "retries"} <= service["healthcheck"].keys(), name


def test_python_in_commands_and_checks_compiles(compose):
    texts = [
        words[words.index("-c") + 1]
        for service in compose.ours.values()
        for words in (service["command"], service.get("healthcheck", {}).get("test", []))
        if "-c" in words
    ]

    assert len(texts) == 6
    for text in texts:
        compile(text, "docker-compose.yml", "exec")


def test_who_waits_for_whom_can_come_true(compose):
    for name, service in compose.services.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in compose.services[other], (name, other)
            else:
                assert how == {"condition": "service_completed_successfully"}
                assert other in STEPS, (name, other)
    for name in SERVERS:
        assert {"postgres", "redis", "migrate"} <= compose.ours[name]["depends_on"].keys(), name
    for name in ("worker-1", "worker-2", "triggerer"):
        assert "api-server" in compose.ours[name]["depends_on"], name
    assert "pools" in compose.ours["scheduler"]["depends_on"]
    assert {"logins", "integrations"} <= compose.ours["api-server"]["depends_on"].keys()


# --- secrets -----------------------------------------------------------------------------------------------------------


def test_the_example_names_exactly_the_variables_of_the_compose_file(compose, example):
    to_fill_in, optional = example

    assert to_fill_in.keys() == compose.variables(":?").keys()
    assert {name for name in optional if not name.startswith("AIRFLOW_CONN_")} == compose.variables(":-").keys()
    assert len(re.findall(r"\$\{\w+}|\$\w", compose.text)) == 0, (
        "a variable without a default or a :? is empty in silence"
    )


def test_the_example_holds_no_secret_and_the_true_defaults(compose, example):
    to_fill_in, optional = example

    assert set(to_fill_in.values()) == {""}
    for name, default in compose.variables(":-").items():
        assert optional[name].startswith(default), name


def test_a_missing_secret_is_told_with_the_way_to_make_it(compose, root):
    text = (root / ".env.example").read_text(encoding="utf-8")

    for name, said in compose.variables(":?").items():
        recipe = said.removeprefix("make one with ")
        assert "see .env.example" in said or re.search(rf"# {re.escape(recipe)}\b.*\n{name}=", text), name


def test_no_password_stands_in_the_compose_file(compose):
    secret = re.compile(r"PASSWORDS?$|SECRET|_KEY$|AUTH$|CONN$|BACKEND$|BROKER_URL$")
    for name, service in compose.services.items():
        for key, value in service.get("environment", {}).items():
            if secret.search(key):
                assert ":?" in value, (name, key)
    assert not re.search(r"://[^/\s$]*:[^/\s$]+@", compose.text)
    assert ":?" in compose.services["redis"]["command"][2]


def test_the_examples_of_connections_are_what_airflow_reads(example):
    for name, text in example[1].items():
        if name.startswith("AIRFLOW_CONN_"):
            assert text[0] == text[-1] == "'"
            connection = Connection.from_json(text[1:-1], conn_id="example")
            assert connection.conn_type in {"hector", "salto_ks", "smtp", "aws"}


def _write_logins(compose, folder, passwords, users="admin:admin,desk:user"):
    file = folder / "passwords.json"
    settings = {
        "UI_PASSWORDS": passwords,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": users,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(file),
    }
    command = [sys.executable, *compose.ours["logins"]["command"][1:]]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
    return done, file


def test_logins_writes_the_passwords_for_its_owner_only(compose, tmp_path):
    passwords = {"admin": LONG_ENOUGH, "desk": LONG_ENOUGH[::-1], "gone": "nobody's any more"}

    done, file = _write_logins(compose, tmp_path, json.dumps(passwords))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads(file.read_text()) == {"admin": LONG_ENOUGH, "desk": LONG_ENOUGH[::-1]}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("passwords", "said"),
    [
        ("{}", "for admin"),
        (json.dumps({"admin": LONG_ENOUGH}), "for desk"),
        (json.dumps({"admin": LONG_ENOUGH, "desk": "short4711"}), "12 characters or more for desk"),
        ("admin", "not a JSON object"),
        ('["admin"]', "not a JSON object"),
    ],
)
def test_logins_refuses_weak_or_missing_passwords(compose, tmp_path, passwords, said):
    done, file = _write_logins(compose, tmp_path, passwords)

    assert done.returncode == 1
    assert said in done.stderr
    assert "short4711" not in done.stderr
    assert not file.exists()


# --- what is reachable, what is kept ---------------------------------------------------------------------------------


def test_only_the_page_is_published_and_only_on_this_machine(compose, fill):
    published = {name: service["ports"] for name, service in compose.services.items() if "ports" in service}

    assert {name: [fill(port) for port in ports] for name, ports in published.items()} == {
        "api-server": ["127.0.0.1:8080:8080"]
    }
    assert all(key not in service for service in compose.services.values() for key in ("network_mode", "privileged"))


def test_no_image_of_others_floats(compose):
    images = {service["image"] for name, service in compose.services.items() if name not in compose.ours}

    assert images == {"postgres:16.10-bookworm", "redis:7.2.7-bookworm"}


def test_mounted_folders_exist_and_are_read_only_but_for_the_page(compose, root):
    for name, service in compose.services.items():
        for volume in service.get("volumes", []):
            source, _, rest = volume.partition(":")
            if source.startswith("."):
                assert (root / source).is_dir(), (name, source)
                assert rest.endswith(":ro") != (name in WRITES_FILES), (name, source)
            else:
                assert source in compose.data["volumes"], (name, source)


def test_runs_logs_and_sites_are_where_the_settings_say(compose, fill):
    settings = compose.settings
    runs = fill(settings["HECTOR_SALTO_RUNS"]).removeprefix("file://")
    expected = {
        f"runs:{runs}",
        f"logs:{settings['AIRFLOW__LOGGING__BASE_LOG_FOLDER']}",
    }
    folder = f"./include/integrations:{settings['HECTOR_SALTO_INTEGRATIONS']}"
    passwords = PurePosixPath(settings["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])

    for name in SERVERS | {"migrate", "pools"}:
        more = {f"logins:{passwords.parent}"} if name == "api-server" else set()
        files = {folder if name in WRITES_FILES else f"{folder}:ro"}
        assert set(compose.ours[name]["volumes"]) == expected | files | more, name
    assert compose.ours["integrations"]["volumes"] == [folder]
    assert compose.ours["logins"]["volumes"] == [f"logins:{passwords.parent}"]


def test_the_folder_of_the_files_is_opened_to_the_group_of_the_containers_alone(compose, tmp_path, monkeypatch):
    step = compose.ours["integrations"]
    asked = []
    monkeypatch.setattr(os, "chown", lambda *given: asked.append(given))
    monkeypatch.setenv("HECTOR_SALTO_INTEGRATIONS", str(tmp_path))
    exec(step["command"][2])  # noqa: S102 - what the container runs

    assert asked == [(str(tmp_path), -1, 50000)]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o2775
    assert {name for name, service in compose.ours.items() if "cap_add" in service or "user" in service} == {
        "integrations"
    }


def test_what_postgres_and_redis_hold_outlives_them(compose):
    assert compose.services["postgres"]["volumes"] == ["postgres:/var/lib/postgresql/data"]
    assert compose.services["redis"]["volumes"] == ["redis:/data"]
    assert compose.services["redis"]["command"][-2:] == ["--appendonly", "yes"]
