# Everything runs in .venv, which is made on first use: 'make run' and 'make test' need only Python.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= out
CONSTRAINTS ?= constraints.txt
INSTALL := $(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable
# An installation is as new as the C library in it.
BUILT_FROM := pyproject.toml setup.py $(CONSTRAINTS) mcplugin/learning/c_form.py \
              $(shell find csrc weights -type f -not -path '*/__pycache__/*')

.PHONY: run test test-lower-bounds lint docs bench bench-report train clean

run: $(VENV)/.package
	$(BIN)/mcplugin run examples/cygnus_x1.toml --out $(OUT)/cygnus_x1 --overwrite

# Files of tests on up to four cores; 'pytest' alone does the same one after the other.
test: $(VENV)/.development
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# With the oldest libraries allowed, which the oldest Python needs too: PYTHON=python3.11.
test-lower-bounds:
	$(MAKE) test VENV=$(VENV)/lower-bounds CONSTRAINTS=lower-bounds.txt

lint: $(VENV)/.development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	find csrc bench tests -name '*.[ch]' -exec $(BIN)/clang-format --dry-run --Werror {} +

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs docs/_build/html

bench: $(VENV)/.development
	$(BIN)/python -m pytest bench --benchmark-only --benchmark-columns=min,median,rounds \
	    --benchmark-max-time=0.2 --benchmark-min-rounds=3 --benchmark-autosave

bench-report: $(VENV)/.development
	$(BIN)/python bench/report.py

train: $(VENV)/.development
	$(BIN)/mcplugin train weights/mj-cgan.toml --out $(OUT)/mj-cgan --overwrite

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.package: $(BUILT_FROM) | $(VENV)/bin/python
	$(INSTALL) .
	touch $@

# torch, which only the GAN's training and one of its engines need, comes with the tests.
$(VENV)/.development: $(BUILT_FROM) | $(VENV)/bin/python
	$(INSTALL) '.[test,lint,torch,dask,mpi]'
	touch $(VENV)/.package $@

$(VENV)/.docs: $(BUILT_FROM) | $(VENV)/bin/python
	$(INSTALL) '.[docs]'
	touch $(VENV)/.package $@

clean:
	rm -rf $(VENV) $(OUT) build docs/_build *.egg-info mcplugin/native/lib mcplugin/native/include \
	    mcplugin/native/fortran
