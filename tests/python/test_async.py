"""Load and save as futures: beside other work, cancelled, failed, forked, and when the interpreter ends first."""

import asyncio
import concurrent.futures
import logging
import os
import threading
import time

import pytest
from b10_transfer import (
    CacheValidationError,
    OperationStatus,
    clear_local_cache,
    load_compile_cache,
    load_compile_cache_async,
    save_compile_cache,
    save_compile_cache_async,
)
from test_threads import threads_settle_at

SLOW = {"B10_COMPRESSION_LEVEL": "13", "B10_THREADS": "1"}  # many seconds for what fill_slow() makes; a frame takes 0.2


def fill_slow(host, monkeypatch):
    for name, value in SLOW.items():
        monkeypatch.setenv(name, value)
    host.local.mkdir(parents=True, exist_ok=True)
    text = b"".join(b"%d %d\n" % (number, number * number) for number in range(200_000))
    for number in range(30):
        (host.local / f"k{number}").write_bytes(b"%d" % number + text)


def attendants_are_gone():
    """A result is there a moment before the threads that brought it have ended."""
    for _ in range(1000):
        if not any(thread.name.startswith("b10_transfer") for thread in threading.enumerate()):
            return True
        time.sleep(0.005)
    return False


def test_a_saved_cache_comes_back(host):
    host.fill()
    before = host.content()
    saving = save_compile_cache_async()
    assert isinstance(saving, concurrent.futures.Future)
    assert saving.result(60) is OperationStatus.SUCCESS
    clear_local_cache()
    assert load_compile_cache_async().result(60) is OperationStatus.SUCCESS
    assert host.content() == before


def test_the_statuses_are_those_of_the_calls_that_wait(host):
    assert load_compile_cache_async().result(60) is OperationStatus.DOES_NOT_EXIST
    assert save_compile_cache_async().result(60) is OperationStatus.SKIPPED
    host.fill()
    assert load_compile_cache_async().result(60) is OperationStatus.SKIPPED


def test_the_caller_goes_on_while_it_works(host, monkeypatch):
    fill_slow(host, monkeypatch)
    saving = save_compile_cache_async()
    assert saving.running() and not saving.done()
    with pytest.raises(concurrent.futures.TimeoutError):
        saving.result(0.05)
    assert saving.cancel()
    assert concurrent.futures.wait([saving], 30).done == {saving}


def test_cancel_stops_a_running_operation_which_leaves_nothing(host, monkeypatch):
    fill_slow(host, monkeypatch)
    told = []
    saving = save_compile_cache_async(raise_errors=True)
    saving.add_done_callback(told.append)
    assert saving.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        saving.result(30)
    assert saving.cancelled() and saving.done() and not saving.running()
    assert saving.cancel()  # still true
    assert told == [saving]
    assert host.archives() == []


def test_cancel_of_an_ended_operation_changes_nothing(host):
    host.fill()
    saving = save_compile_cache_async()
    assert saving.result(60) is OperationStatus.SUCCESS
    assert saving.cancel() is False
    assert saving.result() is OperationStatus.SUCCESS and not saving.cancelled()


def test_asyncio_can_wait_for_it_and_cancel_it(host, monkeypatch):
    host.fill()

    async def save():
        return await asyncio.wrap_future(save_compile_cache_async())

    assert asyncio.run(save()) is OperationStatus.SUCCESS

    async def cancel():
        monkeypatch.setenv("B10_SAVE_MODE", "replace")
        saving = save_compile_cache_async()
        waiting = asyncio.wrap_future(saving)
        waiting.cancel()
        await asyncio.sleep(0)  # asyncio hands it on in its next round
        concurrent.futures.wait([saving], 30)
        return saving

    fill_slow(host, monkeypatch)
    assert asyncio.run(cancel()).cancelled()


