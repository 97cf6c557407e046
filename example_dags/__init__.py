"""Example DAGs of docs/hooks.md."""
