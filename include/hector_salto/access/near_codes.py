"""How a unique code misses the tag that it probably means: said, never guessed, and never with the number."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import pandas as pd

from hector_salto.access.frame_lookup import lookup
from hector_salto.access.problems import HECTOR_ADMIN, problems

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping


class CodeForm(StrEnum):
    """What a spreadsheet or a keyboard did to a code."""

    FULL_WIDTH = "full_width"
    APOSTROPHE = "apostrophe"
    SCIENTIFIC = "scientific"
    DECIMALS = "decimals"
    SEPARATORS = "separators"


WAYS = {
    CodeForm.FULL_WIDTH: "written in plain digits and letters, not full-width ones",
    CodeForm.APOSTROPHE: "written without the apostrophe before it",
    CodeForm.SCIENTIFIC: "written out, not in scientific notation",
    CodeForm.DECIMALS: "written without decimals",
    CodeForm.SEPARATORS: "written without spaces, colons and hyphens",
}
CORRECT = "correct the user's unique code in Hector (in a spreadsheet, keep such a column as text)"
LOST = "enter the whole number of the user's tag as their unique code in Hector: a spreadsheet has dropped digits of it"


def unknown_codes(people: pd.DataFrame, tags: pd.DataFrame) -> pd.DataFrame:
    """Problems ``tag_unknown`` of people whose code is no tag of the site, each saying how it misses one.

    Args:
        people: user_id, with near, code_forms and code_length of their code.
        tags: SALTO_TAGS.
    """
    known = tags.dropna(subset="near").sort_values("tag_id")
    counts = people["near"].map(known["near"].value_counts()).fillna(0).astype("int64")
    lengths = lookup(people["near"], known["near"], known["length"])
    rows = people.assign(count=counts, wanted=lengths)
    columns = ["code_forms", "code_length", "count", "wanted"]
    misses = [_miss(row) for row in rows[columns].to_dict("records")]
    found = problems("tag_unknown", rows.assign(miss=pd.Series(misses, index=rows.index, dtype="str")))
    near = pd.Series(rows["count"].gt(0).to_numpy(), index=found.index, dtype="bool")
    lost = ~near & rows["code_forms"].fillna("").str.contains(CodeForm.SCIENTIFIC).to_numpy()
    step = found["next_step"].mask(near, CORRECT).mask(lost, LOST)
    return found.assign(next_step=step, who=found["who"].mask(near | lost, HECTOR_ADMIN))


def _miss(row: Mapping[Hashable, object]) -> str:
    count, forms = int(str(row["count"])), str(row["code_forms"] or "").split()
    if count > 1:
        return f" as it is written; other ways to write it match {count} tags"
    if count == 1:
        return f" as it is written; it would match if {', '.join(_ways(forms, row))}"
    if CodeForm.SCIENTIFIC in forms:
        return "; it is in scientific notation, as spreadsheets leave long numbers, so digits of it are lost"
    return ""


def _ways(forms: list[str], row: Mapping[Hashable, object]) -> list[str]:
    ways = [WAYS[CodeForm(form)] for form in forms]
    length, wanted = int(str(row["code_length"])), int(str(row["wanted"]))
    if wanted > length:
        ways.append(f"zero-padded to {wanted}")
    if wanted < length:
        ways.append(f"written without leading zeros, in {wanted} characters")
    return ways or ["written in the letter case and form of the tag"]
