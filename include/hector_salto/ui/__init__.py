"""The page in Airflow: integrations, the week on every door, why a user cannot get in, lists, runs."""
