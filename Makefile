# Every verb of the project. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := bash
PYTHON := .venv/bin/python
UI := services/gateway/ui
SOURCES := $(wildcard libs/*/src services/*/src deploy/*/src)

# Python keeps its byte code, whatever the shell says: every start would compile our own modules again.
unexport PYTHONDONTWRITEBYTECODE

# Words after the verb's own work, e.g. `make test ARGS="-k outbox"` or `make up ARGS="--port 9000"`.
ARGS ?=

.PHONY: help up down test check fmt e2e chaos chaos-mutants bench docs setup lock page screenshots

help: ## list the verbs
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

up: ## install what is needed, build the page, start Steptrail with the demo on http://127.0.0.1:8080
	@scripts/setup.sh runtime
	@scripts/page.sh
	@exec .venv/bin/steptrail up --demo $(ARGS)

down: ## stop what `make up` started
	@if [ -x .venv/bin/steptrail ]; then exec .venv/bin/steptrail down $(ARGS); fi

setup: ## everything for development: Python and Node packages, our own packages editable
	@scripts/setup.sh dev
	@scripts/page.sh --only-packages

page: setup ## build the browser application into the gateway
	@scripts/page.sh

test: setup page ## every test, against real servers that it starts itself
	@scripts/test.sh $(ARGS)

e2e: setup page ## only the end-to-end tests, in both topologies, with five thousand processes
	@STEPTRAIL_CROWD=5000 $(PYTHON) -m pytest tests/e2e $(ARGS)

chaos: setup page ## kill, cut, freeze and restart everything, three rounds of each; ends with a table
	@STEPTRAIL_CHAOS=full $(PYTHON) -m pytest tests/chaos tests/e2e/test_failures.py tests/e2e/test_embedded_restart.py $(ARGS)

chaos-mutants: setup ## switch off one safety at a time and show which test notices; ends red if none does
	@$(PYTHON) -m tests.mutants $(ARGS)

bench: setup page ## measure; prints a table and writes bench-results/
	@$(PYTHON) -m tests.benchmarks $(ARGS)

check: setup ## format, lint, types, import rules; the page's as well
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy $(SOURCES)
	@.venv/bin/lint-imports
	@cd $(UI) && ../../../scripts/node.sh npm run --silent check

fmt: setup ## format and mend what can be mended by itself
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

docs: setup ## write again what is generated: OpenAPI, AsyncAPI, event schemas, the page's types, table of requirements
	@$(PYTHON) scripts/generate_docs.py
	@$(PYTHON) scripts/requirements_table.py
	@cd $(UI) && ../../../scripts/node.sh npm run --silent types

screenshots: setup page ## pictures of every screen, light and dark, into docs/screenshots
	@$(PYTHON) scripts/screenshots.py $(ARGS)

lock: ## resolve all dependencies again (ARGS=--upgrade for newer ones)
	@scripts/lock.sh $(ARGS)
