# `make demo` runs the main job, `make test` runs every check. Both install what they need into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
ARGS ?=
# Of the test suite; a file stays in one of them.
PROCESSES ?= 2

.DEFAULT_GOAL := help

.PHONY: help install demo test check lint types imports drift pytest lock openapi settings rules vectors clean

help:
	@echo 'make demo   run everything on sample data; ARGS="--port 8099 --data DIR --no-fleet" passes flags on'
	@echo 'make test   run every check'
	@echo 'make install   put what both need into $(VENV), and no more; they do it themselves'

install: $(READY)

demo: $(READY)
	@$(BIN)/tanbi demo $(ARGS)

test: check pytest

# Beside each other: none of them takes a whole core all the time.
check: $(READY)
	@$(MAKE) --no-print-directory --jobs 2 lint types imports drift

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

drift: $(READY)
	$(BIN)/python -m tests.drift

# Where Python is told to keep no bytecode, each of the processes that tests start would compile all of Tanbi anew.
pytest: export PYTHONDONTWRITEBYTECODE =
# In the order of tests/conftest.py, not by the number of tests in a file.
pytest: $(READY)
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

openapi: $(READY)
	$(BIN)/tanbi openapi --output schemas/openapi.json

settings: $(READY)
	$(BIN)/python -m tests.settings_page

rules: $(READY)
	$(BIN)/python -m tests.plausibility_page

vectors: $(READY)
	$(BIN)/python -m tests.devices.vectors

# Hashes only: no index address may enter the lock.
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet uv
	$(VENV)-lock/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header --output-file requirements.lock
	$(VENV)-lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-annotate --no-header --output-file requirements-runtime.lock
	rm -rf $(VENV)-lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tanbi needs Python 3.11 or newer; name one with PYTHON=…")'
	@echo 'Installing into $(VENV) what Tanbi needs, a PostgreSQL included. That is done once and can take minutes.'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

clean:
	rm -rf $(VENV)
