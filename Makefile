# The chores, each under one name. `make run` and `make test` need Python 3.11 with venv, git and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GENERATE := .cache/generate

# Every distribution of the workspace, in the order of their dependence.
MEMBERS := protos/python kernel sdk/python $(sort $(wildcard plugins/*) $(wildcard adapters-plugins/*))
EDITABLE := $(foreach member,$(MEMBERS),-e $(member))
PROJECTS := $(foreach member,$(MEMBERS),$(member)/pyproject.toml)
TYPED := kernel/jackfield_kernel sdk/python/jackfield_sdk $(wildcard plugins/*/jackfield_*) $(wildcard adapters-plugins/*/jackfield_*)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CONSTRAINTS := .ci/constraints.txt

.PHONY: help run test test-fast check lint types contracts generate docs conformance bench chaos fuzz clean uninstall

help:
	@echo "make run        install everything into $(VENV) and start the kernel with the default plugins"
	@echo "make test       all tests that need neither root nor Node.js nor Debian packages"
	@echo "make test-fast  the tests that take less than half a minute together"
	@echo "make check      ruff, mypy, import rules, buf"
	@echo "make generate   the Python code of the contracts"
	@echo "make docs       the generated pages"
	@echo "make conformance  every adapter against its local platform; writes the support matrix"
	@echo "make bench      benchmarks: a table and JSON"
	@echo "make chaos      every process killed at every step under load: the kill matrix (about 15 minutes)"
	@echo "make fuzz       the property test of the bus with 30,000 random plays"
	@echo "make uninstall  remove $(VENV); 'jackfield paths' names what else exists"

$(VENV)/installed: $(PROJECTS) $(CONSTRAINTS)
	@echo "installing into $(VENV) (about a minute the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -c $(CONSTRAINTS) hatchling editables
	@$(PIP) install -c $(CONSTRAINTS) --no-build-isolation $(EDITABLE)
	@touch $@

$(VENV)/dev: $(VENV)/installed .ci/dev.txt
	@$(PIP) install -c $(CONSTRAINTS) -r .ci/dev.txt
	@touch $@

run: $(VENV)/installed
	@$(BIN)/jackfield run

test: $(VENV)/dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-fast: $(VENV)/dev
	$(BIN)/python -m pytest -n 2 -q -m "not slow and not integration and not chaos and not browser and not node" \
	  $(foreach folder,platforms integration chaos isolation fuzz conformance,--ignore=tests/$(folder)) \
	  $(foreach heavy,model-anthropic model-openai mcp,--ignore=plugins/$(heavy))

check: lint types contracts

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --config .ci/imports.toml

types: $(VENV)/dev
	MYPYPATH=protos/python $(BIN)/mypy $(TYPED)

# Buf comes from the npm registry; without npm the contract checks are skipped with a word.
BUF := .cache/buf/node_modules/.bin/buf
contracts:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(BUF) && \
	  cd protos && ../$(BUF) lint && ../$(BUF) format --diff --exit-code && \
	  { test ! -f released/v1.binpb || ../$(BUF) breaking --against released/v1.binpb; }; \
	else echo "contracts not checked: npm is not installed"; fi

$(BUF):
	@mkdir -p .cache/buf && npm install --silent --prefix .cache/buf @bufbuild/buf@1.75.0

$(GENERATE)/installed:
	@$(PYTHON) -m venv $(GENERATE)
	@$(GENERATE)/bin/python -m pip --quiet install grpcio-tools==1.72.2 mypy-protobuf==3.7.0 "setuptools<81"
	@touch $@

# Generated with the oldest supported generator: its code runs on every newer runtime.
generate: $(GENERATE)/installed
	@rm -f protos/python/jackfield/v1/*_pb2*
	@PATH=$(CURDIR)/$(GENERATE)/bin:$$PATH $(GENERATE)/bin/python -m grpc_tools.protoc -I protos \
	  --python_out=protos/python --mypy_out=quiet:protos/python protos/jackfield/v1/*.proto
	@PATH=$(CURDIR)/$(GENERATE)/bin:$$PATH $(GENERATE)/bin/python -m grpc_tools.protoc -I protos \
	  --grpc_python_out=protos/python --mypy_grpc_out=quiet:protos/python \
	  $$(grep -l '^service' protos/jackfield/v1/*.proto)

docs: $(VENV)/installed
	$(BIN)/python -m jackfield_kernel.cli.reference kernel/docs

# A failed adapter does not keep the others from running; the matrix shows it, and make fails.
CONFORMANCE := .cache/conformance
conformance: $(VENV)/dev
	@rm -rf $(CONFORMANCE) && mkdir -p $(CONFORMANCE)
	@failed=; for folder in $(wildcard adapters-plugins/*); do name=$$(basename $$folder); \
	  $(BIN)/jackfield conformance adapter --plugin $$folder --server tests.platforms.$$(echo $$name | tr - _).fixture:create \
	    --out $(CONFORMANCE) >$(CONFORMANCE).$$name.log 2>&1 || { failed="$$failed $$name"; grep -v '^pass' $(CONFORMANCE).$$name.log; }; \
	  grep -h ' pass, ' $(CONFORMANCE).$$name.log; rm -f $(CONFORMANCE).$$name.log; \
	done; $(BIN)/jackfield conformance matrix $(CONFORMANCE) --page sdk/docs/support-matrix.md && \
	  test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

bench: $(VENV)/dev
	$(BIN)/python -m tests.bench

chaos: $(VENV)/dev
	$(BIN)/python -m pytest -m chaos
	@mkdir -p .cache
	$(BIN)/python -m tests.chaos.matrix --json .cache/kill-matrix.json --page kernel/docs/delivery.md

fuzz: $(VENV)/dev
	JACKFIELD_EXAMPLES=30000 $(BIN)/python -m pytest -n 0 --timeout 7200 kernel/tests/bus/test_bus_property.py

clean:
	rm -rf .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

uninstall:
	rm -rf $(VENV)
