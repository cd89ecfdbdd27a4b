# `make serve` and `make test` set everything up on a machine that has Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Some environments set it for images that are thrown away; here each of a thousand processes would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: serve test frozen sources test-long check format lint types unit faults mutants bench bench-instructions bench-startup wheel dist dist-where-possible proof verify verify-onefile verify-onedir verify-tests clean agents

serve: $(READY)  ## run `aexl serve --demo`
	$(BIN)/aexl serve --demo

test: $(READY)  ## everything that CI runs: the executable on one side, the sources on the other
	$(MAKE) -j 2 frozen sources
	@echo "all checks passed"

frozen: $(READY)
	$(MAKE) dist-where-possible
	$(MAKE) proof

sources: $(READY)
	$(MAKE) lint types faults wheel
	$(MAKE) unit

check: lint types

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

unit: $(READY)  ## three at a time on two cores: many wait for the processes that they start
	$(BIN)/python -m compileall -q aexl plugins/*/aexl_*  # what runs confined cannot keep what it compiles
	$(BIN)/pytest -n 3 --dist worksteal -m "not long and not dist"

test-long: $(READY) dist  ## crash exploration, soak, fuzzing, the executable built twice: tens of minutes
	$(BIN)/pytest -m "long" -n 2
	$(MAKE) verify-onedir ONEDIR=
	$(MAKE) mutants

faults: $(READY)  ## the fault list: each row, its tests, how many
	$(BIN)/python tests/faults.py

agents: $(READY)  ## install every agent CLI that tests run, into build/agents: some 2 GB
	tests/agents/install all

mutants: $(READY)  ## plant bugs one by one, and see the tests turn red
	$(BIN)/python tests/mutants/run.py

bench: $(READY)  ## what performance claims rest on
	$(BIN)/python benchmarks/proxy.py
	$(BIN)/python benchmarks/snapshots.py
	$(BIN)/python benchmarks/pipelines.py
	$(BIN)/python benchmarks/runtime.py
	$(BIN)/python benchmarks/plane.py

bench-instructions: $(READY)  ## how many instructions a call takes: tells small steps apart; needs valgrind
	$(BIN)/python benchmarks/instructions.py

wheel: $(READY)  ## build the wheel, install it into an empty environment, and try it
	$(BIN)/python tests/wheel.py

dist: $(READY)  ## the executable, both shapes, in dist/out; needs binutils and a C compiler
	$(BIN)/python dist/build.py

dist-where-possible: $(READY)
	@if $(BIN)/python dist/build.py --can; then $(MAKE) dist; fi

proof: $(READY)  ## `verify`, where this machine can make the executable
	@if $(BIN)/python dist/build.py --can; then $(MAKE) verify; else echo "skipped: the executable was not tried"; fi

verify: verify-onefile verify-onedir verify-tests  ## try every promise of the executable; on the onedir those in which it could differ

verify-onefile: dist
	$(BIN)/python dist/verify.py dist/out/aexl

# How it starts, what it gives to programs, where it runs from; the files inside are the onefile's. `ONEDIR=` tries all.
ONEDIR := $(addprefix --only EXE-,01 03 05 06 09 10 11 22 27)

verify-onedir: dist
	rm -rf build/dist/unpacked && mkdir build/dist/unpacked && tar -xzf dist/out/aexl-onedir.tar.gz -C build/dist/unpacked
	$(BIN)/python dist/verify.py build/dist/unpacked/aexl-onedir/aexl $(ONEDIR)

verify-tests: dist
	$(BIN)/pytest -m "dist and not long" $$(grep -rl --include='test_*.py' 'mark\.dist' tests plugins)

bench-startup: dist  ## how long commands take, from the sources and frozen
	$(BIN)/python benchmarks/startup.py

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf $(VENV) build dist/out .mypy_cache .ruff_cache .pytest_cache .hypothesis
