#!/bin/bash
# check.sh c|cpp|dlopen|cmake PREFIX WORK: builds an example as its comment says, against the library installed in PREFIX,
# runs it as two replicas that share a volume, and checks what it prints.
set -euo pipefail
name=$1 prefix=$2 work=$3
examples=$(cd "$(dirname "$0")/../../examples" && pwd)

rm -rf "$work"
mkdir -p "$work/volume" "$work/tmp"
libraries=$(dirname "$(find "$prefix" -name libb10transfer.so)")
export PKG_CONFIG_PATH=$libraries/pkgconfig LD_LIBRARY_PATH=$libraries
export BASETEN_FS_ENABLED=1 B10FS_CACHE_DIR=$work/volume/compile_cache TMPDIR=$work/tmp
export TORCHINDUCTOR_CACHE_DIR=$work/tmp/cache MIN_LOCAL_SPACE_MB=0 MIN_B10FS_SPACE_MB=0

expect() { # FILE PATTERN…: each pattern matches a line of FILE
    local file=$1 pattern
    shift
    for pattern; do
        grep -Eq -- "$pattern" "$file" || {
            echo "no line of $(basename "$file") matches '$pattern':"
            cat "$file"
            exit 1
        }
    done
}

flags() { pkg-config "$@" b10transfer; }

c_example() { # EXECUTABLE: cold, then warm in an empty local directory, with the same output
    "$1" | tee "$work/cold"
    rm -rf "$TORCHINDUCTOR_CACHE_DIR"
    "$1" | tee "$work/warm"
    expect "$work/cold" '^load: DOES_NOT_EXIST' '^save: SUCCESS' '^cache hits: 0$' '^cache misses: 48$'
    expect "$work/warm" '^load: SUCCESS' '^save: SKIPPED' '^cache hits: 48$' '^cache misses: 0$'
    [ "$(grep ^output: "$work/cold")" = "$(grep ^output: "$work/warm")" ]
}

cpp_example() { # EXECUTABLE
    "$1" load >"$work/absent"
    mkdir -p "$TORCHINDUCTOR_CACHE_DIR" && echo content >"$TORCHINDUCTOR_CACHE_DIR/kernel"
    "$1" save >"$work/save"
    "$1" list >"$work/list"
    rm -rf "$TORCHINDUCTOR_CACHE_DIR"
    "$1" load >"$work/load"
    expect "$work/absent" '^load: DOES_NOT_EXIST \(ABSENT\)'
    expect "$work/save" '^save: SUCCESS \(OK\)' '^1 files, 8 bytes, .*\.v1\.tar\.zst$'
    expect "$work/list" '^inductor-.*\.v1\.tar\.zst [0-9]+ bytes \(this environment\)$'
    expect "$work/load" '^load: SUCCESS \(OK\)'
    [ "$(cat "$TORCHINDUCTOR_CACHE_DIR/kernel")" = content ]
}

dlopen_example() { # EXECUTABLE: with the library, and where there is none
    "$1" >"$work/with"
    LD_LIBRARY_PATH='' "$1" >"$work/without"
    expect "$work/with" '^b10transfer [0-9.]+: DOES_NOT_EXIST '
    ldconfig -p 2>/dev/null | grep -q libb10transfer || expect "$work/without" '^no compile cache: libb10transfer'
}

cd "$work"
case $name in
c)
    gcc "$examples/c/example.c" $(flags --cflags --libs) -ldl -o example
    c_example ./example
    ;;
cpp)
    g++ -std=c++11 "$examples/cpp/example.cpp" $(flags --cflags --libs) -o example
    cpp_example ./example
    ;;
dlopen)
    gcc "$examples/dlopen/example.c" $(flags --cflags) -ldl -o example
    dlopen_example ./example
    ;;
cmake)
    cmake -S "$examples" -B build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release
    cmake --build build
    dlopen_example build/example_dlopen
    cpp_example build/example_cpp
    rm -rf "$TORCHINDUCTOR_CACHE_DIR" "$B10FS_CACHE_DIR"
    c_example build/example_c
    ;;
esac
