VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.PHONY: install train test test-slow rivals rivals-test slurm-test browser docs lint type check golden lock clean

install: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	test -x $(PYTHON) || python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --constraint requirements.lock --editable '.[dev]'
	touch $@

train: install  ## the quick run on the default data
	$(PYTHON) -m fae.train experiment=quick category=wood objective=amplify

test: install browser lint type
	$(PYTHON) -m pytest -n auto --dist worksteal

test-slow: install
	$(PYTHON) -m pytest -m slow -rs

browser:  ## the test of the report's page drives it
	-command -v chromedriver > /dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium chromium-driver; }

rivals:  ## anomalib in an environment of its own, for experiments/rivals
	test -x .venv-rivals/bin/python || python3 -m venv .venv-rivals
	.venv-rivals/bin/python -m pip install --quiet -r experiments/rivals/requirements.txt

rivals-test: install rivals  ## what runs in that environment
	$(PYTHON) -m pytest -m rivals -rs

slurm-test: install  ## as root on Debian: starts a SLURM of one node, and keeps its log in experiments/slurm
	experiments/slurm/test.sh

docs: install  ## the site, into site/html
	$(PYTHON) -m pip install --quiet --constraint requirements.lock --editable '.[docs]'
	$(PYTHON) docs/build.py

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

type: install
	$(VENV)/bin/mypy

check: test test-slow

golden: install  ## rewrite the golden values, on purpose only
	$(PYTHON) -m tests.golden

lock: install  ## pin what is installed now
	$(PYTHON) -m pip freeze --exclude-editable | sed 's/+cpu//' > requirements.lock

clean:
	rm -rf $(VENV) .venv-rivals dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
