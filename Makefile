# Everything starts here: `make` lists it. Needs Python 3.11 to 3.13 with venv, git and make; the rest is installed.
# Paths are relative, so that a checkout may stand in a folder whose name has a blank.

PORT ?= 8000
DEMO_DIR ?= .demo
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PEERS := .venv/peers
# On Linux PyPI's torch is CUDA's, of several GB. With https://download.pytorch.org/whl/cpu here, pip takes the processor's.
TORCH_INDEX ?=
TORCH = $(shell sed -n 's/^ *"\(torch==[^"]*\)",$$/\1/p' pyproject.toml)
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench chaos bundle rehearse fonts lock clean

help: ## List what can be made
	@echo "make demo [PORT=8000] [DEMO_DIR=.demo] starts the whole site. All of it:"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: .venv/installed .venv/anatomy static/fonts/fonts.css ## Run the whole site on this machine, from nothing
	@exec $(BIN)/python manage.py demo --port "$(PORT)" --dir "$(DEMO_DIR)"

test: .venv/installed .venv/anatomy static/fonts/fonts.css ## Run all tests (ARGS= for pytest)
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/installed ## Check style, types, layers, migrations, templates, deployment settings and shell
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	find templates -name '*.html' -exec $(BIN)/djade --target-version 5.2 --check {} +
	.ci/check-deploy
	$(BIN)/python -m portal.deployment.check
	shellcheck --external-sources --source-path=SCRIPTDIR .ci/run .ci/check-deploy ebextensions/platform/*hooks/*/*.sh ebextensions/platform/commands/* ebextensions/infra/deploy

bench: .venv/installed $(PEERS)/installed ## Measure as ratios in one run, also at size (ARGS="--share 0": without; "--only previews")
	$(BIN)/python -m tests.benchmarks $(ARGS)

chaos: .venv/installed ## Kill every part at random while people go the whole way (ARGS="--people 500 --kills 1000")
	$(BIN)/python -m tests.chaos $(ARGS)

bundle: .venv/installed static/fonts/fonts.css ## Make the source bundle of HEAD for Elastic Beanstalk
	@$(BIN)/python -m portal.deployment.bundle

rehearse: .venv/installed static/fonts/fonts.css ## Do with the bundle of HEAD what Elastic Beanstalk does (ARGS="--before REF")
	@$(BIN)/python -m tests.rehearsal $(ARGS)

fonts: .venv/installed ## Fetch the faces of the site again
	$(BIN)/python -m portal.embedded.fonts

lock: .venv/installed ## Write the locks again from pyproject.toml and package.json
	$(LOCK) pyproject.toml -o requirements.txt
	$(LOCK) --extra demo --extra dev pyproject.toml -o requirements-dev.txt
	$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['bench'], sep='\n')" \
	  | $(LOCK) --no-emit-package torch - -o requirements-bench.txt
	$(BIN)/python -m portal.embedded.fonts --lock

clean: ## Remove what was installed and built; the demo's data stays in DEMO_DIR
	rm -rf .venv node_modules static/fonts staticfiles build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.venv/installed: requirements-dev.txt
	@echo "Making .venv and installing what requirements-dev.txt locks: a minute or two"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

.venv/anatomy: requirements-anatomy.txt | .venv/installed
	@echo "Installing the brain template of the sample data"
	@$(PIP) install --quiet --require-hashes --no-deps -r requirements-anatomy.txt
	@touch $@

# Without a registry there are no fonts, this ends well all the same, and the next call tries again.
static/fonts/fonts.css: package-lock.json portal/embedded/fonts.css | .venv/installed
	@$(BIN)/python -m portal.embedded.fonts

# Of what cannot be installed the bench leaves the lines out, and the next call tries again. torch has no hash in the
# lock: which of its builds there is to be had differs from place to place.
$(PEERS)/installed: requirements-bench.txt | .venv/installed
	@echo "Installing what previews are measured against into $(PEERS): a minute or two"
	@test -x $(PEERS)/bin/python || $(BIN)/python -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r requirements-bench.txt \
	  && $(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps \
	    $(if $(TORCH_INDEX),--extra-index-url "$(TORCH_INDEX)") "$(TORCH)" \
	  && touch $@ || echo "Not all of it can be installed here."
