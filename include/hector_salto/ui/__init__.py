"""The page in Airflow: integrations, the week on every door, why somebody cannot get in, lists, runs."""
