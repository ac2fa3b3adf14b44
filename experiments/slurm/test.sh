#!/usr/bin/env bash
# Starts a SLURM of one node, runs tests/cli/test_slurm.py on it, and keeps its output in experiments/slurm/log.txt.
set -euo pipefail
here=$(dirname "$0")
folder=$(mktemp -d)
trap '"$here/cluster.sh" stop "$folder"; rm -rf "$folder"' EXIT
"$here/cluster.sh" start "$folder"
{
  echo "\$ make slurm-test   # $(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD), $(nproc) CPU cores"
  SLURM_CONF=$folder/slurm.conf sinfo --version
  SLURM_CONF=$folder/slurm.conf .venv/bin/python -m pytest -m slurm -rA --color=no tests/cli/test_slurm.py --durations=0
} 2>&1 | sed -E "/sacct|accounting storage/d; s#/[^ ]*/test_#TMP/test_#g; s#$PWD#.#g; s/, *pid=[0-9]*//" | tee "$here/log.txt"
