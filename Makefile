# The course's commands; `make help` lists them. The first one that needs it makes the environment.

PROFILE ?= smoke
JOBS ?= 2
python := .venv/bin/python
ready := .venv/.ready
notebooks := $(wildcard notebooks/*.ipynb)
nbval := --nbval-lax --nbval-current-env --nbval-cell-timeout 300 --nbval-sanitize-with tests/nbval.cfg

export PYTHONNOUSERSITE := 1
export PYTHONUTF8 := 1
export PYTHONPATH := $(CURDIR)
unexport PYTHONHOME

.PHONY: help env course test test-slow lab notebooks docs assignments kit badges

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

env: $(ready) ## makes .venv, or brings it up to date

$(ready): requirements.txt pyproject.toml scripts/env.sh
	@sh scripts/env.sh

course: $(ready) ## runs every chapter headless; PROFILE=cpu trains for real, JOBS=2 at a time
	@$(python) -m course_lib run --profile $(PROFILE) --jobs $(JOBS)

test: $(ready) ## style, types, tests, and every notebook once
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	COURSE_PROFILE=smoke $(python) -m pytest tests $(notebooks) -m "not slow and not browser" \
		-n $(JOBS) --dist loadfile $(if $(notebooks),$(nbval))

test-slow: $(ready) ## what takes long, and what needs a browser
	$(python) -m pytest tests -m "slow or browser" -n $(JOBS) --dist loadfile --timeout 1500

lab: $(ready) ## opens JupyterLab
	$(python) -m jupyterlab

notebooks: $(ready) ## makes notebooks/*.ipynb from notebooks/source
	$(python) -m scripts.notebooks build

docs: $(ready) ## looks up again what the pages of docs/ point at
	$(python) -m scripts.paper_map

assignments: $(ready) ## makes assignments/*.ipynb, solutions and hidden tests from assignments/source
	@$(python) -m course_lib assignments build

kit: $(ready) ## makes kit/ for a lesson: slides, times, notebooks, and solutions apart
	@$(python) -m scripts.kit

badges: $(ready) ## puts the public address everywhere: make badges REPO=owner/name
	$(python) -m scripts.badges $(REPO)
	$(python) -m scripts.notebooks build
	$(python) -m course_lib assignments build
