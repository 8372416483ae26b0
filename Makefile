# Everything a newcomer needs is `make demo` and `make test`. Run `make help` for the rest.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PACKAGES := gateway routing_service event_service common simulator cli axbridge_client

.DEFAULT_GOAL := help
.PHONY: help demo test soak bench bench-quick check lint types imports protos protos-check protos-breaking upgrade-test baseline docs docs-check lock clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# The stamps hold what was installed; they go stale when a lock file changes.
$(VENV)/.runtime: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	touch $@

demo: $(VENV)/.runtime ## Install, start the three services, play real calls, show the result, stop
	$(BIN)/python -m cli.demo

test: $(VENV)/.dev ## Install and run the whole test suite
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/unit tests/contract
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/e2e

soak: $(VENV)/.dev ## Break everything under load for many minutes: unbinding is never late, no event is lost
	$(BIN)/python -m tests.soak.unbinding
	$(BIN)/python -m tests.soak.outage
	$(BIN)/python -m tests.soak.event_faults
	$(BIN)/python -m tests.soak.scale_out

bench: $(VENV)/.dev ## Measure everything beside what others do, rewrite the tables in docs/performance.md (15 minutes)
	$(BIN)/python -m tests.bench.queries --json docs/performance/queries.json
	$(BIN)/python -m tests.bench.events --json docs/performance/events.json
	$(BIN)/python -m tests.bench.profile --json docs/performance/profile.json
	$(BIN)/python -m tests.bench.report

bench-quick: $(VENV)/.dev ## Measure queries in four minutes, and print the promises that hold
	$(BIN)/python -m tests.bench.queries --quick

check: lint types imports protos-check protos-breaking docs-check ## Lint, types, import rules, freshness of what is generated

lint: $(VENV)/.dev ## Style of the code and of the contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd protos && ../$(BIN)/buf lint && ../$(BIN)/buf format --exit-code > /dev/null

types: $(VENV)/.dev ## Static types
	$(BIN)/mypy

imports: $(VENV)/.dev ## The direction of the imports between the packages
	$(BIN)/lint-imports

protos: $(VENV)/.dev ## Generate the Python stubs beside the contracts
	$(BIN)/python tools/generate_protos.py

protos-check: $(VENV)/.dev ## Fail when the committed stubs are stale
	$(BIN)/python tools/generate_protos.py --check

protos-breaking: $(VENV)/.dev ## Fail when the contracts break those of the version before
	cd protos && ../$(BIN)/buf breaking --against baseline.binpb

upgrade-test: $(VENV)/.dev ## Upgrade from the version before and go back, under load, side by side
	$(BIN)/python -m pytest tests/upgrade

baseline: $(VENV)/.dev ## After a release: make baseline REVISION=v1.2.0 keeps it as the version before
	$(BIN)/python tools/baseline.py $(REVISION)

docs: $(VENV)/.dev ## Generate the reference pages that follow from the code
	$(BIN)/python tools/generate_docs.py

docs-check: $(VENV)/.dev ## Fail when the generated pages are stale
	$(BIN)/python tools/generate_docs.py --check

lock: $(VENV)/.dev ## Resolve the dependencies again and rewrite both lock files
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --extra dev -o requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --extra build -c requirements-dev.lock -o requirements.lock pyproject.toml

include tools/k8s/targets.mk
include tools/supply_chain/targets.mk
include tools/monitoring/targets.mk

clean: ## Remove what the other targets made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build dist
