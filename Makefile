# Everything runs in .venv, which is made on first use: 'make run' and 'make test' need only Python.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= out
READY  := $(VENV)/.ready

.PHONY: run test lint bench clean

run: $(READY)
	$(BIN)/mcplugin run examples/cygnus_x1.toml --out $(OUT)/cygnus_x1 --overwrite

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m pytest bench --benchmark-only --benchmark-columns=min,median,rounds

$(READY): pyproject.toml setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test,lint,torch]'
	touch $@

clean:
	rm -rf $(VENV) $(OUT) build *.egg-info
