# `make demo` and `make test` set everything up by themselves on a machine with Python 3.11 and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
WORKERS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock

.PHONY: demo test lint format lock wheel chromium clean

demo: $(VENV)/.demo
	$(BIN)/hubbot demo

# Two processes with one thread each: more of either wait for each other on two cores.
test: $(VENV)/.dev chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 30

# The schemas are those that check-jsonschema carries; nothing here asks the network.
lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --offline --no-progress --quiet --strict-collection --min-severity medium .github action.yml

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheel: $(VENV)/.dev
	$(BIN)/python -m build --wheel

# The lock names versions alone: no index, no links, no local suffix such as +cpu.
lock: $(VENV)/.dev
	$(BIN)/pip-compile --quiet --strip-extras --all-extras --no-annotate --no-emit-index-url \
		--no-emit-find-links --no-emit-trusted-host -c constraints.in -o requirements.lock pyproject.toml
	sed -i -e '/^hubbot @/d' -e 's/^\([A-Za-z0-9_.-]*==[^+ ]*\)+[A-Za-z0-9.]*$$/\1/' requirements.lock

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "hubbot needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml requirements.lock
	@echo "Installing hubbot and its pinned dependencies into $(VENV) (about 1.5 GB) ..."
	$(PIP) -e '.[demo]'
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml requirements.lock
	@echo "Installing hubbot and its pinned dependencies into $(VENV) (about 2 GB) ..."
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.demo

# One test looks at the embedded Hub's pages in a real browser.
chromium:
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Debian's chromium for the browser test ..."; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else \
		echo "The browser test needs chromium: sudo apt-get install --no-install-recommends chromium" >&2; \
		exit 1; \
	fi

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
