# Each command sets up what it needs. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
# The first interpreter that is new enough; PYTHON=... names another.
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
RUN := PYTHONPATH=.:include:plugins $(PY) -m commands
# In a locale that knows only ASCII, Python does not start in a checkout whose path holds an accent. What is shown is escaped
# where the terminal cannot show it (PYTHONIOENCODING).
export PYTHONUTF8 := 1
ifneq ($(filter C POSIX,$(firstword $(LC_ALL) $(LC_CTYPE) $(LANG) C)),)
export LC_ALL := C.UTF-8
endif
INTEGRATION ?=
CONF ?=
export CONF

.PHONY: help
help: ## List these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.ready: requirements.txt requirements-dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "setting up $(VENV) (once; a minute or two)"
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@rm -rf hector_salto.egg-info # on PYTHONPATH it would be found beside the installed package, and register the page twice
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready ## Set up the environment (the other commands do it themselves)

.PHONY: up
up: $(VENV)/.ready ## Start Airflow's page and the sandbox in the background (UI_PORT=8081: another port)
	@$(RUN) up

.PHONY: down
down: $(VENV)/.ready ## End what up has started
	@$(RUN) down

.PHONY: sync
sync: $(VENV)/.ready ## Run a sync: of the sandbox, or of INTEGRATION=<name>
	@$(RUN) sync --integration "$(INTEGRATION)"

.PHONY: plan
plan: $(VENV)/.ready ## Show what a sync would change; sends nothing but reads
	@$(RUN) plan --integration "$(INTEGRATION)"

.PHONY: cleanup
cleanup: $(VENV)/.ready ## Remove outdated access groups
	@$(RUN) cleanup --integration "$(INTEGRATION)"

ANSWERS ?=
export ANSWERS

.PHONY: connect
connect: $(VENV)/.ready ## Connect a site, from nothing to a first plan (INTEGRATION=<name>: edit it; ANSWERS=<file>: unattended)
	@$(RUN) connect --integration "$$INTEGRATION" --answers "$$ANSWERS"

.PHONY: doctor
doctor: $(VENV)/.ready ## Hold every assumption about both services against them: of the sandbox, or of INTEGRATION=<name>; sends only reads (WRITES=<site UID> [PROBE_USER=<email>]: a test site, by writing too)
	@$(RUN) doctor --integration "$$INTEGRATION" --writes "$$WRITES" --probe-user "$$PROBE_USER"

ABOUT ?=
REFERENCE ?=
EMAIL ?=
DOOR ?=
AT ?=
LIVE ?=
WRITES ?=
PROBE_USER ?=
# Through the environment: what people type may hold any sign.
export ABOUT REFERENCE EMAIL DOOR AT LIVE INTEGRATION WRITES PROBE_USER

.PHONY: why
why: $(VENV)/.ready ## Why a door opens or not: ABOUT=<any name or id shown>, REFERENCE=10452, EMAIL=..., or DOOR="Studio 204" AT="2026-01-14 10:20"; LIVE=1: from Salto now
	@$(RUN) why --answered --integration "$$INTEGRATION" --about "$$ABOUT" --reference "$$REFERENCE" --email "$$EMAIL" --door "$$DOOR" --at "$$AT" --live "$$LIVE"

.PHONY: sandbox
sandbox: $(VENV)/.ready ## Leave the sandbox running, for trying things with curl (REPORTS=<folder>: with Hector's reports as files there)
	@PYTHONPATH=. $(PY) -m sandbox $(if $(REPORTS),--reports "$(REPORTS)")

.PHONY: env
env: $(VENV)/.ready ## Make .env and connections.env for docker compose, with new secrets; what has a value stays
	@$(RUN) env

.PHONY: pools
pools: $(VENV)/.ready ## Make the Airflow pool of one slot that each site needs (on a server)
	@$(RUN) pools

.PHONY: test
test: $(VENV)/.ready ## Run the whole test suite
	@$(PY) -m pytest -n auto --dist loadgroup

ONLY ?=
PART ?=

.PHONY: matrix
matrix: $(VENV)/.ready ## Try the product with other Airflows (ONLY="3.3.1 3.1.7": these; half an hour for all)
	@ONLY="$(ONLY)" PART="$(PART)" $(PY) -m tests.airflow_matrix

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.PHONY: release
release: $(VENV)/.ready ## Build the wheel (dist/), and the image where Docker is there, of the version in pyproject.toml
	@rm -rf dist
	@$(PY) -m uv build --quiet --wheel --out-dir dist .
	@rm -rf build hector_salto.egg-info
	@ls dist/*.whl
	@if docker info >/dev/null 2>&1; then docker build --tag hector-salto:$(VERSION) .; \
	else echo "no Docker engine here: docker build --tag hector-salto:$(VERSION) . makes the image"; fi

.PHONY: images
images: $(VENV)/.ready ## Make the README's pictures of the page again (needs Chromium)
	@IMAGES=docs/images $(PY) -m pytest -q tests/ui/test_in_airflow.py -k has_its_picture

LEDGER ?= sqlite

.PHONY: bench
bench: $(VENV)/.ready ## Measure everything side by side, about 35 minutes on two idle cores (ONLY="apply page": some; ONLY="many_machines": 50 sites; LEDGER=postgresql: of the page)
	@PYTHONPATH=.:include:plugins $(PY) -m benchmarks --ledger $(LEDGER) $(ONLY)

EFFORT ?= 20

.PHONY: prove
prove: $(VENV)/.ready ## Run the safety tests as long sweeps (EFFORT=20: about two hours on two cores)
	@EFFORT=$(EFFORT) $(PY) -m pytest -n auto --dist loadgroup --timeout 7200 tests/access tests/scenarios tests/http_client tests/salto tests/hector tests/prove tests/dags/test_killed.py

.PHONY: lint
lint: $(VENV)/.ready ## Lint, check the format, check types
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy include/hector_salto plugins commands sandbox

.PHONY: audit
audit: ## Look the pinned packages up among known vulnerabilities (needs internet to pypi.org)
	@test -x .audit/bin/pip-audit || { $(PYTHON) -m venv .audit && .audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1; }
	@.audit/bin/pip-audit --strict --no-deps --disable-pip --requirement requirements.txt --requirement requirements-dev.txt

.PHONY: check
check: lint test ## Everything CI runs but the demo

.PHONY: lock
lock: ## Pin requirements.in and requirements-dev.in again (needs uv)
	uv pip compile --quiet --universal --upgrade --python-version 3.11 --no-emit-index-url --no-header --no-annotate requirements.in -o requirements.txt
	uv pip compile --quiet --universal --upgrade --python-version 3.11 --no-emit-index-url --no-header --no-annotate requirements-dev.in -o requirements-dev.txt
	uv pip compile --quiet --universal --upgrade --python-version 3.12 --no-emit-index-url --no-header --no-annotate deploy/helm/requirements.in -o deploy/helm/requirements.txt

.PHONY: clean
clean: ## Remove everything that these commands made
	@test ! -x $(PY) || $(RUN) down
	rm -rf $(VENV) .audit .matrix .airflow .sandbox dist build mutants *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
