# make            lists the targets
# PYTHON=…        the interpreter to start from (3.11 or newer)
# BENCHES="…"     only these of bench/
# ARGS="…"        further words for the program or for pytest: make test ARGS="-k intake"
# The recipes end in exec, so that Ctrl-C reaches the program itself and make waits for its clean end.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup demo tools test test-all test-azure-sql check static format lock bench soak storm screenshots licences clean
.NOTPARALLEL:

export PYTHON
# Where this is set, every process of the program and of its tests would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
BENCHES ?= intake servers drain lists dashboard channels
# Three at once on two cores: tests of processes wait more than they compute. In the order of the files, the slow
# ones of tests/e2e first; a file stays in one process.
PYTEST := exec $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv with the program and all tools, by the lock file
	@sh scripts/setup.sh dev

demo: ## see it work: start the service, send failures, say where to look (Ctrl-C ends it)
	@sh scripts/setup.sh runtime
	@exec $(BIN)/pipesleuth demo $(ARGS)

tools: setup # what tests need beyond Python: Azurite, Chromium, PostgreSQL
	@sh scripts/tools.sh

test: tools ## install what is missing and run the suite
	@$(PYTEST) -m "not long" $(ARGS)

test-all: tools ## the suite with the long storms, fuzz and failover
	@$(PYTEST) $(ARGS)

test-azure-sql: tools ## the integration tests on a server: DATABASE_URL=mssql+pyodbc://… or postgresql://… (empties it)
	@test -n "$(DATABASE_URL)" || { echo "Say which: make test-azure-sql DATABASE_URL=mssql+pyodbc://user:password@host/a_test_database"; exit 2; }
	@TEST_DATABASE_URL="$(DATABASE_URL)" exec $(BIN)/python -m pytest -n 0 tests/integration $(ARGS)

check: static test ## what CI runs: format, lint, types, architecture, tests

static: setup ## format, lint, types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

format: setup ## let ruff lay out the code and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup ## resolve the dependencies anew and write the lock files
	@sh scripts/lock.sh

bench: setup ## measure what is promised: a table with figures and goals
	@set -e; for each in $(BENCHES); do $(BIN)/python bench/$$each.py $(ARGS); done

soak: setup ## an hour under mixed load: memory, errors, latency
	@exec $(BIN)/python bench/soak.py $(ARGS)

storm: setup ## faults, kills and restarts under load, counted afterwards
	@exec $(BIN)/python bench/storm.py $(ARGS)

screenshots: tools ## pictures of every page and state into screenshots/ (ARGS="--picture docs/dashboard.png": README's)
	@exec $(BIN)/python scripts/screenshots.py $(ARGS)

licences: setup ## every library with its version and licence; fails where the policy allows it not
	@exec $(BIN)/python scripts/licences.py $(ARGS)

clean: ## remove .venv, the test tools and all caches (never data/)
	@rm -rf .venv .tools .pytest_cache .ruff_cache .hypothesis .import_linter_cache screenshots dist
	@find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +
