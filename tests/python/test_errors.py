"""Classic calls never raise; with raise_errors=True every ERROR does, with its reason."""

import os

import b10_transfer
import pytest
from b10_transfer import (
    CacheError,
    CacheOperationInterrupted,
    CacheValidationError,
    OperationStatus,
    load_compile_cache,
    save_compile_cache,
)
from b10_transfer._errors import error_for


def test_a_bad_setting_crashes_no_import_and_is_named(host):
    result = host.python(
        "import b10_transfer as b\n"
        "print(b.load_compile_cache().name, b.save_compile_cache().name)\n"
        "try:\n"
        "    b.load_compile_cache(raise_errors=True)\n"
        "except b.CacheValidationError as error:\n"
        "    print(error.reason, error)\n",
        MAX_CACHE_SIZE_MB="plenty",
    )
    first, second = result.stdout.splitlines()
    assert first == "ERROR ERROR"
    assert second.startswith("CONFIG ")
    assert "MAX_CACHE_SIZE_MB" in second and "plenty" in second


@pytest.mark.parametrize(
    "variable,value",
    [
        ("BASETEN_FS_ENABLED", "perhaps"),
        ("TORCHINDUCTOR_CACHE_DIR", "/etc/cache"),
        ("B10FS_CACHE_DIR", "relative"),
        ("LOCAL_WORK_DIR", "/usr/work"),
        ("B10_SAVE_MODE", "sometimes"),
        ("B10_LOAD_MODE", "sometimes"),
        ("B10_CACHE_TAGS", "no equals sign"),
        ("B10_CACHE_TAGS", "torch=1,torch=2"),
        ("B10_COMPRESSION_LEVEL", "20"),
        ("B10_THREADS", "-1"),
        ("B10_ENVIRONMENT_KEY", "../key"),
        ("B10_LOG_LEVEL", "loud"),
    ],
)
def test_every_bad_setting_is_a_validation_error(host, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(CacheValidationError) as caught:
        load_compile_cache(raise_errors=True)
    assert caught.value.reason == "CONFIG"
    assert variable in str(caught.value) and value in str(caught.value)
    assert load_compile_cache() is OperationStatus.ERROR


def test_disabled_is_a_cache_error_whatever_else_is_wrong(host, monkeypatch):
    monkeypatch.setenv("BASETEN_FS_ENABLED", "0")
    monkeypatch.setenv("MAX_CACHE_SIZE_MB", "plenty")
    monkeypatch.setenv("B10_CACHE_TAGS", "broken")
    with pytest.raises(CacheError) as caught:
        save_compile_cache(raise_errors=True)
    assert caught.value.reason == "DISABLED"
    assert type(caught.value) is CacheError


def test_too_little_space_is_an_interruption(host, monkeypatch):
    host.fill()
    monkeypatch.setenv("MIN_B10FS_SPACE_MB", "1000000000")
    with pytest.raises(CacheOperationInterrupted) as caught:
        save_compile_cache(raise_errors=True)
    assert caught.value.reason == "NO_SPACE"
    assert host.archives() == []


def test_an_archive_beyond_the_limit_is_a_cache_error(host, monkeypatch):
    host.fill(files=3, size=1024 * 1024)
    monkeypatch.setenv("MAX_CACHE_SIZE_MB", "1")
    with pytest.raises(CacheError) as caught:
        save_compile_cache(raise_errors=True)
    assert caught.value.reason == "TOO_LARGE"
    assert host.archives() == []


def test_a_damaged_archive_is_a_cache_error_and_the_next_save_repairs_it(host):
    host.fill()
    save_compile_cache()
    (archive,) = host.archives()
    with open(archive, "r+b") as file:
        file.seek(100)
        byte = file.read(1)
        file.seek(100)
        file.write(bytes([byte[0] ^ 1]))
    b10_transfer.clear_local_cache()
    with pytest.raises(CacheError) as caught:
        load_compile_cache(raise_errors=True)
    assert caught.value.reason == "CORRUPT"
    host.fill()
    assert save_compile_cache() is OperationStatus.SUCCESS


def test_only_errors_raise(host):
    assert load_compile_cache(raise_errors=True) is OperationStatus.DOES_NOT_EXIST
    assert save_compile_cache(raise_errors=True) is OperationStatus.SKIPPED
    assert b10_transfer.clear_local_cache(raise_errors=True) is True


@pytest.mark.parametrize("function", ["get_cache_info", "list_available_caches", "clear_local_cache"])
def test_the_other_calls_raise_on_request_too(host, monkeypatch, function):
    monkeypatch.setenv("B10_CACHE_TAGS", "broken")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "relative/path")
    with pytest.raises(CacheValidationError):
        getattr(b10_transfer, function)(raise_errors=True)


def test_transfer_of_a_missing_file_names_it(host):
    with pytest.raises(CacheError) as caught:
        b10_transfer.transfer(host.directory / "missing", host.directory / "dest", raise_errors=True)
    assert caught.value.reason == "ABSENT"
    assert str(host.directory / "missing") in caught.value.message


def test_both_special_errors_are_cache_errors():
    assert issubclass(CacheValidationError, CacheError)
    assert issubclass(CacheOperationInterrupted, CacheError)
    assert issubclass(CacheError, Exception)


@pytest.mark.parametrize(
    "reason,kind",
    [
        ("CONFIG", CacheValidationError),
        ("UNSAFE", CacheValidationError),
        ("NO_SPACE", CacheOperationInterrupted),
        ("CORRUPT", CacheError),
        ("IO", CacheError),
        ("DISABLED", CacheError),
    ],
)
def test_each_reason_has_its_exception(reason, kind):
    error = error_for(reason, "message")
    assert type(error) is kind
    assert (error.reason, error.message, str(error)) == (reason, "message", "message")


def test_an_error_can_be_made_and_pickled_by_hand():
    import pickle

    error = pickle.loads(pickle.dumps(CacheValidationError("wrong", "UNSAFE")))
    assert (str(error), error.reason) == ("wrong", "UNSAFE")
    assert CacheError("text").reason == "INTERNAL"


def test_a_missing_library_is_an_import_error_that_says_where_it_was_looked_for(tmp_path):
    import shutil
    import subprocess
    import sys
    from pathlib import Path

    package = tmp_path / "b10_transfer"
    package.mkdir()
    for source in Path(b10_transfer.__file__).parent.glob("*.py"):
        shutil.copy(source, package)
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    result = subprocess.run(
        [sys.executable, "-c", "import b10_transfer"],
        env={**environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    if result.returncode == 0:
        pytest.skip("libb10transfer is installed system-wide, so it is found")
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: cannot load libb10transfer.so.0")
    assert str(package) in last and "system's loader" in last


def test_a_library_that_cannot_be_loaded_is_named(tmp_path):
    import shutil
    import subprocess
    import sys
    from pathlib import Path

    package = tmp_path / "b10_transfer"
    package.mkdir()
    for source in Path(b10_transfer.__file__).parent.glob("*.py"):
        shutil.copy(source, package)
    (package / "libb10transfer.so.0").write_text("not a library")
    result = subprocess.run(
        [sys.executable, "-c", "import b10_transfer"],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "LD_LIBRARY_PATH": ""},
        capture_output=True,
        text=True,
    )
    if result.returncode == 0:
        pytest.skip("libb10transfer is installed system-wide, so it is found")
    assert str(package / "libb10transfer.so.0") in result.stderr.strip().splitlines()[-1]
