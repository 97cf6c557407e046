"""Users are named by name and email; the id stays beside them."""

from __future__ import annotations

import pandas as pd
import pytest

from hector_salto.reports.people import People

ROWS = [
    {"user_id": "u_1", "platform_user_id": "p_1", "name": "Ana <b>Roy", "email": "ana@x.example"},
    {"user_id": None, "platform_user_id": "p_2", "name": None, "email": "bo@x.example"},
    {"user_id": "u_3", "platform_user_id": None, "name": "Cy Ng", "email": None},
]
PEOPLE = People.of(pd.DataFrame(ROWS).astype("str"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user u_1 has no code", "Ana <b>Roy, ana@x.example (user u_1) has no code"),
        ("Salto user p_1.", "Ana <b>Roy, ana@x.example (user u_1)."),
        ("held by Salto user p_2, who", "held by bo@x.example (Salto user p_2), who"),
        ("Hector users u_3, u_9 share", "Cy Ng (user u_3), u_9 share"),
        ("Hector user u_9 has", "Hector user u_9 has"),
        ("the user's tag", "the user's tag"),
    ],
)
def test_ids_in_a_text_become_names(text, expected):
    assert PEOPLE.replace_ids(text) == expected


def test_names_never_become_markup():
    assert str(PEOPLE.replace_ids_in_html("<i>user u_1</i>")) == (
        "&lt;i&gt;Ana &lt;b&gt;Roy, ana@x.example <small>user u_1</small>&lt;/i&gt;"
    )
