#!/usr/bin/env python3
"""Every test that a page of docs/ names exists. Usage: check_tests.py CTEST BUILD PAGE…"""

import re
import subprocess
import sys
from pathlib import Path

KINDS = "unit|flow|hostile|fault|fuzz|abi|cli|python|examples|env|nvidia|volume|model|docs"
NAME = re.compile(rf"`((?:{KINDS})\.[a-z0-9_]+)(\*?)`")


def main():
    ctest, build, *pages = sys.argv[1:]
    listing = subprocess.run([ctest, "--test-dir", build, "-N"], check=True, capture_output=True, text=True).stdout
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
