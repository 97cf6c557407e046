"""What the product knows, apart from Airflow and HTTP."""
