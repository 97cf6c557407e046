"""The rules: who may open which door, and in what order Salto KS is brought there. Frames and a clock in, frames out."""

import pandas as pd

# pandas 2 writes a missing text as "None". The text type of pandas 3, which pandas 2 has behind this switch, keeps it missing.
if pd.__version__.startswith("2."):
    pd.set_option("future.infer_string", True)
