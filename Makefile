# Two commands are enough: `make demo` and `make test`. Both set up .venv by themselves.
PYTHON ?= python3
BIN := .venv/bin
CORES ?= all
# whole files per worker, in the order that tests/conftest.py gives
PYTEST := $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

.PHONY: FORCE environment help setup slurm storage demo report dag browser test test-thorough test-slurm test-storage test-fast lint format docs lock clean

help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

# The lock holds uv itself: pip installs that one package, uv the rest (seconds instead of minutes).
# Judged by content: a checkout that only touches the lock rebuilds nothing.
.venv/installed: FORCE
	@cmp -s requirements.txt $@ || $(MAKE) --no-print-directory environment

environment:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python >= 3.11 is needed; $(PYTHON) is older. Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Setting up .venv: it takes about 7 GB of disk, most of it PyTorch's CUDA libraries, and one to two minutes on a fast line."
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes \
	  -r <(sed -n '/^uv==/,/^ *#/p' requirements.txt)
	$(BIN)/uv pip install --no-deps --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@cp requirements.txt .venv/installed

setup: .venv/installed  ## set up .venv from the hashed lock

storage: .venv/installed  ## add Snakemake's plugins for S3 and for scratch disks to .venv
	$(BIN)/uv pip install --no-deps --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-storage.txt

demo: .venv/installed  ## make the demo videos, train, compile, score: ends in results/submission.csv
	@$(BIN)/snakemake --cores $(CORES)
	@sed -n 's/.*INFO held-out/held-out/p' results/logs/evaluate.log

report: .venv/installed  ## figures, tables and sheets of errors as one page: results/report.html
	@$(BIN)/snakemake --cores $(CORES) report $(ARGS)
	@$(BIN)/snakemake report --report results/report.html $(ARGS)

# --forceall, since Snakemake leaves a checkpoint that is done out of its graphs
dag: .venv/installed  ## the graphs of rules and of jobs in results/, as Mermaid and, where graphviz is installed, SVG
	@mkdir -p results
	@for graph in rulegraph dag; do \
	  $(BIN)/snakemake --$$graph mermaid-js --forceall $(ARGS) > results/$$graph.mmd; \
	  if command -v dot > /dev/null; then $(BIN)/snakemake --$$graph dot --forceall $(ARGS) | dot -Tsvg > results/$$graph.svg; fi; \
	done
	@ls results/rulegraph.* results/dag.*

browser:  ## install Chromium, in which a test opens the report (Debian, Ubuntu; as root)
	@command -v chromium chromedriver > /dev/null \
	  || { apt-get update && apt-get install --yes --no-install-recommends chromium chromium-driver; }

slurm: .venv/installed  ## what --workflow-profile profiles/slurm needs: Snakemake's plugin for Slurm
	$(BIN)/uv pip install --quiet --no-deps --python $(BIN)/python --require-hashes -r requirements-slurm.txt

test: .venv/installed  ## the tests, but for long tables
	$(PYTEST) -m "not thorough and not slurm and not storage"

test-thorough: .venv/snakedeploy  ## the rest: every row of the rerun table, GPUs shared by jobs, other back ends, the report in a browser
	$(PYTEST) -m thorough

test-slurm: .venv/installed  ## the workflow through a real Slurm, which is installed and started (Debian, Ubuntu; as root)
	$(BIN)/pytest -m slurm tests/test_slurm.py

# Folders of their own: the plugins make every start slower, and the server does not go with the rest.
.venv/storage-plugins: requirements-storage.txt | .venv/installed
.venv/s3-server: tests/requirements-s3-server.txt | .venv/installed
.venv/snakedeploy: tests/requirements-snakedeploy.txt | .venv/installed
.venv/storage-plugins .venv/s3-server .venv/snakedeploy:
	@rm -rf $@
	$(BIN)/uv pip install --quiet --no-deps --python $(BIN)/python --require-hashes --target $@ -r $<
	@touch $@

test-storage: .venv/storage-plugins .venv/s3-server  ## everything in S3, by a real server on this machine
	$(BIN)/pytest -m storage tests/test_storage.py

test-fast: .venv/installed  ## the tests that run no job of the workflow
	$(PYTEST) -m "not slow"

lint: .venv/installed  ## what CI checks besides the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/snakemake --lint

format: .venv/installed  ## format Python and Snakemake files
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile rules

docs: .venv/installed  ## write what the documentation shows of the code: the README's picture, docs/reruns.md
	PYTHONPATH=tests:workflow_scripts $(BIN)/python tests/documentation.py

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
lock: .venv/installed  ## compile the locks from pyproject.toml (and the conda files from both)
	$(COMPILE) --extra rtx --extra int8 --extra faces --extra dev pyproject.toml -o requirements.txt
	$(COMPILE) --group slurm --constraints requirements.txt -o requirements-slurm.txt
	$(COMPILE) --group storage --constraints requirements.txt -o requirements-storage.txt
	$(COMPILE) --group s3-server -o tests/requirements-s3-server.txt
	$(COMPILE) --group snakedeploy -o tests/requirements-snakedeploy.txt
	$(BIN)/python envs/sync.py

clean:  ## remove results and the demo's videos, keep the environment
	rm -rf results demo .snakemake
