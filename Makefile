# Purser. The two commands are `make run` and `make test`; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-long lint openapi package-check build deploy stripe-check token invoke events bench clean
SHELL := /bin/bash
MAKEFLAGS += --no-print-directory

PORT ?= 3000
STAGE ?= dev
WORKERS ?= auto
# The environment's USER is who develops; only one given to make says who signs in.
WHO := $(if $(filter command,$(origin USER)),$(USER),demo)

APP := .venv/app/bin
LOCAL := .venv/local/bin
export SAM_CLI_TELEMETRY := 0

# A version manager may put shims in the path that do not run.
BASE_PYTHON = $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what developing and running needs; quick when nothing has changed
	@test -n "$(BASE_PYTHON)" || { echo "Purser needs Python 3.11 or newer with its venv module (python.org, or your system's python3 and python3-venv packages)." >&2; exit 1; }
	@$(BASE_PYTHON) scripts/setup.py $(PARTS)

run: setup ## start the whole system on this machine (PORT=3000)
	@$(APP)/python scripts/build.py
	@exec $(LOCAL)/python -m local run --port $(PORT)

test: PARTS := browser
test: setup ## run the whole suite
	@$(APP)/python scripts/build.py
	@$(APP)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist worksteal $(ARGS)

test-long: setup ## fuzz every operation of the three APIs with 200 examples (FUZZ_SEED=…)
	@$(APP)/python scripts/build.py
	@FUZZ_EXAMPLES=200 $(APP)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist worksteal tests/e2e/test_openapi.py $(ARGS)

lint: setup ## ruff, mypy, import-linter, cfn-lint, sam validate
	$(APP)/ruff check .
	$(APP)/ruff format --check .
	$(APP)/mypy
	PYTHONPATH=layers/core:. $(APP)/lint-imports --no-logo
	$(LOCAL)/cfn-lint template.yaml
	$(LOCAL)/sam validate --lint --region us-east-1

openapi: setup ## write the OpenAPI document of the three APIs anew
	@PYTHONPATH=layers/core $(APP)/python -m scripts.openapi

package-check: setup ## build for this machine and for Lambda, and check what would be shipped
	@$(APP)/python scripts/package_check.py

build: setup ## build for Lambda into .aws-sam/build
	@find functions -name __pycache__ -exec rm -rf {} +
	PYTHON=$(abspath $(APP)/python) $(LOCAL)/sam build

deploy: build ## deploy what was built (STAGE=dev or prod)
	$(LOCAL)/sam deploy --config-env $(STAGE)

stripe-check: setup ## compare the plans with their prices at Stripe (PRICES=BASIC=price_…,… and STRIPE_API_KEY)
	@$(APP)/python scripts/check_stripe_prices.py $(PRICES)

token: ## an access token of the running system (USER=demo)
	@$(LOCAL)/python -m local token --user $(WHO)

invoke: ## invoke a function of the running system (FUNCTION=… EVENT=events/….json)
	@$(LOCAL)/python -m local invoke --function $(FUNCTION) --event $(EVENT)

events: ## show the events of the running system as they come, all from the first one
	@tail -n +1 -F .local/events.jsonl

bench: setup ## measure cold starts, warm CPU, routes, the ledger and the snapshot worker
	@$(APP)/python scripts/build.py
	@$(APP)/python -m bench

clean: ## remove everything that was installed, built or stored
	rm -rf .venv .local .aws-sam local/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
