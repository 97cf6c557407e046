"""How hard the random tests try: a sample by default, ``EFFORT=20`` for a long sweep."""

import os

EFFORT = int(os.environ.get("EFFORT", "1"))
