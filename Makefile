# One verb for each need; `make help` lists them. Everything installs into .venv and embedded/node_modules.

# Debian's Python is built with profile-guided optimization: a fifth faster than one that pyenv builds by default.
PYTHON ?= $(shell /usr/bin/python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
  && echo /usr/bin/python3 || echo python3)
VENV := .venv
BASE := import sys; print(sys.base_prefix)
BIN := $(VENV)/bin
# More processes than cores: tests wait for servers, browsers and intervals most of the time.
JOBS ?= 4
NODE_READY := embedded/node_modules/.ready
WEB_READY := web/node_modules/.ready
PAGES := pages/static/index.html

# What `make load` passes on. Only from make's own command line: a shell may have a HOST or SECONDS of its own.
given = $(if $(filter command line,$(origin $(1))),--$(2) "$($(1))")
LOAD = $(call given,SCENARIO,scenario) $(call given,AGENTS,agents) $(call given,SECONDS,seconds) \
  $(call given,INTERVAL,interval) $(call given,PAUSE,pause) $(call given,HOST,host) \
  $(call given,PROCESSES,processes) $(call given,RESULTS,results)

# Neither an address nor a path of this machine goes into a lock file. Lock with the oldest Python that is to run it, the
# 3.11.2 of Debian 12: some packages refuse it.
COMPILE = CUSTOM_COMPILE_COMMAND="make lock" .venv-lock/bin/pip-compile --quiet --generate-hashes --strip-extras \
  --allow-unsafe --no-annotate --no-emit-options --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
  --build-deps-for editable

# Restores, point-in-time recovery, downgrades, changed policies, retention, erasure, full disk, older code, a killed
# server, a blocked or absent database, a small server.
ALL_DRILLS = tests/db/test_backup.py tests/db/test_point_in_time.py tests/db/test_downgrade.py \
  tests/whole/test_blocked_database.py tests/whole/test_small_server.py tests/rollups/test_drift_with_scheduler.py tests/retention/test_walk.py \
  tests/erasure tests/whole/test_full_disk.py tests/whole/test_old_code.py tests/whole/test_server_faults.py \
  tests/api/test_health.py

.DEFAULT_GOAL := help

##@ Use
demo: setup ## Run everything on this machine with a simulated fleet (PORT, DEMO_AGENTS, DEMO_SECONDS)
	@$(BIN)/rts-agents demo

serve: setup ## Serve the API on DATABASE_URL (PORT)
	@$(BIN)/rts-agents serve

worker: setup ## Run the background worker on DATABASE_URL
	@$(BIN)/rts-agents worker

##@ Develop
setup: $(VENV)/.ready $(NODE_READY) $(PAGES) ## Install Python and npm packages, pinned, and build the pages (runs by itself when needed)

# Compiled test modules are kept whatever the shell says: to compile them takes half of the collection, in each process.
test test-unit test-again: export PYTHONDONTWRITEBYTECODE :=

test: setup ## Run all tests on the embedded TimescaleDB or on DATABASE_URL (TESTS, JOBS)
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(TESTS)

test-again: setup ## Run the tests that failed last, alone; refuses when more than three did
	@failed=$$(grep -c '": true' .pytest_cache/v/cache/lastfailed) && [ "$$failed" -le 3 ] || { echo "$${failed:-No} tests are on record as failed: more than three are no accident." >&2; exit 1; }
	$(BIN)/pytest --last-failed --last-failed-no-failures none

test-unit: setup ## Run the tests that need neither a database nor another process, in seconds
	$(BIN)/pytest -m unit $(TESTS)

fuzz: setup ## Send 20,000 odd uploads and more of every other call of a device; no answer may be 5xx (FUZZ_UPLOADS, JOBS)
	FUZZ_UPLOADS=$(or $(FUZZ_UPLOADS),20000) $(BIN)/pytest -n $(JOBS) tests/fuzz

bench: setup ## Measure on an embedded TimescaleDB or DATABASE_URL; results in loadtest/results (BENCH="uploads charts", DURATION, PSQL)
	@$(BIN)/python -m loadtest.bench $(BENCH)

