#!/usr/bin/env bash
# Evaluate on the GPUs of one or several machines (without a GPU: on CPU processes, by gloo).
#
#   tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]" >&2
    exit 2
fi
config=$1 checkpoint=$2 processes=$3
shift 3
exec "$(dirname "$0")/_torchrun.sh" test.py "$config" "$processes" "$checkpoint" "$@"
