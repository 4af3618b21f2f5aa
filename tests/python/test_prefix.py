"""The path of this Python environment is recorded in what is saved."""

import json
import os
import subprocess
import sys

import pytest
from b10_transfer import OperationStatus, _launcher, _prefix, _tags, save_compile_cache

HERE = "/somewhere/else"


def recorded_differences():
    """What `key --explain` tells of the one archive, seen from another environment."""
    environment = {**os.environ, _prefix.VARIABLE: HERE, _tags.VARIABLE: _tags.merged()}
    result = subprocess.run(
        [_launcher.PACKAGE / "b10-compile-cache", "key", "--explain", "--json"],
        env=environment,
        capture_output=True,
        check=True,
        timeout=60,
    )
    (comparison,) = json.loads(result.stdout)["comparisons"]
    assert comparison["match"] == "EXACT"
    return [line for line in comparison["recorded"] if line.startswith(_prefix.VARIABLE)]


def test_a_save_records_sys_prefix(host):
    host.fill()
    assert save_compile_cache() is OperationStatus.SUCCESS
    assert recorded_differences() == [f"{_prefix.VARIABLE}: '{os.path.normpath(sys.prefix)}' there, '{HERE}' here"]


def test_the_command_records_sys_prefix(host):
    host.fill()
    subprocess.run([sys.executable, "-m", "b10_transfer._launcher", "save"], check=True, timeout=60)
    assert recorded_differences() == [f"{_prefix.VARIABLE}: '{os.path.normpath(sys.prefix)}' there, '{HERE}' here"]


def test_an_environment_that_is_activated_does_not_hide_the_one_that_runs(host, monkeypatch):
    monkeypatch.setenv("VIRTUAL_ENV", HERE)
    host.fill()
    assert save_compile_cache() is OperationStatus.SUCCESS
    assert len(recorded_differences()) == 1


@pytest.mark.parametrize("value,told", [("/opt/venv", "'/opt/venv'"), ("", "none")])
def test_what_the_user_set_wins(host, monkeypatch, value, told):
    monkeypatch.setenv(_prefix.VARIABLE, value)
    host.fill()
    assert save_compile_cache() is OperationStatus.SUCCESS
    assert recorded_differences() == [f"{_prefix.VARIABLE}: {told} there, '{HERE}' here"]


@pytest.mark.parametrize("prefix", ["", "relative"])
def test_a_prefix_that_is_no_path_is_not_told(host, monkeypatch, prefix):
    monkeypatch.setattr(sys, "prefix", prefix)
    assert _prefix.detected() is None
    host.fill()
    assert save_compile_cache() is OperationStatus.SUCCESS
