#!/usr/bin/env python3
"""skips.py BUILD: what the last ctest of a build folder left out, one `test: reason` a line.

ctest itself knows of whole tests only (results.xml); parts that a cmocka or pytest executable skipped stand in the log.
"""

import re
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

SKIPPED_PART = re.compile(r"(?:\[ +SKIPPED \]|SKIPPED(?: \[\d+\])?:?)\s*(.*)")


def parts(log: str):
    """Test name -> what its output says was skipped, for every test in the log."""
    name, found = None, {}
    for line in log.splitlines():
        if match := re.match(r"\d+/\d+ Testing: (.*)", line):
            name = match[1]
            found[name] = []
        elif name and (match := SKIPPED_PART.match(line)):
            if not re.fullmatch(r"\d+ test\(s\).*", match[1]):  # cmocka's summary repeats the names
                found[name].append(match[1])
    return found


def main(build: Path) -> None:
    reasons = parts((build / "Testing/Temporary/LastTest.log").read_text(errors="replace"))
    for case in xml.parse(build / "results.xml").iter("testcase"):
        name = case.get("name")
        if name not in reasons:
            sys.exit(f"skips.py: the log of {build} does not hold {name}: another ctest has written it")
        if case.get("status") not in ("run", "fail"):
            reasons[name] = reasons[name] or ["not run"]
    for name in sorted(reasons):
        for reason in dict.fromkeys(reasons[name]):
            print(f"{name}: {reason}")


main(Path(sys.argv[1]))
