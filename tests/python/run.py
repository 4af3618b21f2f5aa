"""Runs pytest for ctest. 77, with the reason, means skipped: pytest is missing, or every test skipped itself."""

import sys

try:
    import pytest
except ImportError:
    print(f"SKIPPED: pytest is not installed for {sys.executable}")
    sys.exit(77)


class Count:
    skipped = 0
    ran = 0

    def pytest_runtest_logreport(self, report):
        self.skipped += report.skipped
        self.ran += report.when == "call" and not report.skipped

    def pytest_collectreport(self, report):
        self.skipped += report.skipped


count = Count()
status = pytest.main(["-ra", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[count])
if count.skipped and not count.ran and status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
    status = 77
sys.exit(status)
