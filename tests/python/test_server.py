"""save_vllm_compile_cache: beside a server that compiles before it answers."""

import http.server
import logging
import shutil
import threading
import time

import b10_transfer
import pytest
from b10_transfer import OperationStatus


class Server:
    """Answers 503 while it "compiles" into the host's cache, then 200."""

    def __init__(self, host, files, seconds):
        ready = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if ready.is_set() else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        def compile_model():
            for number in range(files):
                path = host.local / f"d{number}" / "kernel.bin"
                if not path.exists():
                    time.sleep(seconds / files)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(bytes([number]) * 1000)
            ready.set()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1/models"
        self.threads = [threading.Thread(target=target) for target in (compile_model, self.server.serve_forever)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def flow(host, monkeypatch):
    """Runs the flow beside such a server; returns its report."""
    monkeypatch.setenv("B10_TRANSFER_INTERVAL_S", "1")
    monkeypatch.setenv("B10_CACHE_ROOTS", "none")
    monkeypatch.setenv("VLLM_CACHE_ROOT", str(host.local))

    def run(files=5, seconds=0.5):
        report = {"left": "over"}
        with Server(host, files, seconds) as server:
            monkeypatch.setenv("B10_TRANSFER_VLLM_URL", server.url)
            assert b10_transfer.save_vllm_compile_cache(report=report) is None
        return report

    return run


def test_the_first_replica_is_cold_the_next_one_warm(host, flow, caplog):
    with caplog.at_level(logging.INFO, "b10_transfer"):
        cold = flow()
    assert (cold["status"], cold["warmth"], cold["ready"]) == ("SUCCESS", "cold", True)
    assert cold["load"]["reason"] == "ABSENT"
    assert (cold["save"]["files"], cold["new_files"]) == (5, 5)
    assert "left" not in cold
    assert any("the server is ready" in message for message in caplog.messages)
    assert len(host.archives()) == 1

    shutil.rmtree(host.local)
    warm = flow()
    assert (warm["status"], warm["reason"], warm["warmth"]) == ("SKIPPED", "ALREADY_SAVED", "warm")
    assert warm["verdict"] == "warm: 5 of 5 files from the cache"
    assert (warm["load"]["status"], warm["load"]["files"]) == ("SUCCESS", 5)


def test_a_server_that_never_comes_is_logged_and_ends_nothing(host, monkeypatch, caplog):
    monkeypatch.setenv("B10_TRANSFER_VLLM_URL", "http://127.0.0.1:1/")
    monkeypatch.setenv("B10_TRANSFER_TIMEOUT_S", "1")
    assert b10_transfer.save_vllm_compile_cache() is None
    assert any("TIMEOUT" in message and "refused" in message for message in caplog.messages)
    report = {}
    with pytest.raises(b10_transfer.CacheError):
        b10_transfer.save_vllm_compile_cache(report=report, raise_errors=True)
    assert (report["reason"], report["save"]) == ("TIMEOUT", None)
    assert host.archives() == []


def test_off_is_said_at_once(host, monkeypatch):
    monkeypatch.setenv("BASETEN_FS_ENABLED", "0")
    report = {}
    b10_transfer.save_vllm_compile_cache(report=report)
    assert (report["status"], report["reason"]) == (OperationStatus.ERROR.name, "DISABLED")


def test_an_interrupt_ends_the_waiting(host):
    done = host.python(
        "import os, signal, threading, b10_transfer\n"
        "threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        "    b10_transfer.save_vllm_compile_cache()\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n",
        B10_TRANSFER_VLLM_URL="http://127.0.0.1:1/",
    )
    assert done.stdout == "interrupted\n"
