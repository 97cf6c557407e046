"""The DAG files: `hector-salto dags-folder` prints where an installed package has them."""
