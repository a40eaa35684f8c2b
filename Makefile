# make demo | test | lint | bench: each makes .venv first and installs what it needs into it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint bench clean

.venv/demo-installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[train,demo]'
	@touch $@

.venv/test-installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[test]'
	@touch $@

.venv/bench-installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[bench]'
	@touch $@

demo: .venv/demo-installed
	$(BIN)/kwsfeat synth data/demo --words yes,no,up,down,left,right,on,off,stop,go --voices 60 --seed 0
	$(BIN)/kwsfeat build data/demo demo.h5 --overwrite
	$(BIN)/kwstrain fit --arch cnn demo.h5 --out runs/demo --overwrite
	$(BIN)/kwstrain evaluate runs/demo demo.h5

test: .venv/test-installed
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/bench-installed
	$(BIN)/python -m pytest benchmarks --benchmark-enable -s

clean:
	rm -rf .venv demo.h5 runs data/demo
