#!/bin/sh
# Starts SGLang with the compile cache of the replicas before it: start.sh MODEL [SGLANG ARGUMENTS]...
# The volume is mounted at /cache/model. Whatever goes wrong with the cache, the server starts and compiles from scratch.
set -eu

model=$1
shift
export BASETEN_FS_ENABLED="${BASETEN_FS_ENABLED:-1}"
export B10_CACHE_KIND=sglang
export B10_TRANSFER_VLLM_URL="${B10_TRANSFER_VLLM_URL:-http://127.0.0.1:${PORT:-30000}/health}"

exec b10-compile-cache run -- python3 -m sglang.launch_server --model-path "$model" --port "${PORT:-30000}" "$@"
