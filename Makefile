# make demo, make test: each makes its own environment in .venv first. `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadscope
MODULES := c360.py federation connectors views identity
FORMATTED := $(MODULES) tests benchmarks .ci
export PYTHON
unexport PYTHONDONTWRITEBYTECODE  # containers often set it: each child of a test would compile everything again

.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs-check bench bench-quick bench-identity canary wheel-check clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

# One stamp for each set of extras. A run with an unchanged pyproject.toml installs nothing.
.venv/.installed-%: pyproject.toml .ci/constraints.txt .ci/environment
	@bash .ci/environment .venv $* --constraint .ci/constraints.txt
	@touch $@

demo: .venv/.installed-demo  ## a small company, six questions, and a project to play with in ./demo
	$(BIN)/python -m federation.demo

test: .venv/.installed-dev  ## every test, doctests too
	$(PYTEST) $(ARGS)

lint: .venv/.installed-dev  ## format, style, strict types, direction of imports
	$(BIN)/ruff format --check $(FORMATTED)
	$(BIN)/ruff check $(FORMATTED)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: .venv/.installed-dev  ## write the format that lint wants
	$(BIN)/ruff format $(FORMATTED)
	$(BIN)/ruff check --fix $(FORMATTED)

docs-check: .venv/.installed-dev  ## links and Python examples in the papers
	$(BIN)/python .ci/docs_check.py

bench: .venv/.installed-bench  ## 500 000 people: c360, plain DuckDB views and the plans by hand
	$(BIN)/python -m benchmarks.run $(ARGS)

bench-quick: .venv/.installed-bench  ## the same with 20 000 people
	$(BIN)/python -m benchmarks.run --people 20000 --output .bench/quick.json $(ARGS)

.bench/splink/.installed: pyproject.toml .ci/environment
	@bash .ci/environment .bench/splink rival
	@touch $@

bench-identity: .venv/.installed-bench .bench/splink/.installed  ## who is who: c360 beside Splink on labelled data and a million made-up records
	$(BIN)/python -m benchmarks.identity $(ARGS)

.venv-canary/.installed: pyproject.toml .ci/environment FORCE
	@bash .ci/environment .venv-canary test --upgrade
	@touch $@
.PHONY: FORCE
FORCE:

canary: .venv-canary/.installed  ## every test on the newest DuckDB, sqlglot, pyarrow
	.venv-canary/bin/python -m pytest -n 2 --dist loadscope $(ARGS)

wheel-check:  ## build the wheel, install and use it outside the checkout
	bash .ci/wheel-check

clean:  ## remove environments, caches and everything generated
	rm -rf .venv .venv-canary .bench build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
