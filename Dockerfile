# The project's image: every service of docker-compose.yml that is ours runs from it.
FROM python:3.11-slim

ENV AIRFLOW_HOME=/opt/airflow \
    PYTHONPATH=/opt/hector-salto:/opt/hector-salto/include:/opt/hector-salto/plugins \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# A new named volume takes over the owner of the folder it is mounted on: these folders must exist and be airflow's.
RUN useradd --uid 50000 --user-group --home-dir /opt/airflow --create-home airflow \
    && mkdir -p /opt/airflow/logs /opt/airflow/runs /opt/airflow/logins \
    && chown -R airflow:airflow /opt/airflow \
    && chmod 0700 /opt/airflow/runs /opt/airflow/logins

WORKDIR /opt/hector-salto

# The pins change less often than the code: their layer is kept from build to build.
COPY requirements.txt ./
RUN pip install -r requirements.txt

# What is copied is listed in .dockerignore. Installing the project registers the connection types hector and salto_ks;
# editable, so that there is one copy of the code. It stays root's: the process cannot change its own code.
COPY . .
RUN pip install --no-deps -e . \
    && rm -rf hector_salto.egg-info \
    && python -m compileall -q commands dags include plugins

USER airflow
