# Purser. The two commands are `make run` and `make test`; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help setup ports run check test test-long lint openapi package-check build deploy stripe-check token invoke signal events \
	bench lock reset clean
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

PORT ?= 3000
STAGE ?= dev
WORKERS ?= auto
# The environment's USER is who develops; only one given to make says who signs in.
WHO := $(if $(filter command,$(origin USER)),$(USER),demo)
# Recipes read what was given from the environment, where no character is special: "$$PORT".
export PORT STAGE WHO FUNCTION EVENT PRICES STRATEGY SIDE STOP

# Relative, since the path of this folder may have spaces.
APP := .venv/app/bin
LOCAL := .venv/local/bin
export SAM_CLI_TELEMETRY := 0

# Bytecode is kept, out of the source folders, also where the machine is set to keep none: compiling ccxt, moto and
# botocore anew in every process would take longer than many tests.
BYTECODE := PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX="$$PWD/.local/cache/bytecode"
PYTEST = $(BYTECODE) $(APP)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist worksteal
LONG_TESTS := tests/property tests/integration/test_stripe_clock.py tests/e2e/test_openapi.py \
	tests/e2e/test_concurrent_changes.py tests/integration/test_bench.py

# The first Python that is neither too old nor too new. A version manager may put one in the path that does not run.
BASE_PYTHON = $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null \
	&& echo $$python && break; done)
WITH_PYTHON = python='$(BASE_PYTHON)'; test -n "$$python" || \
	{ echo "Purser needs Python 3.11 to 3.14 (python.org, or your system's python3 package)." >&2; exit 1; }; "$$python"
RUNNING = test -x $(LOCAL)/python || { echo "Purser is not running; start it with make run." >&2; exit 1; }

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what developing and running needs; quick when nothing has changed
	@$(WITH_PYTHON) -m scripts.setup $(PARTS)

ports:
	@$(WITH_PYTHON) -m scripts.check_ports "$$PORT"

run: ports setup ## start the whole system on this machine (PORT=3000)
	@$(APP)/python -m scripts.build
	@$(BYTECODE) exec $(LOCAL)/python -m local run --port "$$PORT"

check: setup ## the linters, types and tests that need no services: what to run while working
	@$(APP)/ruff check . && $(APP)/ruff format --check .
	@$(APP)/mypy
	@PYTHONPATH=layers/core:. $(APP)/lint-imports --no-logo
	@$(APP)/lint-imports --no-logo --config local/importlinter.toml
	@$(PYTEST) --hypothesis-profile dev -m "not services" tests/unit tests/contracts tests/property tests/infrastructure $(ARGS)

test: PARTS := browser
# One more than there are cores, because tests also wait for the processes beside them.
test: WORKERS := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
test: setup ## run the whole suite (SEED=… repeats a run's random cases)
	@$(APP)/python -m scripts.build --tests
	@$(PYTEST) --hypothesis-profile ci $(ARGS)

test-long: setup ## try every case and many more examples (MINUTES=10 for a random slice, SEED=…)
	@$(APP)/python -m scripts.build
	@$(PYTEST) --hypothesis-profile long $(if $(MINUTES),--minutes $(MINUTES)) $(LONG_TESTS) $(ARGS)

lint: setup ## ruff, mypy, import-linter, cfn-lint, sam validate
	$(APP)/ruff check .
	$(APP)/ruff format --check .
	$(APP)/mypy
	PYTHONPATH=layers/core:. $(APP)/lint-imports --no-logo
	$(APP)/lint-imports --no-logo --config local/importlinter.toml
	$(LOCAL)/cfn-lint template.yaml
	$(LOCAL)/sam validate --lint --region us-east-1

openapi: setup ## write the OpenAPI document of the three APIs anew
	@PYTHONPATH=layers/core $(APP)/python -m scripts.openapi

package-check: setup ## build for this machine and for Lambda, and check what would be shipped
	@$(APP)/python -m scripts.package_check

build: setup ## build for Lambda into .aws-sam/build
	@find functions -name __pycache__ -exec rm -rf {} +
	PYTHON="$$PWD/$(APP)/python" $(LOCAL)/sam build

deploy: build ## deploy what was built (STAGE=dev or prod)
	$(LOCAL)/sam deploy --config-env "$$STAGE"

stripe-check: setup ## compare the plans with their prices at Stripe (PRICES=BASIC=price_…,… and STRIPE_API_KEY)
	@$(APP)/python scripts/check_stripe_prices.py "$$PRICES"

token: ## an access token of the running system (USER=demo)
	@$(RUNNING)
	@$(LOCAL)/python -m local token --user "$$WHO"

invoke: ## invoke a function of the running system (FUNCTION=… EVENT=events/….json; the event is {} without one)
	@$(RUNNING)
	@test -n "$$FUNCTION" || { echo "Name a function, as in make invoke FUNCTION=Session." >&2; exit 1; }
	@$(LOCAL)/python -m local invoke --function "$$FUNCTION" $${EVENT:+--event "$$EVENT"}

signal: ## send a signal to a strategy's followers (STRATEGY=<id> SIDE=LONG|SHORT|EXIT, STOP=<price> for an entry)
	@$(RUNNING)
	@test -n "$$STRATEGY$$SIDE" || { echo "Name both, as in make signal STRATEGY=… SIDE=EXIT." >&2; exit 1; }
	@$(LOCAL)/python -m local signal --strategy "$$STRATEGY" --side "$$SIDE" $${STOP:+--stop "$$STOP"}

events: ## show the events of the running system as they come, all from the first one
	@tail -n +1 -F .local/events.jsonl

bench: setup ## measure cold starts, warm CPU, routes, the ledger and the snapshot worker
	@$(APP)/python -m bench

lock: ## make the lock files in requirements/ anew (UPGRADE="package …" or UPGRADE=all)
	@$(WITH_PYTHON) -m scripts.lock_requirements $(UPGRADE)

reset: ## remove the data of the local system, and keep what is installed and built
	@$(WITH_PYTHON) -m scripts.clean data

clean: ## remove everything that was installed, built or stored
	@$(WITH_PYTHON) -m scripts.clean all
