#!/usr/bin/env bash
# Search on the GPUs of one or several machines (without a GPU: on CPU processes), a candidate each.
#
#   tools/dist_search.sh CONFIG PROCESSES [arguments of tools/search.py]
#
# Under SLURM: srun --kill-on-bad-exit=1 ... python tools/search.py CONFIG --launcher slurm
set -euo pipefail
exec "$(dirname "$0")/_torchrun.sh" search.py "$@"
