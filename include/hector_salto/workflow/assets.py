"""Airflow assets by which other DAGs learn that a sync has changed who can open what."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from hector_salto.access.results import DONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hector_salto.workflow.run_folder import RunFolder

LEDGER = Asset(name="hector_salto_ledger", uri="hector-salto://ledger")  # one event for each green run


def access_asset(name: str) -> Asset:
    """Return the asset of an integration's access; a DAG may be scheduled on it."""
    return Asset(name=f"salto_access__{name}", uri=f"hector-salto://access/{name}")


def access_alias(name: str) -> AssetAlias:
    """Return the outlet through which a task decides itself whether the asset has changed."""
    return AssetAlias(name=f"salto_access_changes__{name}")


def record_access_change(name: str, folder: RunFolder, outlet_events: Any) -> None:  # noqa: ANN401 - Airflow's accessor
    """Add an event to the integration's asset when the run has changed something in Salto.

    Its ``extra`` holds counts, no personal data: integration, run_folder, operations (applied ones), changes (by what was done).
    """
    done = Counter(change["did"] for change in _changes(folder) if change["outcome"] == DONE)
    if done:
        extra = {"integration": name, "run_folder": folder.path.name, "operations": done.total(), "changes": dict(done)}
        outlet_events[access_alias(name)].add(access_asset(name), extra=extra)


def _changes(folder: RunFolder) -> list[Mapping[str, Any]]:
    return list(folder.require_json("report")["changes"])
