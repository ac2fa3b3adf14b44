VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALL := $(PYTHON) -m pip install --quiet --constraint requirements.lock --editable
BASE := $(VENV)/.base
ALL := $(VENV)/.all

.PHONY: install train test test-slow rivals rivals-test slurm-test cpp-test browser docs lint type check golden lock clean

install: $(ALL)  ## the base and every extra

$(PYTHON):
	python3 -m venv $(VENV)

$(BASE): pyproject.toml requirements.lock | $(PYTHON)
	$(INSTALL) '.[features]'
	touch $@

$(ALL): pyproject.toml requirements.lock | $(PYTHON)
	$(INSTALL) '.[all]'
	touch $(BASE) $@

train: $(BASE)  ## the quick run on the default data, which needs the base and the extra features alone
	$(PYTHON) -m fae.train experiment=quick category=wood objective=amplify

test: install browser lint type
	$(PYTHON) -m pytest -n auto --dist worksteal

test-slow: install
	$(PYTHON) -m pytest -m slow -rs

browser:  ## what the tests of pages need: Chromium, its driver and curl; installed on Debian, where they are missing
	@{ command -v chromedriver && command -v curl; } > /dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium chromium-driver curl; } || { echo 'make test needs chromium, chromedriver and curl on the PATH; install them (Debian, as root: apt-get install chromium chromium-driver curl)' >&2; exit 1; }

cpp-test: install  ## the C++ example of runtime/cpp; its tools are installed on Debian, where they are missing
	@{ command -v cmake && command -v g++ && pkg-config --exists opencv4 && test -f /usr/include/nlohmann/json.hpp && /usr/bin/python3 -c 'import cv2'; } > /dev/null 2>&1 || { apt-get update -qq && apt-get install -qq -y --no-install-recommends cmake g++ pkg-config libopencv-dev nlohmann-json3-dev python3-opencv; } || { echo 'make cpp-test needs CMake, a C++ compiler, OpenCV and nlohmann-json; install them (Debian, as root: apt-get install cmake g++ pkg-config libopencv-dev nlohmann-json3-dev python3-opencv)' >&2; exit 1; }
	$(PYTHON) -m pytest -m cpp -rs

docs: install  ## the site of README.md and docs/, into site/html
	$(PYTHON) docs/build.py

rivals:  ## anomalib in an environment of its own, for experiments/rivals
	test -x .venv-rivals/bin/python || python3 -m venv .venv-rivals
	.venv-rivals/bin/python -m pip install --quiet -r experiments/rivals/requirements.txt

rivals-test: install rivals  ## what runs in that environment
	$(PYTHON) -m pytest -m rivals -rs

slurm-test: install  ## as root on Debian: starts a SLURM of one node, and keeps its log in experiments/slurm
	experiments/slurm/test.sh

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
