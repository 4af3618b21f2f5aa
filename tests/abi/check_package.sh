#!/bin/sh
# Installs the package, moves it elsewhere, then builds and runs a program against it: through pkg-config and through
# find_package. Usage: check_package.sh BUILD_FOLDER SOURCE_FOLDER C_COMPILER VERSION
set -eu
build=$1 source=$2 compiler=$3 version=$4
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for component in runtime development; do
    cmake --install "$build" --prefix "$scratch/first" --component "$component" >/dev/null
done
mv "$scratch/first" "$scratch/moved prefix"
prefix="$scratch/moved prefix"
library=$(find "$prefix" -name "libb10transfer.so.$version")
libdir=$(dirname "$library")
test -x "$(find "$prefix" -path '*/b10transfer/b10-gpu-probe')"
PKG_CONFIG_PATH="$libdir/pkgconfig"
LD_LIBRARY_PATH="$libdir"
BASETEN_FS_ENABLED=0
TORCHINDUCTOR_CACHE_DIR="$scratch/cache"
B10_LOCAL_PREFIXES=any
export PKG_CONFIG_PATH LD_LIBRARY_PATH BASETEN_FS_ENABLED TORCHINDUCTOR_CACHE_DIR B10_LOCAL_PREFIXES

test "$(pkg-config --modversion b10transfer)" = "$version"
mkdir "$scratch/by-pkg-config"
eval "$compiler" "'$source/consumer/main.c'" -o "'$scratch/by-pkg-config/consumer'" "$(pkg-config --cflags --libs b10transfer)"
first=$("$scratch/by-pkg-config/consumer")

cmake -S "$source/consumer" -B "$scratch/by-cmake" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$compiler" >/dev/null
cmake --build "$scratch/by-cmake" >/dev/null
second=$(env -u LD_LIBRARY_PATH "$scratch/by-cmake/consumer")

echo "$first"
test "$first" = "$second"
test "${first%% *}" = "$version"
