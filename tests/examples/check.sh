#!/bin/bash
# check.sh c|cpp|dlopen|cmake|vllm PREFIX WORK: builds an example as its comment says, against the library installed in PREFIX,
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

vllm_example() { # LOG: the start script, with a server in vLLM's place, until the flow has ended
    local port=$((20000 + $$ % 10000)) server
    mkdir -p "$work/bin"
    cat >"$work/bin/vllm" <<END
#!/bin/sh
[ "\$1 \$2 \$3" = 'serve some/model --port' ] || exit 1
exec python3 -B '$examples/../tests/cli/server.py' "\$VLLM_CACHE_ROOT" --port "\$4" <"$work/stdin" >/dev/null
END
    chmod +x "$work/bin/vllm"
    rm -f "$work/stdin" && mkfifo "$work/stdin"
    exec 8<>"$work/stdin"
    VLLM_CACHE_ROOT=$TORCHINDUCTOR_CACHE_DIR PORT=$port B10_TRANSFER_INTERVAL_S=1 B10_CACHE_ROOTS=none PATH=$work/bin:$prefix/bin:$PATH \
        timeout 60 "$examples/vllm/start.sh" some/model 2>"$work/$1" 8>&- &
    server=$!
    for _ in $(seq 300); do
        ! grep -q '^b10-compile-cache: save: ' "$work/$1" || break
        sleep 0.1
    done
    kill "$server" && wait "$server" || true
    exec 8>&-
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
vllm)
    sh -n "$examples/vllm/start.sh"
    vllm_example cold
    expect cold 'wait: the server is ready' '^b10-compile-cache: cold: ' 'save: 20 files'
    rm -rf "$TORCHINDUCTOR_CACHE_DIR"
    vllm_example warm
    expect warm 'load: 20 files' '^b10-compile-cache: warm: 20 of 20 files from the cache' 'save: nothing to do'
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
