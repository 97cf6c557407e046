"""deploy/helm/values.yaml says what docker-compose.yml says. The chart itself is not at hand here: nothing is rendered.

That the checks of its pods tell a living pod from a dead one is seen in tests/slow/test_many_machines.py.
"""

from __future__ import annotations

import ast
import re
from importlib.metadata import PackageNotFoundError, version

import pytest
import yaml
from packaging.requirements import Requirement

# Settings of compose that the values do not have in "env", each with the place where they are instead or why not.
ELSEWHERE = {
    "AIRFLOW_HOME": "the chart's airflowHome, whose default it is",
    "AIRFLOW_CONN_HECTOR_SALTO_LEDGER": "the secret hector-salto-connections",
    "AIRFLOW__CORE__EXECUTOR": "the chart's executor",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "the chart's default, which knows the name of the release",
    "AIRFLOW__CORE__FERNET_KEY": "fernetKeySecretName",
    "AIRFLOW__API__SECRET_KEY": "apiSecretKeySecretName",
    "AIRFLOW__API_AUTH__JWT_SECRET": "jwtSecretName",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "data.metadataSecretName",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER": "the chart's default; logs are kept in the bucket",
    "AIRFLOW__CELERY__BROKER_URL": "no Celery: each task is a pod",
    "AIRFLOW__CELERY__RESULT_BACKEND": "no Celery",
    "AIRFLOW__CELERY__WORKER_CONCURRENCY": "no Celery; AIRFLOW__CORE__PARALLELISM limits the pods",
    "AIRFLOW__CELERY__EXTRA_CELERY_CONFIG": "no Celery: a pod imports for itself",
    "CELERY_BROKER_URL": "no Celery",
}
# What each place that people fill in has for an example.
FILLED_IN = {"HECTOR_SALTO_RUNS", "AIRFLOW__API__BASE_URL"}
# Top-level names of the chart's own values (1.19 and newer) that are used here.
CHART = {
    "airflowVersion",
    "executor",
    "uid",
    "gid",
    "images",
    "dags",
    "postgresql",
    "redis",
    "statsd",
    "data",
    "fernetKeySecretName",
    "apiSecretKeySecretName",
    "jwtSecretName",
    "extraEnvFrom",
    "volumes",
    "volumeMounts",
    "env",
    "config",
    "migrateDatabaseJob",
    "createUserJob",
    "apiServer",
    "scheduler",
    "dagProcessor",
    "triggerer",
    "workers",
    "cleanup",
    "securityContexts",
}


