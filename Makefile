# make studio | demo | test-fast | test | lint | docs | dist | bench: each makes the environment .venv first and installs what it needs into it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: studio demo test-fast test lint docs dist bench clean

.venv/%-installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[$(EXTRAS)]'
	@touch $@

.venv/studio-installed: EXTRAS := studio
.venv/demo-installed: EXTRAS := train,demo
.venv/test-installed: EXTRAS := test
.venv/docs-installed: EXTRAS := docs
.venv/bench-installed: EXTRAS := bench

studio: .venv/studio-installed
	$(BIN)/kwstrain studio

demo: .venv/demo-installed
	$(BIN)/kwsfeat synth data/demo --words yes,no,up,down,left,right,on,off,stop,go --voices 60 --seed 0
	$(BIN)/kwsfeat build data/demo demo.h5 --overwrite
	$(BIN)/kwstrain fit --arch cnn demo.h5 --out runs/demo --overwrite
	$(BIN)/kwstrain evaluate runs/demo demo.h5
	@echo
	@echo 'The commands are in the environment .venv: activate it in your shell, then go on, for example with'
	@echo '    . .venv/bin/activate'
	@echo '    kwstrain predict runs/demo data/demo/yes'
	@echo '    kwsfeat report demo.h5 demo.html --overwrite'

test-fast: .venv/test-installed
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow' tests

test: .venv/test-installed
	$(BIN)/python -m pytest -n 3 --dist loadfile

lint: .venv/test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: .venv/docs-installed
	$(BIN)/python tools/reference.py build/reference

dist: .venv/test-installed
	rm -rf build/lib dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python tools/check_dist.py dist

bench: .venv/bench-installed
	$(BIN)/python -m pytest benchmarks --benchmark-enable -s

clean:
	rm -rf .venv build dist demo.h5 demo.html runs data/demo
