"""The ctypes definitions are those of the header."""

import ctypes
import shutil
import subprocess

import pytest
from b10_transfer import _library
from conftest import ROOT

STRUCTS = {
    "b10_error": _library.Error,
    "b10_report": _library.Report,
    "b10_serve_report": _library.ServeReport,
    "b10_cache_info": _library.CacheInfo,
    "b10_cache_entry": _library.CacheEntry,
    "b10_cache_list": _library.CacheList,
    "b10_progress": _library.Progress,
    "b10_options": _library.Options,
}


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """What a C compiler says: {"b10_error": (sizeof,), "b10_error.code": (offset, size), ...}."""
    directory = tmp_path_factory.mktemp("layout")
    lines = []
    for name, struct in STRUCTS.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        for field in struct._fields_:
            lines.append(
                f'printf("{name}.{field[0]} %zu %zu\\n", offsetof({name}, {field[0]}), '
                f"sizeof((({name} *)0)->{field[0]}));"
            )
    for name in ("OperationStatus", "b10_reason", "b10_log_level"):
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
    for name in ("SUCCESS", "ERROR", "DOES_NOT_EXIST", "SKIPPED"):
        lines.append(f'printf("B10_{name} %d\\n", (int)B10_{name});')
    for name in ("ERROR", "WARN", "INFO", "DEBUG"):
        lines.append(f'printf("B10_LOG_{name} %d\\n", (int)B10_LOG_{name});')
    source = directory / "layout.c"
    source.write_text(
        "#include <stdio.h>\n#include <b10transfer.h>\nint main(void)\n{\n" + "\n".join(lines) + "\n}\n"
    )
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    subprocess.run(
        [compiler, "-std=c99", f"-I{ROOT / 'include'}", str(source), "-o", str(directory / "layout")],
        check=True,
    )
    output = subprocess.run([str(directory / "layout")], check=True, capture_output=True, text=True).stdout
    return {line.split()[0]: tuple(map(int, line.split()[1:])) for line in output.splitlines()}


@pytest.mark.parametrize("name", STRUCTS)
def test_every_struct_is_laid_out_as_in_the_header(layout, name):
    struct = STRUCTS[name]
    assert (ctypes.sizeof(struct),) == layout[name]
    for field in struct._fields_:
        descriptor = getattr(struct, field[0])
        assert (descriptor.offset, descriptor.size) == layout[f"{name}.{field[0]}"], field[0]


@pytest.mark.parametrize("name", ["OperationStatus", "b10_reason", "b10_log_level"])
def test_an_enum_is_as_wide_as_a_ctypes_int(layout, name):
    assert layout[name] == (ctypes.sizeof(ctypes.c_int),)


def test_statuses_have_the_values_of_the_header(layout):
    from b10_transfer import OperationStatus

    assert {status.name: (status.value,) for status in OperationStatus} == {
        name: layout[f"B10_{name}"] for name in ("SUCCESS", "ERROR", "DOES_NOT_EXIST", "SKIPPED")
    }


def test_log_levels_have_the_values_of_the_header(layout):
    from b10_transfer import _logging

    order = [layout[f"B10_LOG_{name}"][0] for name in ("ERROR", "WARN", "INFO", "DEBUG")]
    assert order == list(_logging._LEVELS)


def test_the_version_is_that_of_the_library():
    import b10_transfer

    assert b10_transfer.__version__ == _library.library.b10_version().decode()
    assert f"VERSION {b10_transfer.__version__} " in (ROOT / "CMakeLists.txt").read_text()
