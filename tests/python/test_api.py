"""The functions that users of the PyPI package know, with the shapes they know."""

import inspect
import os
from enum import Enum

import b10_transfer
import pytest
from b10_transfer import (
    OperationStatus,
    clear_local_cache,
    get_cache_info,
    list_available_caches,
    load_compile_cache,
    save_compile_cache,
    transfer,
)

INFO_KEYS = {
    "environment_key",
    "local_cache_exists",
    "b10fs_enabled",
    "b10fs_cache_exists",
    "local_cache_size_mb",
    "b10fs_cache_size_mb",
}
LIST_KEYS = {"caches", "current_environment", "total_caches", "current_cache_exists", "b10fs_enabled"}
ENTRY_KEYS = {"filename", "environment_key", "size_mb", "is_current_environment", "created_time"}


def test_the_public_names_are_those_of_the_drop_in():
    assert set(b10_transfer.__all__) == {
        "CacheError",
        "CacheOperationInterrupted",
        "CacheValidationError",
        "OperationStatus",
        "clear_local_cache",
        "get_b10_logger",
        "get_cache_info",
        "list_available_caches",
        "load_compile_cache",
        "load_compile_cache_async",
        "save_compile_cache",
        "save_compile_cache_async",
        "save_vllm_compile_cache",
        "transfer",
    }
    assert all(hasattr(b10_transfer, name) for name in b10_transfer.__all__)


def test_the_statuses_are_an_enum_with_the_known_values():
    assert issubclass(OperationStatus, Enum)
    assert [(status.name, status.value) for status in OperationStatus] == [
        ("SUCCESS", 1),
        ("ERROR", 2),
        ("DOES_NOT_EXIST", 3),
        ("SKIPPED", 4),
    ]


def test_every_function_is_called_without_arguments_as_before():
    for function in (load_compile_cache, save_compile_cache, clear_local_cache, get_cache_info, list_available_caches):
        required = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is parameter.empty
        ]
        assert required == []
    assert list(inspect.signature(transfer).parameters)[:2] == ["source", "dest"]


def test_a_saved_cache_comes_back_after_it_was_cleared(host):
    host.fill()
    before = host.content()
    assert save_compile_cache() is OperationStatus.SUCCESS
    assert clear_local_cache() is True
    assert host.content() == {}
    assert load_compile_cache() is OperationStatus.SUCCESS
    assert host.content() == before


def test_load_says_does_not_exist_before_anything_was_saved(host):
    assert load_compile_cache() is OperationStatus.DOES_NOT_EXIST


def test_load_is_skipped_when_the_local_directory_holds_files(host):
    host.fill()
    assert load_compile_cache() is OperationStatus.SKIPPED


def test_save_is_skipped_without_local_files_and_when_saved_already(host):
    assert save_compile_cache() is OperationStatus.SKIPPED
    host.fill()
    assert save_compile_cache() is OperationStatus.SUCCESS
    assert save_compile_cache() is OperationStatus.SKIPPED


def test_load_and_save_are_errors_when_disabled(host, monkeypatch):
    monkeypatch.delenv("BASETEN_FS_ENABLED")
    host.fill()
    assert load_compile_cache() is OperationStatus.ERROR
    assert save_compile_cache() is OperationStatus.ERROR
    assert host.archives() == []


def test_clear_works_when_disabled_and_when_there_is_nothing(host, monkeypatch):
    monkeypatch.delenv("BASETEN_FS_ENABLED")
    assert clear_local_cache() is True
    host.fill()
    assert clear_local_cache() is True
    assert host.content() == {}


def test_clear_returns_false_where_it_refuses(host, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(host.temporary))
    (host.temporary / "precious").write_text("x")
    assert clear_local_cache() is False
    assert (host.temporary / "precious").exists()


@pytest.mark.parametrize("enabled", ["1", "0"])
def test_info_has_the_same_shape_whatever_exists(host, monkeypatch, enabled):
    monkeypatch.setenv("BASETEN_FS_ENABLED", enabled)
    shapes = []
    for prepare in (lambda: None, host.fill, save_compile_cache, clear_local_cache):
        prepare()
        info = get_cache_info()
        assert INFO_KEYS <= set(info)
        shapes.append({key: type(value) for key, value in info.items()})
    assert all(shape == shapes[0] for shape in shapes)
    assert shapes[0]["environment_key"] is str
    assert shapes[0]["local_cache_size_mb"] is float
    assert shapes[0]["b10fs_enabled"] is bool