@pytest.fixture(scope="module")
def text(root):
    return (root / "deploy" / "helm" / "values.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def values(text):
    return yaml.safe_load(text)


@pytest.fixture(scope="module")
def env(values):
    return {one["name"]: one["value"] for one in values["env"]}


def test_every_setting_of_compose_is_there_or_has_a_reason(compose, env):
    assert set(compose.settings) - set(env) == set(ELSEWHERE)
    assert set(env) <= set(compose.settings)


def test_settings_have_composes_values(compose, env, fill):
    for name in env.keys() - FILLED_IN:
        assert env[name] == fill(str(compose.settings[name])), name
    assert all(isinstance(value, str) for value in env.values()), "Kubernetes takes text only"


def test_frames_are_kept_where_every_pod_reaches_them(values, env):
    assert env["HECTOR_SALTO_RUNS"].startswith("s3://runs@")
    assert values["config"]["logging"]["remote_log_conn_id"] == "runs"
    assert values["config"]["logging"]["remote_base_log_folder"].startswith("s3://")


def test_only_names_that_the_chart_has_are_used(values):
    assert set(values) == CHART


def test_it_names_the_pinned_airflow(values, root):
    assert f"apache-airflow=={values['airflowVersion']}\n" in (root / "requirements.txt").read_text(encoding="utf-8")
    assert values["executor"] == "KubernetesExecutor"


def test_no_secret_stands_in_it(values, text):
    assert values["data"] == {"metadataSecretName": "hector-salto-airflow"}
    assert {name for name in values if name.endswith("SecretName")} == {
        "fernetKeySecretName",
        "apiSecretKeySecretName",
        "jwtSecretName",
    }
    assert not re.search(r"://[^/\s]*:[^/\s]*@", text)


def test_logins_are_written_by_composes_own_lines(compose, values):
    (container,) = values["apiServer"]["extraInitContainers"]
    assert container["command"] == compose.ours["logins"]["command"]
    given = {one["name"]: one.get("value") for one in container["env"]}
    env = {one["name"]: one["value"] for one in values["env"]}
    assert set(given) - {"UI_PASSWORDS"} <= set(env)
    assert all(env[name] == value for name, value in given.items() if name != "UI_PASSWORDS")
    read = set(re.findall(r'os\.environ\["(\w+)"\]', container["command"][2]))
    assert read == set(given)
    mounted = {one["mountPath"] for one in values["apiServer"]["extraVolumeMounts"] + container["volumeMounts"]}
    assert mounted == {"/opt/airflow/logins"}


def test_steps_and_checks_are_composes(compose, values):
    args = values["migrateDatabaseJob"]["args"][2]
    migrate, pools = (compose.ours[name]["command"] for name in ("migrate", "pools"))
    assert args == f"{' '.join(migrate)} && exec {' '.join(pools)}"
    assert values["apiServer"]["args"][2] == f"exec {' '.join(compose.ours['api-server']['command'])}"
    check = compose.ours["scheduler"]["healthcheck"]["test"][1:]
    for probe in ("livenessProbe", "startupProbe"):
        assert values["scheduler"][probe]["command"] == check
    jobs = {name: values[name]["livenessProbe"]["command"] for name in ("dagProcessor", "triggerer")}
    assert {name: command[3] for name, command in jobs.items()} == {
        "dagProcessor": "DagProcessorJob",
        "triggerer": "TriggererJob",
    }
    alive = jobs["triggerer"][2]
    assert alive == jobs["dagProcessor"][2]
    for text in (check[2], alive, values["apiServer"]["extraInitContainers"][0]["command"][2]):
        ast.parse(text)


def test_no_check_needs_another_images_entrypoint(values):
    for name in ("scheduler", "dagProcessor", "triggerer"):
        assert values[name]["livenessProbe"]["command"][0] == "python", name


def test_the_sites_are_mounted_where_the_setting_says(values, env):
    assert {one["mountPath"] for one in values["volumeMounts"]} == {env["HECTOR_SALTO_INTEGRATIONS"]}
    assert {one["name"] for one in values["volumeMounts"]} == {one["name"] for one in values["volumes"]}


def test_pods_run_as_the_images_user_without_rights(values, image):
    made = next(step for step in image.all("RUN") if "useradd" in step)
    assert f"--uid {values['uid']} --user-group" in made
    pod = values["securityContexts"]["pod"]
    assert (pod["runAsUser"], pod["runAsGroup"]) == (values["uid"], values["gid"])
    assert values["securityContexts"]["containers"]["capabilities"] == {"drop": ["ALL"]}


def test_what_a_pod_asks_for_is_stated(values):
    for name in ("apiServer", "scheduler", "dagProcessor", "triggerer", "workers"):
        assert set(values[name]["resources"]) == {"requests", "limits"}, name


def test_its_image_adds_pins_that_agree_with_the_projects(root):
    folder = root / "deploy" / "helm"
    steps = (folder / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert "FROM ${IMAGE}" in steps
    assert steps[-1] == "USER airflow"
    ours = {Requirement(line).name for line in (root / "requirements.txt").read_text(encoding="utf-8").splitlines()}
    pins = [Requirement(line) for line in (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()]
    assert "apache-airflow-providers-cncf-kubernetes" in {pin.name for pin in pins}
    assert ours.isdisjoint(pin.name for pin in pins), "pinned twice"
    for pin in pins:
        try:
            assert pin.specifier.contains(version(pin.name)), pin.name
        except PackageNotFoundError:  # not asked for on this machine
            continue
