#!/bin/bash
# tests/run.sh [CTEST ARGUMENTS]: installs what is missing, builds the developer preset and runs every test.
#
#     tests/run.sh                  everything; ends with ctest's summary and its exit status
#     tests/run.sh -R unit.pool     only these
#     tests/run.sh -L python        only this label: unit, flow, fault, hostile, cli, abi, python, torch, examples
#
# A test that a machine cannot run is reported as skipped, with the reason; it is never counted as passed.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=../.ci/machine.sh
. .ci/machine.sh

need_packages "${build_packages[@]}" "${python_packages[@]}" "${test_packages[@]}"
need_python build/venv torch==2.13.0 transformers triton zstandard pyzstd pytest scikit-build-core

# Debian's own tools, whatever else stands earlier in PATH.
export PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH
cmake --preset dev
cmake --build --preset dev

cd build/dev
status=0
ctest --output-on-failure --no-tests=error --parallel "$(nproc)" --output-junit results.xml "$@" || status=$?

# Reasons of what was skipped, which ctest itself does not show.
grep -E '^(SKIPPED|\[  SKIPPED \])|^SKIPPED \[' Testing/Temporary/LastTest.log | sort -u || true
exit $status
