#!/bin/bash
# check.sh MODEL: verifies the model of the lock with spin, and that each wrong variant of the protocol fails.
#
# One death and one stall are tried in runs of their own: together they are ten times as many states, and none of the
# wrong variants needs both.
set -euo pipefail

model=$(realpath "$1")
if ! command -v spin >/dev/null || ! command -v gcc >/dev/null; then
    echo "SKIPPED: spin or gcc is not installed"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# explore DEFINITION…: pan's report in `report`.
explore() {
    spin "$@" -a "$model" >spin.log || { cat spin.log; exit 1; }
    gcc -O2 -w -DSAFETY -DCOLLAPSE -o pan pan.c
    ./pan -m1000000 >report
}

holds() {
    explore "$@"
    if ! grep -q "errors: 0" report || grep -qE "max search depth too small|not completed" report; then
        cat report
        echo "the protocol does not hold with $*"
        exit 1
    fi
    echo "holds with $*:$(grep 'states, stored' report)"
}

fails() {
    explore "$@"
    if ! grep -q "assertion violated" report; then
        cat report
        echo "the wrong variant $* was not noticed"
        exit 1
    fi
    echo "fails with $*:$(sed -n 's/^pan:1: assertion violated//p' report)"
}

fails -DSTALLS=1 -DDEATHS=0 -DUNLINK
fails -DSTALLS=1 -DDEATHS=0 -DNO_BEAT
fails -DSTALLS=1 -DDEATHS=0 -DSWEEP_FIRST
fails -DSTALLS=0 -DDEATHS=0 -DFORGET
holds -DSTALLS=0 -DDEATHS=0
holds -DSTALLS=0 -DDEATHS=1
holds -DSTALLS=1 -DDEATHS=0
