#!/bin/sh
# The other start line: the cache beside the server instead of around it: beside.sh MODEL [VLLM ARGUMENTS]...
# For an image whose first process must stay vLLM. A cache that the server dies of is not taken out again: start.sh does that.
set -eu

export BASETEN_FS_ENABLED="${BASETEN_FS_ENABLED:-1}"
export B10_TRANSFER_VLLM_URL="${B10_TRANSFER_VLLM_URL:-http://127.0.0.1:${PORT:-8000}/v1/models}"

# Loads, waits until the server is ready, saves what it compiled, ends.
b10-compile-cache &

exec vllm serve "$@" --port "${PORT:-8000}"
