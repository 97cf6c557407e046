"""Shows integration files that cannot be used as an import error in Airflow, in a file of its own.

Airflow sets every DAG of a file aside when the file has an import error; raised here, it touches no other integration's
DAG. The other files are run here once more, because each process that reads a DAG file knows only what that file raised.
"""

from __future__ import annotations

import runpy
from pathlib import Path

from hector_salto.integration import IntegrationError
from hector_salto.integration_files import load_all
from hector_salto.workflow import parsing

parsing.unbuilt.clear()
for _kind in parsing.KINDS:
    runpy.run_path(str(Path(__file__).with_name(f"salto_{_kind}.py")))
_errors = [*map(str, load_all()[1]), *parsing.unbuilt]
if _errors:
    raise IntegrationError("\n".join(_errors))
