"""Tells Airflow of the connection types, and how their forms look."""

from __future__ import annotations

from typing import Any

from hector_salto.settings import OPTIONS, SECTION

TEXT = {"type": ["string", "null"]}


def get_provider_info() -> dict[str, Any]:
    return {
        "package-name": "hector-salto",
        "name": "Hector and Salto KS",
        "description": "Keeps a Salto KS site in step with Hector's reservations.",
        "connection-types": [HECTOR, HECTOR_REPORTS, SALTO_KS],
        "hooks": [
            {"integration-name": "Hector", "python-modules": ["hector.hook", "hector.reports_hook"]},
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

HECTOR_REPORTS = {
    "connection-type": "hector_reports",
    "hook-name": "Hector's reports",
    "hook-class-name": "hector.reports_hook.HectorReportsHook",
    "conn-fields": {
        "sender": {
            "label": "Sender",
            "schema": TEXT,
            "description": "Of a mailbox: the address from which Hector sends its reports",
        },
        "mail_folder": {"label": "Mail folder", "schema": TEXT, "description": "Of a mailbox; INBOX when empty"},
        "verified_by": {
            "label": "Verified by",
            "schema": TEXT,
            "description": "Of a mailbox: the mail server whose Authentication-Results must say dmarc=pass",
        },
        "fingerprint_key": {
            "label": "Fingerprint key",
            "schema": TEXT | {"format": "password"},
            "description": "16 letters or more, made at random once; a mailbox may do without: then its password is the key",
        },
    },
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "port", "extra"],
        "relabeling": {"host": "Folder, bucket or mailbox"},
        "placeholders": {"host": "file:///srv/reports, s3://connection@bucket/folder or imaps://imap.example.org"},
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
