"""A place of the project that every user can reach."""
import os
import stat
import subprocess
import sys

PLACE = "/mnt"  # every system has it, and in a mount namespace of our own nobody misses what it shows
UNSHARE = ["unshare", "--mount", "--propagation", "private"]
_MARK = "B10_VLLM_NAMESPACE"


def enter(root):
    """Restarts the program if its user alone can enter the project's folder (below /root, say): in a mount namespace of
    its own that shows the folder at PLACE. Where everyone can, or no namespace can be had, it just returns."""
    if os.geteuid() != 0 or _MARK in os.environ or _everyone_may_enter(root):
        return
    if subprocess.run([*UNSHARE, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        return
    os.environ[_MARK] = PLACE
    program = os.path.join(PLACE, os.path.relpath(os.path.realpath(sys.argv[0]), root))
    show = 'mount --bind "$0" "$1" && shift && exec "$@"'
    os.execvp("unshare", [*UNSHARE, "sh", "-c", show, root, PLACE, sys.executable, program, *sys.argv[1:]])


def _everyone_may_enter(folder):
    return all(os.stat(each).st_mode & stat.S_IXOTH for each in (folder, *folder.parents))
