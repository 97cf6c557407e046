"""What `make` runs: one DAG run without an Airflow server, in words on the terminal."""
