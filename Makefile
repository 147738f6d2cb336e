# The two commands a newcomer needs are `make demo` and `make test`. They need Python 3.11 or newer, make, and a package registry.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-warn-script-location
TESTS  ?= tests

.PHONY: help env dev demo serve test check format cli-page web bench clean

help: ## what can be made here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

env: $(VENV)/.installed ## the environment: .venv with hooke, its default model and its default corpus
dev: $(VENV)/.installed-dev ## env, and what tests and checks need

# torch goes first and by its exact pin: a range could bring gigabytes of GPU libraries to a machine without a GPU.
# The material is data: its packages come without their own dependencies, and none of their code is run.
$(VENV)/.installed: pyproject.toml constraints.txt material.txt
	@$(PYTHON) -c 'import sys; sys.exit("hooke needs Python 3.11 or newer; found " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing hooke into $(VENV) (some minutes the first time)"
	@$(PIP) "$$(grep '^torch==' constraints.txt)"
	@$(PIP) --constraint constraints.txt --editable .
	@$(PIP) --no-deps --requirement material.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: env ## the main job: open a model, read its features, steer one; then says what to look at next
	@$(BIN)/hooke quickstart

serve: env ## the microscope in the browser: prints a link
	@$(BIN)/hooke serve

# One thread of torch for each test worker: two workers with two threads each would stand in each other's way.
test: dev ## the whole test suite
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=2 $(TESTS)

check: dev ## format, lint, types, layers, sizes, CLI page
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/sizes.py
	@$(BIN)/python scripts/cli_page.py --check
	@$(BIN)/python scripts/openapi.py --check
	@$(BIN)/python scripts/web_build.py

format: dev ## put the sources into their form, and write the CLI page
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/python scripts/cli_page.py

web: ## build the microscope's pages into the package; the only thing here that needs Node (20.19 or newer)
	@cd web && npm ci --no-audit --no-fund && npm run types && npm run check && npm run test && npm run build

bench: dev ## measure: speed and memory, side by side with other tools
	@$(BIN)/python bench/run.py

clean: ## remove the environment and caches; the lab stays
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist
	find src tests scripts bench -name __pycache__ -type d -prune -exec rm -rf {} +
