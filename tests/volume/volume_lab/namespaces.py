"""First processes of new namespaces.

A pid namespace ends with its first process: the kernel kills what is left in it, and with the last process go its mounts
and its network. So nothing that a test starts outlives it, however it ends."""

import ctypes
import os
import signal
import subprocess
import sys

# linux/sched.h, linux/prctl.h
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _unshare(flags):
    if _libc.unshare(flags) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"unshare: {os.strerror(error)}")


def _settle():
    """What the first process of a pid namespace does: everything else of its own too, and mounts that nobody outside sees."""
    _unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def run_inside(main):
    """Calls main() in the first process of new namespaces and returns its exit status. A signal that ends this process
    ends all of them."""
    _unshare(CLONE_NEWPID)  # concerns the children only
    child = os.fork()
    if child == 0:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _exit_with(main)

    def end(number, _frame):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def start_host(prepare):
    """Forks a process that becomes the first of new namespaces, calls prepare() and then only reaps. Returns its pid once
    prepare() is done."""
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        _unshare(CLONE_NEWPID)  # concerns the children only
        os.set_inheritable(writer, False)
        first = os.fork()
        if first != 0:
            os.write(writer, f"{first} ".encode())
            os._exit(0)
        _exit_with(lambda: _become_init(prepare, writer))
    os.close(writer)
    os.waitpid(between, 0)
    with os.fdopen(reader) as answer:
        words = answer.read().split()
    if len(words) != 2:
        raise OSError("a host did not start")
    return int(words[0])


def _become_init(prepare, writer):
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    prepare()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    os.write(writer, b"ready")
    os.close(writer)
    while True:
        signal.sigwait({signal.SIGCHLD})
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
        except ChildProcessError:
            pass


def _exit_with(main):
    """Ends a forked process with what main() returns, without running what its parent had planned for its own end."""
    status = 1
    try:
        _settle()
        status = main() or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # pylint: disable=broad-except
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
