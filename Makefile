# Every target works from a fresh clone: the first that needs .venv makes it.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help serve test lint lock clean

help: ## Say what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 20

serve: .venv/serve ## Start the service with two demo models on http://127.0.0.1:8000
	@$(BIN)/hotswap serve --demo

test: lint ## Run linters, types, import rules and every test
	$(BIN)/python -m pytest -n 2 --dist loadscope

lint: .venv/test ## Run linters, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: .venv/test ## Resolve the dependencies anew into requirements*.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade \
		--group build pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade \
		--group build --group dev -c requirements.txt pyproject.toml -o requirements-dev.txt

clean: ## Remove the environment, caches and everything the service wrote
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find artifacts -mindepth 1 ! -name .gitkeep -delete

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/serve: requirements.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/test: requirements-dev.txt .venv/serve
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@
