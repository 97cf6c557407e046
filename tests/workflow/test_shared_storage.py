"""Where tasks run on several machines, a ledger or a runs' folder of one of them is refused in one sentence."""

from __future__ import annotations

import pytest

from hector_salto.workflow.failures import RunError
from hector_salto.workflow.starting import require_shared_storage

SHARED = {"ledger": "hector_salto_ledger", "runs": "/shared/runs"}


@pytest.fixture
def settings(monkeypatch):
    def set_(executor: str, **given: str) -> None:
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
        for name in SHARED:
            monkeypatch.delenv(f"HECTOR_SALTO_{name.upper()}", raising=False)
        for name, value in given.items():
            monkeypatch.setenv(f"HECTOR_SALTO_{name.upper()}", value)

    return set_


@pytest.mark.parametrize("executor", ["CeleryExecutor", "KubernetesExecutor", "LocalExecutor,CeleryExecutor"])
@pytest.mark.parametrize("missing", SHARED)
def test_a_place_of_one_machine_is_refused(settings, executor, missing):
    settings(executor, **{name: value for name, value in SHARED.items() if name != missing})

    with pytest.raises(RunError, match=f"set HECTOR_SALTO_{missing.upper()}"):
        require_shared_storage()


@pytest.mark.parametrize(("executor", "given"), [("LocalExecutor", {}), ("CeleryExecutor", SHARED)])
def test_one_machine_or_shared_places_are_fine(settings, executor, given):
    settings(executor, **given)

    require_shared_storage()
