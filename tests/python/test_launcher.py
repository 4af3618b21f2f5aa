"""The console command of pip: the native command with the tags of this interpreter."""

import json
import os
import subprocess
import sys

import pytest
from b10_transfer import _launcher, _tags, get_cache_info


def launch(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "b10_transfer._launcher", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def executed(monkeypatch):
    """What the launcher would have executed: (path, arguments, tags)."""
    calls = []

    def execv(path, arguments):
        calls.append((path, arguments, os.environ.get(_tags.VARIABLE)))

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(sys, "argv", ["/venv/bin/b10-compile-cache", "info", "--json"])
    monkeypatch.setenv(_tags.VARIABLE, "")
    return calls


def test_it_executes_the_native_command_beside_the_module(executed):
    _launcher.main()
    ((path, arguments, _),) = executed
    assert os.path.dirname(path) == os.path.dirname(_launcher.__file__)
    assert os.access(path, os.X_OK)
    assert arguments == ["b10-compile-cache", "info", "--json"]


def test_it_sets_the_detected_tags(executed):
    _launcher.main()
    assert executed[0][2] == _tags.merged()


def test_explicit_tags_win(executed, monkeypatch):
    monkeypatch.setenv(_tags.VARIABLE, "python=mine,model=flux")
    _launcher.main()
    tags = _tags.parse(executed[0][2])
    assert tags["python"] == "mine" and tags["model"] == "flux"


def test_invalid_tags_are_passed_through(executed, monkeypatch):
    monkeypatch.setenv(_tags.VARIABLE, "not a tag")
    _launcher.main()
    assert executed[0][2] == "not a tag"


def test_the_command_and_the_module_name_the_same_archive(host):
    result = launch("info", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["environment_key"] == get_cache_info()["environment_key"]


def test_invalid_tags_are_reported_by_the_native_command(host):
    result = launch("info", B10_CACHE_TAGS="not a tag")
    assert result.returncode != 0
    assert "B10_CACHE_TAGS" in result.stderr and "not a tag" in result.stderr


def test_the_exit_code_is_that_of_the_native_command(host):
    assert launch("load").returncode == subprocess.run([_launcher.PACKAGE / "b10-compile-cache", "load"]).returncode
    assert launch("no-such-subcommand").returncode != 0


def test_a_missing_native_command_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(_launcher, "PACKAGE", tmp_path)
    monkeypatch.setenv(_tags.VARIABLE, "")
    with pytest.raises(SystemExit) as caught:
        _launcher.main()
    assert str(tmp_path / "b10-compile-cache") in str(caught.value)
