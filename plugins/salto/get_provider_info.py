"""Tells Airflow of both connection types, and how their forms look."""

from __future__ import annotations

from typing import Any

from hector_salto.settings import OPTIONS, SECTION

TEXT = {"type": ["string", "null"]}


def get_provider_info() -> dict[str, Any]:
    return {
        "package-name": "hector-salto",
        "name": "Hector and Salto KS",
        "description": "Keeps a Salto KS site in step with Hector's reservations.",
        "connection-types": [HECTOR, SALTO_KS],
        "hooks": [
            {"integration-name": "Hector", "python-modules": ["hector.hook"]},
            {"integration-name": "Salto KS", "python-modules": ["salto.hook"]},
        ],
        "operators": [{"integration-name": "Salto KS", "python-modules": ["salto.operators"]}],
        "sensors": [{"integration-name": "Hector", "python-modules": ["hector.sensors"]}],
        "triggers": [{"integration-name": "Hector", "python-modules": ["hector.triggers"]}],
        "config": {SECTION: {"description": "Settings of hector-salto.", "options": _options()}},
    }


def _options() -> dict[str, dict[str, Any]]:
    """Return the settings as Airflow's `config list` shows them."""
    return {
        name: {"description": about, "version_added": "1.0.0", "type": "string", "example": None, "default": ""}
        for name, about in OPTIONS.items()
    }


HECTOR = {
    "connection-type": "hector",
    "hook-name": "Hector",
    "hook-class-name": "hector.hook.HectorHook",
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "port", "login", "extra"],
        "relabeling": {"host": "Base URL", "password": "Token"},
        "placeholders": {"host": "https://acme.example/api/v1", "password": "API token made in Hector"},
    },
}

SALTO_KS = {
    "connection-type": "salto_ks",
    "hook-name": "Salto KS",
    "hook-class-name": "salto.hook.SaltoHook",
    "conn-fields": {
        "identity_url": {
            "label": "Identity URL",
            "schema": TEXT,
            "description": "Identity server, e.g. https://identity.eu.my-clay.com",
        },
        "username": {
            "label": "Username (Site Admin account)",
            "schema": TEXT,
            "description": "The account made for the integration",
        },
        "user_password": {"label": "Password of that account", "schema": TEXT | {"format": "password"}},
        "api_version": {
            "label": "API version",
            "schema": TEXT | {"enum": ["v1.1", "v1.2"], "default": "v1.1"},
        },
    },
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "port", "extra"],
        "relabeling": {"host": "API URL", "login": "Client ID", "password": "Client secret"},
        "placeholders": {"host": "https://connect.my-clay.com", "login": "Given by Salto"},
    },
}
