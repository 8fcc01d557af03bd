# make env    the tested versions into $(VENV); no compiler needed, some minutes of download
# make demo   the short tour, tools/demo.py, on built-in images and a CPU, to a page
# make test   the tests, quick ones first; make test PYTEST_ARGS='tests/test_compat -x'
# make nightly   what `make test` leaves out: products of options, inductor, learning
# make docs   the pages of docs/ as a site, work_dirs/site/index.html
# make lint   ruff: rules and format (make format mends)
# make doctor what works in the environment, and the commands that mend the rest
# make clean  removes .venv, builds and caches
#
# Your own environment, two ways:
#   make test VENV=$VIRTUAL_ENV    installs the tested versions there first
#   make test PY=python            takes that Python as it is and installs nothing

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=

STAMP := $(VENV)/.nasvit_mm-installed

# Only a PY given on the command line means "install nothing"; a stray variable does not.
ifeq ($(origin PY),command line)
ENV :=
else
PY := $(VENV)/bin/python
ENV := $(STAMP)
endif

# uv is quicker; pip follows where there is none, or where it fails (an index that only pip knows).
ifneq ($(shell command -v uv),)
UV_INSTALL = uv pip install -q --python $(VENV)/bin/python $(1) ||
endif
PIP_INSTALL = $(VENV)/bin/python -m pip install -q --disable-pip-version-check $(1)
# A second try, for downloads of some GB do break off; pip keeps what it already has.
install = $(UV_INSTALL) $(PIP_INSTALL) || { echo "-- once more in 5 s"; sleep 5; $(PIP_INSTALL); }

.PHONY: env demo docs test nightly lint format doctor clean

env: $(ENV)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "nasvit_mm needs Python >= 3.10; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	       "Choose another: make env PYTHON=python3.11"; exit 1; }
	@# Asks for pip, not for python: a venv that failed half-way has the one without the other.
	@$(VENV)/bin/python -m pip --version > /dev/null 2>&1 || { \
	  echo "-- creating $(VENV) with $$($(PYTHON) --version)"; \
	  $(PYTHON) -m venv $(VENV) || { \
	    echo "$(PYTHON) -m venv failed; on Debian and Ubuntu: apt-get install python3-venv"; \
	    exit 1; }; }
	@echo "-- installing nasvit_mm in place, with the tested versions (torch with CUDA is some 3 GB)"
	@$(call install,-e ".[tested]")
	@# opencv-python and its headless twin own the same files; the headless one needs no libGL.
	@headless=$$($(VENV)/bin/python -c \
	  'from nasvit_mm.compat.tested import pinned; print(pinned("opencv-python-headless"))') && \
	  $(call install,--force-reinstall --no-deps $$headless)
	@touch $@

demo: $(ENV)
	$(PY) tools/demo.py

docs: $(ENV)
	$(PY) -m sphinx -q -W --keep-going -b html docs work_dirs/site
	@echo work_dirs/site/index.html

# So many processes of one thread each: two threads in one leave half of a small machine idle.
JOBS ?= 2
PYTEST = OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist worksteal --durations=30

# pytest exits with 5 when it selected nothing: no failure for one of the two halves, but one when
# neither found a test.
test: $(ENV)
	@$(PYTEST) -m 'not slow and not nightly' $(PYTEST_ARGS); quick=$$?; \
	  case $$quick in 0|5) ;; *) exit $$quick;; esac; \
	  $(PYTEST) -m 'slow and not nightly' $(PYTEST_ARGS); slow=$$?; \
	  test $$slow -eq 5 && exit $$quick || exit $$slow

nightly: $(ENV)
	@$(PYTEST) -m nightly $(PYTEST_ARGS)

lint: $(ENV)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: $(ENV)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

doctor: $(ENV)
	$(PY) -m nasvit_mm.doctor

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .venv
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
