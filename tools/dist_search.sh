#!/usr/bin/env bash
# Search on the GPUs of one or several machines (without a GPU: on CPU processes), a candidate each.
#
#   tools/dist_search.sh CONFIG PROCESSES [arguments of tools/search.py]
#
# A rank that dies ends the others within a minute; start them again with --resume. The store of the
# ranks listens without a password: keep its port (PORT) inside a network that you trust.
#
# Under SLURM: srun --kill-on-bad-exit=1 ... python tools/search.py CONFIG --launcher slurm
set -euo pipefail
exec "$(dirname "$0")/_torchrun.sh" search.py "$@"
