"""A small school for the set-up's tests: its services, and the answers that reach them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import yaml

from commands.connect import AnswersFile
from hector_salto.connect.conversation import converse
from hector_salto.connect.draft import Draft
from salto.hook import clear_grants
from sandbox import Sandbox, empty

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def running_school() -> Iterator[Sandbox]:
    clear_grants()
    with Sandbox(empty()) as sandbox:
        hector, salto = sandbox.hector, sandbox.salto
        teachers, music = hector.add_group("Teachers"), hector.add_department("Music")
        user = hector.add_user(email="ana@school.example", unique_code="1", first_name="ana")
        hector.users[user] |= {"group_ids": [teachers], "department_id": music}
        salto.add_lock("Studio", salto.add_iq("IQ", "America/Toronto"))
        yield sandbox


def answers(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    """The answers for Hector's API; a change to None leaves one out."""
    known = sandbox.credentials
    given = {
        "name": "school",
        "hector_url": sandbox.hector_url,
        "hector_token": known.hector_token,
        "environment": "other",
        "salto_url": sandbox.salto_url,
        "identity_url": sandbox.identity_url,
        "client_id": known.client_id,
        "client_secret": known.client_secret,
        "username": known.username,
        "user_password": known.user_password,
        "office_groups": ["Teachers"],
    }
    return {key: value for key, value in (given | changes).items() if value is not None}


def answered(tmp_path: Path, given: dict[str, Any], draft: Draft | None = None) -> Draft:
    """The draft that a file with these answers gives."""
    path = tmp_path / "answers.yaml"
    path.write_text(yaml.safe_dump(given), encoding="utf-8")
    return converse(draft or Draft(), AnswersFile(path))
