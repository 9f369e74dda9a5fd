# Chores of Namesake; `make` alone lists them.
#
#   make run                    NAMESAKE_HOST, NAMESAKE_PORT and NAMESAKE_HOME are honoured
#   make test ARGS="-k link"    ARGS are further arguments for pytest
#   make run PYTHON=python3.12  another Python, for an environment that has not been made yet
#   make run TORCH_INDEX=...    where pip finds PyTorch: its index of CPU builds saves gigabytes on Linux

PYTHON ?=
ARGS ?=
TORCH_INDEX ?=

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --constraint constraints.txt

.PHONY: help run test lint format bench clean

help: ## List the chores.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile

run: .venv/.run ## Set everything up, link a sample text, and serve until Ctrl-C.
	@exec $(BIN)/namesake up

test: lint ## Check the code and run the tests.
	$(BIN)/python -m pytest -q $(ARGS)

lint: .venv/.dev ## Check style, types and who imports whom.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.dev ## Lay the code out, and repair what can be repaired by itself.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.dev ## Measure speed.
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only -q $(ARGS)

clean: ## Remove the environment and what the chores left behind; data stays.
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks

# --- The environment. .venv/.run says that it has what serving needs, .venv/.dev that it also has what checking needs.
# --- Both are brought up to date when a dependency changes.

# PyTorch goes first and alone: on another package's demand, pip might take a build that is gigabytes larger.
.venv/.run: .venv/.python pyproject.toml constraints.txt
	$(INSTALL) $(if $(TORCH_INDEX),--no-deps --index-url $(TORCH_INDEX)) "$$(grep '^torch==' constraints.txt)"
	$(INSTALL) setuptools
	$(INSTALL) --no-build-isolation --editable '.[cpu]'
	@touch $@

.venv/.dev: .venv/.run
	$(INSTALL) --no-build-isolation --editable '.[cpu,dev,train]'
	@touch $@

# One that does not work (its Python was upgraded away, its folder moved) is made anew.
WORKS := $(BIN)/python -c 'import pip' 2>/dev/null
ifneq ($(shell $(WORKS) && echo yes),yes)
.PHONY: .venv/.python
endif

CHOICES := $(or $(PYTHON),python3 python3.13 python3.12 python3.11)

.venv/.python:
	@$(WORKS) || { found=; \
	for python in $(CHOICES); do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Namesake needs Python 3.11 or later. Looked for: $(CHOICES)."; \
	  echo "Install one, or say where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; \
	fi; \
	if ! $$found -c 'import venv, ensurepip' 2>/dev/null; then \
	  echo "$$found lacks its modules venv and ensurepip, which some systems package apart."; \
	  echo "On Debian and Ubuntu, as root: apt-get install python3-venv"; exit 1; \
	fi; \
	$$found -m venv --clear .venv; }
	@touch $@
