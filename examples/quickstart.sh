#!/bin/bash
# quickstart.sh [--without-torch] [--volume DIR]: the whole job on this machine, measured.
#
# Installs what is missing, builds, and starts a server twice on an empty local disk: the first start compiles and saves
# the compile cache to the volume, the second loads it and finds everything compiled.
#
#     --without-torch   examples/c/example.c compiles 48 small kernels with gcc, instead of examples/model.py, which
#                       compiles a BERT with torch.compile: no PyTorch to install
#     --volume DIR      the shared volume, in which b10-quickstart/ is replaced; below the build folder if not given
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/machine.sh

torch=yes
volume=$PWD/build/quickstart/volume
while [ $# -gt 0 ]; do
    case $1 in
    --without-torch) torch=no ;;
    --volume) volume=$(realpath -m "${2:?--volume needs a directory}") && shift ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0" && exit ;;
    *) echo "quickstart.sh: unknown option '$1'; --help lists them" >&2 && exit 2 ;;
    esac
    shift
done

# Build: the library and the command into build/quickstart/prefix, or as a Python package.
prefix=$PWD/build/quickstart/prefix
if [ $torch = yes ]; then
    need_packages "${build_packages[@]}" "${python_packages[@]}"
    need_python build/venv torch==2.13.0 transformers
    echo "building the Python package"
    build/venv/bin/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps .
    server=(build/venv/bin/python examples/model.py)
    command=build/venv/bin/b10-compile-cache
else
    need_packages "${build_packages[@]}"
    echo "building the library"
    cmake -S . -B build/quickstart/build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_LIBDIR=lib >/dev/null
    cmake --build build/quickstart/build >/dev/null
    cmake --install build/quickstart/build --prefix "$prefix" >/dev/null
    export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
    # shellcheck disable=SC2046
    gcc examples/c/example.c $(pkg-config --cflags --libs b10transfer) -ldl -o build/quickstart/example
    server=(build/quickstart/example)
    command=$prefix/bin/b10-compile-cache
fi

# A replica: its local disk is below $disk, the volume is shared.
disk=$PWD/build/quickstart/disk
unset TORCHINDUCTOR_CACHE_DIR TRITON_CACHE_DIR B10_CACHE_KIND B10_ENVIRONMENT_KEY B10_CACHE_ROOTS B10_LOCAL_PREFIXES B10_SAVE_MODE
export BASETEN_FS_ENABLED=1 B10FS_CACHE_DIR=$volume/b10-quickstart TMPDIR=$disk

start() { # NAME: one start on an empty local disk
    rm -rf "$disk"
    mkdir -p "$disk"
    echo "starting the server ($1): ${server[*]}"
    "${server[@]}" >"build/quickstart/$1"
}

value() { # NAME LINE: what a start printed after "LINE: "
    sed -n "s/^$2: //p" "build/quickstart/$1"
}

mkdir -p "$volume"
rm -rf "$B10FS_CACHE_DIR"
start cold
start warm

row() {
    printf '%-14s %-28s %s\n' "$@"
}
echo
row '' 'first start (cold)' 'second start (warm)'
for line in load compile save 'cache hits' 'cache misses' output; do
    row "$line" "$(value cold "$line")" "$(value warm "$line")"
done
echo
echo "archive, as b10-compile-cache list shows it:"
"$command" list
echo
echo "It is in $B10FS_CACHE_DIR"

if [ "$(value warm 'cache hits')" = 0 ] || [ "$(value cold output)" != "$(value warm output)" ]; then
    echo "quickstart.sh: the second start did not find what the first one saved" >&2
    exit 1
fi
