# Each target does all the set-up it needs on a fresh Debian or Ubuntu with Python >= 3.11, Node >= 20 and make.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Tests start hundreds of hubs; one whose modules are compiled anew each time takes twice as long to start.
unexport PYTHONDONTWRITEBYTECODE
PY := .venv/bin/python
JS_SOURCES := $(shell find js/src js/page js/build.mjs js/tsconfig.json -type f 2>/dev/null)
PYTEST_ARGS ?=
# As many processes as cores, up to four: most tests wait for servers and browsers rather than compute.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? n : 4)))
PARALLEL = -n $(WORKERS) --dist loadfile
MUTATION_ARGS ?=
TIMING_ARGS ?=
BENCH ?=

.PHONY: help demo test test-py test-js check setup format vectors lock wheel clean browser screenshots requirements compliance fuzz mutation memory timing instructions delivery bench bench-guard bench-profile

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: setup ## development hub with the live page at http://127.0.0.1:8440
	@JITTERBUG_PROFILE=$${JITTERBUG_PROFILE:-realtime} .venv/bin/jitterbug dev

test: test-js test-py ## everything, in real Chromium too

test-py: setup browser
	$(PY) -m pytest $(PARALLEL) $(PYTEST_ARGS)

test-js: setup
	cd js && npm test --silent

check: setup ## ruff, mypy, import-linter, biome, tsc
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --verbose
	cd js && npm run --silent check

setup: .make/python .make/console ## Python environment, npm packages, browser bundle

format: setup ## put the code into its standard form
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
	cd js && npm run --silent format

requirements: setup browser ## table: requirement, its tests, their result; fails on a gap
	@mkdir -p .make
	-cd js && npx vitest run --silent --reporter=json --outputFile=../.make/vitest.json
	-$(PY) -m pytest $(PARALLEL) -q -o junit_family=xunit1 --junitxml=.make/pytest.xml
	$(PY) scripts/requirements.py --junit .make/pytest.xml --vitest .make/vitest.json

compliance: setup ## docs/compliance.md from the results of the last `make requirements`
	$(PY) scripts/compliance.py --junit .make/pytest.xml --vitest .make/vitest.json

fuzz: setup ## coverage-guided fuzzing of what strangers send, 5 minutes; FUZZ_S=… seconds a target, FUZZ="frame sse" some
	$(PY) -m fuzz.run $(FUZZ)

mutation: setup ## break the protocol core on purpose: every change the tests let through is argued for or fails
	$(PY) scripts/mutation.py $(MUTATION_ARGS)

timing: setup ## does the time a refusal takes say why? a million samples each, planted leaks must be found; 15 minutes
	$(PY) -m timing $(TIMING_ARGS)

instructions: setup ## does a refusal take as many machine instructions whatever is wrong? 6 minutes; needs valgrind
	$(PY) -m timing.instructions

delivery: setup browser ## ten thousand publications through faults, ten thousand connections that come and go
	DELIVERY=long $(PY) -m pytest --timeout=0 -s tests/delivery tests/browser/test_delivery.py

bench: setup browser .make/bench-peers ## our cost per delivery beside the peers', then docs/performance.md; half an hour on a quiet machine; BENCH="--quick" a look
	$(PY) -m bench $(BENCH)

bench-guard: setup .make/bench-peers ## has a delivery become dearer than the committed figures?
	$(PY) -m bench.guard

bench-profile: setup .make/bench-peers ## where the CPU of a delivery goes, beside Nchan and the floor; needs perf
	$(PY) -m bench.profiling

.make/bench-peers: .make/python bench/install.py bench/peers/node/package.json
	$(PY) -m bench.install
	@touch $@

memory: setup ## the table of docs/memory.md: the most a hub may take
	$(PY) scripts/memory.py

vectors: setup ## write vectors/*.json anew
	$(PY) scripts/make_vectors.py

lock: .make/python ## pin the newest versions in requirements/dev.txt
	scripts/lock.sh --upgrade

screenshots: setup browser ## take docs/images/*.png anew
	$(PY) scripts/screenshots.py

wheel: setup ## build the distribution, live page included
	.venv/bin/uv build --no-build-isolation --python $(PY)

browser:
	@scripts/chromium.sh
	@scripts/foreign.sh

.make/python: requirements/dev.txt pyproject.toml scripts/setup-python.sh
	@scripts/setup-python.sh
	@mkdir -p .make && touch $@

.make/npm: js/package-lock.json
	@scripts/setup-node.sh
	@mkdir -p .make && touch $@

.make/console: .make/npm $(JS_SOURCES)
	cd js && npm run --silent build
	@touch $@

clean: ## remove what the targets made
	rm -rf .make .venv js/node_modules js/dist dist src/jitterbug/console/*.js src/jitterbug/console/*.css
