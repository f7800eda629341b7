# Everything runs from .venv, which make builds from requirements/dev.lock: Python >= 3.11 and make are all it needs.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

# The first usable interpreter on the PATH; another one: make PYTHON=/path/to/python3
USABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell IFS=:; \
	for name in python3 python3.14 python3.13 python3.12 python3.11; do \
		for folder in $$PATH; do \
			"$$folder/$$name" -c '$(USABLE)' 2>/dev/null && echo "$$folder/$$name" && exit; \
		done; \
	done)
define CHECK_PYTHON
"$(PYTHON)" -c '$(USABLE)' 2>/dev/null || { \
	echo >&2 "make: Varflow needs Python 3.11 or newer with its venv module; found: $(or $(PYTHON),none)"; \
	echo >&2 "make: install it (Debian, Ubuntu: apt install python3 python3-venv) or name it: make PYTHON=/path/to/python3"; \
	exit 1; \
}
endef
BIN := .venv/bin

# More arguments for pytest, the benchmarks or the lock: make test ARGS='-k name'
ARGS ?=

UV_VERSION := 0.13.8
# A release must be this old to be locked: most malicious ones are found within days. An urgent fix: COOLDOWN='0 days'
COOLDOWN ?= 7 days

# What builds images: the first of these that works; another one: make images IMAGE_TOOL=podman
IMAGE_TOOL ?= $(shell for tool in docker podman buildah; do $$tool info >/dev/null 2>&1 && echo $$tool && break; done)
# The base of the images, and more arguments for the tool's `build`: make images PYTHON_IMAGE=... IMAGE_ARGS='--platform linux/arm64'
PYTHON_IMAGE ?=
IMAGE_ARGS ?=
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' core/varflow/__init__.py)

.PHONY: help install demo test e2e lint format bench images chart crds lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

install: .venv/.project ## build .venv; every target below does so when .venv is missing or its lock has changed

demo: .venv/.project ## run a workflow with persistent variables on this machine, without a cluster
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo.sh

# They need a Kubernetes API server, S3 servers and helm: built from pinned Go modules the first time, for about 11 minutes.
test: .venv/.project ## run the unit, contract and integration tests; some of them: ARGS='-k name'
	@$(BIN)/python -m tests.support.cluster build control s3 minio helm
	@$(BIN)/python -m pytest --numprocesses auto tests/unit tests/contract tests/integration $(ARGS)

# A node is built the first time, for about 10 minutes more; with KUBECONFIG the tests run on that cluster instead.
e2e: .venv/.project ## run the end-to-end tests on a Kubernetes node made here (Linux, root) or on the cluster of KUBECONFIG
	@$(BIN)/python -m tests.support.cluster prepare
	@$(BIN)/python -m pytest --timeout 600 tests/e2e $(ARGS)

lint: .venv/.project ## check format, style, types and the layers between packages
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: .venv/.project ## format the code and mend what can be mended safely
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: .venv/.project ## measure, each number beside its floor on this machine
	@$(BIN)/python -m bench $(ARGS)

images: ## build the images of operator and sidecar with docker, podman or buildah, tagged with the version and dev
	@test -n '$(IMAGE_TOOL)' || { echo >&2 "make: images are built by docker, podman or buildah; none of them works here"; exit 1; }
	@set -e; for part in operator sidecar; do \
		$(IMAGE_TOOL) build $(IMAGE_ARGS) $(if $(PYTHON_IMAGE),--build-arg PYTHON_IMAGE='$(PYTHON_IMAGE)') \
			--build-arg VERSION='$(VERSION)' --tag varflow-$$part:'$(VERSION)' --tag varflow-$$part:dev \
			--file Dockerfile.$$part .; \
	done

chart: .venv/.project ## bring crds/ and the version into charts/varflow, and write deploy/varflow.yaml from it
	@rm -rf charts/varflow/files/crds && mkdir -p charts/varflow/files && cp -R crds charts/varflow/files/crds
	@sed -i.old -e 's/^version: .*/version: $(VERSION)/' -e 's/^appVersion: .*/appVersion: "$(VERSION)"/' charts/varflow/Chart.yaml
	@rm charts/varflow/Chart.yaml.old
	@mkdir -p deploy && $(BIN)/python -m tests.support.charts > deploy/varflow.yaml.new && mv deploy/varflow.yaml.new deploy/varflow.yaml

crds: .venv/.project ## write crds/ and the tables of docs/kubernetes-objects.md anew, from the models in the sources
	@$(BIN)/python -m varflow_operator.schemas crds docs/kubernetes-objects.md

lock: ## write requirements/*.lock anew, keeping versions that still fit; to newer ones: ARGS=--upgrade
	@$(CHECK_PYTHON)
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	"$(PYTHON)" -m venv "$$scratch" && \
	"$$scratch/bin/python" -m pip install --quiet uv==$(UV_VERSION) && \
	compile() { \
		"$$scratch/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --exclude-newer '$(COOLDOWN)' --custom-compile-command 'make lock' "$$@"; \
	} && \
	compile $(ARGS) --all-extras pyproject.toml --output-file requirements/runtime.lock && \
	compile $(ARGS) --all-extras pyproject.toml requirements/dev.in --output-file requirements/dev.lock && \
	compile --upgrade --constraints requirements/runtime.lock --extra operator --extra js pyproject.toml \
		--output-file requirements/operator.lock && \
	compile --upgrade --constraints requirements/runtime.lock --extra sidecar pyproject.toml \
		--output-file requirements/sidecar.lock && \
	compile --upgrade --constraints requirements/dev.lock requirements/build.in --output-file requirements/build.lock && \
	compile $(ARGS) requirements/go.in --output-file requirements/go.lock

clean: ## remove .venv and all that tools have left
	@rm -rf .venv .demo dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Built from nothing whenever the lock changes, so that what is no longer locked does not linger.
.venv/.locked: requirements/dev.lock
	@$(CHECK_PYTHON)
	@echo "make: building .venv with $(PYTHON) (half a minute)"
	@"$(PYTHON)" -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/dev.lock
	@touch $@

.venv/.project: .venv/.locked pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
