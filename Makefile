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
	@echo "make weights  train the shipped weights anew: nano, its dense student, cards, pictures; NAMES=\"nano tiny\" for both sizes"

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
	@$(BIN)/python benchmarks/training.py

results: env
	@if [ -n "$(FULL)" ]; then OMP_NUM_THREADS=1 $(BIN)/python -m experiments.run --all; fi
	@$(BIN)/python -m experiments.page

# Every step leaves its files; a step that has them is not run again. WEIGHTS is where they are made.
WEIGHTS ?= out/weights
NAMES ?= nano
SHIP := ringmoe_core/weights
MADE := $(foreach name,$(NAMES),$(name) $(name)-dense)
SHIPPED := $(MADE:%=$(WEIGHTS)/%.shipped)

weights: $(SHIPPED)
	@echo "shipped $(MADE); run the tests, then look at docs/six-tasks.md and docs/models"

$(NAMES:%=$(WEIGHTS)/%-dense/report.json): $(WEIGHTS)/%-dense/report.json: $(WEIGHTS)/%-student.safetensors | env
	@$(BIN)/ringmoe train $*-dense --out $(@D) --set start=$< $(if $(wildcard $(@D)/resume/*),--resume) > $(@D).log

$(NAMES:%=$(WEIGHTS)/%-student.safetensors): $(WEIGHTS)/%-student.safetensors: $(WEIGHTS)/%/report.json | env
	@$(BIN)/ringmoe distil $(WEIGHTS)/$*/$*.safetensors --method select --steps 150 --regions 60 --out $@ > $@.log

$(NAMES:%=$(WEIGHTS)/%/report.json): $(WEIGHTS)/%/report.json: | env
	@mkdir -p $(@D)
	@$(BIN)/ringmoe train $* --out $(@D) $(if $(wildcard $(@D)/resume/*),--resume) > $(@D).log

$(MADE:%=$(WEIGHTS)/%-heads/report.json): $(WEIGHTS)/%-heads/report.json: $(WEIGHTS)/%/report.json | env
	@$(BIN)/ringmoe train heads --out $(@D) --set name=$* --set start=$(WEIGHTS)/$*/$*.safetensors \
		$(if $(wildcard $(@D)/resume/*),--resume) > $(@D).log

$(SHIPPED): $(WEIGHTS)/%.shipped: $(WEIGHTS)/%-heads/report.json | env
	@$(BIN)/ringmoe calibrate $(WEIGHTS)/$*/$*.safetensors > $(WEIGHTS)/$*.calibrate.log
	@cp $(WEIGHTS)/$*-heads/$*.heads.safetensors $(WEIGHTS)/$*/
	@cp $(WEIGHTS)/$*/$*.safetensors $(WEIGHTS)/$*/$*.heads.safetensors $(WEIGHTS)/$*/$*.novelty.safetensors $(SHIP)/
	@$(BIN)/python -m flows.task_figures $* --figures docs/models/$*.tasks.json \
		$(if $(filter $*,$(firstword $(NAMES))),--page docs/six-tasks.md) > /dev/null
	@cp $(WEIGHTS)/$*/report.json docs/models/$*.json
	@cp $(WEIGHTS)/$*-heads/report.json docs/models/$*.heads.json
	@$(BIN)/python -m flows.model_card docs/models/$*.md --weights $(WEIGHTS)/$*/$*.safetensors \
		--report $(WEIGHTS)/$*/report.json --report $(WEIGHTS)/$*-heads/report.json --tasks docs/models/$*.tasks.json \
		$(if $(filter %-dense,$*),--distilled $(WEIGHTS)/$(patsubst %-dense,%,$*)-student.json)
	@touch $@

clean:
	rm -rf $(VENV) out build dist