pictures: setup ## Take the pictures of the documentation again, by the stories that tests tell in Chromium
	RTS_PICTURES=docs/pictures $(BIN)/pytest -q tests/pages/test_stories.py tests/pages/test_every_state.py tests/pages/test_faults.py \
		tests/pages/test_states.py tests/pages/test_signing_in.py tests/pages/test_servers.py tests/pages/test_gateways_page.py \
		tests/pages/test_rules_page.py tests/pages/test_disks_tab.py tests/pages/test_erasure_page.py tests/retention/test_in_the_browser.py

load: setup ## Run a load scenario and check that nothing is lost (SCENARIO, AGENTS, SECONDS, INTERVAL, PAUSE, PROCESSES, HOST, RESULTS)
	@$(BIN)/python -m loadtest.run $(LOAD)

load-web: setup ## The same with Locust's own page, on http://127.0.0.1:8089
	@$(BIN)/python -m loadtest.run --web $(LOAD)

check: setup ## Format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@npm run check --silent --prefix web

format: setup ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## Write both lock files anew by pip-tools, with hashes; versions stay unless LOCK=--upgrade is given
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check pip-tools==7.6.2
	$(COMPILE) $(LOCK) --output-file requirements.lock pyproject.toml
	$(COMPILE) $(LOCK) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

licences: setup ## Write docs/licences.md from the lock files and the installed packages
	@$(BIN)/python -m release.licences

sbom: setup ## Write sbom.json, the bill of materials of what a release runs, as CycloneDX
	@$(BIN)/python -m release.sbom

audit: setup ## Look up known vulnerabilities of what a release runs; says so where no source can be reached
	@$(BIN)/python -m release.audit

drill: setup ## Prove a backup of DATABASE_URL by a restore, then run the drills in databases of their own there (BACKUP, DRILLS)
	@$(BIN)/rts-agents db drill $(if $(BACKUP),--backup "$(BACKUP)")
	PATH="$${RTS_POSTGRES_BIN:+$$RTS_POSTGRES_BIN:}$$PATH" $(BIN)/pytest -q --durations=30 --durations-min=1 $(or $(DRILLS),$(ALL_DRILLS))

dashboards: setup ## Write the dashboards for Grafana into docs/grafana/dashboards
	@$(BIN)/python -m release.grafana_dashboards

schema: setup ## Write db/schema.sql from the revisions
	@$(BIN)/python -m db.write_schema

docs: setup ## Build the documentation site into site/, with the API reference in it
	@$(BIN)/rts-agents openapi > docs/openapi.json
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "The site is in site/: open site/index.html, or run $(BIN)/mkdocs serve."

coverage: setup ## Run all tests and print how much of each folder they reach (TESTS)
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered $(TESTS)

changelog: setup ## Show the changelog section of the next release
	@$(BIN)/towncrier build --draft --version next

release: setup ## Write a release's version, changelog section and schema snapshot (VERSION=X.Y.Z)
	@$(BIN)/python -m release.cut "$(VERSION)"

##@ Clean
clean-demo: ## Forget the demo's data
	rm -rf .demo

clean: clean-demo ## Remove everything that make installed or made
	rm -rf $(VENV) .venv-lock sbom.json embedded/node_modules web/node_modules pages/static .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: this is $$($(PYTHON) --version). Set PYTHON=/path/to/python3.11." >&2; exit 1; }
	@# A virtual environment of another Python, or of one that is gone, cannot be updated.
	@[ "$$($(BIN)/python -c 'import pip; $(BASE)' 2>/dev/null)" = "$$($(PYTHON) -c '$(BASE)')" ] || rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(NODE_READY): embedded/package-lock.json
	@command -v npm >/dev/null || { echo "npm (Node 20 or newer) is needed: install Node.js." >&2; exit 1; }
	npm ci --prefix embedded --no-fund --no-audit --loglevel=error
	@touch $@

$(WEB_READY): web/package-lock.json
	@command -v npm >/dev/null || { echo "npm (Node 20 or newer) is needed: install Node.js." >&2; exit 1; }
	npm ci --prefix web --no-fund --no-audit --loglevel=error
	@touch $@

# One order to make everything: the build empties the folder first, so a file that is gone is gone there too.
$(PAGES): $(WEB_READY) web/index.html web/vite.config.ts $(shell find web/src web/public -type f 2>/dev/null)
	npm run build --silent --prefix web -- --logLevel warn

.PHONY: dashboards drill pictures demo serve worker setup test test-again test-unit fuzz bench load load-web check format lock licences sbom audit schema docs coverage changelog release clean-demo clean help
