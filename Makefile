# Two commands are enough: `make demo` and `make test`. Both set up .venv.
PYTHON ?= python3
BIN := .venv/bin
CORES ?= all
# whole files per worker, in the order that tests/conftest.py gives
PYTEST := $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

.PHONY: FORCE environment help setup slurm storage demo report dag browser test test-thorough test-slurm test-storage fuzz test-faults audit test-fast lint format docs lock clean

help:  ## list the commands
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

# pip installs uv, which is in the lock too; uv installs the rest in seconds.
# Compared by content: a checkout that only touches the lock rebuilds nothing.
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

demo: .venv/installed  ## generate videos, train, compile, score: ends in results/submission.csv
	@$(BIN)/snakemake --cores $(CORES)
	@sed -n 's/.*INFO held-out/held-out/p' results/logs/evaluate.log

report: .venv/installed  ## figures, tables and sheets of errors as one page: results/report.html
	@$(BIN)/snakemake --cores $(CORES) report $(ARGS)
	@$(BIN)/snakemake report --report results/report.html $(ARGS)

# --forceall, since Snakemake leaves a checkpoint that is done out of its graphs
dag: .venv/installed  ## the graphs of rules and jobs in results/, as Mermaid and, with graphviz, SVG
	@mkdir -p results
	@for graph in rulegraph dag; do \
	  $(BIN)/snakemake --$$graph mermaid-js --forceall $(ARGS) > results/$$graph.mmd; \
	  if command -v dot > /dev/null; then $(BIN)/snakemake --$$graph dot --forceall $(ARGS) | dot -Tsvg > results/$$graph.svg; fi; \
	done
	@ls results/rulegraph.* results/dag.*

browser:  ## install Chromium, in which a test opens the report (Debian, Ubuntu; as root)
	@command -v chromium chromedriver > /dev/null \
	  || { apt-get update && apt-get install --yes --no-install-recommends chromium chromium-driver; }

slurm: .venv/installed  ## add Snakemake's plugin for Slurm to .venv
	$(BIN)/uv pip install --quiet --no-deps --python $(BIN)/python --require-hashes -r requirements-slurm.txt

test: .venv/installed  ## the tests, except the long ones
	$(PYTEST) -m "not thorough and not slurm and not storage and not fuzz and not faults"

test-thorough: .venv/snakedeploy  ## the long tests: every row of the rerun table, shared GPUs, back ends, browser
	$(PYTEST) -m thorough

fuzz: .venv/installed  ## hundreds of kinds of videos, every sampled frame compared with the truth; 2,000 damaged ones
	$(PYTEST) -m fuzz

test-faults: .venv/installed  ## kills of every job and of Snakemake, broken videos in bulk, and other faults
	$(PYTEST) -m faults

test-slurm: .venv/installed  ## the workflow on a real Slurm, which it installs and starts (Debian, Ubuntu; as root)
	$(BIN)/pytest -m slurm tests/test_slurm.py

# Each in a folder of its own: plugins make every start slower, and the tools' pins conflict with ours.
.venv/storage-plugins: requirements-storage.txt | .venv/installed
.venv/s3-server: tests/requirements-s3-server.txt | .venv/installed
.venv/snakedeploy: tests/requirements-snakedeploy.txt | .venv/installed
.venv/audit: tests/requirements-audit.txt | .venv/installed
.venv/storage-plugins .venv/s3-server .venv/snakedeploy .venv/audit:
	@rm -rf $@ $@.partial
	$(BIN)/uv pip install --quiet --no-deps --python $(BIN)/python --require-hashes --target $@.partial -r $<
	@touch $@.partial
	@mv $@.partial $@

test-storage: .venv/storage-plugins .venv/s3-server  ## a run with everything in S3, on a real server that it starts
	$(BIN)/pytest -m storage tests/test_storage.py

AUDITED := requirements.txt requirements-slurm.txt requirements-storage.txt
audit: .venv/audit  ## known vulnerabilities of the locked packages, according to osv.dev
	@curl --silent --max-time 20 --output /dev/null https://api.osv.dev \
	  || { echo "osv.dev cannot be reached: nothing was audited. Repeat it where there is a network."; exit 1; }
	PYTHONPATH=.venv/audit $(BIN)/python -m pip_audit --disable-pip --require-hashes \
	  --vulnerability-service osv $(AUDITED:%=-r %)

test-fast: .venv/installed  ## the tests that run no jobs
	$(PYTEST) -m "not slow and not fuzz and not faults"

lint: .venv/installed  ## the linters that CI runs
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

docs: .venv/installed  ## generate the README's picture, docs/configuration.md, docs/reruns.md, the schema
	PYTHONPATH=tests:workflow_scripts $(BIN)/python tests/documentation.py

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
lock: .venv/installed  ## compile the locks from pyproject.toml (and the conda files from both)
	$(COMPILE) --extra rtx --extra int8 --extra faces --extra dev pyproject.toml -o requirements.txt
	$(COMPILE) --group slurm --constraints requirements.txt -o requirements-slurm.txt
	$(COMPILE) --group storage --constraints requirements.txt -o requirements-storage.txt
	$(COMPILE) --group s3-server -o tests/requirements-s3-server.txt
	$(COMPILE) --group snakedeploy -o tests/requirements-snakedeploy.txt
	$(COMPILE) --group audit -o tests/requirements-audit.txt
	$(BIN)/python envs/sync.py

clean:  ## remove results and the demo's videos, keep the environment
	rm -rf results demo .snakemake
