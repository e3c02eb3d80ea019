# The front doors (see README.md). Every target sets up .venv first; when it is fresh that costs nothing.
PYTHON ?= python3
BIN := .venv/bin
FRESH := .venv/.fresh

.PHONY: setup demo demo-real test check bench soak security-matrix fuzz chaos mutants format clean

setup: $(FRESH)

$(FRESH): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "exchange-bus needs Python 3.11 or newer; this is %d.%d. Try: make PYTHON=python3.12" % sys.version_info[:2])'
	@test -x $(BIN)/python || { echo "making .venv"; $(PYTHON) -m venv .venv; }
	@echo "installing exchange-bus and its tools into .venv (a minute the first time)"
	@PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup          ## a sample city end to end; BUS_DEMO_EVENTS sets the size
	@$(BIN)/bus demo

demo-real: setup     ## the real registrations: make demo-real DATA=FILE.csv
	@test -n "$(DATA)" || { echo "say which file: make demo-real DATA=path/to/registrations.csv"; exit 2; }
	@$(BIN)/bus demo --real "$(DATA)"

test: setup          ## every test, against a real embedded cluster
	@$(BIN)/python -m pytest

check: setup         ## what CI runs: format, lint, types, layers, fresh docs, tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m infra.bus.reference --check
	@$(BIN)/python -m pytest

bench: setup         ## every benchmark there is
	@$(BIN)/bus bench all --page infra/bus/bench/README.md

soak: setup          ## steady load at half of the capacity: memory, files, latency; SOAK_MINUTES (60)
	@$(BIN)/bus bench soak --minutes "$${SOAK_MINUTES:-60}"

security-matrix: setup  ## every principal, operation and topic against a secured broker: a table, exit code 1 if one is wrong
	@$(BIN)/python -m tests.security_matrix $(if $(JSON),--json "$(JSON)")

fuzz: setup          ## hostile input for everything that reads; FUZZ_MINUTES (10) and FUZZ_SEED (a new one)
	@$(BIN)/python -m tests.fuzz --minutes "$${FUZZ_MINUTES:-10}" $${FUZZ_SEED:+--seed "$$FUZZ_SEED"}

chaos: setup         ## load and faults by seed, every record counted; CHAOS_MINUTES (10) and CHAOS_SEED (a new one)
	@$(BIN)/python -m tests.chaos --minutes "$${CHAOS_MINUTES:-10}" $${CHAOS_SEED:+--seed "$$CHAOS_SEED"}

mutants: .venv-mutants/.fresh  ## how much the policy's tests notice: MUTANTS=600 SEED=1
	@.venv-mutants/bin/python -m tests.mutation --sample $(or $(MUTANTS),600) --seed $(or $(SEED),1)

.venv-mutants/.fresh: pyproject.toml constraints.txt
	@echo "making .venv-mutants: mutmut asks for another click than Faust"
	@test -x .venv-mutants/bin/python || $(PYTHON) -m venv .venv-mutants
	@.venv-mutants/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@.venv-mutants/bin/pip install --quiet --disable-pip-version-check --no-warn-conflicts 'mutmut==3.8.1'
	@touch $@

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .venv-mutants .bus
