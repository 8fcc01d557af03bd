#!/usr/bin/env bash
# Train under SLURM, one task a GPU.
#
#   tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]
#   GPUS=16 GPUS_PER_NODE=8 CPUS_PER_TASK=5 SRUN_ARGS=--qos=high tools/slurm_train.sh ...
#
# GPUS_PER_NODE=0 asks for CPU tasks.  A job that was killed goes on with --resume.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]" >&2
    exit 2
fi
partition=$1 job=$2 config=$3
shift 3
tasks=${GPUS:-8} per_node=${GPUS_PER_NODE:-8}
gres=()
if [ "$per_node" -gt 0 ]; then
    gres=(--gres "gpu:$per_node" --ntasks-per-node "$per_node")
fi
# shellcheck disable=SC2086  # SRUN_ARGS are words
exec srun --partition "$partition" --job-name "$job" --ntasks "$tasks" "${gres[@]}" \
    --cpus-per-task "${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$(dirname "$0")/train.py" "$config" --launcher slurm "$@"
