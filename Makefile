# Everything runs in .venv, which is made on first use: 'make run' and 'make test' need only Python.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= out
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable

.PHONY: run test lint bench train clean

run: $(VENV)/.package
	$(BIN)/mcplugin run examples/cygnus_x1.toml --out $(OUT)/cygnus_x1 --overwrite

test: $(VENV)/.development
	$(BIN)/python -m pytest

lint: $(VENV)/.development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.development
	$(BIN)/python -m pytest bench --benchmark-only --benchmark-columns=min,median,rounds

train: $(VENV)/.development
	$(BIN)/mcplugin train weights/mj-cgan.toml --out $(OUT)/mj-cgan --overwrite

$(VENV)/.package: pyproject.toml setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) .
	touch $@

# torch, which only the GAN's training and one of its engines need, comes with the tests.
$(VENV)/.development: $(VENV)/.package
	$(INSTALL) '.[test,lint,torch]'
	touch $@

clean:
	rm -rf $(VENV) $(OUT) build *.egg-info
