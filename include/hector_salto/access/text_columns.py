"""Whole columns of text at once: joined, repeated, written as JSON. A plan of a large site has millions of cells.

Arrow does in one pass what ``+`` and ``where`` of pandas do in one pass a part, and Python in one step a cell.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEXT = pa.large_string()  # what pandas keeps its texts in
ESCAPED = r'["\\\x00-\x1f]'  # what JSON writes in another way


def repeat(value: str | None, times: int) -> pd.Series:
    """Return a column of one text."""
    return pd.Series(pd.array([value], dtype="str").take(np.zeros(times, dtype="int64")))


def join(parts: Sequence[pd.Series | str], between: str = "", *, null: str | None = None) -> pd.Series:
    """Return the parts of each row as one text; a null as ``null``, else it makes the whole text null."""
    (index, *_) = (part.index for part in parts if isinstance(part, pd.Series))
    columns = [pa.scalar(part, TEXT) if isinstance(part, str) else _arrow(part) for part in parts]
    handling = (
        {"null_handling": "emit_null"} if null is None else {"null_handling": "replace", "null_replacement": null}
    )
    joined = pc.binary_join_element_wise(*columns, pa.scalar(between, TEXT), **handling)
    return pd.Series(joined, index=index, dtype="str")


def json_objects(columns: Mapping[str, pd.Series]) -> pd.Series:
    """Return each row as a JSON object with sorted names, as ``operations.as_json`` writes it: of texts and flags."""
    parts: list[pd.Series | str] = []
    for name in sorted(columns):
        parts += [f"{', ' if parts else '{'}{json.dumps(name)}: ", _json_values(columns[name])]
    return join([*parts, "}"])


def is_ascii(texts: pd.Series) -> pd.Series:
    """Return which cells are texts of ASCII letters only, or no texts."""
    if isinstance(texts.dtype, pd.StringDtype) and texts.dtype.storage == "pyarrow":
        found = pc.fill_null(pc.string_is_ascii(pa.array(texts)), fill_value=True)
        return pd.Series(np.asarray(found), index=texts.index, dtype="bool")
    known = [not isinstance(text, str) or text.isascii() for text in texts]
    return pd.Series(known, index=texts.index, dtype="bool")


def _json_values(values: pd.Series) -> pd.Series:
    if values.dtype.kind == "b":
        return values.map({True: "true", False: "false"}).astype("str")
    special = np.asarray(pc.fill_null(pc.match_substring_regex(_arrow(values), ESCAPED), fill_value=False))
    quoted = join(['"', values, '"'])
    if not special.any():
        return quoted
    return quoted.mask(special, values[special].map(lambda text: json.dumps(text, ensure_ascii=False)))


def _arrow(texts: pd.Series) -> pa.Array:
    plain = texts if isinstance(texts.dtype, pd.StringDtype) else texts.astype("str").where(texts.notna())
    return pa.array(plain, TEXT)
