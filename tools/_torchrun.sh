#!/usr/bin/env bash
# _torchrun.sh TOOL CONFIG PROCESSES [arguments]: what the dist_*.sh share.
set -euo pipefail
tool=$1 config=${2:-} processes=${3:-}
if [ -z "$config" ] || ! [[ "$processes" =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: tools/dist_${tool%.py}.sh CONFIG PROCESSES [arguments of tools/$tool];" \
         "PROCESSES is a number, not '$processes'" >&2
    exit 2
fi
shift 3
if [ "$tool" = search.py ]; then  # a rank that dies is told of in one sentence, ours
    export TORCH_CPP_LOG_LEVEL="${TORCH_CPP_LOG_LEVEL:-ERROR}"
fi
if [ "${NNODES:-1}" -gt 1 ]; then  # the machines must agree on a port
    rendezvous=(--nnodes "$NNODES" --node_rank "${NODE_RANK:-0}"
                --master_addr "${MASTER_ADDR:?the address of the first machine}"
                --master_port "${PORT:-29500}")
elif [ -n "${PORT:-}" ]; then
    rendezvous=(--master_port "$PORT")
else
    rendezvous=(--standalone)  # a free port
fi
exec "${PYTHON:-python}" -m torch.distributed.run "${rendezvous[@]}" \
    --nproc_per_node "$processes" "$(dirname "$0")/$tool" "$config" --launcher pytorch "$@"