def test_info_tells_what_is_there(host):
    assert get_cache_info()["local_cache_exists"] is False
    host.fill(files=4, size=512 * 1024)
    info = get_cache_info()
    assert info["local_cache_exists"] is True
    assert info["local_cache_size_mb"] == 2.0
    assert info["local_cache_files"] == 4
    assert info["b10fs_enabled"] is True
    assert info["b10fs_cache_exists"] is False
    assert info["b10fs_cache_size_mb"] == 0.0
    assert info["local_directory"] == str(host.local)
    assert info["shared_directory"] == str(host.shared)

    save_compile_cache()
    info = get_cache_info()
    (archive,) = host.archives()
    assert info["b10fs_cache_exists"] is True
    assert info["b10fs_cache_size_mb"] == archive.stat().st_size / (1024 * 1024)
    assert info["b10fs_cache_files"] == 4
    assert info["archive"] == str(archive)
    assert archive.name == info["environment_key"] + ".v1.tar.zst"


def test_info_tells_the_facts_of_the_key(host):
    info = get_cache_info()
    assert info["detection"] == "cpu"
    assert info["detection_steps"]["cpu"] == "no sign of a GPU"
    assert info["facts"]["device"] == "cpu"
    assert info["facts"]["kind"] == "inductor"
    assert info["facts"]["os"] == "linux"
    assert info["facts"]["arch"] == os.uname().machine
    assert info["facts"]["tag.python"]


def test_info_works_on_the_empty_settings_of_a_bad_one(host, monkeypatch):
    shape = {key: type(value) for key, value in get_cache_info().items()}
    monkeypatch.setenv("MAX_CACHE_SIZE_MB", "many")
    assert {key: type(value) for key, value in get_cache_info().items()} == shape


@pytest.mark.parametrize("variable,value", [("BASETEN_FS_ENABLED", "0"), ("MAX_CACHE_SIZE_MB", "many"), ("X", "1")])
def test_list_has_the_same_shape_when_disabled_wrong_or_empty(host, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    listing = list_available_caches()
    assert set(listing) == LIST_KEYS
    assert listing["caches"] == []
    assert listing["total_caches"] == 0
    assert listing["current_cache_exists"] is False
    assert listing["b10fs_enabled"] is (variable == "X")
    assert isinstance(listing["current_environment"], str)


def test_list_names_every_archive_newest_first(host, monkeypatch):
    host.fill()
    for age, key in ((300, "old"), (200, "newer")):
        monkeypatch.setenv("B10_ENVIRONMENT_KEY", key)
        save_compile_cache()
        archive = host.shared / f"{key}.v1.tar.zst"
        os.utime(archive, (1_700_000_000 - age, 1_700_000_000 - age))
    listing = list_available_caches()
    assert listing["total_caches"] == 2
    assert listing["current_environment"] == "newer"
    assert listing["current_cache_exists"] is True
    assert [entry["environment_key"] for entry in listing["caches"]] == ["newer", "old"]
    assert [entry["is_current_environment"] for entry in listing["caches"]] == [True, False]
    for entry in listing["caches"]:
        assert set(entry) == ENTRY_KEYS
        archive = host.shared / entry["filename"]
        assert entry["size_mb"] == archive.stat().st_size / (1024 * 1024)
        assert entry["created_time"] == archive.stat().st_mtime


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_transfer_copies_a_file_and_makes_its_directories(host, kind):
    source, dest = host.directory / "source", host.directory / "new" / "folder" / "dest"
    source.write_bytes(b"content" * 1000)
    os.utime(source, ns=(1, 1_600_000_000_123_456_789))
    assert transfer(kind(source), kind(dest)) is OperationStatus.SUCCESS
    assert dest.read_bytes() == source.read_bytes()
    assert dest.stat().st_mtime_ns == source.stat().st_mtime_ns
    assert sorted(dest.parent.iterdir()) == [dest]


def test_transfer_replaces_whole_or_not_at_all(host):
    source, dest = host.directory / "source", host.directory / "dest"
    dest.write_text("old")
    assert transfer(source, dest) is OperationStatus.ERROR
    assert dest.read_text() == "old"
    source.write_text("new")
    assert transfer(source, dest) is OperationStatus.SUCCESS
    assert dest.read_text() == "new"


@pytest.mark.parametrize("source,dest", [("a\0b", "c"), (None, "c"), ("a", 7)])
def test_transfer_reports_what_is_no_path(host, source, dest):
    assert transfer(source, dest) is OperationStatus.ERROR


def test_file_names_that_are_no_utf8_survive(host):
    host.fill()
    name = os.fsencode(host.local) + b"/\xff\xfe\n.bin"
    with open(name, "wb") as file:
        file.write(b"odd")
    assert save_compile_cache() is OperationStatus.SUCCESS
    clear_local_cache()
    assert load_compile_cache() is OperationStatus.SUCCESS
    with open(name, "rb") as file:
        assert file.read() == b"odd"


def test_settings_are_read_afresh_by_every_call(host, monkeypatch):
    host.fill()
    monkeypatch.setenv("B10_SAVE_MODE", "never")
    assert save_compile_cache() is OperationStatus.SKIPPED
    monkeypatch.setenv("B10_SAVE_MODE", "if_absent")
    assert save_compile_cache() is OperationStatus.SUCCESS
