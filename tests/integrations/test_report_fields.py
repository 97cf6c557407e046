"""The block hector_reports: read strictly, each mistake one error with its key and what is allowed."""

from __future__ import annotations

import pytest
import yaml

from hector_salto.integration import IntegrationError, load

BLOCK = {
    "users": {"file": "Users*.xlsx", "columns": {"email": "Email", "unique_code": "Unique code"}},
    "places": {"file": "Places*.xlsx", "columns": {"place": "Name", "lock_name": "Salto Lock Id"}},
    "loaners": {
        "file": "Loaners*.xlsx",
        "columns": {
            "reference": "Number",
            "status": "Status",
            "start": "Start",
            "finish": "Finish",
            "borrower": "Borrower email",
            "place": "Resources",
        },
    },
    "timezone": "America/Toronto",
}


def loaded(tmp_path, block):
    whole = {"hector_conn_id": "h", "salto_conn_id": "s", "site_id": "DE1", "hector_reports": block}
    path = tmp_path / "campus.yaml"
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    return load(path).hector_reports


def changed(key, value):
    """The block with one field changed; the key is a path of names."""
    block = yaml.safe_load(yaml.safe_dump(BLOCK))
    *parents, last = key.split(".")
    inner = block
    for name in parents:
        inner = inner[name]
    inner[last] = value
    return block


def test_a_short_block_has_the_defaults(tmp_path):
    found = loaded(tmp_path, BLOCK)

    assert (found.max_age_hours, found.shrink, found.separator, found.date_format) == (26, 50, ";", "%Y-%m-%d %H:%M")
    assert found.users.columns.groups is None


def test_older_names_of_statuses_are_the_newer_ones(tmp_path):
    found = loaded(tmp_path, BLOCK | {"statuses": {"En attente": "awaiting_approval", "Actif": "active"}})

    assert found.statuses == {"En attente": "pending_approval", "Actif": "active"}


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("users.columns.mail", "E-mail", "users.columns.mail: unknown key; allowed are email, id, unique_code"),
        ("users.shape", "x", "hector_reports.users.shape: unknown key; allowed are file, columns"),
        ("shrinks", 3, "hector_reports.shrinks: unknown key; allowed are users, places"),
        ("users.columns", {}, "hector_reports.users.columns.email: missing; it is required"),
        ("users.file", "2026/Users.xlsx", "users.file: allowed is the name of a file"),
        ("timezone", "Toronto", "hector_reports.timezone: allowed is an IANA time zone"),
        ("date_format", "%d/%m/%Y", "date_format: allowed is a format of day and time"),
        ("max_age_hours", 0, "max_age_hours: Input should be greater than or equal to 1"),
        ("shrink", 101, "shrink: Input should be less than or equal to 100"),
        ("statuses", {"En cours": "running"}, "statuses.En cours: allowed are active, archived"),
    ],
)
def test_a_mistake_names_its_key_and_what_is_allowed(tmp_path, key, value, named):
    with pytest.raises(IntegrationError) as error:
        loaded(tmp_path, changed(key, value))
    assert named in str(error.value)


def test_a_block_without_time_zone_is_refused(tmp_path):
    with pytest.raises(IntegrationError, match=r"hector_reports\.timezone: missing"):
        loaded(tmp_path, {name: value for name, value in BLOCK.items() if name != "timezone"})
