# What a machine must have, installed when it is missing. Sourced by tests/run.sh, examples/quickstart.sh and .ci/run.

# need_packages NAME…: Debian packages. Nothing happens, and no right is needed, when all are there.
need_packages() {
    local missing=() name
    for name; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
    done
    [ ${#missing[@]} = 0 ] && return
    echo "installing: ${missing[*]}"
    local root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    # Mirrors fail for a moment, and a new machine may still be updating itself.
    local patient=(-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
    "${root[@]}" apt-get "${patient[@]}" update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${patient[@]}" install -y -qq \
        --no-install-recommends "${missing[@]}" >/dev/null
}

# need_python DIRECTORY REQUIREMENT…: a virtual environment of Debian's Python that has the requirements.
need_python() {
    local directory=$1
    shift
    if [ ! -x "$directory/bin/pip" ]; then
        rm -rf "$directory"
        /usr/bin/python3 -m venv "$directory"
    fi
    if ! "$directory/bin/python" - "$@" <<'PYTHON'; then
import sys
from importlib import metadata

for requirement in sys.argv[1:]:
    name, _, version = requirement.partition("==")
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        sys.exit(1)
    if version and installed.split("+")[0] != version:
        sys.exit(1)
PYTHON
        echo "installing into $directory: $*"
        "$directory/bin/pip" install --quiet --disable-pip-version-check "$@"
    fi
}

# What the library and the command are built from.
build_packages=(build-essential cmake ninja-build pkg-config libarchive-dev libzstd-dev libsodium-dev libjansson-dev)

# What torch.compile needs beside them on a CPU (it asks openssl for the digest of a header).
python_packages=(python3-dev python3-venv openssl)

# What vLLM for the CPU needs beside these.
vllm_packages=(libnuma1)

# What the tests use beside them.
test_packages=(libcmocka-dev libseccomp-dev strace xfsprogs e2fsprogs busybox clang clang-format clang-tidy llvm
    libclang-rt-14-dev libarchive-tools squashfs-tools zstd git btrfs-progs spin
    qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    procps iproute2 libfuse3-dev fuse3 moosefs-master moosefs-chunkserver moosefs-client moosefs-cli sshfs openssh-sftp-server socat
    nginx-light libcurl4 systemd python3-yaml)
