# The words everybody uses; CI says the same ones. Options go through: make demo ARGS="--json --minutes 1"
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
ARGS ?=
# Most tests wait for real processes at real speed: two at a time use the time well, even on two cores.
WORKERS ?= 2

.PHONY: help demo test check format bench soak deb docs screenshots payload mip clean

help: ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 13

demo: .prepare ## a city block without hardware: sensors, radio, gateway, server, live on this machine
	@$(BIN)/spatz-bench demo $(ARGS)

test: .browser ## unit tests, real-part tests and the bench scenarios
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: .prepare ## format, lint, types, import contracts, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/spatz payload check

format: .prepare ## bring the tree into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .prepare ## benchmarks, one JSON object a line
	@$(BIN)/python -m tests.benchmarks $(ARGS)

soak: .prepare ## long randomised runs, by hand
	@$(BIN)/python -m pytest -m soak --timeout=7200 $(ARGS)

deb: .prepare ## the Debian package of the gateway, into dist/ (ARGS="--arch arm64" for a Raspberry Pi)
	@$(BIN)/python packaging/build_deb.py $(ARGS)

docs: ## the documentation site into site/
	@.ci/prepare docs
	$(BIN)/mkdocs build --strict $(ARGS)

screenshots: .browser ## the pictures of the gateway's page, from a run with the simulated city
	@$(BIN)/python -m tests.gateway.screenshots

payload: .prepare ## generate everything that follows from the payload profiles
	$(BIN)/spatz payload build $(ARGS)

mip: .prepare ## package descriptions for MicroPython's mip, from the imports of the tree
	$(BIN)/python -m provisioning.mip

clean: ## remove what the commands above have made
	rm -rf .venv build dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.PHONY: .prepare .browser
.prepare:
	@.ci/prepare
.browser:
	@.ci/prepare browser
