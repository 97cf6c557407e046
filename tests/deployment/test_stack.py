"""How tests/prove runs the compose file as processes: what is read from it, and what stands in for a container."""

from __future__ import annotations

import re

import pytest

from tests.deployment import stack as stacks
from tests.deployment.stack import Stack, fill_variables


@pytest.fixture
def project(tmp_path):
    return stacks.write_project(tmp_path / "project", {"UI_PASSWORDS": '{"admin": "long enough to pass"}'})


@pytest.fixture
def stack(project):
    if why := stacks.missing():
        pytest.skip(why)
    found = Stack(project)
    yield found
    found.down()


def test_the_examples_recipes_fill_every_empty_line(project, compose):
    given = dict(line.split("=", 1) for line in (project / ".env").read_text().splitlines() if re.match(r"[A-Z]", line))

    assert set(given) == compose.variables(":?").keys()
    assert all(given.values())


def test_a_missing_secret_is_told_as_compose_does():
    with pytest.raises(KeyError, match="JWT_SECRET: make one"):
        fill_variables({"secret": "${JWT_SECRET:?make one}"}, {"JWT_SECRET": ""})
    assert fill_variables(["${A:-1} ${B:-2}"], {"A": "x"}) == ["x 2"]


def test_nothing_of_a_container_is_left_in_a_service(stack):
    ports = {str(port) for port in stack.ports.values()}
    for name, service in stack.services.items():
        for text in [*service.environment.values(), *service.command]:
            assert not re.search(r"/opt/|[@/](postgres|redis|api-server):", text), (name, text)
            for port in re.findall(r"127\.0\.0\.1:(\d+)", text):
                assert port in ports, (name, text)


def test_commands_and_settings_are_the_files(stack, compose):
    for name in compose.ours:
        service, about = stack.services[name], compose.ours[name]
        same = [word for word in about["command"] if not word.isdigit() and word != "python"]
        assert [word for word in service.command if word in same] == same, name
        assert set(about["environment"]) <= set(service.environment), name
        assert service.environment["AIRFLOW__CORE__PARALLELISM"] == compose.settings["AIRFLOW__CORE__PARALLELISM"]
        assert service.environment["HOSTNAME"] == about.get("hostname", name)


def test_services_share_a_volume_and_no_home(stack):
    homes = {service.environment.get("AIRFLOW_HOME") for name, service in stack.services.items()} - {None}
    logs = {service.environment.get("AIRFLOW__LOGGING__BASE_LOG_FOLDER") for service in stack.services.values()} - {
        None
    }

    assert len(homes) == len(stack.services) - 2
    assert logs == {str(stack.volume("logs"))}
