"""Shows integration files that cannot be used as an import error in Airflow, in a file of its own.

Airflow sets every DAG of a file aside when the file has an import error; raised here, it touches no other integration's
DAG (which live in salto_sync.py and salto_cleanup.py).
"""

from __future__ import annotations

from include.integrations.integration import IntegrationError, load_all

_errors = load_all()[1]
if _errors:
    raise IntegrationError("\n".join(str(error) for error in _errors))
