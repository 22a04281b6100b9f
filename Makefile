# Everything a developer or CI runs. Each target installs what it needs or says in one line what is missing.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := hack/requirements

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

venv: $(VENV)/.stamp ## the Python environment, from pinned and hashed requirements

$(VENV)/.stamp: $(LOCKS)/dev.txt pyproject.toml
	@hack/python-venv $(PYTHON) $(VENV) $(LOCKS)/dev.txt
	@touch $@

lock: venv ## pin every dependency with its hashes
	@hack/lock $(BIN) $(LOCKS)

generate: venv ## CRDs, the chart's copy of them and the reference page, from the models; the kustomize base, from the chart
	@$(BIN)/python -m floodwarden.api.generate
	@PYTHONPATH=hack/lib $(BIN)/python -m floodhack.kustomize

check: venv ## seconds: format, lint, types, layers, unit tests, generated files up to date
	@hack/check $(BIN)

.PHONY: help venv lock generate check
