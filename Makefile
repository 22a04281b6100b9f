# Everything a developer or CI runs. Each target installs what it needs or says in one line what is missing.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := hack/requirements
BROKER ?= kafka
# Some images set it. Each start of Python would compile all that it imports: for `floodwarden` 4 CPU seconds instead of 2.
unexport PYTHONDONTWRITEBYTECODE

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

test: venv ## everything CI runs: check, then every test against a real cluster and real brokers (TESTS=… for some)
	@hack/test $(TESTS)

test-oldest: venv ## CRDs and chart on Kubernetes 1.29, the oldest there is; not a part of test (first build: 15 minutes on two cores)
	@hack/test-oldest $(TESTS)

demo: venv ## from a bare machine to a real backlog, scaled and drained (BROKER=rabbitmq, BROKER=rocketmq)
	@hack/demo --broker $(BROKER) $(DEMO)

cluster: ## a Kubernetes cluster with a node on this machine, left running
	@hack/cluster up

brokers: ## three Kafka nodes on this machine, left running
	@hack/brokers up kafka

bench: venv ## the numbers the project promises, into .bench/results.json (BENCH=--large, BENCH="--only cost")
	@PYTHONPATH=hack/lib $(BIN)/python hack/bench/bench.py $(BENCH)

soak: venv ## the long experiments whole, about an hour: memory, kills, outages (SOAK="--minutes 5")
	@hack/soak $(SOAK)

clean: ## end everything that runs here and remove what it left; caches outside the checkout stay
	@hack/clean

.PHONY: help venv lock generate check test test-oldest demo cluster brokers bench soak clean
