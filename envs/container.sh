#!/usr/bin/env bash
# What the images install, as root, on Ubuntu: Python and the hashed lock, and the extras named as arguments (gpu).
set -euo pipefail
cd "$(dirname "$0")/.."
apt-get update
apt-get install --yes --no-install-recommends python3 python3-venv
rm -rf /var/lib/apt/lists/*
python3 -m venv .venv
# as make does: the lock holds uv itself, which installs the rest
.venv/bin/pip install --no-cache-dir --require-hashes -r <(sed -n '/^uv==/,/^ *#/p' requirements.txt)
.venv/bin/uv pip install --no-cache --no-deps --compile-bytecode --python .venv/bin/python --require-hashes -r requirements.txt
for extra in "$@"; do
  # from NVIDIA's index, which is no part of the lock; pycuda compiles, so the base image must be a -devel one
  .venv/bin/uv pip install --no-cache --python .venv/bin/python --requirements pyproject.toml --extra "$extra"
done
