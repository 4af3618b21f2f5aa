"""Any thread may call, the others run meanwhile, and Ctrl-C ends a call cleanly."""

import ctypes
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from b10_transfer import (
    OperationStatus,
    _library,
    _operations,
    clear_local_cache,
    get_cache_info,
    load_compile_cache,
    save_compile_cache,
)


def threads_settle_at(count):
    """Whether as many threads remain. A joined thread may be in the kernel's list for some microseconds more."""
    for _ in range(1000):
        if len(os.listdir("/proc/self/task")) == count:
            return True
        time.sleep(0.005)
    return False


def test_calls_from_many_threads_agree(host):
    host.fill(files=20)
    save_compile_cache()
    with ThreadPoolExecutor(8) as pool:
        keys = {info["environment_key"] for info in pool.map(lambda _: get_cache_info(), range(40))}
    assert len(keys) == 1


def test_loads_at_once_install_once(host):
    host.fill(files=50)
    before = host.content()
    save_compile_cache()
    clear_local_cache()
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: load_compile_cache(), range(4)))
    assert OperationStatus.SUCCESS in statuses
    assert set(statuses) <= {OperationStatus.SUCCESS, OperationStatus.SKIPPED}
    assert host.content() == before


def test_no_thread_is_left_behind(host):
    host.fill(files=50)
    get_cache_info()
    names = threading.enumerate()
    assert threads_settle_at(len(names))
    save_compile_cache()
    clear_local_cache()
    load_compile_cache()
    assert threading.enumerate() == names
    assert threads_settle_at(len(names))


def test_the_library_is_called_without_the_gil():
    assert type(_library.library) is ctypes.CDLL
    for name in _library._PROTOTYPES:
        assert not getattr(_library.library, name)._flags_ & 0x4, name  # FUNCFLAG_PYTHONAPI: keeps the GIL


def test_other_threads_run_while_the_library_works(host):
    """With an endless switch interval another thread can only run if the call itself gives the GIL away."""
    host.fill(files=40, size=256 * 1024)
    os.environ["B10_SAVE_MODE"] = "replace"
    moved, stop, ticks = [], threading.Event(), [0]

    def tick():
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0)

    def save():
        error = _library.Error()
        for _ in range(50):
            before = ticks[0]
            _library.library.b10_save(None, None, None, error)
            moved.append(ticks[0] - before)
            if moved[-1]:
                break

    interval = sys.getswitchinterval()
    threads = [threading.Thread(target=tick), threading.Thread(target=save)]
    sys.setswitchinterval(10_000)
    try:
        for thread in threads:
            thread.start()
        threads[1].join()
    finally:
        stop.set()
        threads[0].join()
        sys.setswitchinterval(interval)
        del os.environ["B10_SAVE_MODE"]
    assert moved[-1] > 0


INTERRUPTED = """
import os, signal, threading, time
import b10_transfer
from b10_transfer import _operations

real = _operations.ProgressFunction

def interrupting(progress):
    def wrapped(user, report):
        os.kill(os.getpid(), signal.SIGINT)
        while not progress(user, report):      # until the main thread has noticed
            time.sleep(0.001)
        return 1
    return real(wrapped)

_operations.ProgressFunction = interrupting
try:
    print(b10_transfer.save_compile_cache())
except KeyboardInterrupt:
    print("interrupted", threading.active_count())
_operations.ProgressFunction = real
print(b10_transfer.save_compile_cache().name)
"""


def test_ctrl_c_cancels_the_call_and_then_propagates(host):
    host.fill(files=10, size=1024 * 1024)
    result = host.python(INTERRUPTED)
    assert result.stdout.splitlines() == ["interrupted 1", "SUCCESS"]
    assert result.stderr == ""


def test_an_interrupted_save_leaves_nothing_on_the_volume(host):
    host.fill(files=10, size=1024 * 1024)
    host.python(INTERRUPTED.rsplit("\n", 2)[0])
    assert host.archives() == []


def test_what_a_signal_handler_raises_propagates_too(host):
    host.fill(files=10, size=1024 * 1024)
    handler = "signal.signal(signal.SIGINT, lambda *_: os.sys.exit(7))\n"
    code = INTERRUPTED.replace("real =", handler + "real =", 1)
    result = host.python(code, check=False)
    assert result.returncode == 7
    assert host.archives() == []


def test_a_save_at_exit_works(host):
    host.fill()
    result = host.python(
        "import atexit, b10_transfer as b\natexit.register(lambda: print(b.save_compile_cache().name))\n"
    )
    assert result.stdout.strip() == "SUCCESS"


def test_a_forked_child_can_call_too(host):
    host.fill()
    result = host.python(
        "import os, b10_transfer as b\n"
        "b.get_cache_info()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(b.save_compile_cache().value)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert result.stdout.strip() == "1"


def test_a_context_reaches_the_log_handlers(host, monkeypatch):
    import contextvars
    import logging

    request = contextvars.ContextVar("request", default="none")
    seen = []

    class Handler(logging.Handler):
        def emit(self, record):
            seen.append(request.get())

    logger, handler = _operations._logger, Handler()
    monkeypatch.setenv("MAX_CACHE_SIZE_MB", "999999")
    logger.addHandler(handler)
    token = request.set("42")
    try:
        load_compile_cache()
    finally:
        request.reset(token)
        logger.removeHandler(handler)
    assert seen and set(seen) == {"42"}
