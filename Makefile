# Every target does its own set-up: python3 and make are enough to start with.
.DEFAULT_GOAL := help
PY := .venv/bin/python
PYTEST_ARGS ?=
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: help setup setup-run setup-node apollo chromium promtool wheel run test check format bench fuzz faults lock clean

help:  ## Show this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup:  ## Make .venv with pinned dependencies and the athena command.
	@scripts/setup.sh

setup-run:
	@scripts/setup.sh run

setup-node:
	@scripts/setup.sh node

apollo:  ## Build the web UI into the Python package (installs node if it is missing).
	@scripts/build-apollo.sh

chromium:
	@. scripts/debian.sh; command -v chromium >/dev/null || debian chromium

promtool: setup
	@scripts/promtool.sh

wheel: setup apollo  ## Build dist/*.whl, web UI included: an installed Athena needs no node.
	@.venv/bin/python -m hatchling build -t wheel

run:  ## Serve on 127.0.0.1:8787 with data in ./athena-data.
	@$(MAKE) --no-print-directory -j 2 setup-run apollo
	@.venv/bin/athena serve

test: setup-node apollo chromium promtool  ## Run the whole test suite.
	@cd apollo && npm run --silent check && npm run --silent test
	@$(PY) -m pytest -q -n 3 --dist loadscope $(PYTEST_ARGS)

check: setup  ## Formatting, lint, types, layers, docs: all that does not run the server.
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(PY) -m pytest -q tests/docs
	@$(PY) -m pytest -q tests/domain --cov=athena.domain --cov-branch --cov-fail-under=100 --cov-report=

format: setup  ## Format the code and mend what lint can mend.
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

bench: setup-node  ## Measure speed and memory beside eleven peers (needs gcc; installs them).
	@$(PY) -m bench

fuzz: setup  ## A million odd inputs to parsers, frames and the running server, at low priority.
	@nice -n 19 $(PY) -m tests.fuzz --inputs 1000000

faults: setup  ## Break things on purpose, thousands of times, and see that nothing is lost (hours).
	@nice -n 19 $(PY) -m tests.faults --long

lock: setup  ## Renew the lock files (needs uv).
	@$(COMPILE) --extra setup pyproject.toml -o requirements.lock
	@$(COMPILE) --extra setup --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:  ## Remove what setup and the tests made. Your data stays.
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/e2e/clients/node_modules \
		bench/.peers-venv bench/peers/npm/node_modules
