# make book and make test do their whole set-up: a virtual environment, an installation, the work itself.
#
# VENV=folder     the environment to use; made if it is missing (default .venv)
# PYTHON=program  the interpreter of an environment that you look after; nothing is made or installed
# SCALE=demo      demo, or paper for the sizes of the papers
# CORES=2         notebooks and threads at a time (default: all cores)

VENV  ?= .venv
SCALE ?= demo
CORES ?=
PORT  ?= 8000
PYTHON ?=

ifeq ($(PYTHON),)
RUN := $(VENV)/bin/python
SETUP := environment
else
RUN := $(PYTHON)
SETUP :=
endif

.DEFAULT_GOAL := help
.PHONY: help book pdf links test slow bad-inputs browser spell bench handouts slides sync lint audit fuzz serve clean environment

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s%s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@awk '/^# [A-Z]+=/ {sub(/^# /, "  "); print}' $(firstword $(MAKEFILE_LIST))

book: $(SETUP) ## run what changed and render the book (SCALE=demo CORES=2)
	@$(RUN) -m gi_lib.cli build --scale $(SCALE) $(if $(CORES),--cores $(CORES))

pdf: $(SETUP) ## print the built book into one file, _build/companion.pdf (needs chromium)
	@$(RUN) -m gi_lib.cli book pdf

links: $(SETUP) ## follow every link of the built book that leads out of it
	@$(RUN) -m gi_lib.cli book links

test: $(SETUP) ## run the fast tests
	@$(RUN) -m pytest $(PYTEST_ARGS)

slow: $(SETUP) ## run the tests that take longer than a few seconds
	@$(RUN) -m pytest -m slow $(PYTEST_ARGS)

bad-inputs: $(SETUP) ## print what is refused as input, and the sentence that says so
	@$(RUN) tests/bad_inputs.py

browser: $(SETUP) ## check the built book in a real browser
	@GI_REQUIRE_BROWSER=1 $(RUN) -m pytest tests/book/test_browser.py $(PYTEST_ARGS)

spell: $(SETUP) ## look for misspelt words and American forms (tests/words.txt has the exceptions)
	@$(RUN) tests/spelling.py

bench: $(SETUP) ## time and compare encoder, sparse layer and training; needs 3 GB of disk (BENCH_ARGS="--variants 20000 --small 5000")
	@$(RUN) benchmarks/encoding.py $(BENCH_ARGS)
	@$(RUN) benchmarks/agreement.py
	@$(RUN) benchmarks/sparse_layer.py
	@$(RUN) benchmarks/training_step.py
	@$(RUN) benchmarks/training.py
	@$(RUN) benchmarks/neural_lasso.py
	@$(RUN) benchmarks/binn.py
	@command -v Rscript >/dev/null && $(RUN) benchmarks/gibbs.py || echo "no R: benchmarks/gibbs.py left out"

handouts: $(SETUP) ## notebooks for students and instructors in _build/handouts, of executed chapters
	@$(RUN) -m gi_lib.cli handouts

slides: $(SETUP) ## slides of the executed chapters in _build/slides
	@$(RUN) -m gi_lib.cli slides

sync: $(SETUP) ## write the paired notebooks/NAME.ipynb of every text notebook
	@$(RUN) -m gi_lib.cli book sync

lint: $(SETUP) ## check and format the code
	@$(RUN) -m ruff check --fix . && $(RUN) -m ruff format .

audit: $(SETUP) ## ask a public database for known weaknesses of the pinned dependencies
	@$(RUN) -m venv _build/audit && _build/audit/bin/python -m pip install -qq --disable-pip-version-check pip-audit
	@_build/audit/bin/pip-audit -r constraints.txt --no-deps --disable-pip --strict $(AUDIT_ARGS)

fuzz: $(SETUP) ## look for files that no reader takes well (FUZZ_ARGS="--minutes 60 --target vcf")
	@$(RUN) tests/fuzz/run.py $(FUZZ_ARGS)

serve: $(SETUP) ## show the built book at http://localhost:8000 (PORT=8000)
	@test -f _build/html/index.html || { echo "There is no built book yet; run: make book"; exit 1; }
	@echo "The book is at http://localhost:$(PORT)/ (end with Ctrl-C)"
	@$(RUN) -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html >/dev/null 2>&1

clean: ## remove everything that a build made (not the environment)
	rm -rf _build

environment: ## make the virtual environment; does nothing when it is up to date
	@sh workflow/environment.sh "$(VENV)"
