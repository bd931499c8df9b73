# Two commands matter to a new user: `make demo` and `make test`. Each sets up what it needs, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: env demo test lint types imports tests bench results weights clean help

help:
	@echo "make demo   set up, run the demonstration offline, write out/demo/report.html"
	@echo "make test   set up, lint, types, import contracts, tests"
	@echo "make bench  speed against the peer, side by side"
	@echo "make results  redraw the claims of docs/results.md from the committed rows; FULL=1 trains what has none first"
	@echo "make env    set up only (.venv)"
	@echo "make weights  train the shipped weights anew: nano, then its dense student (about an hour on 2 cores)"

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[demo,dev]"
	@touch $(STAMP)

demo: env
	@$(BIN)/ringmoe demo --out out/demo

lint: env
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: env
	@$(BIN)/mypy

imports: env
	@$(BIN)/lint-imports --no-cache

tests: env
	@OMP_NUM_THREADS=1 $(BIN)/pytest -q --numprocesses 2 --dist loadfile

test: lint types imports tests

bench: env
	@$(BIN)/python benchmarks/inference.py
	@$(BIN)/python benchmarks/accuracy.py
	@$(BIN)/python benchmarks/moe.py
	@$(BIN)/python benchmarks/backbone.py
	@$(BIN)/python benchmarks/load.py
	@$(BIN)/python benchmarks/cube.py

results: env
	@if [ -n "$(FULL)" ]; then OMP_NUM_THREADS=1 $(BIN)/python -m experiments.run --all; fi
	@$(BIN)/python -m experiments.page

weights: env
	@$(BIN)/ringmoe train --preset nano --out ringmoe_core/weights/nano.safetensors
	@$(BIN)/ringmoe distil nano --method select --steps 450 --workers 1 --out ringmoe_core/weights/nano-dense.safetensors

clean:
	rm -rf $(VENV) out build dist
