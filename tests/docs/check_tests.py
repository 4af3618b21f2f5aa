#!/usr/bin/env python3
"""Every test that a page of docs/ names exists. Usage: check_tests.py CTEST BUILD PAGE…"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

KINDS = "unit|flow|hostile|fault|fuzz|abi|cli|python|examples|env|nvidia|volume|model|docs"
NAME = re.compile(rf"`((?:{KINDS})\.[a-z0-9_]+)(\*?)`")


def list_tests(ctest, build):
    """From a folder of its own: ctest begins a new log wherever it works, also while another one is writing it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "CTestTestfile.cmake").write_text(f'subdirs("{build}")\n')
        return subprocess.run([ctest, "--test-dir", folder, "-N"], check=True, capture_output=True, text=True).stdout


def main():
    ctest, build, *pages = sys.argv[1:]
    listing = list_tests(ctest, build)
    tests = set(re.findall(r"Test +#\d+: (\S+)", listing))
    missing, named = [], 0
    for page in pages:
        for name, star in NAME.findall(Path(page).read_text()):
            named += 1
            if name not in tests and not (star and any(test.startswith(name) for test in tests)):
                missing.append(f"{page}: there is no test {name}{star}")
    print("\n".join(missing) or f"{named} names of tests in {len(pages)} pages")
    return 1 if missing or named < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
