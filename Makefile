# Two commands for a newcomer: `make run` and `make test`. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= biogate-data
NODE_CLIENT := tests/e2e/node_client
NODE_PEER := benchmarks/peers/node_opcua

.PHONY: help setup run test bench attack lint format clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-7s %s\n", $$1, $$2}'

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "biogate needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

setup: $(VENV)/.installed  ## make .venv, install biogate, fetch the pinned nodesets
	@$(BIN)/biogate nodesets fetch --data $(DATA)

run: setup  ## start the demo: simulated devices and the gateway (Ctrl-C stops)
	@$(BIN)/biogate demo --data $(DATA) $(ARGS)

$(NODE_CLIENT)/node_modules/.installed: $(NODE_CLIENT)/package-lock.json
	npm ci --prefix $(NODE_CLIENT) --no-audit --no-fund --ignore-scripts
	@touch $@

test: setup $(NODE_CLIENT)/node_modules/.installed  ## run all tests
	$(BIN)/python -m pytest $(ARGS)

$(NODE_PEER)/node_modules/.installed: $(NODE_PEER)/package-lock.json
	npm ci --prefix $(NODE_PEER) --no-audit --no-fund --ignore-scripts
	@touch $@

bench: setup $(if $(shell command -v npm),$(NODE_PEER)/node_modules/.installed)  ## measure biogate and its peers (ARGS=--help: how)
	$(BIN)/python -m benchmarks $(ARGS)

attack: setup  ## attack a gateway of its own on loopback (ARGS=--help: how)
	$(BIN)/python -m attack $(ARGS)

lint: $(VENV)/.installed  ## ruff and mypy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed  ## let ruff rewrite what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove the virtual environment and build output (not the data folder)
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache
