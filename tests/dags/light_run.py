"""Run a DAG as it is wired, task by task in this process, without Airflow's database, scheduler and task runner.

A run of a dozen tasks takes a tenth of the time that ``dag.test`` needs. Upstreams, trigger rules, skips, teardowns and XComs are
those of the DAG itself. What other DAGs are asked for is noted, not started. Tests of how Airflow treats a DAG use the fixture
``run_in_airflow`` instead.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from airflow.providers.common.compat.sdk import (
    AirflowSkipException,
    DagRunTriggerException,
    DownstreamTasksSkipped,
    TaskDeferred,
)
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Asset, XComArg
from airflow.sdk.definitions._internal.contextmanager import _CURRENT_CONTEXT

from hector_salto.workflow.starting import TERMINAL

LOG = logging.getLogger(__name__)
SUCCESS, FAILED, SKIPPED, UPSTREAM_FAILED = "success", "failed", "skipped", "upstream_failed"
BAD = {FAILED, UPSTREAM_FAILED}


@dataclass
class LightRun:
    """States and results of the tasks of one run."""

    dag: DAG
    conf: dict[str, Any]
    done: re.Pattern[str]
    states: dict[str, str] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    triggered: dict[str, dict[str, Any]] = field(default_factory=dict)
    asset_events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # name of the asset, extra

    def run(self, run_type: str) -> str:
        """Return the state of the run."""
        now = datetime.now(UTC)
        run_id = f"{run_type}__{now.isoformat()}"
        dag_run = SimpleNamespace(
            conf=self.conf,
            run_id=run_id,
            run_type=SimpleNamespace(value=run_type),
            run_after=now,
            dag_id=self.dag.dag_id,
            triggering_user_name=TERMINAL,
        )
        context = {
            "dag_run": dag_run,
            "params": self.dag.params.dump() | {k: v for k, v in self.conf.items() if k in self.dag.params},
            "run_id": run_id,
            "outlet_events": defaultdict(lambda: SimpleNamespace(add=self._add_event)),
        }
        for operator in self.dag.topological_sort():
            self.states[operator.task_id] = self._state(operator, context)
        return FAILED if any(self.states[one] in BAD for one in self._deciding()) else SUCCESS

    def _deciding(self) -> list[str]:
        """The tasks that decide how the run ended: the last ones, teardowns left out."""
        return [
            one.task_id
            for one in self.dag.tasks
            if not one.is_teardown and all(self.dag.get_task(later).is_teardown for later in one.downstream_task_ids)
        ]

    def _add_event(self, asset: Asset, extra: dict[str, Any]) -> None:
        self.asset_events.append((asset.name, extra))

    def _state(self, operator: Any, context: dict[str, Any]) -> str:
        if (decided := self._decided(operator)) is not None:
            return decided
        LOG.info("task %s", operator.task_id)
        pushed = SimpleNamespace(xcom_push=lambda *, key, value: self._push(operator.task_id, key, value))
        try:
            self.results[operator.task_id] = self._result(operator, {**context, "ti": pushed})
        except DownstreamTasksSkipped as skipping:
            self.states |= dict.fromkeys(skipping.tasks, SKIPPED)
        except AirflowSkipException as skipped:
            LOG.info("skipped: %s", skipped)
            return SKIPPED
        except Exception:
            LOG.exception("task %s failed", operator.task_id)
            return FAILED
        return SUCCESS

    def _push(self, task_id: str, key: str, value: Any) -> None:
        assert key == "return_value", key
        self.results[task_id] = value

    def _decided(self, operator: Any) -> str | None:
        """The state of a task that its upstreams keep from running."""
        if operator.task_id in self.states:
            return self.states[operator.task_id]
        before = {self.states[one] for one in operator.upstream_task_ids}
        rule = str(getattr(operator.trigger_rule, "value", operator.trigger_rule))
        assert rule in {"all_success", "all_done", "one_failed", "all_done_setup_success"}, rule
        if rule == "all_success" and before & BAD:
            return UPSTREAM_FAILED
        if (rule == "all_success" and SKIPPED in before) or (rule == "one_failed" and not before & BAD):
            return SKIPPED
        return SUCCESS if self.done.search(operator.task_id) else None

    def _result(self, operator: Any, context: dict[str, Any]) -> Any:
        if isinstance(operator, TriggerDagRunOperator):
            return self._trigger(operator, context)
        _CURRENT_CONTEXT.append(context)
        try:
            if hasattr(operator, "python_callable"):
                arguments = [self._value(one) for one in operator.op_args]
                named = {name: self._value(one) for name, one in operator.op_kwargs.items()}
                return operator.python_callable(*arguments, **named)
            return operator.execute(context)
        except TaskDeferred as deferred:
            event = asyncio.run(_first(deferred.trigger))
            return getattr(operator, deferred.method_name)(context, event.payload)
        finally:
            _CURRENT_CONTEXT.pop()

    def _trigger(self, operator: TriggerDagRunOperator, context: dict[str, Any]) -> None:
        rendered = copy.copy(operator)
        for name in operator.template_fields:
            object.__setattr__(rendered, name, self._value(getattr(operator, name)))
        _CURRENT_CONTEXT.append(context)
        try:
            type(operator).execute.__wrapped__(rendered, context)
        except TaskDeferred as deferred:
            event = asyncio.run(_first(deferred.trigger))
            self._resume(getattr(rendered, deferred.method_name), context, event.payload)
        except DagRunTriggerException as asked:
            self.triggered[asked.trigger_dag_id] = asked.conf
        finally:
            _CURRENT_CONTEXT.pop()

    def _resume(self, method: Any, context: dict[str, Any], event: Any) -> None:
        try:
            method(context, event)
        except DagRunTriggerException as asked:
            self.triggered[asked.trigger_dag_id] = asked.conf

    def _value(self, given: Any) -> Any:
        if isinstance(given, dict):
            return {name: self._value(one) for name, one in given.items()}
        if not isinstance(given, XComArg):
            return given
        found = self.results.get(given.operator.task_id)
        key = given.key
        return found if key == "return_value" else None if found is None else found[key]


async def _first(trigger: Any) -> Any:
    async for event in trigger.run():
        return event
    raise AssertionError("the trigger ended without an event")
