"""Whose DAGs a process that reads a DAG file needs: a task's own, or everybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import get_parsing_context

from include.integrations.integration import load_all

if TYPE_CHECKING:
    from include.integrations.integration import Integration


def integrations_of(kind: str) -> dict[str, Integration]:
    """The integrations to build a DAG ``salto_<kind>__<name>`` for; files that cannot be used: see broken_integrations.py.

    A task reads its DAG file anew. With many sites, building the DAGs of all others took it longer than its own work.
    """
    wanted = get_parsing_context().dag_id
    known = load_all()[0]
    return {name: one for name, one in known.items() if wanted in {None, f"salto_{kind}__{name}"}}
