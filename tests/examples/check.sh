#!/bin/bash
# check.sh c|cpp|dlopen|cmake|vllm|vllm_beside|sglang|truss|systemd PREFIX WORK [PACKAGE]: builds an example as its comment
# says, against the library installed in PREFIX, runs it as two replicas that share a volume, and checks what it prints.
# PACKAGE holds the Python package. Units of systemd are read by systemd.
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

stand_ins() { # vllm and sglang.launch_server: a small server that compiles into the cache directory
    local server="python3 -B '$examples/../tests/cli/server.py'"
    mkdir -p "$work/bin" "$work/python/sglang"
    cat >"$work/bin/vllm" <<END
#!/bin/sh
[ "\$1 \$2 \$3" = 'serve some/model --port' ] || exit 1
exec $server "\$VLLM_CACHE_ROOT" --port "\$4" <"$work/stdin" >/dev/null
END
    chmod +x "$work/bin/vllm"
    cat >"$work/python/sglang/launch_server.py" <<END
import os, sys
assert sys.argv[1:4] == ["--model-path", "some/model", "--port"], sys.argv
os.execlp("sh", "sh", "-c", """exec $server "\$SGLANG_CACHE_DIR" --port "\$0" <'$work/stdin' >/dev/null""", sys.argv[4])
END
    rm -f "$work/stdin" && mkfifo "$work/stdin"
}

server_example() { # LOG SCRIPT: the start script, with a stand-in for the server, until the first save; then it is asked to end
    local port=$((20000 + $$ % 10000)) server
    exec 8<>"$work/stdin"
    VLLM_CACHE_ROOT=$TORCHINDUCTOR_CACHE_DIR SGLANG_CACHE_DIR=$TORCHINDUCTOR_CACHE_DIR PYTHONPATH=$work/python PORT=$port \
        B10_TRANSFER_INTERVAL_S=1 B10_CACHE_ROOTS=none PATH=$work/bin:$prefix/bin:$PATH \
        timeout 60 "$examples/$2" some/model 2>"$work/$1" 8>&- &
    server=$!
    for _ in $(seq 300); do
        ! grep -q '^b10-compile-cache: save: ' "$work/$1" || break
        sleep 0.1
    done
    kill "$server" && wait "$server" || true
    exec 8>&-
}

cold_and_warm() { # SCRIPT
    sh -n "$examples/$1"
    stand_ins
    server_example cold "$1"
    expect cold 'wait: the server is ready' '^b10-compile-cache: cold: ' 'save: 20 files'
    rm -rf "$TORCHINDUCTOR_CACHE_DIR"
    server_example warm "$1"
    expect warm 'load: 20 files' '^b10-compile-cache: warm: 20 of 20 files from the cache' 'save: nothing to do'
}

truss_example() { # PACKAGE: the class as a Truss uses it, with a stand-in for torch, as two replicas
    mkdir -p "$work/python"
    cat >"$work/python/torch.py" <<'END'
"""What examples/truss/model/model.py uses of torch; its compiler writes one file."""
import contextlib, os, pathlib, types

class Tensor(list):
    def tolist(self):
        return list(self)

class Module:
    eval = lambda self: self
    __call__ = lambda self, tokens: tokens

def compile(module):
    def compiled(tokens):
        kernel = pathlib.Path(os.environ["TORCHINDUCTOR_CACHE_DIR"], "kernel")
        print("hit" if kernel.exists() else "miss")
        kernel.parent.mkdir(parents=True, exist_ok=True)
        kernel.exists() or kernel.write_text("compiled")
        return module(tokens)
    return compiled

tensor, manual_seed, inference_mode = Tensor, lambda seed: None, contextlib.nullcontext
nn = types.SimpleNamespace(**{n: lambda *a: Module() for n in ("Sequential", "Embedding", "Linear", "GELU")})
END
    cat >"$work/serve.py" <<'END'
from model import Model
model = Model(config={}, data_dir=None, secrets={})
model.load()
print(f"load: {model.load_status.name}, save: {model.save_status.name}, answer: {model.predict({'tokens': [1, 2]})['output']}")
END
    local python=(env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$1:$work/python:$examples/truss/model" python3)
    "${python[@]}" serve.py >cold
    rm -rf "$TORCHINDUCTOR_CACHE_DIR"
    "${python[@]}" serve.py >warm
    expect cold '^miss$' '^load: DOES_NOT_EXIST, save: SUCCESS, answer: \[\[1, 2\]\]$'
    expect warm '^hit$' '^load: SUCCESS, save: SKIPPED, answer: \[\[1, 2\]\]$'
    if grep miss warm; then exit 1; fi
}

systemd_example() { # the units as systemd reads them, with the command where it is installed here
    local unit
    command -v systemd-analyze >/dev/null || { echo "skipped: there is no systemd-analyze here" && exit 77; }
    for unit in "$examples"/systemd/*; do
        sed "s,=/usr/local/bin/,=$prefix/bin/," "$unit" >"$work/$(basename "$unit")"
    done
    systemd-analyze verify --man=no "$work"/*.service "$work"/*.timer 2>&1 | tee "$work/said"
    # What it says of other units is not about ours.
    if grep -qE "^$work/|^(vllm|compile-cache-prune)\." "$work/said"; then exit 1; fi
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
vllm | vllm_beside | sglang)
    case $name in
    vllm) cold_and_warm vllm/start.sh ;;
    vllm_beside) cold_and_warm vllm/beside.sh ;;
    sglang) cold_and_warm sglang/start.sh ;;
    esac
    ;;
truss)
    truss_example "$4"
    ;;
systemd)
    systemd_example
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
