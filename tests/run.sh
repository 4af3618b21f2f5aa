#!/bin/bash
# tests/run.sh [CTEST ARGUMENTS]: installs what is missing, builds the developer preset and runs every test.
#
#     tests/run.sh                  everything; ends with ctest's summary and its exit status
#     tests/run.sh -R unit.pool     only these
#     tests/run.sh -L python        only this label: unit, flow, fault, hostile, cli, abi, python, torch, examples, env,
#                                 nvidia, volume
#
# What this machine cannot run is listed as skipped, with the reason, and never counted as passed.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/machine.sh

need_packages "${build_packages[@]}" "${python_packages[@]}" "${test_packages[@]}"
need_python build/venv torch==2.13.0 transformers triton zstandard pyzstd pytest scikit-build-core

# Debian's own tools, whatever else stands earlier in PATH; ninja builds on all cores by itself.
export PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH CMAKE_GENERATOR=Ninja
cmake --preset dev
cmake --build --preset dev

rm -f build/dev/results.xml
summary=$(mktemp) status=0
trap 'rm -f "$summary"' EXIT
# One more than there are processors: many a test waits for something most of its time.
ctest --test-dir build/dev --output-on-failure --no-tests=error --parallel "$(($(nproc) + 1))" --output-junit results.xml "$@" |
    tee "$summary" || status=$?

if [ -f build/dev/results.xml ]; then
    skips=$(python3 .ci/skips.py build/dev)
    [ -z "$skips" ] || printf '\nskipped:\n%s\n\n' "$skips"
fi
sed -n '/tests passed,/,$p' "$summary"
exit $status