def test_errors_are_a_status_or_an_exception_as_asked(host, monkeypatch):
    monkeypatch.setenv("MAX_CACHE_SIZE_MB", "many")
    host.fill()
    assert save_compile_cache_async().result(60) is OperationStatus.ERROR
    saving = save_compile_cache_async(raise_errors=True)
    with pytest.raises(CacheValidationError, match="MAX_CACHE_SIZE_MB") as raised:
        saving.result(60)
    assert raised.value.reason == "CONFIG"
    assert saving.exception() is raised.value


def test_what_cannot_even_start_is_told_by_the_future(host, monkeypatch):
    monkeypatch.setenv("B10_CACHE_TAGS", "no tag")
    with pytest.raises(CacheValidationError, match="B10_CACHE_TAGS"):
        load_compile_cache_async(raise_errors=True).result(60)
    assert load_compile_cache_async().result(60) is OperationStatus.ERROR


def test_the_log_goes_through_logging_on_a_thread_that_python_knows(host, monkeypatch, caplog):
    monkeypatch.setenv("B10_LOG_LEVEL", "debug")
    caplog.set_level(logging.DEBUG, "b10_transfer")
    host.fill()
    save_compile_cache_async().result(60)
    clear_local_cache()
    caplog.clear()
    load_compile_cache_async().result(60)
    assert any("files of" in record.getMessage() for record in caplog.records)
    assert {record.threadName for record in caplog.records} <= {"b10_transfer"}


def test_many_at_once_and_no_thread_is_left_behind(host):
    host.fill(files=20)
    save_compile_cache()
    clear_local_cache()
    assert attendants_are_gone()
    names = threading.enumerate()
    assert threads_settle_at(len(names))
    statuses = [future.result(60) for future in [load_compile_cache_async() for _ in range(8)]]
    assert OperationStatus.SUCCESS in statuses
    assert set(statuses) <= {OperationStatus.SUCCESS, OperationStatus.SKIPPED}
    assert attendants_are_gone()
    assert threads_settle_at(len(names))
    assert threading.enumerate() == names


EXITS = """
import sys, threading, time
import b10_transfer
future = b10_transfer.save_compile_cache_async()
time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 0.3)
assert future.running()
"""


@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "raise KeyboardInterrupt", "del future"])
def test_the_interpreter_may_exit_first(host, monkeypatch, ending):
    fill_slow(host, monkeypatch)
    started = time.monotonic()
    result = host.python(EXITS + ending, check=False, B10_LOG_LEVEL="debug", **SLOW)
    assert time.monotonic() - started < 20
    expected = {"sys.exit(3)": 3, "raise KeyboardInterrupt": -2}.get(ending, 0)
    assert result.returncode == expected, result.stderr
    assert "Fatal" not in result.stderr
    assert host.archives() == []


FORKS = """
import os, sys
import b10_transfer
future = b10_transfer.save_compile_cache_async()
child = os.fork()
if child == 0:
    try:
        future.result(5)
    except b10_transfer.CacheError as error:
        forked = error.reason == "FORKED" and not future.cancel() and not future.running()
    os.environ.update(B10_COMPRESSION_LEVEL="1", B10_THREADS="0", B10FS_CACHE_DIR=os.environ["OTHER"])
    statuses = b10_transfer.save_compile_cache(), b10_transfer.save_compile_cache_async().result(60)
    sys.exit(7 if forked and [status.name for status in statuses] == ["SUCCESS", "SKIPPED"] else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), future.running())
future.cancel()
"""


def test_a_forked_child_can_use_the_module_but_not_its_parents_futures(host, monkeypatch):
    fill_slow(host, monkeypatch)
    result = host.python(FORKS, OTHER=str(host.mount / "other"), **SLOW)
    assert result.stdout == "7 True\n", result.stderr


def test_a_load_that_waits_sees_what_one_beside_it_installed(host):
    host.fill()
    save_compile_cache()
    clear_local_cache()
    loading = load_compile_cache_async()
    assert {loading.result(60), load_compile_cache()} <= {OperationStatus.SUCCESS, OperationStatus.SKIPPED}
    assert os.listdir(host.local)
