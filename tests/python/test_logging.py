"""Log lines of the library are records of the logger b10_transfer; nothing is printed otherwise."""

import logging

import pytest
from b10_transfer import _logging, get_b10_logger, load_compile_cache, save_compile_cache


def test_loggers_are_children_of_one():
    assert get_b10_logger("worker").name == "b10_transfer.worker"
    assert get_b10_logger("model.model").name == "b10_transfer.model.model"
    assert get_b10_logger("b10_transfer").name == "b10_transfer"
    assert get_b10_logger("b10_transfer.cache").name == "b10_transfer.cache"
    assert get_b10_logger("worker").parent is logging.getLogger("b10_transfer")


def test_no_handler_and_no_level_are_imposed():
    logger = get_b10_logger("b10_transfer")
    assert logger.handlers == []
    assert logger.level == logging.NOTSET
    assert logger.propagate is True


@pytest.mark.parametrize(
    "level,expected",
    [(0, logging.ERROR), (1, logging.WARNING), (2, logging.INFO), (3, logging.DEBUG), (9, logging.INFO)],
)
def test_levels_are_mapped(caplog, level, expected):
    caplog.set_level(logging.DEBUG, logger="b10_transfer")
    _logging.forward(level, b"100 % of a line \xff")
    (record,) = caplog.records
    assert record.levelno == expected
    assert record.getMessage() == "100 % of a line \\xff"


def test_a_clamped_setting_warns_through_logging(host, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG, logger="b10_transfer")
    monkeypatch.setenv("MAX_CACHE_SIZE_MB", "999999")
    load_compile_cache()
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len([record for record in warnings if "MAX_CACHE_SIZE_MB" in record.getMessage()]) == 1


def test_the_outcome_is_logged(host, monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger="b10_transfer")
    load_compile_cache()
    assert any("DOES_NOT_EXIST" in record.getMessage() for record in caplog.records)
    caplog.clear()
    host.fill(files=7)
    save_compile_cache()
    (archive,) = host.archives()
    assert any("7 files" in text and str(archive) in text for text in caplog.messages)
    caplog.clear()
    monkeypatch.setenv("MAX_CACHE_SIZE_MB", "plenty")
    load_compile_cache()
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "MAX_CACHE_SIZE_MB" in errors[0] and "plenty" in errors[0]


@pytest.mark.parametrize("level,warnings", [("error", 0), ("warn", 1), ("debug", 1)])
def test_the_log_level_setting_decides_what_the_library_passes_on(host, monkeypatch, caplog, level, warnings):
    caplog.set_level(logging.DEBUG, logger="b10_transfer")
    monkeypatch.setenv("MAX_CACHE_SIZE_MB", "999999")
    monkeypatch.setenv("B10_LOG_LEVEL", level)
    load_compile_cache()
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == warnings


def test_nothing_is_printed_by_a_call_that_works(host):
    result = host.python("import b10_transfer as b; b.load_compile_cache(); b.get_cache_info()")
    assert (result.stdout, result.stderr) == ("", "")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_handler_that_fails_does_not_fail_the_call(host, monkeypatch):
    class Broken(logging.Handler):
        def emit(self, record):
            raise RuntimeError("broken handler")

    logger, handler = get_b10_logger("b10_transfer"), Broken()
    monkeypatch.setenv("MAX_CACHE_SIZE_MB", "999999")
    logger.addHandler(handler)
    try:
        assert load_compile_cache().name == "DOES_NOT_EXIST"
    finally:
        logger.removeHandler(handler)
