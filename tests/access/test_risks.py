"""A risk's subject is what must be mended; each reservation that it concerns keeps a problem of its own."""

from __future__ import annotations

import pandas as pd
import pytest

from hector_salto.access.problems import all_problems, problems


@pytest.mark.parametrize(
    ("link", "subjects"),
    [
        ("lock", ["lock Studio 204"] * 2),
        ("seat", ["user u_1"] * 2),
        ("tag", ["user u_1"] * 2),
        ("member", ["user u_1"] * 2),
        ("group", ["reservation 1", "reservation 2"]),
        ("schedule", ["reservation 1", "reservation 2"]),
        ("door", ["reservation 1", "reservation 2"]),
    ],
)
def test_a_risk_is_about_what_must_be_mended_and_names_each_reservation(link, subjects):
    same = {"user_id": "u_1", "lock_name": "Studio 204", "when": "2026-01-14 21:00 UTC", "words": "it is broken"}
    rows = pd.DataFrame([same | {"reference": reference} for reference in ("1", "2")])
    found = all_problems([problems(f"risk_{link}", rows), problems(f"risk_{link}", rows)])

    assert list(found["subject"]) == subjects
    assert list(found["reference"]) == ["1", "2"]
    told = [f"reservation {one}: a door will stay shut at 2026-01-14 21:00 UTC: it is broken" for one in ("1", "2")]
    assert list(found["message"]) == told
