#!/usr/bin/env bash
# Train on the GPUs of one or several machines (without a GPU: on CPU processes, by gloo).
#
#   tools/dist_train.sh CONFIG PROCESSES [arguments of tools/train.py]
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 tools/dist_train.sh CONFIG 8     # on each of two machines
set -euo pipefail
exec "$(dirname "$0")/_torchrun.sh" train.py "$@"
