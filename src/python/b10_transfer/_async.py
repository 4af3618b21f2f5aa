"""Load and save beside other work: an operation of the library as a ``concurrent.futures.Future``.

The library works on threads of its own. Two of ours attend to it, neither of which polls: one sleeps in the library until
the operation ends, without the GIL; the other passes on its log lines, so that no handler of the application ever runs on a
thread that Python does not know. Both are daemons: an operation that still runs when the interpreter exits is cancelled.
"""

from __future__ import annotations

import atexit
import contextvars
import os
import queue
import threading
from concurrent.futures import Future
from typing import Any, Callable, Optional, Set, Tuple, Union

from ._errors import CacheError, OperationStatus
from ._library import Error, LogFunction, Options, Report, library
from ._logging import forward
from ._operations import Outcome, conclude, configured, internal, outcome_of, tell_moved

_running: "Set[OperationFuture]" = set()  # of this process


class OperationFuture(Future):
    """The status of an operation, once it has ended.

    ``cancel()`` also works on a running operation: it asks it to stop and returns True. What came of that is known when
    the operation has ended: it was cancelled (``cancelled()`` is True, ``result()`` raises ``CancelledError``, nothing
    was left behind), or it was past its last point of return and has its status as usual. A future belongs to the process
    that made it; after a fork the child's copy of an unfinished one raises ``CacheError`` (FORKED).
    """

    def __init__(self, name: str, raise_errors: bool) -> None:
        super().__init__()
        self._name = name
        self._raise_errors = raise_errors
        self._pid = os.getpid()
        self._guard = threading.RLock()  # a signal handler may cancel, too
        self._operation: Optional[int] = None  # of the library, while it is not freed
        self._report = Report()
        self._lines: "queue.SimpleQueue[Optional[Tuple[int, bytes]]]" = queue.SimpleQueue()
        # As long as the operation may call it.
        self._log = LogFunction(lambda _user, level, message: self._lines.put((level, message)))
        self._attendant: Optional[threading.Thread] = None

    def cancel(self) -> bool:
        if not self._is_ours():
            return False
        with self._guard:
            if self._operation is None:
                return self.cancelled()
            library.b10_operation_cancel(self._operation)
            return True

    def running(self) -> bool:
        return self._is_ours() and not self.done()

    def result(self, timeout: Optional[float] = None) -> OperationStatus:
        self._require_ours()
        return super().result(timeout)

    def exception(self, timeout: Optional[float] = None) -> Optional[BaseException]:
        self._require_ours()
        return super().exception(timeout)

    def _is_ours(self) -> bool:
        return os.getpid() == self._pid

    def _require_ours(self) -> None:
        if not self._is_ours() and not self.done():
            raise CacheError(f"{self._name}: the operation belongs to the process that started it", "FORKED")

    # ---- its life ----

    def _start(self, function: Callable[..., Optional[int]]) -> None:
        error, options = Error(), Options()
        options.log = self._log

        def begin(config: Any) -> Union[Outcome, int]:
            operation = function(config, options, error)
            return operation if operation else outcome_of(OperationStatus.ERROR.value, error)

        started = configured(begin, error)
        if isinstance(started, Outcome):
            self._end(started)
            return
        self._operation = started
        _running.add(self)
        context = contextvars.copy_context()
        self._attendant = threading.Thread(
            target=context.run, args=(self._attend,), name="b10_transfer", daemon=True
        )
        try:
            self._attendant.start()
        except RuntimeError:  # no more threads, as when the interpreter is shutting down
            self._attendant = None
            self._attend()

    def _attend(self) -> None:
        """Passes on the log, then the outcome."""
        outcomes: "queue.SimpleQueue[Outcome]" = queue.SimpleQueue()

        def wait() -> None:
            error = Error()
            try:
                outcomes.put(outcome_of(library.b10_operation_wait(self._operation, self._report, error), error))
            except BaseException as problem:
                outcomes.put(internal(problem))
            self._lines.put(None)

        waiter = threading.Thread(target=wait, name="b10_transfer wait", daemon=True)
        try:
            waiter.start()
        except RuntimeError:
            wait()
        for line in iter(self._lines.get, None):
            forward(*line)
        with self._guard:
            operation, self._operation = self._operation, None
        library.b10_operation_free(operation)
        if waiter.ident is not None:
            waiter.join()
        try:
            self._end(outcomes.get())
        finally:
            _running.discard(self)

    def _end(self, outcome: Outcome) -> None:
        """Until now the future counted as pending, which alone can become cancelled."""
        if outcome.reason == "CANCELLED":
            super().cancel()
            self.set_running_or_notify_cancel()
            return
        self.set_running_or_notify_cancel()
        try:
            status = conclude(self._name, self._raise_errors, outcome).status
            self.set_result(tell_moved(self._name, status, self._report))
        except BaseException as problem:
            self.set_exception(problem)


def _stop_all() -> None:
    """Before the interpreter goes, which no callback and no thread of ours may outlive."""
    running = list(_running)
    for future in running:
        future.cancel()
    for future in running:
        if future._attendant is not None:
            future._attendant.join()


atexit.register(_stop_all)
os.register_at_fork(after_in_child=_running.clear)


def _started(name: str, raise_errors: bool, function: Callable[..., Optional[int]]) -> "Future[OperationStatus]":
    future = OperationFuture(name, raise_errors)
    try:
        future._start(function)
    except Exception as problem:
        future._end(internal(problem))
    return future


def load_compile_cache_async(*, raise_errors: bool = False) -> "Future[OperationStatus]":
    """As load_compile_cache(), but returns at once; the cache is there when the future's result is.

        loading = load_compile_cache_async()
        model.load_weights()
        loading.result()                # before torch.compile

    ``cancel()`` stops it also while it runs; then ``result()`` raises ``CancelledError``, unless it had ended by then. With
    ``raise_errors=True`` the future raises what load_compile_cache() would. A load that still runs when the interpreter
    exits is cancelled.
    """
    return _started("load_compile_cache", raise_errors, library.b10_load_start)


def save_compile_cache_async(*, raise_errors: bool = False) -> "Future[OperationStatus]":
    """As save_compile_cache(), but returns at once; see load_compile_cache_async(). Wait for it before the process ends: a
    save that still runs when the interpreter exits is cancelled and publishes nothing."""
    return _started("save_compile_cache", raise_errors, library.b10_save_start)
