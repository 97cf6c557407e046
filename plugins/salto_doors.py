"""Registers the page where the package is not installed; where it is, its entry point does (group airflow.plugins)."""

from __future__ import annotations

from importlib.metadata import entry_points

if not entry_points(group="airflow.plugins", name="hector_salto_doors"):
    from hector_salto.ui.plugin import DoorsPage

    __all__ = ["DoorsPage"]
