#!/bin/sh
# Starts vLLM with the compile cache of the replicas before it: start.sh MODEL [VLLM ARGUMENTS]...
# The volume is mounted at /cache/model. Whatever goes wrong with the cache, the server starts and compiles from scratch.
set -eu

export BASETEN_FS_ENABLED="${BASETEN_FS_ENABLED:-1}"
export B10_TRANSFER_VLLM_URL="${B10_TRANSFER_VLLM_URL:-http://127.0.0.1:${PORT:-8000}/v1/models}"

# Loads, starts the server, saves what it compiled; signals and the exit code pass through.
exec b10-compile-cache run -- vllm serve "$@" --port "${PORT:-8000}"
