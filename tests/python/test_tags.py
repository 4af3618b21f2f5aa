"""Versions become part of the key, without importing what they are versions of."""

import sys

import pytest
from b10_transfer import _tags, get_cache_info

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def distributions(monkeypatch):
    """A dict that stands for the installed distributions."""
    installed = {}

    def version(name):
        if name not in installed:
            raise _tags.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(_tags.metadata, "version", version)
    monkeypatch.delenv(_tags.VARIABLE, raising=False)
    _tags._detected.cache_clear()
    yield installed
    _tags._detected.cache_clear()


def test_python_alone_is_a_tag_where_nothing_is_installed(distributions):
    assert _tags.detected() == {"python": PYTHON}


def test_torch_and_triton_are_found(distributions):
    distributions.update({"torch": "2.13.0+cpu", "triton": "3.9.0"})
    assert _tags.detected() == {"python": PYTHON, "torch": "2.13.0+cpu", "triton": "3.9.0"}


def test_a_nightly_triton_has_another_distribution_name(distributions):
    distributions["pytorch-triton"] = "3.10.0+gitabc"
    assert _tags.detected()["triton"] == "3.10.0+gitabc"


@pytest.mark.parametrize(
    "version,tag", [("1!2.0", "1_2.0"), ("2.0 local", "2.0_local"), ("1" * 100, "1" * 64), ("2,3=4", "2_3_4")]
)
def test_a_version_never_breaks_the_rule_for_tags(distributions, version, tag):
    distributions["torch"] = version
    assert _tags.detected()["torch"] == tag
    assert _tags.parse(_tags.merged())["torch"] == tag


@pytest.mark.parametrize("version", [None, ""])
def test_damaged_metadata_is_no_version(distributions, version):
    distributions["torch"] = version
    assert "torch" not in _tags.detected()


def test_what_the_user_set_wins_and_adds(distributions, monkeypatch):
    distributions["torch"] = "2.13.0"
    monkeypatch.setenv(_tags.VARIABLE, "torch=mine,model=flux")
    assert _tags.merged() == f"model=flux,python={PYTHON},torch=mine"


@pytest.mark.parametrize("value", ["torch", "=1", "torch=", "Torch=1", "a=1,a=2", "a=1,", ",", "a=b c", "a=é"])
def test_an_invalid_value_is_left_to_the_library(distributions, monkeypatch, value):
    monkeypatch.setenv(_tags.VARIABLE, value)
    assert _tags.merged() is None


def test_the_tags_are_facts_of_the_key(host, distributions, monkeypatch):
    plain = get_cache_info()
    distributions["torch"] = "2.13.0+cpu"
    _tags._detected.cache_clear()
    tagged = get_cache_info()
    assert tagged["facts"]["tag.torch"] == "2.13.0+cpu"
    assert tagged["facts"]["tag.python"] == PYTHON
    assert tagged["environment_key"] != plain["environment_key"]
    monkeypatch.setenv(_tags.VARIABLE, "torch=2.14.0")
    assert get_cache_info()["facts"]["tag.torch"] == "2.14.0"


def test_torch_is_never_imported(host):
    result = host.python(
        "import sys, b10_transfer as b\n"
        "b.get_cache_info(); b.load_compile_cache(); b.save_compile_cache()\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'triton', 'numpy')])\n"
    )
    assert result.stdout.strip() == "[]"


def test_the_environment_of_the_process_is_left_alone(host):
    import os

    before = dict(os.environ)
    get_cache_info()
    assert dict(os.environ) == before
